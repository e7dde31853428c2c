# case: a host that is not on a volume's list is refused, and does not see it by discovery
# beyond-nvmet
# limit: 120
us=$(cat /etc/nvme/hostnqn) other=nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555
target_start "ours=mem:16MiB,allow-host=$us" "theirs=mem:16MiB,allow-host=$other"
expect_complaint 'Connect|Removing ctrl|failed to connect'
refused nvme connect -t tcp -a "$ADDRESS" -s "$PORT" -n "$(nqn_of theirs)"
log=$(nvme discover -t tcp -a "$ADDRESS" -s "$PORT")
echo "$log" | grep -q "$(nqn_of ours)" || fail "our volume is not listed: $log"
refused grep -q "$(nqn_of theirs)" <<<"$log"
connect ours
disconnect ours
nvme connect -t tcp -a "$ADDRESS" -s "$PORT" -n "$(nqn_of theirs)" -q "$other" -I "${other##*:}"
disconnect theirs
