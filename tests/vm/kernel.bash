# SPDX-License-Identifier: GPL-2.0-only
#
# Which kernels there are, and where the cache holds them. Sourced by run and fetch.
#
# KERNELS/SUITE/VERSION/{vmlinux,config,release,lib/modules/RELEASE} is complete once it exists.
# A cached kernel is used as long as it is there: remove it to have a newer one fetched.

MATRIX=(5.10 6.1 6.12 newest)
CACHE=${PINSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pinscope}
KERNELS=$CACHE/kernels

# die STATUS MESSAGE
die() {
	local status=$1
	shift
	echo "vm: $*" >&2
	exit "$status"
}

# need PROGRAM=PACKAGE...
need() {
	local pair
	for pair; do
		type -P "${pair%=*}" >/dev/null ||
			die 122 "${pair%=*} is not installed: install package ${pair#*=}, or run make deps"
	done
}

# kernel_spec KERNEL: print "SUITE PREFIX".
kernel_spec() {
	local kernel=$1
	case $kernel in
	5.10) echo bullseye 5.10 ;;
	6.1) echo bookworm 6.1 ;;
	6.12) echo trixie 6.12 ;;
	newest) echo unstable '' ;;
	*[!a-z0-9./~+-]* | */*/* | [!a-z]* | */[!0-9]* | */) false ;;
	*/*) echo "${kernel%/*}" "${kernel#*/}" ;;
	*) false ;;
	esac || die 2 "there is no kernel '$kernel': give one of ${MATRIX[*]}, or SUITE/VERSION as in trixie-backports/6.16"
}

# highest PREFIX: of the lines "VERSION ..." on stdin, the one with the highest version that
# has the prefix. 6.1 is not the beginning of 6.12.
highest() {
	local prefix=$1
	awk -v p="$prefix" 'p == "" || index($1, p) == 1 && substr($1, length(p) + 1) !~ /^[0-9]/' |
		sort -V | tail -n 1
}

# kernel_cached SUITE PREFIX: print the directory of the best cached kernel; nothing if none.
kernel_cached() {
	local suite=$1 prefix=$2 version
	version=$({ ls "$KERNELS/$suite" 2>/dev/null || true; } | highest "$prefix")
	[[ -z $version ]] || echo "$KERNELS/$suite/$version"
}

# kernel_dir KERNEL: print the directory of a kernel, fetched if need be.
kernel_dir() {
	local spec suite prefix dir
	spec=$(kernel_spec "$1")
	read -r suite prefix <<<"$spec"
	dir=$(kernel_cached "$suite" "$prefix")
	if [[ -z $dir ]]; then
		"$VM/fetch" "$suite" "$prefix" >&2
		dir=$(kernel_cached "$suite" "$prefix")
	fi
	echo "$dir"
}
