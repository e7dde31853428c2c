# case: two volumes that name one subsystem are its namespaces 1 and 2
# limit: 180
target_start "data=mem:16MiB,nqn=$(nqn_of shared)" "more=mem:24MiB,block=512,nqn=$(nqn_of shared)"
connect shared
one=$(namespace_device shared 1) two=$(namespace_device shared 2)
equal "$(blockdev --getsize64 "$one")" $((16 << 20)) "size of namespace 1"
equal "$(blockdev --getsize64 "$two")" $((24 << 20)) "size of namespace 2"
fio_write "$one" 4m
fio_write "$two" 4m --bs=512 --size=512k
fio_verify "$one" 4m
[ "$(nvme ns-descs "$one" -n 1 | grep -i uuid)" != "$(nvme ns-descs "$two" -n 2 | grep -i uuid)" ] ||
  fail "both namespaces have one identifier"
disconnect shared
