# What the cases are written with. Sourced by case.sh and clean.sh. target_* come from target-host.sh (ballast
# on the host) or target-nvmet.sh (the guest's own kernel, to check the cases).

. /job/environment # TARGET
. "/job/guest/target-$TARGET.sh"
MNT=/tmp/mnt
# A Keep Alive that a disconnect overtakes ends with error 4 (transport), which the kernel then mentions.
# A connection that is lost says more than that.
expected_complaints=('failed nvme_keep_alive_end_io error=4')

say() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }
fail() { echo "FAIL: $*" >&2; trap - ERR; exit 1; }
refused() { # COMMAND...: must fail
  trap - ERR
  if "$@"; then fail "was not refused: $*"; fi
  trap 'echo "FAIL: line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND (status $?)"' ERR
}
equal() { [ "$1" = "$2" ] || fail "${3:-values} differ: got '$1', expected '$2'"; }
at_least() { [ "$1" -ge "$2" ] || fail "${3:-value} is $1, expected at least $2"; }

declare -A nqns=() # of volumes whose NQN the target has chosen
nqn_of() { echo "${nqns[$1]:-nqn.2026-11.dev.ballast:test:$1}"; }

# eventually SECONDS COMMAND...: waits until COMMAND succeeds
eventually() {
  local deadline=$(($(cut -d. -f1 /proc/uptime) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(cut -d. -f1 /proc/uptime)" -lt "$deadline" ] || fail "did not come true in time: $*"
    sleep 0.1
  done
}

# connect NAME [nvme connect options...]: sets CTRL (nvme0) and DEV (/dev/nvme0n1, namespace 1)
connect() {
  local name=$1
  shift
  say "connect $name $*"
  nvme connect -t tcp -a "$ADDRESS" -s "$PORT" -n "$(nqn_of "$name")" "$@"
  CTRL=$(controllers_of "$name" | tail -1)
  [ -n "$CTRL" ] || fail "no controller after nvme connect"
  DEV=$(namespace_device "$name" 1)
}

disconnect() {
  say "disconnect $1"
  nvme disconnect -n "$(nqn_of "$1")"
}

controllers_of() { # NAME: its controllers, oldest first
  local directory
  for directory in /sys/class/nvme/nvme*; do
    if [ "$(cat "$directory/subsysnqn" 2>/dev/null)" = "$(nqn_of "$1")" ]; then basename "$directory"; fi
  done | sort -V
}

find_namespace() { # NAME NSID: the block device a user would take, if it is there
  local directory
  for directory in /sys/block/nvme*n*; do
    case ${directory##*/} in nvme*c*n*) continue ;; esac # one path of several: hidden
    if [ "$(cat "$directory/device/subsysnqn" 2>/dev/null)" = "$(nqn_of "$1")" ] &&
      [ "$(cat "$directory/nsid" 2>/dev/null)" = "$2" ]; then
      echo "/dev/${directory##*/}"
      return 0
    fi
  done
  return 1
}
namespace_device() { # NAME NSID
  eventually 60 find_namespace "$1" "$2" >&2
  find_namespace "$1" "$2"
}
queue_value() { cat "/sys/block/${DEV##*/}/queue/$1"; } # QUEUE ATTRIBUTE of $DEV

controller_state() { cat "/sys/class/nvme/$1/state" 2>/dev/null || echo gone; }
is_state() { [ "$(controller_state "$1")" = "$2" ]; }
is_not_live() { [ "$(controller_state "$1")" != live ]; }

no_controller_left() {
  local left
  left=$(ls /sys/class/nvme 2>/dev/null | tr '\n' ' ')
  [ -z "$left" ] || fail "controllers are left: $left"
}

# expect_complaint REGEX: kernel messages of this kind belong to the case
expect_complaint() { expected_complaints+=("$1"); }
kernel_log_is_clean() {
  local pattern='WARNING|BUG|Oops|Call Trace|general protection|hung task|blocked for more than|corrupt'
  pattern+='|I/O error|nvme nvme[0-9]+:.*(error|fail|timeout|bogus|invalid|unexpected|bad|unsupported)'
  pattern+='|nvme nvme[0-9]+:.*(mismatch|reconnect)'
  pattern+='|(EXT4|XFS|blk).*(error|fail)'
  local complaints expected
  # The UUID in an NQN may well be "bad".
  complaints=$(dmesg | sed -E 's/nqn\.[^ ",]+/NQN/g' | grep -iE "$pattern" || true)
  for expected in "${expected_complaints[@]}"; do
    complaints=$(echo "$complaints" | grep -vE "$expected" || true)
  done
  [ -z "$complaints" ] || fail "the kernel complained: $complaints"
}
# What a host says while a target is away and when it is back.
expect_connection_loss() {
  expect_complaint 'failed to connect socket|Failed reconnect attempt|Reconnecting in|econnect|receive failed'
  expect_complaint 'failed to send|starting error recovery|I/O tag .* timeout|timeout, |timeout request'
  expect_complaint 'no usable path|keep-alive'
  expect_complaint 'Connect command failed|queue_size|Property (Set|Get) error|failed nvme_keep_alive_end_io'
  expect_complaint 'nvme_tcp_(init_connection|queue)|Removing after|failed to .*icresp|Identify.*failed'
  expect_complaint 'reading .*failed'
}

# fio_write DEVICE SIZE [options...]: writes every block once with checksums, then reads all back and verifies
fio_write() {
  local device=$1 size=$2
  shift 2
  say "fio write and verify: $device $size $*"
  fio --name=verify --filename="$device" --size="$size" --ioengine=libaio --direct=1 --rw=randwrite --bs=4k \
    --iodepth=16 --randseed=7 --verify=crc32c --do_verify=1 --verify_fatal=1 --group_reporting --eta=never \
    "$@" >/tmp/fio.out 2>&1 || { cat /tmp/fio.out; fail "fio reports an error"; }
  grep -qE 'err= 0' /tmp/fio.out || { cat /tmp/fio.out; fail "fio reports no success"; }
}
# fio_verify: the same arguments: reads and verifies what fio_write wrote
fio_verify() { fio_write "$@" --verify_only=1; }

# written_mib: what this host has written to the namespaces of all its paths since the devices appeared
written_mib() {
  local blocks=0 stat
  for stat in /sys/block/nvme*c*n*/stat; do
    if [ -e "$stat" ]; then blocks=$((blocks + $(awk '{ print $7 }' "$stat"))); fi
  done
  [ $blocks != 0 ] || blocks=$(awk '{ print $7 }' "/sys/block/${DEV##*/}/stat")
  echo $((blocks / 2048))
}
has_written_mib() { [ "$(written_mib)" -ge "$1" ]; }

random_file() { head -c "$2" /dev/urandom >"$1"; } # PATH BYTES
bytes_at() { dd if="$DEV" bs=4096 skip="$1" count="$2" iflag=direct status=none; } # BLOCK-OF-4096 COUNT
is_zero_at() { bytes_at "$1" "$2" | cmp -n $(($2 * 4096)) - /dev/zero; }
