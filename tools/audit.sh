#!/usr/bin/env bash
# Look the packages of requirements.lock up in a database of known vulnerabilities, which needs the internet.
#
#   tools/audit.sh [options of pip-audit]    for example: --vulnerability-service osv
#
# A package that the database does not answer for is an error; without --strict, pip-audit would count it as safe.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=work_dirs/audit lock=$(mktemp)
trap 'rm -f "$lock"' EXIT
# Only this script needs pip-audit, so it gets an environment of its own.
if [ ! -x "$tool/bin/pip-audit" ]; then
    "${VIRTUAL_ENV:-.venv}/bin/python" -m venv "$tool"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
fi
grep -v '^\./' requirements.lock > "$lock"  # without the packages of this repository
status=0
"$tool/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off --requirement "$lock" "$@" || status=$?
[ $status = 0 ] || echo 'audit.sh: not passed. Unless vulnerabilities are listed above, the database could not be' \
    'reached or did not know a package, and there is no result.' >&2
exit $status
