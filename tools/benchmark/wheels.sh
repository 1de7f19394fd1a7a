#!/usr/bin/env bash
# Collect what a GPU machine without a network lacks: wheels of this repository and of small packages, in one folder.
#
#   bash tools/benchmark/wheels.sh FOLDER [PYTHON] [PLATFORM]      # default: 3.12 x86_64
#
# The other machine must have torch with torchvision and triton, numpy, scipy, OpenCV and matplotlib. There:
#
#   python -m pip install --no-index --no-deps FOLDER/*.whl
#   python tools/benchmark/run.py soft_argmax training_step inference --device cuda
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd) version=${2:-3.12} machine=${3:-x86_64}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ -x .venv/bin/python ] || [ -n "${VIRTUAL_ENV:-}" ] || { echo 'wheels.sh: run `bash tools/install.sh` first' >&2; exit 1; }
python=${VIRTUAL_ENV:-.venv}/bin/python

names='mmengine mmdet mmpose mmcv-lite addict yapf platformdirs json-tricks munkres pycocotools shapely terminaltables termcolor
pyyaml rich markdown-it-py mdurl pygments six tqdm packaging pytest pytest-timeout pytest-xdist execnet iniconfig pluggy'
# The versions of requirements.lock for the other Python. pip's own markers would be those of this Python.
wanted=$("$python" - "$version" $names <<'PYTHON'
import sys
from packaging.requirements import Requirement
version, *names = sys.argv[1:]
target = dict(python_version=version, python_full_version=f'{version}.0', sys_platform='linux')
for line in open('requirements.lock'):
    if '==' in line and (requirement := Requirement(line.strip())).name in names:
        if requirement.marker is None or requirement.marker.evaluate(target):
            print(requirement.name + str(requirement.specifier))
PYTHON
)
platforms=()
for minor in 28 27 24 17 12 5; do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version "$version" --implementation cp \
    --platform "manylinux2014_$machine" --platform "manylinux1_$machine" "${platforms[@]}" --dest "$folder" $wanted
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder" . packages/mmcv_torchvision_ops packages/xtcocotools
du -sh "$folder"
