# case: a file system keeps its files over unmount, disconnect and reconnect:
# variants: ext4-512 ext4-4096 xfs-512 xfs-4096
# short: ext4-4096
# limit: 400
type=${VARIANT%-*} block=${VARIANT#*-}
# xfsprogs makes no file system below 300 MiB.
size=64MiB
[ "$type" = ext4 ] || size=320MiB
target_start data="file:$size,block=$block"
connect data
case $type in
  ext4) mkfs.ext4 -q "$DEV" ;;
  xfs) mkfs.xfs -q "$DEV" ;;
esac
mount -t "$type" "$DEV" $MNT
mkdir -p $MNT/many
for i in $(seq 1 40); do random_file $MNT/many/$i $((i * 1371)); done
random_file $MNT/large $((6 << 20))
(cd $MNT && find . -type f -print0 | sort -z | xargs -0 sha256sum) >/tmp/sums
sync -f $MNT
rm $MNT/many/{1..9}
sed -i -E '\#/many/[1-9]$#d' /tmp/sums
fstrim -v $MNT
umount $MNT
disconnect data

connect data
case $type in
  ext4) fsck.ext4 -f -n "$DEV" ;;
  xfs) xfs_repair -n "$DEV" ;;
esac
mount -t "$type" "$DEV" $MNT
(cd $MNT && sha256sum --quiet -c /tmp/sums) || fail "files have changed"
equal "$(ls $MNT/many | wc -l)" 31 "number of files"
umount $MNT
disconnect data
