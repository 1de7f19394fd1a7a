#!/usr/bin/env bash
# Train on a Slurm cluster: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of tools/train.py]
# The variables GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS, PY_ARGS and PORT are those of tools/slurm_run.sh.
set -euo pipefail
if (($# < 3)); then
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
if (($# > 3)) && [[ $4 != -* ]]; then
    echo "slurm_train.sh: options of tools/train.py expected after CONFIG, got '$4'; a work folder is --work-dir '$4'" >&2
    exit 2
fi
here=$(dirname "${BASH_SOURCE[0]}")
exec bash "$here/slurm_run.sh" "$1" "$2" "$here/train.py" "${@:3}"
