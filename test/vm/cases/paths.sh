# case: a host with two paths to a volume goes on when one is taken away under I/O
# limit: 300
target_start data=mem:64MiB
expect_connection_loss
connect data -i 1
connect data -i 1 --duplicate-connect
mapfile -t paths < <(controllers_of data)
equal ${#paths[@]} 2 "number of controllers"
equal "$(nvme list-subsys "$DEV" | grep -c ' live')" 2 "number of live paths"
[ "$(cat "/sys/class/nvme/${paths[0]}/cntlid")" != "$(cat "/sys/class/nvme/${paths[1]}/cntlid")" ] ||
  fail "both controllers have one identifier"
fio_write "$DEV" 32m --iodepth=32 &
writer=$!
eventually 120 has_written_mib 3
nvme disconnect -d "${paths[0]}"
kill -0 $writer || fail "fio ended before the path was taken away"
wait $writer
is_state "${paths[1]}" live || fail "the path that is left is $(controller_state "${paths[1]}")"
disconnect data
