#!/usr/bin/env bash
# Install this project and everything it needs, in the versions of requirements.lock.
# Uses the active virtual environment if there is one; otherwise makes or uses .venv in the repository.
#
# Usage: bash tools/install.sh [options]
#   --python PATH          make .venv with this Python (an active environment is not used)
#   --torch VERSION        install another torch, together with
#   --torchvision VERSION  the torchvision that belongs to it
#   --no-torch             keep the torch that is there; a new .venv then sees the packages of its Python
#   --help                 print this text
# The choice of torch is stored in the environment and later runs keep it. A second run takes seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
trap 'echo; die "interrupted; run the same command again to continue"' INT TERM

python='' torch='' torchvision='' choice=''
while [ $# -gt 0 ]; do
    case $1 in
        --python|--torch|--torchvision)
            [ $# -ge 2 ] || die "$1 needs a value; see --help"
            printf -v "${1#--}" %s "$2"; shift 2 ;;
        --no-torch) choice=keep; shift ;;
        -h|--help) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) die "unknown option $1; see --help" ;;
    esac
done
[ "${torch:+given}" = "${torchvision:+given}" ] || die 'give both --torch and --torchvision: they only work in pairs'
[ -z "$torch" ] || [ -z "$choice" ] || die 'give either --torch, which installs one, or --no-torch, which keeps one'
[ -z "$torch" ] || choice="torch==$torch torchvision==$torchvision"

environment=$PWD/.venv
if [ -z "$python" ] && [ -n "${VIRTUAL_ENV:-}" ]; then environment=$VIRTUAL_ENV python=$VIRTUAL_ENV/bin/python; fi
installed=$environment/bin/python state=$environment/.mmpose_integral
if [ -z "$python" ]; then if [ -x "$installed" ]; then python=$installed; else python=python3; fi; fi
version() { "$1" -c 'import sys; assert sys.version_info >= (3, 10); print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
found=$(version "$python") || die "$python does not run as Python 3.10 or newer; give one with --python PATH"
[ ! -x "$installed" ] || [ "$found" = "$(version "$installed")" ] ||
    die "$environment has Python $(version "$installed"), $python is Python $found: remove that folder first"

# The state file holds the choice of torch and, once everything is installed, a checksum of what decided it.
[ -n "$choice" ] || choice=$(head -n 1 "$state" 2>/dev/null) || choice=lock
complete=$choice$'\n'$PWD$'\n'$(cat requirements.lock *.toml setup.py packages/*/*.toml packages/*/src/*/*.py | cksum)
if [ "$(cat "$state" 2>/dev/null)" = "$complete" ] && "$python" tools/check_install.py --quick 2>/dev/null; then
    say "already installed in $environment"; exit 0
fi
has() { "$python" -c "import importlib.metadata as m; m.version('$1')" 2>/dev/null; }
if has mmcv && [ "$choice" = lock ]; then choice=keep; say 'keeping the compiled mmcv and its torch'; fi
[ "$choice" != keep ] || has torch || die "$python has no torch that could be kept; run without --no-torch"
free=$(df -Pk "$(dirname "$environment")" | awk 'NR == 2 {print int($4 / 1e6)}') needed=$(has torch && echo 3 || echo 7)
[ "$free" -ge "$needed" ] || die "$needed GB are needed on the disk of $environment, $free GB are free: make room"

say "installing into $environment (Python $found)"
if ! "$installed" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv $([ "$choice" != keep ] || echo --system-site-packages) "$environment" ||
        die "$python cannot make a virtual environment (on Debian and Ubuntu: apt-get install python3-venv)"
fi
echo "$choice" > "$state"
skip='^#'
[ "$choice" = lock ] || skip+='|^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)=='
! has mmcv || skip+='|^mmcv-lite==|mmcv_torchvision_ops'
grep -Ev "$skip" requirements.lock > "$environment/requirements.txt"
pip() { "$installed" -m pip "$@" --disable-pip-version-check $([ -t 1 ] || echo --quiet) || die "pip $1 failed, see above"; }
! has opencv-python || pip uninstall --yes opencv-python  # opencv-python-headless installs the same module
case $choice in torch==*) pip install --no-compile $choice ;; esac
pip install --no-compile --no-deps -r "$environment/requirements.txt" --editable .
"$installed" -W ignore tools/check_install.py || exit 1
{ echo "$choice"; tail -n +2 <<< "$complete"; } > "$state"
say "done: source $environment/bin/activate"
