#!/bin/bash
# initrd.sh 6.1|6.12: busybox, guest/init and the modules of modules.txt as one cpio archive. Called by
# setup.sh. Modules are put in uncompressed: under emulation, unpacking them costs more than reading them.
set -euo pipefail
# shellcheck source=test/vm/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kernel=$1
[ ! -s "$(initrd "$kernel")" ] || exit 0
say "building the initrd for $kernel"
kernel_tree=$(kernel_dir "$kernel")
release=$(cat "$kernel_tree/release")
work=$(mktemp -d "$vm_dir/work-XXXXXX")
trap 'rm -rf "$work"' EXIT

root=$work/root
mkdir -p "$root"/{bin,dev,etc,job,newroot,proc,run,sbin,sys,tmp} "$root/lib/modules/$release"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh mount mkdir modprobe insmod ip hostname cat cut sleep chroot ln cp; do
  ln -s busybox "$root/bin/$applet"
done
ln -s ../bin/busybox "$root/sbin/modprobe" # where the kernel looks when it wants a module itself

copy_module() { # PATH: one .ko, .ko.xz or .ko.zst below the kernel's tree
  local target="$root/${1#"$kernel_tree"/}"
  mkdir -p "$(dirname "$target")"
  case $1 in
    *.ko) cp "$1" "$target" ;;
    *.ko.xz) busybox xz -dc <"$1" >"${target%.xz}" ;;
    *) echo "initrd.sh: unknown compression: $1" >&2; exit 1 ;;
  esac
}

# modprobe lists a module after everything that must be there before it, soft dependencies included.
mapfile -t names < <(sed 's/#.*//' "$vm_source_dir/modules.txt" | tr -s ' ' '\n' | grep .)
for name in "${names[@]}"; do
  modprobe -d "$kernel_tree" -S "$release" -C /dev/null --show-depends "$name" 2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
for required in nvme-tcp overlay virtio_blk 9pnet_virtio; do
  grep -q "/$required\.ko" "$work/modules" ||
    { echo "initrd.sh: kernel $release has no module $required" >&2; exit 1; }
done
while read -r module; do copy_module "$module"; done <"$work/modules"
cp "$kernel_tree/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$release/"
depmod -b "$root" "$release"

cp "$vm_source_dir/guest/init" "$root/init"
cp "$vm_source_dir/guest/stage2" "$root/stage2"
chmod 755 "$root/init" "$root/stage2"
(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$work/initrd.cpio"
rm -f "$vm_dir/initrd-$kernel-"*
mv "$work/initrd.cpio" "$(initrd "$kernel")"
