# case: volumes through the CSI socket, by the kernel's initiator: write, snapshot, clone, grow, limit, delete
# program
# beyond-nvmet
# limit: 1200
# `npm run demo:csi` within the guest, where a file system is on /dev/nvmeXnY and ext4 grows while mounted.
. /job/guest/program.sh
mkdir -p /program
mountpoint -q /program || mount -t ext4 -o ro "$(disk_named program)" /program
pool=$(disk_named disk)
blkdiscard -z "$pool"
cat >/tmp/ballast <<'END'
#!/bin/bash
exec /program/lib/ld-linux-x86-64.so.2 --library-path /program/lib /program/node \
  /program/ballast/dist/main/ballast.js "$@"
END
chmod +x /tmp/ballast
modprobe -a nvme_tcp ext4 xfs
/program/lib/ld-linux-x86-64.so.2 --library-path /program/lib /program/node \
  /program/ballast/scripts/demo-csi.mjs --driver kernel --ballast /tmp/ballast --directory /tmp \
  --pool "$pool" --mib 8 | tee /tmp/demo
grep -q 'steps, all ok$' /tmp/demo || fail "the demo has not ended"
grep -q 'a volume to grow, ext4' /tmp/demo || fail "ext4 was not grown"
equal "$(ls /sys/class/nvme 2>/dev/null | wc -l)" 0 "number of controllers that are left"
