# case: ballast attach uses the kernel's own NVMe/TCP, finds its device by UUID, and leaves nothing
# program
# beyond-nvmet
# limit: 400
. /job/guest/program.sh
mkdir -p /program
mountpoint -q /program || mount -t ext4 -o ro "$(disk_named program)" /program
export BALLAST_DATA=/tmp/host NO_COLOR=1
attach() { # COMMAND ARGUMENTS...
  say "guest: ballast $*" >&2
  (guest_program "$@" --state-directory /tmp/attach)
}
target_start data=mem:64MiB other=mem:16MiB
uri="tcp://$ADDRESS:$PORT/$(nqn_of data)"

# Another disk takes the first name; ours is found by its UUID.
connect other
other=$DEV
device=$(attach attach "$uri" --driver auto -o json --timeout 120 | json_value device)
[ -b "$device" ] || fail "'$device' is no block device"
[ "$device" != "$other" ] || fail "the device is that of another namespace"
equal "$(attach attach "$uri" --timeout 120)" "$device" 'device of a second attach'
equal "$(attach attached -o json | json_value driver)" kernel driver
equal "$(blockdev --getsize64 "$device")" $((64 << 20)) size
equal "$(cat /sys/class/nvme/"$(controllers_of data)"/ctrl_loss_tmo)" off 'time after which it gives up'

fio_write "$device" 8m --iodepth=8
mkfs.ext4 -q "$device"
mount -t ext4 "$device" $MNT
random_file $MNT/a 300000
refused attach detach "$device"
sync -f $MNT
umount $MNT
equal "$(attach attached -o json | json_value state)" live state
attach detach "$device" --timeout 120
equal "$(controllers_of data)" '' 'controllers of what was detached'
equal "$(ls -A /tmp/attach)" '' 'files of what was detached'
disconnect other
