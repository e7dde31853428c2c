# case: discovery lists every volume, and connect-all follows it
# limit: 180
target_start first=mem:16MiB second=mem:16MiB,block=512
expect_complaint 'Removing ctrl|new ctrl: NQN "nqn.2014-08.org.nvmexpress.discovery"'

log=$(nvme discover -t tcp -a "$ADDRESS" -s "$PORT")
for name in first second; do
  entry=$(echo "$log" | grep -B 6 -A 6 "subnqn: *$(nqn_of $name)\$") || fail "no entry for $name: $log"
  echo "$entry" | grep -qE "traddr: *$ADDRESS" || fail "the entry of $name has another address: $entry"
  echo "$entry" | grep -qE "trsvcid: *$PORT" || fail "the entry of $name has another port: $entry"
  echo "$entry" | grep -q 'subtype: nvme subsystem' || fail "the entry of $name has another type: $entry"
done
no_controller_left # nvme discover takes its discovery controller away

nvme connect-all -t tcp -a "$ADDRESS" -s "$PORT"
namespace_device first 1
namespace_device second 1
nvme disconnect-all
