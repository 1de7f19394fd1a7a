#!/usr/bin/env bash
# Change the code of cameras, codecs, soft-argmax and metrics in small ways, and count the changes that the tests notice.
#
#   tools/mutation.sh [PATTERN ...]
#
#   PATTERN   names of the changes to try, such as '*__mutmut_*7' for about every tenth; default: all; see
#             docs/reliability.md for the time
#
# pyproject.toml ([tool.mutmut]) has the files and their tests. The code is not changed in place, but in the folder
# mutants. A stopped run continues; remove the folder after a change of the tests. `work_dirs/mutation/bin/mutmut results`
# lists the changes that no test noticed, and `work_dirs/mutation/bin/mutmut show NAME` prints one. The exit status is 1
# if the tests noticed fewer than 85 %.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ${1:-} != -* ]] || { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0; }
project=${VIRTUAL_ENV:-$PWD/.venv} tool=work_dirs/mutation
packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
# Only this script needs mutmut, so it gets an environment of its own, which also has the packages of the project's.
if [ ! -x "$tool/bin/mutmut" ]; then
    "$project/bin/python" -m venv "$tool"
    packages "$project" > "$(packages "$tool")/project.pth"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check mutmut==3.8.1
fi
OMP_NUM_THREADS=1 MPLBACKEND=Agg "$tool/bin/mutmut" run "$@"
"$tool/bin/mutmut" export-cicd-stats
"$tool/bin/python" - <<'PYTHON'
import json
with open('mutants/mutmut-cicd-stats.json') as file:
    counts = json.load(file)
noticed = counts['killed'] + counts['timeout'] + counts['segfault']
tried = noticed + counts['survived'] + counts['no_tests'] + counts['suspicious']
print(f'noticed: {noticed} of {tried} changes ({noticed / max(tried, 1):.1%}), of {counts["total"]} in all')
raise SystemExit(noticed < 0.85 * tried)
PYTHON
