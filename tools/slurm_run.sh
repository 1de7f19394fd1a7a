#!/usr/bin/env bash
# Run a tool on a Slurm cluster: tools/slurm_run.sh PARTITION JOB_NAME SCRIPT [the script's arguments]
# For every script that takes --launcher. Set GPUS (default 8, one process each), GPUS_PER_NODE (default 8, or GPUS if
# that is less), CPUS_PER_TASK (default 5), SRUN_ARGS (more options of srun), PY_ARGS (more arguments of the script),
# PORT (where the processes meet, default 29500; jobs that share a node need different ones) and PYTHON.
set -euo pipefail
if (($# < 3)); then
    sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
whole_number() {  # NAME VALUE
    [[ $2 =~ ^[1-9][0-9]*$ ]] && return
    echo "slurm_run.sh: $1: a whole number above 0 expected, got '$2'" >&2
    exit 2
}
gpus=${GPUS:-8} cpus=${CPUS_PER_TASK:-5}
whole_number GPUS "$gpus"
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
whole_number GPUS_PER_NODE "$per_node"
whole_number CPUS_PER_TASK "$cpus"
whole_number PORT "${PORT:-29500}"
if ((gpus % per_node)); then
    echo "slurm_run.sh: GPUS=$gpus is no multiple of GPUS_PER_NODE=$per_node; nodes with unequal shares do not work" >&2
    exit 2
fi
if [[ ! -f $3 ]]; then
    echo "slurm_run.sh: SCRIPT, the third argument: a Python file expected, there is no '$3'" >&2
    exit 2
fi
if ! command -v srun >/dev/null; then
    echo 'slurm_run.sh: there is no srun on this machine; without Slurm, tools/dist_run.sh starts the processes' >&2
    exit 127
fi
export MASTER_PORT=${PORT:-29500}
# SRUN_ARGS and PY_ARGS are lists of words on purpose.
# shellcheck disable=SC2086
exec srun --partition="$1" --job-name="$2" --gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node" \
    --cpus-per-task="$cpus" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$3" --launcher slurm "${@:4}" ${PY_ARGS:-}
