"""Weights of the convolutions in a TFLite file, read with the package ``tflite`` of PyPI (the extra ``photo``)."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.reading import read_limited

_TO_TORCH = {  # order of a kernel's axes in torch; TFLite has (out, h, w, in), and (1, h, w, channels) if depthwise
    'CONV_2D': (0, 3, 1, 2), 'DEPTHWISE_CONV_2D': (3, 0, 1, 2)}
_TYPES = dict(FLOAT32=np.float32, FLOAT16=np.float16)


class Convolution(NamedTuple):
    """Weights of a convolution in torch's layout."""
    weight: np.ndarray  # (out, in / groups, h, w), float32
    bias: np.ndarray  # (out,), float32


def read_convolutions(path: str | Path, outputs: Sequence[int]) -> list[Convolution]:
    """Read the convolutions on which outputs of the graph depend.

    They come in depth-first order: what the first output needs, inputs of a layer before the layer, then what the next
    output needs in addition. This order depends on the graph and not on the order in which the file lists the layers.

    Args:
        path: TFLite file with weights of 32 or 16 bits.
        outputs: Numbers of the outputs in the file's list.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If the package ``tflite`` is not installed.
        ValueError: If the file is not of TFLite.
    """
    check_file(path, 'TFLite file')
    try:
        import tflite
    except ModuleNotFoundError as error:
        raise OSError(f'{path}: the package tflite, which reads such files, is not installed. It belongs to the extra '
                      '`photo` of this project: pip install tflite') from error
    content = read_limited(path)
    if not tflite.Model.ModelBufferHasIdentifier(content, 0):
        raise ValueError(f'{path}: not a TFLite file, its identifier is missing')
    return _Graph(tflite, tflite.Model.GetRootAs(content)).convolutions(outputs)


class _Graph:
    """First graph of a model: its constants, and the operator that computes each other tensor."""

    def __init__(self, tflite: Any, model: Any) -> None:
        self.model, self.graph = model, model.Subgraphs(0)
        self.kinds = {number: name for name, number in vars(tflite.BuiltinOperator).items()}
        self.types = {getattr(tflite.TensorType, name): dtype for name, dtype in _TYPES.items()}
        operators = [self.graph.Operators(index) for index in range(self.graph.OperatorsLength())]
        self.makers = {tensor: operator for operator in operators for tensor in operator.OutputsAsNumpy()}

    def convolutions(self, outputs: Sequence[int]) -> list[Convolution]:
        """See :func:`read_convolutions`."""
        found, visited = [], set()

        def visit(tensor: int) -> None:
            if tensor not in self.makers or tensor in visited:
                return
            visited.add(tensor)
            operator = self.makers[tensor]
            for source in operator.InputsAsNumpy():
                visit(source)
            axes = _TO_TORCH.get(self.kind(operator))
            if axes:
                weight, bias = (self.constant(source) for source in operator.InputsAsNumpy()[1:])
                found.append(Convolution(weight.transpose(axes), bias))

        for output in outputs:
            visit(self.graph.Outputs(output))
        return found

    def kind(self, operator: Any) -> str:
        """Name of an operator's type."""
        return self.kinds[self.model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]

    def constant(self, tensor: int) -> np.ndarray:
        """Values of a constant, which may be stored with 16 bits behind an operator that converts it."""
        while tensor in self.makers:
            tensor, = self.makers[tensor].InputsAsNumpy()
        facts = self.graph.Tensors(tensor)
        data = self.model.Buffers(facts.Buffer()).DataAsNumpy().view(self.types[facts.Type()])
        return data.reshape(facts.ShapeAsNumpy()).astype(np.float32)
