#!/usr/bin/env bash
# Install everything the project needs, in the versions of requirements/, and the project itself (editable).
# See --help below, docs/install.md for more. Safe to run again at any time, also after an interruption.
set -euo pipefail

usage() {
    cat <<'HELP'
Usage: bash tools/install.sh [options]

Uses the active virtual environment if there is one; otherwise makes or uses .venv in the repository.

  --python PATH          the Python for .venv: 3.10 or 3.11; 3.12 with a C compiler (an active environment is not used)
  --torch VERSION        another torch, together with
  --torchvision VERSION  the torchvision that belongs to it
  --no-torch             leave torch and torchvision as they are; a new .venv then sees the packages of its Python
  --help                 this text
HELP
}

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

python_option='' torch='' torchvision='' no_torch=''
while [ $# -gt 0 ]; do
    case $1 in
        --python|--torch|--torchvision)
            [ $# -ge 2 ] || die "$1 needs a value; see --help"
            case $1 in
                --python) python_option=$2 ;;
                --torch) torch=$2 ;;
                --torchvision) torchvision=$2 ;;
            esac
            shift 2 ;;
        --no-torch) no_torch=1; shift ;;
        -h|--help) usage; exit 0 ;;
        *) die "unknown option $1; see --help" ;;
    esac
done
if [ "${torch:+given}" != "${torchvision:+given}" ]; then
    die '--torch and --torchvision go together: each torch works with one torchvision only'
fi
[ -z "$torch" ] || [ -z "$no_torch" ] || die '--no-torch keeps the torch that is there, --torch asks for another: give one'

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
trap 'echo; die "interrupted; run the same command again to go on from here"' INT TERM

# --- the interpreter and its environment -----------------------------------------------------------------------------
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

supported() {
    case $1 in
        3.10|3.11) return 0 ;;
        3.12) command -v cc >/dev/null || command -v gcc >/dev/null ||
                  die "Python 3.12 ($2) needs a C compiler for xtcocotools and there is none: install gcc, or use --python with 3.10 or 3.11" ;;
        '') die "$2 does not run as a Python; give --python the path of Python 3.10 or 3.11" ;;
        *) die "Python $1 ($2) is not supported; use 3.10 or 3.11 (or 3.12 with a C compiler): --python PATH" ;;
    esac
}

find_python() {
    local candidate wanted
    for wanted in 3.11 3.10 3.12; do
        for candidate in python3 "python$wanted"; do
            [ "$(version_of "$candidate")" = "$wanted" ] && { echo "$candidate"; return; }
        done
    done
    die "no Python 3.10, 3.11 or 3.12 on the PATH; give one with --python PATH"
}

if [ -z "$python_option" ] && [ -n "${VIRTUAL_ENV:-}" ]; then
    environment=$VIRTUAL_ENV
    [ -x "$environment/bin/python" ] || die "the active environment $environment has no bin/python; run deactivate first"
    base=$environment/bin/python
else
    environment=$root/.venv
    if [ -n "$python_option" ]; then
        base=$python_option
    elif [ -x "$environment/bin/python" ]; then
        base=$environment/bin/python
    else
        base=$(find_python)
    fi
fi
python=$environment/bin/python
base_version=$(version_of "$base") || true
supported "$base_version" "$base"
if [ -x "$python" ]; then
    [ "$(version_of "$python")" = "$base_version" ] ||
        die "$environment has Python $(version_of "$python"), --python asks for $base_version: remove that folder first"
    base=$python
fi

# A choice of torch is made once for an environment: later runs, also those of other scripts, keep to it.
options=$environment/.mmpose_integral_options
if [ -z "$torch$no_torch" ] && [ -s "$options" ]; then
    read -r torch torchvision no_torch < "$options"
    [ "$torch" != - ] || torch='' torchvision=''
fi

# --- nothing to do? --------------------------------------------------------------------------------------------------
check=(tools/check_install.py)
[ -z "$torch" ] || check+=(--torch "$torch" --torchvision "$torchvision")
[ -z "$no_torch" ] || check+=(--no-torch)
stamp=$environment/.mmpose_integral_installed
fingerprint=$("$base" "${check[@]}" --fingerprint)
if [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ] && "$python" -W ignore "${check[@]}" --quick 2>/dev/null; then
    say "already installed in $environment"
    exit 0
fi
rm -f "$stamp"

# --- the environment -------------------------------------------------------------------------------------------------
torch_wanted=$torch
[ -n "$torch_wanted" ] || torch_wanted=$(sed -n 's/^torch==\([^ ]*\).*/\1/p' requirements/torch.txt)
torch_there=$("$base" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null) || true
space=(tools/check_install.py --space "$environment")
[ -z "$no_torch" ] && [ "${torch_there%%+*}" != "${torch_wanted%%+*}" ] || space+=(--no-torch)
"$base" "${space[@]}" || exit 1
[ -z "$no_torch" ] || "$base" -W ignore tools/check_install.py --trial torch || exit 1

if ! "$python" -m pip --version >/dev/null 2>&1; then
    say "making $environment with Python $base_version"
    # Without torch in the new environment, the one of the base Python is meant.
    "$base" -m venv ${no_torch:+--system-site-packages} "$environment" ||
        die "$base could not make a virtual environment (on Debian and Ubuntu: apt-get install python3-venv)"
fi
say "installing into $environment (Python $base_version)"

# --- the packages ----------------------------------------------------------------------------------------------------
quiet=(--quiet)
[ ! -t 1 ] || quiet=(--progress-bar on)  # in a terminal pip shows what it downloads
install() {
    # Python compiles what it imports; pip would compile all of torch first.
    "$python" -m pip install --disable-pip-version-check --no-compile "${quiet[@]}" "$@" ||
        die "pip failed, its messages are above; run the same command again to go on from here"
}

trial() {  # exits unless the named package works
    local status=0
    "$python" -W ignore tools/check_install.py --trial "$1" || status=$?
    [ "$status" -lt 128 ] || die "$1 is installed but crashes when it is used: uninstall it or rebuild it for this torch"
    [ "$status" -eq 0 ] || exit 1
}

mmcv=$("$python" tools/check_install.py --mmcv)
if [ -n "$torch" ]; then
    torch_packages=("torch==$torch" "torchvision==$torchvision")
elif [ -n "$no_torch" ]; then
    torch_packages=()
elif [ "$mmcv" = compiled ] && "$python" -W ignore tools/check_install.py --trial mmcv 2>/dev/null; then
    say 'keeping the compiled mmcv, and the torch that it is built for'
    torch_packages=()
else
    torch_packages=(-r requirements/torch.txt)
fi
say "torch, OpenMMLab's libraries and what they need"
install -r requirements/build.txt ${torch_packages[@]+"${torch_packages[@]}"} \
    -r requirements/base.txt -r requirements/demo.txt -r requirements/export.txt -r requirements/tests.txt
trial torch

mmcv_packages=(-r requirements/mmcv.txt ./packages/mmcv_torchvision_ops)
if [ "$mmcv" = compiled ]; then
    trial mmcv
    mmcv_packages=()
fi
say 'mmpose, mmcv and this project'
install --no-deps --no-build-isolation -r requirements/mmpose.txt ${mmcv_packages[@]+"${mmcv_packages[@]}"} --editable .

say 'checking'
"$python" -W ignore "${check[@]}" || exit 1
printf '%s %s %s\n' "${torch:--}" "${torchvision:--}" "$no_torch" > "$options"
printf '%s\n' "$fingerprint" > "$stamp.part"
mv "$stamp.part" "$stamp"
say "done: source $environment/bin/activate"
