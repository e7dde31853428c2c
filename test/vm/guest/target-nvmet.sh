# The target is the guest's own kernel (nvmet over loop devices on memory): shows that a case is right without
# ballast.
ADDRESS=127.0.0.1
PORT=4420
config=/sys/kernel/config/nvmet

target_start() {
  local volume name spec size block nqn backing nsid
  modprobe -a nvmet nvmet_tcp
  mkdir "$config/ports/1"
  echo tcp >"$config/ports/1/addr_trtype"
  echo ipv4 >"$config/ports/1/addr_adrfam"
  echo "$ADDRESS" >"$config/ports/1/addr_traddr"
  echo "$PORT" >"$config/ports/1/addr_trsvcid"
  for volume in "$@"; do
    name=${volume%%=*} spec=${volume#*=}
    size=${spec#*:} block=512 nqn=$(nqn_of "$name")
    size=${size%%,*}
    case $spec in *block=4096*) block=4096 ;; *block=512*) ;; *) block=4096 ;; esac
    case $spec in *nqn=*) nqn=${spec##*nqn=} nqn=${nqn%%,*} ;; esac
    truncate -s "${size%iB}" "/tmp/$name.backing"
    backing=$(losetup -f --show --sector-size $block "/tmp/$name.backing")
    [ -d "$config/subsystems/$nqn" ] || mkdir "$config/subsystems/$nqn"
    echo 1 >"$config/subsystems/$nqn/attr_allow_any_host"
    nsid=$(($(ls "$config/subsystems/$nqn/namespaces" | wc -l) + 1))
    mkdir "$config/subsystems/$nqn/namespaces/$nsid"
    echo -n "$backing" >"$config/subsystems/$nqn/namespaces/$nsid/device_path"
    echo 1 >"$config/subsystems/$nqn/namespaces/$nsid/enable"
  done
  target_restart
}
target_kill() { rm "$config"/ports/1/subsystems/*; }
target_restart() {
  local subsystem
  for subsystem in "$config"/subsystems/*; do ln -s "$subsystem" "$config/ports/1/subsystems/"; done
}
target_stop() { target_discard; }
target_freeze() { fail "nvmet cannot be frozen"; }
target_thaw() { :; }
target_discard() {
  rm -f "$config"/ports/1/subsystems/*
  rmdir "$config"/subsystems/*/namespaces/* "$config"/subsystems/* "$config"/ports/* 2>/dev/null
  losetup -D
  rm -f /tmp/*.backing
  true
}
