#!/usr/bin/env bash
# Evaluate on a Slurm cluster: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]
# The variables GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS, PY_ARGS and PORT are those of tools/slurm_run.sh.
set -euo pipefail
if (($# < 4)) || [[ $4 == -* ]]; then
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
here=$(dirname "${BASH_SOURCE[0]}")
exec bash "$here/slurm_run.sh" "$1" "$2" "$here/test.py" "${@:3}"
