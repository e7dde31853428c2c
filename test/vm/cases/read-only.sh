# case: a read-only volume is a read-only block device, and a write sent all the same is refused
# beyond-nvmet
# limit: 120
target_start data=mem:16MiB,read-only
expect_complaint 'rite protect|I/O error|Invalid'
connect data
equal "$(blockdev --getro "$DEV")" 1 "read-only flag"
random_file /tmp/a 4096
refused nvme write "$DEV" -s 0 -c 0 -z 4096 -d /tmp/a
is_zero_at 0 1 || fail "a refused write has written"
disconnect data
