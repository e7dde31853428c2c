# case: a host follows the ANA state of its paths: its I/O waits while they are closed, and goes on
# beyond-nvmet
# limit: 300
target_start data=mem:64MiB
expect_complaint 'no usable path - requeuing I/O'
connect data -i 1
connect data -i 1 --duplicate-connect
is_ana() { # STATE: of all paths
  local states
  states=$(cat /sys/class/nvme/nvme*/nvme*c*n1/ana_state | sort -u)
  [ "$states" = "$1" ]
}
set_ana() {
  ballast volume ana data "$1" >/dev/null
  eventually 30 is_ana "$1"
}
for state in non-optimized optimized; do
  set_ana $state
  equal "$(nvme list-subsys "$DEV" | grep -c " live $state")" 2 "number of paths that are $state"
done
nvme ana-log "/dev/${CTRL}" | grep -qi 'nsid' || fail "nvme-cli cannot read the ANA log page"
fio_write "$DEV" 32m --iodepth=32 &
writer=$!
eventually 120 has_written_mib 3
set_ana inaccessible
before=$(written_mib)
sleep 3
equal "$(written_mib)" "$before" "MiB written over closed paths"
kill -0 $writer || fail "fio ended although no path was open"
set_ana change
set_ana optimized
wait $writer
disconnect data
