# case: connecting and disconnecting many times leaves nothing behind
# limit: 240
target_start data=mem:16MiB
for i in $(seq 1 12); do
  connect data -i 1
  dd if="$DEV" of=/dev/null bs=64k count=4 iflag=direct status=none
  disconnect data
  no_controller_left
done
