# case: the controller is reset three times under I/O, and no write is lost
# limit: 300
target_start data=mem:64MiB
expect_connection_loss
connect data -i 2
fio_write "$DEV" 24m --iodepth=32 &
writer=$!
for mib in 3 8 14; do
  eventually 120 has_written_mib $mib
  say "reset at $(written_mib) MiB"
  nvme reset "/dev/$CTRL"
  eventually 120 is_state "$CTRL" live
done
kill -0 $writer || fail "fio ended before the last reset"
wait $writer
disconnect data
