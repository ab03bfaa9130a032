# SPDX-License-Identifier: GPL-2.0-only
#
# Find a kernel in the cache, or fetch it: Debian packages, verified by apt against
# Debian's own keyring, unpacked and never installed. Sourced by run; needs `die`.
#
# kernels/SUITE/VERSION/{vmlinuz,config,release,lib/modules/RELEASE} is complete whenever it exists.

KERNELS=${PINSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pinscope}/kernels
MATRIX=(5.10 6.1 6.12 newest)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The drivers worth keeping for a machine without hardware, and the virtual ones in their own directory.
DRIVERS='block|char|dax|md|net|nvdimm|nvme|scsi|vhost|virtio'
VIRTUAL='bonding|ipvlan|macsec|netdevsim|ovpn|ppp|team|vxlan|wireguard'

# kernel_spec KERNEL: print "SUITE PREFIX".
kernel_spec() {
	local kernel=$1
	case $kernel in
	5.10) echo bullseye 5.10 ;;
	6.1) echo bookworm 6.1 ;;
	6.12) echo trixie 6.12 ;;
	newest) echo unstable '' ;;
	?*/[0-9]*) echo "${kernel%%/*}" "${kernel#*/}" ;;
	*) die 2 "cannot tell which kernel '$kernel' is: give ${MATRIX[*]} or SUITE/VERSION" ;;
	esac
}

# highest PREFIX: of "VERSION..." lines on stdin, the one with the highest version that
# has the prefix (6.1 is not the beginning of 6.12).
highest() {
	local prefix=$1
	awk -v p="$prefix" 'index($1, p) == 1 && substr($1, length(p) + 1) !~ /^[0-9]/ || p == ""' |
		sort -V | tail -n 1
}

# kernel_cached SUITE PREFIX: print the directory of the best cached kernel, nothing if none.
kernel_cached() {
	local suite=$1 prefix=$2 version
	version=$({ ls "$KERNELS/$suite" 2>/dev/null || true; } | highest "$prefix")
	[[ -z $version ]] || echo "$KERNELS/$suite/$version"
}

# kernel_dir KERNEL: print the directory of a kernel, fetched if need be.
kernel_dir() {
	local suite prefix dir
	read -r suite prefix <<<"$(kernel_spec "$1")"
	[[ -n $suite ]] || exit 2
	dir=$(kernel_cached "$suite" "$prefix")
	if [[ -z $dir ]]; then
		fetch "$suite" "$prefix" >&2
		dir=$(kernel_cached "$suite" "$prefix")
	fi
	echo "$dir"
}

# fetch SUITE PREFIX: one fetch per suite at a time; what a killed one left is removed.
fetch() (
	suite=$1 prefix=$2 part=$KERNELS/.$1.part
	mkdir -p "$KERNELS/$suite"
	exec 9>"$KERNELS/.$suite.lock"
	flock 9
	[[ -z $(kernel_cached "$suite" "$prefix") ]] || exit 0
	trap 'rm -rf "$part"' EXIT
	rm -rf "$part"
	mkdir -p "$part"/{debs,root,apt/lists/partial,apt/cache/archives/partial}
	fetch_packages
	keep_needed "$part/root" "$part/kernel"
	mv -T "$part/kernel" "$KERNELS/$suite/$version"
)

# The rest runs inside fetch and uses its variables.

apt_private() {
	local tool=$1
	shift
	"$tool" -qq -o Dir::Etc::sourcelist="$part/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$part/apt/lists" -o Dir::State::status=/dev/null \
		-o Dir::Cache="$part/apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none "$@" 9>&-
}

# mirror LABEL: where this machine gets Debian, or Debian-Security, from.
mirror() {
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' |
		awk -v label="$1" '$2 == label && NF == 2 { print $1; exit }'
}

# update SOURCE-SUITES: private lists of a suite, and of its security suite where there is one.
update() {
	local debian security
	debian=$(mirror Debian)
	security=$(mirror Debian-Security)
	[[ -n $debian ]] || die 122 "cannot fetch kernels: this machine's apt has no lists of a Debian mirror; run apt-get update"
	echo "deb [signed-by=$KEYRING] $debian $suite main" >"$part/apt/sources.list"
	apt_private apt-get update ||
		die 122 "cannot read the package list of suite $suite, see above; check its name, the network and package debian-archive-keyring"
	[[ -n $security && $suite != *-* && $suite != unstable ]] || return 0
	echo "deb [signed-by=$KEYRING] $security $suite-security main" >>"$part/apt/sources.list"
	apt_private apt-get update || echo "vm: no list of $suite-security, see above; taking kernels from $suite alone"
}

# images: "VERSION PACKAGE" of each plain kernel image (neither -rt nor -cloud, no metapackage).
images() {
	local names
	mapfile -t names < <(apt_private apt-cache pkgnames linux-image- |
		grep -xE 'linux-image-[0-9]+\.[0-9]+\.[0-9]+[^-]*(-[0-9][^-]*)?-amd64')
	apt_private apt-cache show "${names[@]}" |
		awk '$1 == "Package:" { name = $2 } $1 == "Version:" { print $2, name }'
}

# parts PACKAGE: the package, and what of its dependencies is part of the same kernel.
parts() {
	local package=$1
	echo "$package"
	apt_private apt-cache show "$package=$version" |
		awk '$1 == "Depends:"' | grep -oE 'linux-(binary|modules|base)-[0-9][^ ,]*' | sort -u
}

fetch_packages() {
	local package
	update
	read -r version package <<<"$(images | highest "$prefix")"
	[[ -n $package ]] || die 122 "no kernel ${prefix:-at all} in suite $suite: choose another version or suite"
	echo "vm: fetching $package $version from $suite"
	mapfile -t debs < <(parts "$package")
	(cd "$part/debs" && apt_private apt-get download "${debs[@]/%/=$version}") ||
		die 122 "cannot download $package $version, see above; check the network"
	for deb in "$part"/debs/*.deb; do
		dpkg -x "$deb" "$part/root"
	done
}

# keep_needed ROOT DIR: from unpacked packages, make the directory of the cache.
keep_needed() {
	local root=$1 dir=$2 modules release
	modules=$(find "$root" -path '*/lib/modules/*/kernel' -prune -printf '%h\n')
	release=${modules##*/}
	mkdir -p "$dir/lib/modules"
	mv "$root/boot/vmlinuz-$release" "$dir/vmlinuz" 2>/dev/null || mv "$modules/vmlinuz" "$dir/vmlinuz"
	mv "$root/boot/config-$release" "$dir/config" 2>/dev/null || mv "$modules/config" "$dir/config"
	echo "$release" >"$dir/release"
	drop_hardware "$modules/kernel"
	find "$modules" -name '*.ko.xz' -exec xz -dq {} +
	find "$modules" -name '*.ko.zst' -exec zstd -dq --rm {} +
	mv "$modules" "$dir/lib/modules/"
	depmod -b "$dir" "$release"
}

# drop_hardware DIR: remove the modules no guest has a use for, nine tenths of them.
drop_hardware() {
	local modules=$1
	rm -rf "$modules/sound"
	find "$modules/drivers" -mindepth 1 -maxdepth 1 -type d -regextype posix-extended \
		! -regex ".*/($DRIVERS)" -exec rm -rf {} +
	find "$modules"/drivers/{net,scsi} -mindepth 1 -maxdepth 1 -type d -regextype posix-extended \
		! -regex ".*/($VIRTUAL)" -exec rm -rf {} +
}
