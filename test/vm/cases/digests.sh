# case: fio verifies what it wrote, digests:
# variants: none header data both
# short: both
# limit: 300
target_start data=mem:64MiB
case $VARIANT in
  none) options=() ;;
  header) options=(--hdr-digest) ;;
  data) options=(--data-digest) ;;
  both) options=(--hdr-digest --data-digest) ;;
esac
connect data "${options[@]}"
# In-capsule writes, writes by R2T, and reads of more than one PDU.
fio_write "$DEV" 24m --bsrange=4k-256k --iodepth=16
disconnect data
connect data "${options[@]}"
fio_verify "$DEV" 24m --bsrange=4k-256k --iodepth=16
disconnect data
