#!/usr/bin/env bash
# Train in several processes: tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# One process a GPU; on a machine without one, GPUS processes share the CPU cores. Several machines: the same command on
# each, with NNODES, NODE_RANK (0 on the first), MASTER_ADDR (its address) and PORT set. PYTHON names the interpreter.
set -euo pipefail
if (($# < 2)); then
    sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
config=$1 gpus=$2
if [[ ! $gpus =~ ^[1-9][0-9]*$ ]]; then
    echo "dist_train.sh: GPUS, the second argument: a whole number above 0 expected, got '$gpus'" >&2
    exit 2
fi
nodes=${NNODES:-1}
here=$(dirname "${BASH_SOURCE[0]}")
# A free port on a single machine, so that two trainings can run side by side; else the same one on all machines.
if ((nodes == 1)) && [[ -z ${PORT:-} ]]; then
    meeting=(--standalone)
else
    meeting=(--nnodes "$nodes" --node_rank "${NODE_RANK:-0}" --master_addr "${MASTER_ADDR:-127.0.0.1}"
             --master_port "${PORT:-29500}")
fi
# torchrun gives every process one CPU thread unless told otherwise.
if [[ -z ${OMP_NUM_THREADS:-} ]]; then
    threads=$(($(nproc) / gpus))
    export OMP_NUM_THREADS=$((threads > 0 ? threads : 1))
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${meeting[@]}" --nproc_per_node "$gpus" \
    "$here/train.py" "$config" --launcher pytorch "${@:3}"
