#!/usr/bin/env bash
# Install what is missing, then run the whole chain on the stand-in data; arguments go to tools/quickstart.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh
exec "${VIRTUAL_ENV:-.venv}/bin/python" tools/quickstart.py "$@"
