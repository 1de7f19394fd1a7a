import ast
from pathlib import Path

import mmcv.ops
import pytest
import torch
from mmcv import _ext as ext

pytestmark = pytest.mark.skipif(not ext.__file__.endswith('.py'), reason='a compiled mmcv is in use')


def test_every_name_that_mmcv_imports_is_there():
    names = set()
    for file in Path(mmcv.ops.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'load_ext':
                names.update(ast.literal_eval(node.args[1]))
    assert len(names) > 50
    assert all(callable(getattr(ext, name)) for name in names)
    assert not hasattr(ext, '__wrapped__')  # names with an underscore stay missing
    assert 'torchvision' in ext.get_compiler_version() and isinstance(ext.get_compiling_cuda_version(), str)


def test_missing_op_names_itself_and_the_remedy():
    with pytest.raises(NotImplementedError, match="mmcv op 'border_align_forward'.*pip install.*mmcv==2.1.0"):
        ext.border_align_forward(torch.zeros(1), pool_size=3)
    assert ext.border_align_forward.__name__ == 'border_align_forward'
