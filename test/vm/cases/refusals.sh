# case: a subsystem that does not exist and a closed port are refused at once
# limit: 120
target_start data=mem:16MiB
expect_complaint 'Connect (command failed|Invalid)|failed to connect|connect.*fail|Invalid'
before=$(cut -d. -f1 /proc/uptime)
refused nvme connect -t tcp -a "$ADDRESS" -s "$PORT" -n "$(nqn_of nobody)"
refused nvme connect -t tcp -a "$ADDRESS" -s "$PORT" -n "$(nqn_of dat)" # a name that another begins with
[ $(($(cut -d. -f1 /proc/uptime) - before)) -lt 15 ] || fail "the refusals took long"
no_controller_left
connect data # and others are served as before
disconnect data
