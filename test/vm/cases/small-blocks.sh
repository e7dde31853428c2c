# case: fio verifies writes of single 512-byte blocks, and of odd numbers of them
# limit: 240
target_start data=mem:16MiB,block=512
connect data
fio_write "$DEV" 1m --bs=512
fio_write "$DEV" 8m --bsrange=512-128k --offset=1m
disconnect data
