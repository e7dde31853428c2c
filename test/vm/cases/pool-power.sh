# case: a pool on a disk that loses power has all that was acknowledged; the disk:
# variants: loses-its-cache fails
# program
# beyond-nvmet
# limit: 500
# loses-its-cache: every write is recorded, without those that only a volatile cache has (dm-log-writes). What
# the disk held when a round ended, and at a moment of the next one, is made and opened by the host's daemon.
# fails: from one moment under load on each write ends with an error (dm-flakey); the disk is opened anew.
. /job/guest/program.sh
modprobe -a dm_mod dm_log_writes dm_flakey
disk=$(disk_named disk)
sectors=$(blockdev --getsz "$disk")
case $VARIANT in
  loses-its-cache) table="0 $sectors log-writes $disk $(disk_named log)" ;;
  fails) table="0 $sectors linear $disk 0" ;;
esac
blkdiscard -z "$disk"
dmsetup create --noudevsync pool --table "$table"
[ -b /dev/dm-0 ] || fail "the device mapper has made no /dev/dm-0"
equal "$(cat /sys/block/dm-0/queue/write_cache)" 'write back' 'write cache of the disk'

# In the guest's daemon: volume r, of which each round overwrites one part and writes one that is new; volume
# f with a file system.
guest_start /dev/dm-0
ADDRESS=127.0.0.1 PORT=$guest_port
for name in r f; do
  nqns[$name]=$(guest_ballast volume create $name --size 64MiB | json_value nqn)
done
connect r
raw=$DEV
connect f
mkfs.ext4 -q "$DEV"
mount -t ext4 "$DEV" $MNT

rounds=3
mark() { if [ "$VARIANT" = loses-its-cache ]; then dmsetup message pool 0 mark "$1"; fi; }
# fio_parts OPTION OFFSET:ROUND...: writes or verifies parts of $DEV, whose blocks say where they belong and
# which round wrote them
fio_parts() {
  local option=$1 part jobs=()
  shift
  for part in "$@"; do
    jobs+=("--name=at-$part" "--offset=${part%:*}m" "--verify_pattern=0x${part#*:}5a7e1%o")
  done
  say "fio: $DEV $option $*"
  fio --filename="$DEV" --size=2m --ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=16 --thread \
    --verify=pattern --verify_fatal=1 "$option" --eta=never "${jobs[@]}" >/tmp/fio.out 2>&1 ||
    { cat /tmp/fio.out; fail "fio reports an error"; }
  equal "$(grep -cE 'err= 0' /tmp/fio.out)" $# "number of parts without an error"
}
rm -f /tmp/sums
for round in $(seq 1 $rounds); do
  if [ "$round" = 2 ]; then guest_ballast volume snapshot r s >/dev/null; fi # of what round 1 has left
  DEV=$raw
  fio_parts --do_verify=0 "0:$round" "$((4 * round)):$round"
  for i in 1 2 3; do
    random_file $MNT/$round-$i $((i * 70001))
    rm -f $MNT/$((round - 1))-3
  done
  sync -f $MNT
  (cd $MNT && sha256sum $round-[12]) >>/tmp/sums
  cp /tmp/sums "/tmp/sums.$round"
  mark "round-$round"
done
if [ "$VARIANT" = fails ]; then
  fio --name=cut --filename="$raw" --offset=40m --size=16m --ioengine=libaio --direct=1 --rw=randwrite \
    --bs=4k --iodepth=16 --eta=never >/dev/null 2>&1 &
  writer=$!
  before=$(written_mib)
  eventually 60 has_written_mib $((before + 2))
  dmsetup suspend --nolockfs pool
  dmsetup reload pool --table "0 $sectors flakey $disk 0 0 3600 1 error_writes"
  dmsetup resume pool
  wait $writer && fail "writes to a disk that has failed were acknowledged"
fi

# The power is gone.
expect_connection_loss
expect_complaint 'I/O [Ee]rror|EXT4-fs (error|warning)|Aborting journal'
guest_kill
for name in r f; do disconnect $name; done # before the file system notices: it would wait for its disk
umount -l $MNT
dmsetup remove --noudevsync --retry pool
ADDRESS=10.0.2.2

# opened ROUND IS-EXACT: the host's daemon has the pool; that round is there, and if exact nothing later
opened() {
  local round=$1 is_exact=$2 past parts=()
  for past in $(seq 1 "$round"); do parts+=("$((4 * past)):$past"); done
  [ "$is_exact" = no ] || parts+=("0:$round")
  connect r
  fio_parts --verify_only=1 "${parts[@]}"
  disconnect r
  if [ "$round" -ge 2 ]; then
    nqns[copy]=$(ballast volume clone r/s copy | json_value nqn)
    connect copy
    fio_parts --verify_only=1 0:1 4:1
    disconnect copy
  fi
  connect f
  mount -t ext4 "$DEV" $MNT
  (cd $MNT && sha256sum --quiet -c "/tmp/sums.$round") || fail "files of round $round are lost"
  umount $MNT
  fsck.ext4 -f -n "$DEV" >/dev/null || fail "the file system of round $round is damaged"
  disconnect f
  equal "$(ballast pool scrub p --wait | json_value errors)" 0 "errors of the scrub"
  target_stop
}

case $VARIANT in
  fails)
    PORT=$(ask open-disk)
    opened $rounds yes
    ;;
  loses-its-cache)
    for round in $(seq 1 $rounds); do
      moments=("round-$round")
      [ "$round" = $rounds ] || moments+=("round-$round round-$((round + 1))")
      for moment in "${moments[@]}"; do
        answer=$(ask open-replayed $moment)
        say "power lost: $moment, $answer"
        PORT=${answer%% *}
        is_exact=yes
        [ "$moment" = "round-$round" ] || is_exact=no
        opened "$round" $is_exact
      done
    done
    ;;
esac
