# case: compare, copy and verify do what the specification says
# beyond-nvmet
# limit: 180
target_start data=mem:16MiB
connect data
expect_complaint 'Compare|Invalid|Out of Range'
random_file /tmp/a 16384
random_file /tmp/b 16384
nvme write "$DEV" -s 100 -c 3 -z 16384 -d /tmp/a
nvme read "$DEV" -s 100 -c 3 -z 16384 -d /tmp/out
cmp /tmp/a /tmp/out

nvme compare "$DEV" -s 100 -c 3 -z 16384 -d /tmp/a
text=$(nvme compare "$DEV" -s 100 -c 3 -z 16384 -d /tmp/b 2>&1 || true)
echo "$text" | grep -qi 'compare fail' || fail "other bytes compare as: $text"

nvme copy "$DEV" --sdlba=200 --slbs=100 --blocks=3
nvme compare "$DEV" -s 200 -c 3 -z 16384 -d /tmp/a
nvme verify "$DEV" -n 1 -s 100 -c 3

# Past the end: refused, and nothing happens.
last=$((16 * 1024 / 4 - 1))
text=$(nvme write "$DEV" -s $last -c 3 -z 16384 -d /tmp/a 2>&1 || true)
echo "$text" | grep -qi 'out of range' || fail "a write past the end: $text"
text=$(nvme read "$DEV" -s $((last + 1)) -c 0 -z 4096 -d /tmp/out 2>&1 || true)
echo "$text" | grep -qi 'out of range' || fail "a read past the end: $text"
is_zero_at $last 1 || fail "a refused write has written"
disconnect data
