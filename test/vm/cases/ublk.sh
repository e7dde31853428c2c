# case: ballast attach by ublk (refused before 6.5): fio, ext4, discard, a killed server, nothing is left
# program
# beyond-nvmet
# limit: 600
. /job/guest/program.sh
mkdir -p /program
mountpoint -q /program || mount -t ext4 -o ro "$(disk_named program)" /program
export BALLAST_DATA=/tmp/host NO_COLOR=1
# The program starts itself again, so it is run by the guest's loader, with what the guest has not.
mkdir -p /tmp/lib
for library in /program/lib/*; do
  case ${library##*/} in ld-linux* | libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so*) ;;
  *) cp "$library" /tmp/lib/ ;; esac
done
attach() { # COMMAND ARGUMENTS...
  say "guest: ballast $*" >&2
  LD_LIBRARY_PATH=/tmp/lib /program/node /program/ballast/dist/main/ballast.js "$@" \
    --state-directory /tmp/attach ||
    { cat /tmp/attach/*.log >&2 2>/dev/null; return 1; }
}
nothing_left() {
  equal "$(ls -A /tmp/attach)" '' 'files of what was detached'
  equal "$(ls /sys/class/ublk-char)" '' 'ublk devices of what was detached'
  equal "$(ls /sys/block | grep ublk || true)" '' 'block devices of what was detached'
}
server_of_device() { sed 's/.*"pid":\([0-9]*\).*/\1/' /tmp/attach/*.server.json; }
target_start data=mem:64MiB fine=mem:16MiB,block=512
uri="tcp://$ADDRESS:$PORT/$(nqn_of data)"
case $(uname -r) in 6.1.*)
  refused attach attach "$uri" --driver ublk --timeout 200
  equal "$(ls -A /tmp/attach)" '' 'files of what was not attached'
  exit 0 ;;
esac

device=$(attach attach "$uri" --driver ublk -o json --timeout 200 | json_value device)
[ -b "$device" ] || fail "'$device' is no block device"
equal "$(attach attach "$uri" --driver ublk --timeout 200)" "$device" 'device of a second attach'
equal "$(attach attached -o json | json_value driver)" ublk driver
equal "$(blockdev --getsize64 "$device")" $((64 << 20)) size
equal "$(blockdev --getss "$device")" 4096 'block size'

fio_write "$device" 8m --iodepth=32
blkdiscard -o 0 -l 1m "$device"
cmp -n 1048576 "$device" /dev/zero || fail 'what was discarded is no zeroes'
blkdiscard -z -o 1m -l 1m "$device"
cmp -i 1048576:0 -n 1048576 "$device" /dev/zero || fail 'what was zeroed is no zeroes'
mkfs.ext4 -q "$device"
mount -t ext4 -o discard "$device" $MNT
random_file $MNT/a 300000
sum=$(sha256sum <$MNT/a)
refused attach detach "$device"
sync -f $MNT
fstrim $MNT
umount $MNT
blockdev --flushbufs "$device"
mount -t ext4 "$device" $MNT
equal "$(sha256sum <$MNT/a)" "$sum" 'what was written'
umount $MNT
attach detach "$device" --timeout 200
nothing_left

# Blocks of 512 bytes; a device that is attached read-only takes no write.
uri="tcp://$ADDRESS:$PORT/$(nqn_of fine)"
device=$(attach attach "$uri" --driver ublk --timeout 200)
equal "$(blockdev --getss "$device")" 512 'block size'
fio_write "$device" 4m --iodepth=8
attach detach "$device" --timeout 200
device=$(attach attach "$uri" --driver ublk --read-only --timeout 200)
equal "$(blockdev --getro "$device")" 1 'read-only'
refused dd if=/dev/zero of="$device" bs=4096 count=1 oflag=direct
attach detach "$device" --timeout 200
nothing_left

# The process behind it is killed: its device gives errors and goes, and the next attach makes a new one.
device=$(attach attach "$uri" --driver ublk --timeout 200)
kill -KILL "$(server_of_device)"
refused dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct
equal "$(attach attached -o json | json_value state)" dead state
device=$(attach attach "$uri" --driver ublk --timeout 200)
dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct status=none
kill -KILL "$(server_of_device)"
attach detach "$device" --timeout 200
nothing_left
