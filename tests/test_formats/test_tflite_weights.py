"""Reading of convolutions from TFLite files that the test writes."""
import sys

import numpy as np
import pytest

from mmpose_integral.formats.tflite_weights import read_convolutions

pytest.importorskip('tflite', reason='the package tflite (extra photo) is not installed')


def weights(*shape, dtype=np.float16):
    rng = np.random.default_rng(sum(shape))
    return rng.normal(size=shape).astype(dtype), rng.normal(size=shape[0]).astype(dtype)


@pytest.fixture
def file(tmp_path):
    """Two outputs: d + c (the sum of a depthwise and a plain convolution, both of a), and e; f is of no output."""
    from tflite_file import TFLiteFile
    layers = dict(a=weights(5, 3, 3, 3), f=weights(2, 5, 1, 1), c=weights(4, 5, 1, 1, dtype=np.float32),
                  b=weights(5, 1, 5, 3), d=weights(4, 5, 2, 1), e=weights(6, 4, 1, 1))
    graph = TFLiteFile()
    image, added = graph.tensor(), graph.tensor()
    made = dict(a=graph.convolution(image, *layers['a']))
    for name, source in (('f', 'a'), ('c', 'a'), ('b', 'a'), ('d', 'b')):  # the file lists c before b and d
        made[name] = graph.convolution(made[source], *layers[name])
    graph.operator('ADD', made['d'], made['c'], output=added)
    made['e'] = graph.convolution(graph.operator('RESIZE_BILINEAR', added, graph.tensor()), *layers['e'])
    return graph.write(tmp_path / 'net.tflite', [made['f'], added, made['e']]), layers


@pytest.mark.parametrize('outputs, names', [([1, 2], 'abdce'), ([1], 'abdc'), ([2, 1], 'abdce'), ([0], 'af')])
def test_convolutions_come_depth_first_in_the_layout_of_torch(file, outputs, names):
    path, layers = file
    found = read_convolutions(path, outputs)
    assert len(found) == len(names)
    for convolution, name in zip(found, names, strict=True):
        for value, expected in zip(convolution, layers[name], strict=True):
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, expected.astype(np.float32))


def test_errors_name_the_file_and_the_package(file, tmp_path, monkeypatch):
    (tmp_path / 'x.tflite').write_bytes(b'no such format')
    for name, error, message in (('y.tflite', FileNotFoundError, 'no such TFLite file'),
                                 ('x.tflite', ValueError, 'x.tflite: not a TFLite file')):
        with pytest.raises(error, match=message):
            read_convolutions(tmp_path / name, [0])
    monkeypatch.setitem(sys.modules, 'tflite', None)
    with pytest.raises(OSError, match='net.tflite: the package tflite.*extra `photo`.*pip install tflite'):
        read_convolutions(file[0], [0])
