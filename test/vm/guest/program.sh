# The daemon within the guest, for what the host cannot give it: a disk of the device mapper. Sourced by
# cases with the header "# program", of which run.mjs makes disks: one with the program, one for a pool, one
# for a log of its writes. `ballast` and `pool_value` ask the daemon on the host, guest_ballast this one.
guest_state=/tmp/guest-state
guest_pid=/tmp/guest-daemon.pid

disk_named() { # SERIAL: /dev/vdX
  local directory
  for directory in /sys/block/vd*; do
    if [ "$(cat "$directory/serial")" = "$1" ]; then echo "/dev/${directory##*/}"; return; fi
  done
  fail "there is no disk '$1'"
}

guest_program() { # ARGUMENTS...: replaces the shell
  exec /program/lib/ld-linux-x86-64.so.2 --library-path /program/lib /program/node \
    /program/ballast/dist/main/ballast.js "$@"
}

# guest_ballast ARGUMENTS...: a command asked of the guest's daemon; what it prints, as JSON
guest_ballast() {
  say "guest: ballast $*" >&2
  (NO_COLOR=1 guest_program "$@" --data $guest_state -o json)
}

# guest_start DEVICE: a daemon with the pool p on the whole of DEVICE, which is overwritten
guest_start() {
  say "guest: start on $1"
  mkdir -p /program
  mountpoint -q /program || mount -t ext4 -o ro "$(disk_named program)" /program
  rm -rf $guest_state
  (guest_program serve --data $guest_state --listen tcp://127.0.0.1:0 --ensure-pool "p=$1") \
    >/tmp/guest-daemon.log 2>&1 </dev/null &
  echo $! >$guest_pid
  until grep -qE '^api ' /tmp/guest-daemon.log; do
    kill -0 "$(cat $guest_pid)" || { cat /tmp/guest-daemon.log; fail "the guest's daemon has ended"; }
    sleep 0.2
  done
  guest_port=$(sed -n 's#^listening on tcp://127.0.0.1:##p' /tmp/guest-daemon.log)
}

guest_kill() {
  say "guest: kill"
  kill -9 "$(cat $guest_pid)"
  wait "$(cat $guest_pid)" 2>/dev/null || true
  rm $guest_pid
}

# What a failed case may have left: for clean.sh.
guest_discard() {
  [ ! -e $guest_pid ] || kill -9 "$(cat $guest_pid)"
  rm -f $guest_pid
  dmsetup remove_all --force 2>/dev/null
}
