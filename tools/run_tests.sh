#!/usr/bin/env bash
# Install, lint, test with coverage. Arguments go to pytest: bash tools/run_tests.sh tests/test_ops -k gradcheck
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash tools/install.sh
# The web demo is tested in a browser. Without one that test is skipped, and says so.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then
    echo 'installing chromium for the browser test'
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 ||
        echo 'chromium could not be installed; the browser test will be skipped'
fi
environment=${VIRTUAL_ENV:-$PWD/.venv}
export MPLBACKEND=Agg  # draws into files, no window

"$environment/bin/python" -m ruff check .
# Bandit warns of a "nosec" for each part of its line without a finding.
"$environment/bin/python" -m bandit --quiet --configfile pyproject.toml --recursive mmpose_integral tools packages setup.py \
    2> >(grep -v 'nosec encountered' >&2)
"$environment/bin/lint-imports" --no-cache
"$environment/bin/python" -m mypy
# Coverage of a part of the tests says nothing, so it is only measured without arguments. torch.compile cannot trace
# the code that SlipCover changes, so that of the operators is left out.
coverage=()
[ $# -gt 0 ] || coverage=(-m slipcover --source mmpose_integral --omit 'mmpose_integral/ops/*,mmpose_integral/.mim/*'
                         --json --out .coverage.json)
# Each test file runs in one process, in the order of tests/conftest.py. Small networks are fastest with one thread.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$environment/bin/python" ${coverage[@]+"${coverage[@]}"} -m pytest -q -n auto \
    --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
[ $# -gt 0 ] || "$environment/bin/python" -m slipcover --merge .coverage.json --out .coverage.json --fail-under 95 |
    awk '$1 == "(summary)" {print "coverage of mmpose_integral/: " $4 " % of " $2 " lines, " $3 " lines were not run"}'
