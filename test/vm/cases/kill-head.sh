# case: the head of a cluster of three is killed under fio by native multipath, twice, and no I/O fails
# beyond-nvmet
# limit: 600
. /job/guest/cluster.sh
cluster_start data 64
expect_connection_loss
for PORT in "${PORTS[@]}"; do
  connect data -i 1 --reconnect-delay=1 --ctrl-loss-tmo=600 --keep-alive-tmo=5
done
equal "$(nvme list-subsys "$DEV" | grep -c ' live')" 3 "number of live paths"

is_other_head_than() { # NODE
  local now
  now=$(cluster_head)
  [ "$now" != none ] && [ "${now% *}" != "$1" ]
}
for round in 1 2; do
  before=$(written_mib)
  # So slow that it lasts over all that follows, which takes a while under emulation.
  fio_write "$DEV" 24m --iodepth=32 --rate=,1m --randseed=$round &
  writer=$!
  eventually 120 has_written_mib $((before + 3))
  read -r head port <<<"$(cluster_head)"
  equal "$(path_state "$port")" 'live optimized' "path to the head"
  cluster_kill "$head"
  say "killed after $(($(written_mib) - before)) MiB"
  eventually 60 is_other_head_than "$head"
  at_takeover=$(written_mib)
  eventually 120 has_written_mib $((at_takeover + 1)) # while the killed node is away
  kill -0 $writer || fail "fio ended before the new head had its part"
  read -r head_now port_now <<<"$(cluster_head)"
  say "the head is $head_now"
  equal "$(path_state "$port_now")" 'live optimized' "path to the new head"
  is_path_state "$port" 'live optimized' && fail "the path to the killed node is live"
  wait $writer
  # The pause is in the longest write.
  say "fio: $(grep -E '^ +clat \(' /tmp/fio.out | tr -s ' ' | tr '\n' ';')"

  cluster_start_node "$head"
  cluster_whole
  eventually 60 is_path_state "$port" 'live inaccessible'
done

# And what is read through new connections is what was written.
disconnect data
for PORT in "${PORTS[@]}"; do connect data -i 1; done
fio_verify "$DEV" 24m --iodepth=32 --randseed=$round
disconnect data
cluster_stop
