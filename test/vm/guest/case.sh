# Runs one case: case.sh FILE VARIANT. Any command that fails ends the case as failed, with the line named. A
# case that comes to its end must also have left no controller, a target that stops cleanly and a kernel log
# without complaints.
set -Eeuo pipefail
. /job/guest/lib.sh
trap 'echo "FAIL: line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND (status $?)"' ERR
VARIANT=$2
. "/job/cases/$1.sh"
no_controller_left
target_stop
kernel_log_is_clean
