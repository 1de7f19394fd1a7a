#!/usr/bin/env bash
# Evaluate in several processes: tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
# One process per GPU. On a machine without a GPU, GPUS processes share the CPU cores. Several machines: the same command
# on each, with NNODES, NODE_RANK (0 on the first), MASTER_ADDR (its address) and PORT set. PYTHON names the interpreter.
set -euo pipefail
if (($# < 3)); then
    sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
if [[ ! $3 =~ ^[1-9][0-9]*$ ]]; then
    echo "dist_test.sh: GPUS, the third argument: a whole number above 0 expected, got '$3'" >&2
    exit 2
fi
here=$(dirname "${BASH_SOURCE[0]}")
exec bash "$here/dist_run.sh" "$here/test.py" "$3" "$1" "$2" "${@:4}"
