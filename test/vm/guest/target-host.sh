# The target is `ballast serve` on the host: each function is a question to run.mjs, put down as a file in
# /job/ask and answered by a file beside it, whose first word is "ok" or "error".
ADDRESS=10.0.2.2
PORT=$(cat /job/port 2>/dev/null || true)

ask() { # VERB ARGUMENTS...
  local name answer
  name=/job/ask/$(cut -d' ' -f1 /proc/uptime)-$BASHPID-$RANDOM
  printf '%s\n' "$@" >"$name.new"
  mv "$name.new" "$name.ask"
  until [ -e "$name.answer" ]; do sleep 0.02; done
  answer=$(cat "$name.answer")
  [ "${answer%% *}" = ok ] || fail "host: ${answer#error }"
  echo "${answer#ok }"
}

# target_start NAME=SPEC... pool:NAME:SIZE...: a volume each, in a subsystem of its own unless the SPEC has an
# nqn, or a pool
target_start() {
  say "target start $*"
  PORT=$(ask start "$@") || exit 1
  echo "$PORT" >/job/port
}
target_stop() { ask stop >/dev/null; }       # SIGTERM: must end with status 0
target_kill() { say "target kill"; ask kill >/dev/null; }
target_restart() { say "target restart"; ask restart >/dev/null; } # the same port, the same volumes
target_freeze() { say "target freeze"; ask freeze >/dev/null; }    # SIGSTOP: answers nothing, closes nothing
target_thaw() { ask thaw >/dev/null; }
target_discard() { ask discard >/dev/null; } # whatever its state

# ballast ARGUMENTS...: a command asked of the target; what it prints, as JSON
ballast() {
  say "ballast $*" >&2
  ask ballast "$@"
}
json_value() { sed -n 's/^ *"'"$1"'": "\?\([^",]*\)"\?,\?$/\1/p' | head -1; } # NAME: of the JSON on stdin
pool_value() { ballast pool show "$1" | json_value "$2"; }                 # POOL NAME
