# case: a volume of a pool beneath a file system: snapshot, clone, growing online, room given back; with:
# variants: ext4 xfs
# beyond-nvmet
# limit: 400
type=$VARIANT
# xfsprogs makes no file system below 300 MiB.
case $type in
  ext4) small=64 large=96 options=() ;;
  xfs) small=320 large=384 options=(-o nouuid) ;;
esac
target_start pool:p:1GiB
free_at_first=$(pool_value p freeBytes)
nqns[v]=$(ballast volume create v --size ${small}MiB | json_value nqn)
connect v
volume=$DEV
mkfs.$type -q "$volume"
mount -t $type "$volume" $MNT
mkdir $MNT/many
for i in $(seq 1 30); do random_file $MNT/many/$i $((i * 1371)); done
fio_write $MNT/checked 4m
(cd $MNT && find . -type f -print0 | sort -z | xargs -0 sha256sum) >/tmp/sums

# What is frozen is what the snapshot has, whatever comes after it.
fsfreeze -f $MNT
ballast volume snapshot v frozen >/dev/null
fsfreeze -u $MNT
rm $MNT/many/{1..9}
random_file $MNT/many/30 100000
fio_write $MNT/checked 4m --randseed=8

# One that is taken while files are written has all that was synced, once its file system has been recovered.
sha256sum $MNT/many/30 | sed "s#$MNT/##" >/tmp/synced
sync -f $MNT
fio --name=beside --directory=$MNT --size=4m --rw=randwrite --bs=8k --time_based --runtime=300 --fsync=16 \
  --eta=never >/dev/null 2>&1 &
writer=$!
before=$(written_mib)
eventually 60 has_written_mib $((before + 4))
ballast volume snapshot v moving >/dev/null
kill $writer
wait $writer || true

mkdir -p /tmp/clone
for snapshot in frozen moving; do
  nqns[$snapshot]=$(ballast volume clone v/$snapshot clone-of-$snapshot | json_value nqn)
  connect $snapshot
  mount -t $type "${options[@]}" "$DEV" /tmp/clone
  case $snapshot in
    frozen)
      (cd /tmp/clone && sha256sum --quiet -c /tmp/sums) || fail "the clone of the frozen snapshot differs"
      fio_verify /tmp/clone/checked 4m
      rm -r /tmp/clone/many # which the others do not see
      ;;
    moving)
      (cd /tmp/clone && sha256sum --quiet -c /tmp/synced) || fail "what was synced is not in the snapshot"
      fio_verify /tmp/clone/checked 4m --randseed=8
      ;;
  esac
  umount /tmp/clone
  case $type in
    ext4) fsck.ext4 -f -n "$DEV" ;;
    xfs) xfs_repair -n "$DEV" ;;
  esac
  disconnect $snapshot
done
equal "$(ls $MNT/many | wc -l)" 21 "number of files of the volume"

# Growing beneath a mounted file system.
DEV=$volume
size_of_files() { df -B1M --output=size $MNT | tail -1; }
size_before=$(size_of_files)
ballast volume resize v ${large}MiB >/dev/null
has_size() { [ "$(blockdev --getsize64 "$volume")" = $(($1 << 20)) ]; }
eventually 30 has_size $large
case $type in
  ext4) resize2fs "$volume" ;;
  xfs) xfs_growfs $MNT ;;
esac
at_least "$(size_of_files)" $((size_before + 20)) "size of the grown file system"
fio_write $MNT/more 4m

# What is deleted comes back by trim once no snapshot holds it: nothing but the volume has these 16 MiB.
free_before=$(pool_value p freeBytes)
rm $MNT/more
sync -f $MNT
fstrim -v $MNT
has_free() { [ "$(pool_value p freeBytes)" -ge "$1" ]; }
eventually 30 has_free $((free_before + (3 << 20)))
fio_verify $MNT/checked 4m --randseed=8
equal "$(ballast pool scrub p --wait | json_value errors)" 0 "errors of the scrub"

umount $MNT
disconnect v
for name in clone-of-frozen clone-of-moving v/frozen v/moving v; do
  ballast volume delete $name >/dev/null
done
eventually 30 has_free "$free_at_first"
equal "$(pool_value p usedBytes)" 0 "used room of the empty pool"
