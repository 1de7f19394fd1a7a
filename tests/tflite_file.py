"""A writer of TFLite files for tests: constants, and operators without their options."""
import flatbuffers
import numpy as np
import tflite


class TFLiteFile:
    """Graph whose tensors are numbered in the order of the calls."""

    def __init__(self):
        self.builder = flatbuffers.Builder()
        self.buffers, self.tensors, self.operators, self.kinds = [self._table('Buffer')], [], [], []

    def _table(self, kind, **fields):
        getattr(tflite, f'{kind}Start')(self.builder)
        for name, value in fields.items():
            getattr(tflite, f'{kind}Add{name}')(self.builder, value)
        return getattr(tflite, f'{kind}End')(self.builder)

    def _vector(self, offsets):
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def _numbers(self, values):
        return self.builder.CreateNumpyVector(np.asarray(values, np.int32))

    def tensor(self, values=None):
        """Add a constant of float16 or float32, or without values a tensor that is computed; return its number."""
        buffer, kind, shape = 0, tflite.TensorType.FLOAT32, ()
        if values is not None:
            data = self.builder.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
            buffer, shape = len(self.buffers), values.shape
            self.buffers.append(self._table('Buffer', Data=data))
            kind = getattr(tflite.TensorType, values.dtype.name.upper())
        self.tensors.append(self._table('Tensor', Shape=self._numbers(shape), Type=kind, Buffer=buffer))
        return len(self.tensors) - 1

    def operator(self, kind, *inputs, output=None):
        """Add an operator; return the number of its output."""
        output = self.tensor() if output is None else output
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.operators.append(self._table('Operator', OpcodeIndex=self.kinds.index(kind), Inputs=self._numbers(inputs),
                                          Outputs=self._numbers([output])))
        return output

    def convolution(self, source, weight, bias, output=None):
        """Add a convolution from weights in torch's layout; those of float16 get operators that convert them."""
        depthwise = weight.shape[1] == 1 < weight.shape[0]
        kernel = np.moveaxis(weight, 0, 3)[0] if depthwise else np.moveaxis(weight, 1, 3)
        constants = [self.tensor(kernel[None] if depthwise else kernel), self.tensor(bias)]
        if weight.dtype == np.float16:
            constants = [self.operator('DEQUANTIZE', constant) for constant in constants]
        return self.operator('DEPTHWISE_CONV_2D' if depthwise else 'CONV_2D', source, *constants, output=output)

    def write(self, path, outputs):
        """Write the file, whose graph has these outputs."""
        codes = [self._table('OperatorCode', DeprecatedBuiltinCode=getattr(tflite.BuiltinOperator, kind))
                 for kind in self.kinds]
        graph = self._table('SubGraph', Tensors=self._vector(self.tensors), Outputs=self._numbers(outputs),
                            Operators=self._vector(self.operators))
        vectors = [self._vector(items) for items in (codes, [graph], self.buffers)]
        model = self._table('Model', Version=3, OperatorCodes=vectors[0], Subgraphs=vectors[1], Buffers=vectors[2])
        self.builder.Finish(model, b'TFL3')
        path.write_bytes(self.builder.Output())
        return path
