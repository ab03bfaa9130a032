# SPDX-License-Identifier: GPL-2.0-only
#
# The initramfs of one run: busybox, the modules needed to reach the host's files, what to run.
# Sourced by run.

# What stands between a booted kernel and the host's files.
BOOT_MODULES=(virtio_pci virtio_console 9pnet_virtio 9p overlay)

# The busybox applets ./init uses.
APPLETS=(sh cp grep hostname ifconfig insmod ln mkdir mount sleep switch_root uname)

# boot_modules DIR RELEASE: print the module files to insert, in order (what is built in has none).
boot_modules() {
	local dir=$1 release=$2 module
	for module in "${BOOT_MODULES[@]}"; do
		modprobe -d "$dir" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# initramfs KERNEL-DIR WORK: print the archive. WORK/vm holds the files of this run.
initramfs() {
	local dir=$1 work=$2 root=$2/initramfs release applet files
	release=$(<"$dir/release")
	mkdir -p "$root"/{bin,dev,proc,sys,host,over,merged,root,modules,vm}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in "${APPLETS[@]}"; do
		ln -s busybox "$root/bin/$applet"
	done
	cp "$VM/init" "$root/init"
	cp "$VM/guest" "$work"/vm/* "$root/vm/"
	mapfile -t files < <(boot_modules "$dir" "$release")
	cp "${files[@]}" "$root/modules/"
	printf '%s\n' "${files[@]##*/}" >"$root/modules/order"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet)
}
