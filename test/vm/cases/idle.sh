# case: an idle host keeps its connection beyond the keep alive time
# limit: 120
target_start data=mem:16MiB
connect data -k 4
sleep 13 # three times the keep alive time: what is tested is that nothing happens
is_state "$CTRL" live || fail "the controller is $(controller_state "$CTRL")"
refused sh -c 'dmesg | grep -iE "keep.?alive|recovery"'
fio_write "$DEV" 1m
disconnect data
