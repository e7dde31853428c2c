# case: the target is killed and restarted three times under I/O, and no acknowledged write is lost; digests:
# variants: none both
# beyond-nvmet: both
# limit: 480
target_start data=file:64MiB
expect_connection_loss
options=()
[ "$VARIANT" = none ] || options=(--hdr-digest --data-digest)
connect data -i 2 --reconnect-delay=1 --ctrl-loss-tmo=600 --keep-alive-tmo=5 "${options[@]}"
fio_write "$DEV" 24m --iodepth=32 &
writer=$!
for mib in 3 8 14; do
  eventually 120 has_written_mib $mib
  say "kill at $(written_mib) MiB"
  target_kill
  eventually 120 is_not_live "$CTRL"
  target_restart
  eventually 120 is_state "$CTRL" live
done
kill -0 $writer || fail "fio ended before the last kill"
wait $writer

# And what is read after a last restart, through a new connection, is what was written.
disconnect data
target_kill
target_restart
connect data
fio_verify "$DEV" 24m --iodepth=32
disconnect data
