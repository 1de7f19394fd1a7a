"""Check that the packages of requirements.lock are installed and work together; print the first problem and a remedy.

    python tools/check_install.py            # versions, all imports, one nms, one config: about ten seconds
    python tools/check_install.py --quick    # versions and the place of this project only
"""
import importlib.util
import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REMEDY = 'run `bash tools/install.sh`'
MMCV_REMEDY = 'rebuild the compiled mmcv for this torch, or `pip uninstall -y mmcv` and '
TORCH = re.compile(r'(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==')


def installed_version(name):
    """The version of a distribution without its local part (2.14.1+cpu is a build of 2.14.1), or None."""
    try:
        return metadata.version(name).split('+')[0]
    except metadata.PackageNotFoundError:
        return None


def locked():
    """The (name, version) pairs of requirements.lock that apply to this Python and platform."""
    from packaging.requirements import Requirement
    own_mmcv = installed_version('mmcv') is not None  # a compiled mmcv comes with the torch that it was built for
    state = Path(sys.prefix, '.mmpose_integral')
    own_torch = own_mmcv or (state.exists() and not state.read_text().startswith('lock'))
    for line in (ROOT / 'requirements.lock').read_text(encoding='utf-8').splitlines():
        if '==' not in line or own_torch and TORCH.match(line) or own_mmcv and line.startswith('mmcv-lite=='):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name, str(requirement.specifier).removeprefix('==')


def check_versions():
    for name, version in locked():
        if (found := installed_version(name)) != version:
            raise RuntimeError(f'{name} is {found or "not installed"}, {version} is expected')


def check_place():
    spec = importlib.util.find_spec('mmpose_integral')
    if spec is None or not Path(spec.origin).resolve().is_relative_to(ROOT):
        raise RuntimeError(f'mmpose_integral is {spec and spec.origin}, not the copy in {ROOT}')


def check_nms():
    import torch
    from mmcv.ops import nms
    kept = nms(torch.tensor([[0., 0, 9, 9], [1., 0, 10, 9]]), torch.tensor([0.5, 0.9]), 0.5)[1].tolist()
    if kept != [1]:
        raise RuntimeError(f'mmcv.ops.nms keeps boxes {kept}, [1] is expected')


def check_project():
    import mmdet.models  # noqa: F401
    from mmengine.config import Config

    import mmpose_integral  # noqa: F401
    Config.fromfile(ROOT / 'configs' / 'quickstart' / 'keypoints_2d_r18_mpii.py')  # its base is a config of mmpose


def main():
    for check in [check_versions, check_place] + [check_nms, check_project] * ('--quick' not in sys.argv[1:]):
        try:
            check()
        except Exception as error:  # any error of a broken package is the finding
            what = ' '.join(f'{type(error).__name__}: {error}'.split())[:400]
            print(f'{what}: {MMCV_REMEDY * (installed_version("mmcv") is not None)}{REMEDY}', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
