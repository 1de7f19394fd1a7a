#!/usr/bin/env bash
# Install, lint, test. Arguments go to pytest: bash tools/run_tests.sh tests/test_ops -k gradcheck
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash tools/install.sh
environment=${VIRTUAL_ENV:-$PWD/.venv}
export MPLBACKEND=Agg  # draws into files, no window

"$environment/bin/python" -m ruff check .
"$environment/bin/python" -m pytest -q "$@"
