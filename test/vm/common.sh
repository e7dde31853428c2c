# Sourced by setup.sh and the scripts it calls: where things are, what they are called, and apt with lists of
# our own. Nothing of the machine's package state is read or changed: the lists, the cache and the status file
# are in $vm_dir.
vm_source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vm_dir=${BALLAST_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ballast-vm}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

say() { echo "vm setup: $*" >&2; }
cannot() { echo "vm setup: cannot be done here: $*" >&2; exit 77; }

first_error() { grep -m1 '^E:' "$1" || true; } # of one of apt's logs

digest_of() { (cd "$vm_source_dir" && cat "$@") | sha256sum | cut -c1-12; }
image() { echo "$vm_dir/image-$(digest_of packages.txt image.sh).ext4"; }
kernel_dir() { echo "$vm_dir/kernel-$1-$(digest_of kernel.sh)"; }
kernel_image() { echo "$(kernel_dir "$1")/vmlinuz"; }
initrd() {
  echo "$vm_dir/initrd-$1-$(digest_of kernel.sh initrd.sh modules.txt guest/init guest/stage2).cpio"
}

# The first Debian mirror this machine is set to use, so that a local mirror is honoured.
mirror() {
  local found
  found=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:/ { print $2 }' |
    grep -v security | grep -m1 '/debian/\?$' || true)
  [ -n "$found" ] || found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk '/^deb / { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) print $i }' | grep -v security |
    grep -m1 '/debian/\?$' || true)
  echo "${found:-http://deb.debian.org/debian}"
}

# debian SUITE PROGRAM ARGUMENTS...: apt-get or apt-cache on one suite, verified with the archive's keyring.
debian() {
  local suite=$1 program=$2 base="$vm_dir/apt/$1"
  shift 2
  "$program" -q -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures=amd64 \
    -o APT::Install-Recommends=0 -o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
    -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
    -o Dir::Etc::sourcelist="$base/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$base/lists" -o Dir::State::status="$base/status" -o Dir::Cache="$base/cache" "$@"
}

# Fetches the package list of SUITE once a day.
update_lists() {
  local suite=$1 base="$vm_dir/apt/$1"
  [ -r "$keyring" ] || cannot "$keyring is missing (package debian-archive-keyring)"
  command -v apt-get >/dev/null || cannot "there is no apt-get to fetch Debian's packages with"
  [ -z "$(find "$base/updated" -mmin -1440 2>/dev/null)" ] || return 0
  mkdir -p "$base/lists/partial" "$base/cache/archives/partial"
  : >"$base/status"
  echo "deb [signed-by=$keyring] $(mirror) $suite main" >"$base/sources.list"
  # apt-get update answers 0 with a warning when nothing could be reached, unless told otherwise.
  debian "$suite" apt-get -o APT::Update::Error-Mode=any update >"$base/update.log" 2>&1 ||
    cannot "no package list of Debian $suite from $(mirror): $(first_error "$base/update.log")"
  touch "$base/updated"
}
