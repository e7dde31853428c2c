# A cluster of three nodes on the host with one volume, of which each node has a replica and an address.
# Sourced by cases; clean.sh needs nothing of it, target_discard takes a cluster away too.

# cluster_start NAME MIB: sets PORTS, one of each node; nqn_of knows the volume
cluster_start() {
  local answer
  say "cluster start: $1, $2 MiB"
  answer=$(ask cluster-start "$1" "$2") || exit 1
  nqns[$1]=${answer%% *}
  read -ra PORTS <<<"${answer#* }"
}
cluster_stop() { ask cluster-stop >/dev/null; }   # SIGTERM to all: each must end with status 0
cluster_head() { ask cluster-head; }              # "NODE PORT", or "none"
cluster_kill() { say "kill $1"; ask cluster-kill "$1" >/dev/null; }
cluster_start_node() { say "start $1"; ask cluster-start-node "$1" >/dev/null; }
cluster_whole() { ask cluster-whole >/dev/null; } # waits until all nodes are up and all replicas in sync

# path_state PORT: "STATE ANA-STATE" of the path to this port, such as "live optimized"
path_state() {
  local directory
  for directory in /sys/class/nvme/nvme*; do
    case $(cat "$directory/address" 2>/dev/null) in *"trsvcid=$1"*) ;; *) continue ;; esac
    echo "$(cat "$directory/state") $(cat "$directory"/nvme*c*n1/ana_state 2>/dev/null)"
  done
}
is_path_state() { [ "$(path_state "$1")" = "$2" ]; } # PORT STATE
