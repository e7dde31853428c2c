# Takes away what a failed case may have left: processes, mounts, controllers, the target. Fails when
# something stays.
. /job/guest/lib.sh
for process in fio dd; do pkill -9 -x "$process"; done
while umount -l /tmp/mnt 2>/dev/null; do :; done
target_thaw 2>/dev/null
for controller in /sys/class/nvme/nvme*; do
  [ -e "$controller/delete_controller" ] && echo 1 >"$controller/delete_controller"
done
target_discard 2>/dev/null
. /job/guest/program.sh
guest_discard
[ -z "$(ls /sys/class/nvme 2>/dev/null)" ]
