# The script a test machine runs: every line of /job/plan ("FILE VARIANT SECONDS") as one case, each in a
# shell of its own. The host reads the lines that begin with "@"; what a case prints is in /job/log. A case
# that leaves the machine unusable ends the suite with status 9, and the host goes on with the next one in a
# new machine.
mkdir -p /job/log /tmp/mnt
modprobe -a nvme_fabrics nvme_tcp ext4 xfs loop || exit 8
dmesg -c >/dev/null

while read -r file variant seconds; do
  log=/job/log/$file.$variant
  echo "@begin $file $variant"
  before=$(cut -d. -f1 /proc/uptime)
  timeout -k 5 "$seconds" bash /job/guest/case.sh "$file" "$variant" >"$log" 2>&1 </dev/null
  status=$?
  [ $status = 124 ] && echo "no end after $seconds s" >>"$log"
  if [ $status != 0 ]; then
    {
      echo "--- kernel log"
      dmesg
      echo "--- controllers"
      grep -s . /sys/class/nvme/nvme*/{state,address,subsysnqn}
    } >>"$log"
  fi
  timeout -k 5 60 bash /job/guest/clean.sh "$file" "$variant" >>"$log" 2>&1 </dev/null || { clean=failed; }
  dmesg -c >>"$log.dmesg"
  echo "@end $file $variant $status $(($(cut -d. -f1 /proc/uptime) - before))"
  [ -z "${clean:-}" ] || exit 9
done </job/plan
exit 0
