#!/bin/bash
# kernel.sh 6.1|6.12: fetches the kernel of Debian 12 or 13 and unpacks its image and modules. Called by
# setup.sh.
set -euo pipefail
# shellcheck source=test/vm/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kernel=$1
case $kernel in
  6.1) suite=bookworm ;;
  6.12) suite=trixie ;;
  *) echo "kernel.sh: no such kernel: $kernel" >&2; exit 2 ;;
esac
[ ! -s "$(kernel_image "$kernel")" ] || exit 0

update_lists "$suite"
package=$(debian "$suite" apt-cache depends linux-image-amd64 |
  awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
[ -n "$package" ] || cannot "Debian $suite names no linux-image-amd64"
say "fetching $package"
work=$(mktemp -d "$vm_dir/work-XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && debian "$suite" apt-get download "$package" >download.log 2>&1) ||
  cannot "$package could not be fetched: $(first_error "$work/download.log")"
dpkg-deb --fsys-tarfile "$work"/linux-image-*.deb | tar -x -C "$work" --exclude='*/kernel/drivers/gpu' \
  --exclude='*/kernel/drivers/media' --exclude='*/kernel/drivers/net/wireless' --exclude='*/kernel/sound' \
  --exclude='./usr/share'

# Debian 13 has its modules in usr/lib, Debian 12 in lib; here they are always in lib.
[ -d "$work/lib" ] || mv "$work/usr/lib" "$work/lib"
release=$(basename "$(echo "$work"/lib/modules/*)")
[[ $release == $kernel.* ]] || { echo "kernel.sh: $package holds $release, not a $kernel" >&2; exit 1; }
mkdir "$work/out"
mv "$work/boot/vmlinuz-$release" "$work/out/vmlinuz"
mv "$work/lib" "$work/out/lib"
echo "$release" >"$work/out/release"
depmod -b "$work/out" "$release"
rm -rf "$vm_dir/kernel-$kernel-"*
mv "$work/out" "$(kernel_dir "$kernel")"
