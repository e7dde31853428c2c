# case: flush works, and a write cache is shown only when there is one; volume:
# variants: durable volatile
# beyond-nvmet
# limit: 180
case $VARIANT in
  durable) target_start data=file:16MiB; expected='write through' vwc=0 ;;
  volatile) target_start data=file:16MiB,write-cache=volatile; expected='write back' vwc=1 ;;
esac
connect data
equal "$(queue_value write_cache)" "$expected" "write cache"
present=$(nvme id-ctrl "/dev/$CTRL" | awk -F' : ' '/^vwc / { print strtonum($2) }')
equal $((present & 1)) $vwc "VWC bit 0"
nvme flush "$DEV" -n 1
fio_write "$DEV" 4m --fsync=16
dd if=/dev/urandom of="$DEV" bs=64k count=16 conv=fsync status=none
disconnect data
