#!/usr/bin/env bash
# Run a tool in several processes: tools/dist_run.sh SCRIPT PROCESSES [the script's arguments]
# For every script that takes --launcher, for example: tools/dist_run.sh tools/dataset_converters/detect_boxes.py 4 ...
# One process per GPU. On a machine without a GPU, the processes share the CPU cores. Several machines: the same command
# on each, with NNODES, NODE_RANK (0 on the first), MASTER_ADDR (its address) and PORT set. PYTHON names the interpreter.
set -euo pipefail
if (($# < 2)); then
    sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
script=$1 processes=$2
if [[ ! -f $script ]]; then
    echo "dist_run.sh: SCRIPT, the first argument: a Python file expected, there is no '$script'" >&2
    exit 2
fi
if [[ ! $processes =~ ^[1-9][0-9]*$ ]]; then
    echo "dist_run.sh: PROCESSES, the second argument: a whole number above 0 expected, got '$processes'" >&2
    exit 2
fi
nodes=${NNODES:-1}
# A free port on a single machine, so that two trainings can run side by side; else the same one on all machines.
# torchrun's --standalone would look up names, which a container may not be able to resolve.
if ((nodes == 1)) && [[ -z ${PORT:-} ]]; then
    meeting=(--rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0 --rdzv-id "$$" --local-addr 127.0.0.1)
else
    meeting=(--nnodes "$nodes" --node_rank "${NODE_RANK:-0}" --master_addr "${MASTER_ADDR:-127.0.0.1}"
             --master_port "${PORT:-29500}")
fi
# torchrun gives every process one CPU thread unless told otherwise.
if [[ -z ${OMP_NUM_THREADS:-} ]]; then
    threads=$(($(nproc) / processes))
    export OMP_NUM_THREADS=$((threads > 0 ? threads : 1))
fi
export MMPOSE_INTEGRAL_TORCHRUN=1  # the processes end with it, also when it is killed
exec "${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/torchrun.py" "${meeting[@]}" --nproc_per_node "$processes" \
    "$script" --launcher pytorch "${@:3}"
