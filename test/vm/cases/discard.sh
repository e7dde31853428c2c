# case: discarded and zeroed blocks read as zeroes, their neighbours stay; device:
# variants: memory file
# limit: 240
case $VARIANT in
  memory) target_start data=mem:32MiB ;;
  file) target_start data=file:32MiB ;;
esac
connect data
at_least "$(queue_value discard_max_bytes)" 4096 discard_max_bytes
at_least "$(queue_value write_zeroes_max_bytes)" 4096 write_zeroes_max_bytes
random_file /tmp/pattern $((32 << 20))
dd if=/tmp/pattern of="$DEV" bs=1M oflag=direct status=none
same_at() { bytes_at "$1" "$2" | cmp - <(dd if=/tmp/pattern bs=4096 skip="$1" count="$2" status=none); }

blkdiscard -o $((4 << 20)) -l $((2 << 20)) "$DEV" # blocks 1024 to 1535
is_zero_at 1024 512 || fail "discarded blocks do not read as zeroes"
same_at 1023 1
same_at 1536 1

blkdiscard -z -o $((8 << 20)) -l $((4096 * 3)) "$DEV" # blocks 2048 to 2050
is_zero_at 2048 3 || fail "zeroed blocks do not read as zeroes"
same_at 2047 1
same_at 2051 1

fallocate -z -o $((12 << 20)) -l $((1 << 20)) "$DEV" # blocks 3072 to 3327
is_zero_at 3072 256 || fail "zeroed blocks do not read as zeroes"
nvme write-zeroes "$DEV" -n 1 -s 4000 -c 7 # eight blocks: the count is zero based
is_zero_at 4000 8 || fail "blocks zeroed by command do not read as zeroes"
same_at 4008 1
nvme dsm "$DEV" -n 1 -d -b 8,16 -s 5000,6000 # two ranges, discontiguous
same_at 4999 1
same_at 5008 1
same_at 5999 1
same_at 6016 1

# What was discarded takes writes as before.
dd if=/tmp/pattern of="$DEV" bs=4096 seek=1024 skip=1024 count=512 oflag=direct status=none
same_at 1024 512
disconnect data
