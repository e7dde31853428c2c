# case: a target that is told to stop under I/O ends cleanly, and its host goes on when it is back
# beyond-nvmet
# limit: 300
target_start data=file:64MiB
expect_connection_loss
connect data -i 2 --reconnect-delay=1 --ctrl-loss-tmo=600
fio_write "$DEV" 16m --iodepth=32 &
writer=$!
eventually 120 has_written_mib 4
target_stop
eventually 120 is_not_live "$CTRL"
target_restart
eventually 120 is_state "$CTRL" live
wait $writer
disconnect data
