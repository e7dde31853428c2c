# case: a target that answers nothing for a while is given up by keep alive, and taken back
# beyond-nvmet
# limit: 400
target_start data=file:64MiB
expect_connection_loss
connect data -i 2 --reconnect-delay=1 --ctrl-loss-tmo=600 --keep-alive-tmo=2
fio_write "$DEV" 16m --iodepth=32 &
writer=$!
eventually 120 has_written_mib 4
target_freeze
eventually 120 is_not_live "$CTRL"
target_thaw
eventually 120 is_state "$CTRL" live
wait $writer
disconnect data
