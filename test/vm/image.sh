#!/bin/bash
# image.sh: unpacks the packages of packages.txt and what they depend on into one ext4 image. Called by
# setup.sh. No maintainer script runs and nothing needs root: the files are unpacked, links that the scripts
# would make are made here.
set -euo pipefail
# shellcheck source=test/vm/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ ! -s "$(image)" ] || exit 0
update_lists trixie
mapfile -t packages < <(grep -v '^#' "$vm_source_dir/packages.txt")
say "fetching the userland (${#packages[@]} packages and what they need)"
archives=$vm_dir/apt/trixie/cache/archives
debian trixie apt-get --download-only -y install "${packages[@]}" >"$vm_dir/apt/trixie/install.log" 2>&1 ||
  cannot "the userland's packages could not be fetched: $(first_error "$vm_dir/apt/trixie/install.log")"

say "building the image"
work=$(mktemp -d "$vm_dir/work-XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root"
unpack() { dpkg-deb --fsys-tarfile "$1" | tar -x -C "$root" --keep-directory-symlink --no-same-owner; }
# base-files first: it makes /bin, /lib and /sbin links into /usr, and the others' files must follow them.
unpack "$archives"/base-files_*.deb
for archive in "$archives"/*.deb; do
  # Interpreters and services that nothing here starts: fio's and xfsprogs' helper scripts want them.
  case ${archive##*/} in
    base-files_* | *python3* | systemd_* | libsystemd-shared_* | perl* | dpkg_*) continue ;;
  esac
  unpack "$archive"
done
rm -rf "$root"/usr/share/{doc,man,locale,info,bash-completion,zoneinfo,icu} \
  "$root"/usr/lib/x86_64-linux-gnu/gconv
mkdir -p "$root"/{proc,sys,dev,run,tmp,mnt,job,root,lib/modules,etc/nvme}
chmod 1777 "$root/tmp"
ln -sf bash "$root/usr/bin/sh"
ln -sf gawk "$root/usr/bin/awk"
echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
echo 'nqn.2014-08.org.nvmexpress:uuid:6f0b64a2-3c1d-4f57-9a38-0a4f5d3d7be1' >"$root/etc/nvme/hostnqn"
echo '6f0b64a2-3c1d-4f57-9a38-0a4f5d3d7be1' >"$root/etc/nvme/hostid"
for program in nvme fio mkfs.xfs mkfs.ext4 blkdiscard bash dmesg; do
  [ -n "$(find "$root/usr/bin" "$root/usr/sbin" -name "$program" -print -quit)" ] ||
    { echo "image.sh: $program is not in the packages" >&2; exit 1; }
done

size_mib=$(du -sm "$root" | cut -f1)
mkfs.ext4 -q -O ^has_journal -m 0 -E root_owner=0:0 -d "$root" \
  "$work/image" $((size_mib + size_mib / 8 + 32))M >/dev/null
rm -f "$vm_dir"/image-*.ext4
mv "$work/image" "$(image)"
rm -f "$archives"/*.deb
