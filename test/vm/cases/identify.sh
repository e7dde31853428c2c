# case: identify, log pages and features hold together, and the block device shows them; block size:
# variants: 512 4096
# limit: 240
target_start data=mem:48MiB,block="$VARIANT"
connect data -k 30
field() { awk -F: -v name="$1" '$1 ~ "^" name " *$" { gsub(/ /, "", $2); print $2; exit }'; }

controller=$(nvme id-ctrl "/dev/$CTRL")
equal "$(echo "$controller" | awk -F' : ' '/^subnqn/ { print $2 }')" "$(nqn_of data)" subnqn
at_least "$(echo "$controller" | field nn)" 1 nn
at_least "$(echo "$controller" | field ioccsz)" 4 "ioccsz (in units of 16 bytes)"
[ -n "$(echo "$controller" | field mn)" ] || fail "the model number is empty"
[ -n "$(echo "$controller" | field sn)" ] || fail "the serial number is empty"
[ "$(echo "$controller" | field sgls)" != 0 ] || fail "no SGL support: a Fabrics controller must have it"
[ "$(echo "$controller" | field kas)" != 0 ] || fail "no keep alive support"

namespace=$(nvme id-ns "$DEV" -n 1)
equal "$(($(echo "$namespace" | field nsze) * VARIANT))" $((48 << 20)) "size in bytes"
equal "$(blockdev --getsize64 "$DEV")" $((48 << 20)) "size of the block device"
equal "$(queue_value logical_block_size)" "$VARIANT" "logical block size"
if [ "$VARIANT" = 512 ]; then lbads=9; else lbads=12; fi
echo "$namespace" | grep 'in use' | grep -q "lbads:$lbads " || fail "format: $namespace"
descriptors=$(nvme ns-descs "$DEV" -n 1)
echo "$descriptors" | grep -qiE '(nguid|uuid) *: *[0-9a-f-]{32,36}' ||
  fail "no identifier that lasts: $descriptors"
refused sh -c 'echo "$1" | grep -qE "(nguid|uuid) *: *[0-]*$"' - "$descriptors"
nvme list-ns "/dev/$CTRL" | grep -q 0x1 || fail "namespace 1 is not in the list of active ones"
nvme list-subsys | grep -q "$(nqn_of data)"
nvme list | grep -q "$DEV"

nvme smart-log "/dev/$CTRL" | grep -q 'critical_warning[[:space:]]*: 0' ||
  fail "critical warning in the health log"
nvme error-log "/dev/$CTRL" >/dev/null
nvme fw-log "/dev/$CTRL" >/dev/null
nvme effects-log "/dev/$CTRL" >/dev/null
nvme show-regs "/dev/$CTRL" | grep -qi 'csts' || fail "no controller status by Property Get"
nvme get-feature "/dev/$CTRL" -f 7 | grep -q 'Current value' || fail "no number of queues"
nvme get-feature "/dev/$CTRL" -f 0x0f | grep -qi '0x0*7530' ||
  fail "keep alive timer is not the 30 s asked for"
nvme get-feature "/dev/$CTRL" -f 0x0b >/dev/null
# What a controller does not have is refused in words, not by silence.
expect_complaint 'Invalid (Field|Opcode|Log)|Invalid Command Opcode'
refused nvme get-feature "/dev/$CTRL" -f 0x7f
refused nvme get-log "/dev/$CTRL" --log-id=0xbf --log-len=512
# A namespace that is not there: an error, or all zeroes, by whether its number is within NN.
if absent=$(nvme id-ns "/dev/$CTRL" -n 4711 2>/dev/null); then
  equal "$(echo "$absent" | field nsze)" 0 "nsze of nothing"
fi
disconnect data
