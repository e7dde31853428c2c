#!/bin/bash
# setup.sh [--refresh] [6.1] [6.12]      prepares what the virtual machines need (default: 6.12)
#
# Called by run.mjs before each run, and by hand. Does nothing, in well under a second, when all is there.
# Exit status: 0 ready; 77 this machine cannot have it (the reason is the last line on stderr); 1 anything
# else. Every product has a name that carries the digest of what it was made from, and gets that name by one
# rename when it is complete: an interrupted run leaves nothing that a later one takes for finished.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/vm/common.sh
. "$here/common.sh"

refresh=
kernels=()
for argument in "$@"; do
  case $argument in
    --refresh) refresh=yes ;;
    6.1 | 6.12) kernels+=("$argument") ;;
    *) echo "setup.sh: unknown argument '$argument' (6.1, 6.12, --refresh)" >&2; exit 2 ;;
  esac
done
[ ${#kernels[@]} -gt 0 ] || kernels=(6.12)

missing_host_packages() {
  local pair
  for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio modprobe:kmod depmod:kmod \
    mkfs.ext4:e2fsprogs flock:util-linux; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
  done | sort -u
  # A busybox that is linked dynamically would not start in the initrd.
  if ldd "$(command -v busybox || true)" >/dev/null 2>&1; then echo busybox-static; fi
}

install_host_packages() {
  local missing
  missing=$(missing_host_packages | sort -u | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] || cannot "not root, and these packages are missing: $missing(apt-get install $missing)"
  say "installing $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086  # a list of words
  { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } \
    >"$vm_dir/host-packages.log" 2>&1 ||
    cannot "apt-get could not install $missing(see $vm_dir/host-packages.log)"
  missing=$(missing_host_packages | tr '\n' ' ')
  [ -z "$missing" ] || cannot "still missing after the installation: $missing"
}

# KVM is much faster where it works. Some virtual machines show /dev/kvm and cannot run a guest with it, so it
# is tried.
choose_accelerator() {
  local kernel=$1 choice=tcg
  if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
    say "trying KVM"
    local status=0
    timeout -k 1 6 qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults -no-reboot -display none \
      -kernel "$(kernel_image "$kernel")" -initrd "$(initrd "$kernel")" \
      -append "quiet panic=-1 ballast.probe" -device isa-debug-exit,iobase=0xf4,iosize=0x4 \
      </dev/null >/dev/null 2>&1 || status=$?
    [ $status != 85 ] || choice=kvm # 85: what guest/init ends with
  fi
  echo "$choice" >"$vm_dir/accelerator.new"
  mv "$vm_dir/accelerator.new" "$vm_dir/accelerator"
}

ready() {
  local kernel
  [ -s "$(image)" ] && [ -s "$vm_dir/accelerator" ] || return 1
  for kernel in "${kernels[@]}"; do
    [ -s "$(kernel_image "$kernel")" ] && [ -s "$(initrd "$kernel")" ] || return 1
  done
}

[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] ||
  cannot "only Linux on x86-64 can run these tests, this is $(uname -sm)"
mkdir -p "$vm_dir" || cannot "no directory $vm_dir can be made"
[ -z "$refresh" ] || rm -rf "$vm_dir"/{image-*,kernel-*,initrd-*,accelerator}
# What runs that were killed have left.
find "$vm_dir" "$vm_dir/jobs" -maxdepth 1 \( -path "$vm_dir/work-*" -o -path "$vm_dir/jobs/*" \) -mmin +1440 \
  -exec rm -rf {} + 2>/dev/null || true
if ready && [ -z "$(missing_host_packages)" ]; then exit 0; fi

install_host_packages
exec 9>"$vm_dir/lock"
flock 9 # another setup may be at work; what it makes, we need not
for kernel in "${kernels[@]}"; do
  "$here/kernel.sh" "$kernel"
  "$here/initrd.sh" "$kernel"
done
"$here/image.sh"
[ -s "$vm_dir/accelerator" ] || choose_accelerator "${kernels[0]}"
ready || { echo "setup.sh: a part is missing after it was made" >&2; exit 1; }
say "ready: kernels ${kernels[*]}, $(cat "$vm_dir/accelerator"), in $vm_dir"
