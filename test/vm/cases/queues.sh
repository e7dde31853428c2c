# case: several I/O queues of every kind carry I/O from two processors; queue size:
# variants: 16 128 1024
# limit: 300
target_start data=mem:64MiB
connect data -i 2 -W 2 -P 2 -Q "$VARIANT"
dmesg | grep -q 'creating 6 I/O queues' || fail "not 6 I/O queues: $(dmesg | tail -5)"
# Jobs on areas of their own, and polled reads on the third kind of queues.
fio_write "$DEV" 6m --numjobs=4 --offset_increment=8m --bsrange=4k-64k --iodepth=64
fio --name=polled --filename="$DEV" --ioengine=pvsync2 --hipri --rw=randread --bs=4k --size=1m --direct=1 \
  >/tmp/fio.out || { cat /tmp/fio.out; fail "polled reads"; }
disconnect data
