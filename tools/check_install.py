"""Check that the installed packages are the tried ones and work together. One line a problem, with its remedy.

    python tools/check_install.py              everything; exit status 1 if something is wrong
    python tools/check_install.py --mmcv       which mmcv is there: absent, lite, stand-in or compiled
    python tools/check_install.py --space DIR  whether an environment in DIR would fit on the disk

tools/install.sh calls it before, between and after its steps. Until the last of them any package may be missing, so
only the standard library is imported at the top.
"""
import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ('build', 'base', 'mmpose', 'demo', 'export', 'tests')
REMEDY = 'run `bash tools/install.sh`'
# Measured with torch 2.14.1 on Linux, GB: the environment and the wheels it comes from, with torch (mostly CUDA) and
# without.
ENVIRONMENT_GB = dict(torch=6.8, no_torch=1.4)
WHEELS_GB = dict(torch=3.5, no_torch=0.5)


def read_requirements(name):
    """The ``name==version`` lines of ``requirements/<name>`` without their comments."""
    lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines()
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


def expected_versions(args):
    """What this install was asked for, as ``name==version`` strings."""
    expected = [line for name in REQUIREMENTS for line in read_requirements(f'{name}.txt')]
    compiled = mmcv_kind() == 'compiled'
    if args.torch:
        expected += [f'torch=={args.torch}', f'torchvision=={args.torchvision}']
    elif not args.no_torch and not compiled:  # a compiled mmcv comes with the torch that it was built for
        expected += read_requirements('torch.txt')
    return expected if compiled else expected + read_requirements('mmcv.txt')


def wrong_versions(expected):
    """Sentences about the packages that are missing or differ from ``expected``."""
    problems = []
    for requirement in expected:
        name, wanted = requirement.split('==')
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = None
        # 2.14.1+cpu is a build of 2.14.1.
        if found is None or wanted not in (found, found.split('+')[0]):
            problems.append(f'{name} is {found or "not installed"}, {wanted} is expected: {REMEDY}')
    return problems


def mmcv_kind():
    """Which mmcv would be imported, told from its files alone.

    Returns:
        str: 'absent'; 'compiled' with a binary ``_ext``; 'stand-in' with this project's ``_ext.py``; else 'lite'.
    """
    spec = importlib.util.find_spec('mmcv')
    if spec is None or spec.origin is None:
        return 'absent'
    folder = Path(spec.origin).parent
    if any(folder.glob('_ext*.so')) or any(folder.glob('_ext*.pyd')):
        return 'compiled'
    return 'stand-in' if (folder / '_ext.py').exists() else 'lite'


def try_opencv():
    import cv2  # noqa: F401


def try_torchvision():
    import torchvision.ops
    check_nms(lambda *inputs: torchvision.ops.nms(*inputs))


def try_mmcv_files():
    kind = mmcv_kind()
    if kind not in ('compiled', 'stand-in'):
        raise RuntimeError(f'mmcv is {kind}, it has no ops')


def try_mmcv():
    from mmcv.ops import nms
    check_nms(lambda *inputs: nms(*inputs)[1])


def check_nms(nms):
    """Two boxes that overlap by more than half: the better one stays."""
    import torch
    boxes = torch.tensor([[0., 0, 9, 9], [1., 0, 10, 9]])
    kept = nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist()
    if kept != [1]:
        raise RuntimeError(f'nms keeps boxes {kept}, [1] expected')


def try_openmmlab():
    import mmdet.models  # noqa: F401
    import mmpose.models  # noqa: F401


def try_place():
    """Which copy of the project Python would import; the import itself comes last, it needs all the others."""
    spec = importlib.util.find_spec('mmpose_integral')
    found = Path(spec.origin).resolve().parents[1] if spec else 'nowhere'
    if found != ROOT:
        raise RuntimeError(f'it is installed from {found}, not from {ROOT}')


def try_project():
    import mmpose_integral  # noqa: F401


COMPILED_REMEDY = ('rebuild it for this torch, or `pip uninstall -y mmcv` and ' + REMEDY +
                   ', which gives mmcv ops that need no compiling')
# In the order of who needs whom, so that the first failure is the cause.
TRIALS = (
    ('opencv', try_opencv, 'on Debian and Ubuntu, `apt-get install libgl1 libglib2.0-0`; elsewhere ' + REMEDY),
    ('torch with torchvision', try_torchvision, f'only certain pairs work; {REMEDY} without --no-torch'),
    ('mmcv', try_mmcv_files, REMEDY),
    ('mmcv', try_mmcv, REMEDY),
    ('mmdet and mmpose', try_openmmlab, REMEDY),
    ('mmpose_integral', try_place, REMEDY),
    ('mmpose_integral', try_project, REMEDY),
)
# A few seconds less: enough to tell an environment that something has happened to.
QUICK = (try_opencv, try_torchvision, try_mmcv_files, try_place)


def first_failure(trials=TRIALS):
    """One sentence about the first of the trials that fails, in a list; an empty list if all succeed."""
    for name, trial, remedy in trials:
        try:
            trial()
        except Exception as error:  # whatever a broken package raises is the finding
            message = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
            if name == 'mmcv' and mmcv_kind() == 'compiled':
                name, remedy = 'compiled mmcv', COMPILED_REMEDY
            return [f'{name} does not work ({message}): {remedy}']
    return []


def fingerprint(args):
    """A hash of all that decides what an install does: the pins, the scripts, the local package, the options."""
    digest = hashlib.sha256(repr((str(ROOT), sys.version, args.torch, args.torchvision, args.no_torch)).encode())
    local_package = ROOT / 'packages' / 'mmcv_torchvision_ops'
    files = [*ROOT.glob('requirements/*.txt'), *local_package.glob('*.toml'), *local_package.glob('src/mmcv/*.py'),
             ROOT / 'setup.py', ROOT / 'tools' / 'install.sh']
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def lacking_space(folder, with_torch):
    """Sentences about disks too full for an environment in ``folder``, its downloads and pip's cache of them."""
    kind = 'torch' if with_torch else 'no_torch'
    needs = [(existing_parent(folder), ENVIRONMENT_GB[kind]), (Path(tempfile.gettempdir()), WHEELS_GB[kind])]
    disks = {}
    for place, size in needs:
        first_place, total = disks.get(place.stat().st_dev, (place, 0))
        disks[place.stat().st_dev] = (first_place, total + size)
    problems = []
    for place, size in disks.values():
        free = shutil.disk_usage(place).free / 1e9
        if free < size:
            problems.append(f'{size:.1f} GB are needed on the disk of {place}, {free:.1f} GB are free: make room, or '
                            'set TMPDIR to a folder on another disk for the downloads')
    return problems


def existing_parent(path):
    """``path`` or the nearest folder above it that exists."""
    path = Path(os.path.abspath(path))
    return next(folder for folder in (path, *path.parents) if folder.exists())


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--torch', help='release of torch that is expected instead of the pinned one')
    parser.add_argument('--torchvision', help='release of torchvision that goes with it')
    parser.add_argument('--no-torch', action='store_true', help='any torch and torchvision will do')
    parser.add_argument('--quick', action='store_true', help='leave out the slow imports')
    parser.add_argument('--trial', choices=[name.split()[0] for name, *_ in TRIALS], help='only try this package')
    parser.add_argument('--mmcv', action='store_true', help='print which mmcv is there')
    parser.add_argument('--fingerprint', action='store_true', help='print a hash of all that decides an install')
    parser.add_argument('--space', metavar='DIR', help='check the disks for an environment in DIR')
    return parser.parse_args()


def main():
    args = parse_args()
    if args.mmcv or args.fingerprint:
        print(mmcv_kind() if args.mmcv else fingerprint(args))
        return 0
    if args.space:
        problems = lacking_space(args.space, with_torch=not args.no_torch)
    elif args.trial:
        problems = first_failure([trial for trial in TRIALS if trial[0].split()[0] == args.trial])
    else:
        trials = [trial for trial in TRIALS if trial[1] in QUICK or not args.quick]
        problems = wrong_versions(expected_versions(args)) or first_failure(trials)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
