import ast
from pathlib import Path

import mmcv.ops
import pytest
import torch


def test_every_name_that_mmcv_asks_for_is_there(ext):
    names = set()
    for file in Path(mmcv.ops.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'load_ext':
                names.update(ast.literal_eval(node.args[1]))
    assert len(names) > 50
    assert all(callable(getattr(ext, name)) for name in names)


def test_missing_op_names_itself_and_the_remedy(ext):
    with pytest.raises(NotImplementedError, match="mmcv op 'border_align_forward'.*pip install.*mmcv==2.1.0"):
        ext.border_align_forward(torch.zeros(1), pool_size=3)
    assert ext.border_align_forward.__name__ == 'border_align_forward'


def test_private_names_stay_missing(ext):
    assert not hasattr(ext, '__wrapped__')
    with pytest.raises(AttributeError, match='_anything'):
        ext._anything  # noqa: B018  the look-up itself is tested


def test_environment_report(ext):
    assert 'torchvision' in ext.get_compiler_version()
    assert isinstance(ext.get_compiling_cuda_version(), str)
