"""Reading, editing and writing TFLite files (schema of `ai_edge_litert`)."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {
    np.dtype("float32"): schema.TensorType.FLOAT32,
    np.dtype("float16"): schema.TensorType.FLOAT16,
    np.dtype("int32"): schema.TensorType.INT32,
    np.dtype("int16"): schema.TensorType.INT16,
    np.dtype("int8"): schema.TensorType.INT8,
    np.dtype("uint8"): schema.TensorType.UINT8,
}
_IDENTIFIER = b"TFL3"
# What the schema asks of the start of every buffer; processors read vectors from there.
_ALIGNMENT = 16

# The runtime in which a version of an operator came, for all that an exported model may hold
# (tensorflow/compiler/mlir/lite/tools/versioning/runtime_version.cc).
_RUNTIMES = {
    "ADD": {1: "1.5.0", 2: "1.14.0"},
    "BATCH_MATMUL": {1: "2.3.0"},
    "CAST": {1: "1.5.0", 4: "2.9.0"},
    "DEQUANTIZE": {1: "1.13.1", 2: "1.14.0", 3: "1.15.0"},
    "DIV": {1: "1.6.0", 2: "2.3.0"},
    "FULLY_CONNECTED": {
        **{1: "1.5.0", 2: "1.10.0", 3: "1.14.0", 4: "1.14.0", 5: "2.0.0", 6: "2.1.0"},
        **{7: "2.3.0", 8: "2.3.0", 9: "2.3.0", 10: "2.11.0", 11: "2.15.0", 12: "2.17.0"},
    },
    "GATHER": {1: "1.6.0", 2: "1.14.0", 3: "1.15.0", 4: "2.4.0"},
    "GELU": {1: "2.9.0", 2: "2.9.0"},
    "LESS": {1: "1.14.0", 2: "1.14.0"},
    "MAXIMUM": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0", 4: "2.3.0"},
    "MEAN": {1: "1.6.0", 2: "1.14.0"},
    "MUL": {1: "1.5.0", 2: "1.14.0"},
    "NEG": {1: "1.9.0"},
    "QUANTIZE": {1: "1.14.0", 2: "1.15.0"},
    "RELU": {1: "1.5.0", 2: "2.1.0"},
    "RESHAPE": {1: "1.5.0"},
    "RSQRT": {1: "1.10.0"},
    "SELECT": {1: "1.14.0"},
    "SOFTMAX": {1: "1.5.0", 2: "1.14.0"},
    "SPLIT": {1: "1.5.0", 2: "1.14.0"},
    "SQUARED_DIFFERENCE": {1: "1.13.1", 2: "2.5.0"},
    "SQUEEZE": {1: "1.6.0"},
    "STRIDED_SLICE": {1: "1.6.0", 2: "1.14.0"},
    "SUB": {1: "1.6.0", 2: "1.14.0"},
    "SUM": {1: "1.10.0", 2: "1.15.0"},
    "TANH": {1: "1.14.0", 2: "1.14.0"},
    "TRANSPOSE": {1: "1.6.0", 2: "1.14.0"},
}
_OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()
}


class _AlignedBuffer(schema.BufferT):
    """Flatbuffers' Python writer does not know of `force_align`, so this does it."""

    def Pack(self, builder):
        data = None
        if self.data is not None and len(self.data):
            content = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class _Builder(flatbuffers.Builder):
    def __init__(self, size: int):
        super().__init__(size)
        self.shared = {}


class _SharedQuantization(schema.QuantizationParametersT):
    """Written once, however many tensors have it: graphs of other lengths repeat all scales."""

    def Pack(self, builder):
        parts = (self.min, self.max, self.scale, self.zeroPoint)
        content = [None if part is None else np.asarray(part).tobytes() for part in parts]
        key = (*content, self.quantizedDimension)
        if key not in builder.shared:
            builder.shared[key] = super().Pack(builder)
        return builder.shared[key]


def parse(content: bytes) -> schema.ModelT:
    """Returns a TFLite file as a tree of objects."""
    return schema.ModelT.InitFromPackedBuf(content, 0)


def pack(model: schema.ModelT) -> bytes:
    """Writes a tree of objects as a TFLite file; the same tree makes the same bytes."""
    for buffer in model.buffers:
        buffer.__class__ = _AlignedBuffer
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.quantization is not None:
                tensor.quantization.__class__ = _SharedQuantization
    size = sum(0 if b.data is None else len(b.data) for b in model.buffers)
    builder = _Builder(size + (1 << 20))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def share_buffers(model: schema.ModelT) -> None:
    """Makes tensors of the same bytes share a buffer; a converter may repeat them per graph."""
    first = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                content = np.asarray(data, np.uint8).tobytes()
                tensor.buffer = first.setdefault(content, tensor.buffer)
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Returns the name of an operator, such as `"GATHER"`."""
    return _OPERATOR_NAMES[model.operatorCodes[operator.opcodeIndex].builtinCode]


def minimum_runtime(model: schema.ModelT) -> str:
    """Returns the oldest TensorFlow Lite that runs every operator, such as `"2.9.0"`.

    Raises:
        KeyError: if an operator is not one of an exported BERT.
    """
    codes = {operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators}
    versions = []
    for index in codes:
        code = model.operatorCodes[index]
        versions.append(_RUNTIMES[_OPERATOR_NAMES[code.builtinCode]][code.version])
    return max(versions, key=lambda version: tuple(map(int, version.split("."))))


def operator_code(model: schema.ModelT, name: str, version: int) -> int:
    """Returns the index of an operator of at least a version, added if it is not there."""
    builtin = getattr(schema.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin and code.version >= version:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    # Readers of before builtin code 127 look here.
    code.deprecatedBuiltinCode = min(builtin, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def add_buffer(model: schema.ModelT, values: np.ndarray) -> int:
    """Adds constant values; returns the index of their buffer."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def add_tensor(
    graph: schema.SubGraphT,
    name: bytes,
    shape: tuple[int, ...],
    dtype,
    *,
    buffer: int = 0,
    scale: float | None = None,
) -> int:
    """Adds a tensor to a graph; returns its index.

    Args:
        graph: `SubGraphT`.
        name: bytes.
        shape: tuple of int.
        dtype: numpy dtype.
        buffer: int. Of its constant values; 0 for a result.
        scale: float or `None`. Of a symmetrically quantized tensor.
    """
    tensor = schema.TensorT()
    tensor.name, tensor.buffer = name, buffer
    tensor.shape = np.array(shape, np.int32)
    tensor.type = _TYPES[np.dtype(dtype)]
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [float(scale)]
        tensor.quantization.zeroPoint = [0]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def make_operator(code: int, inputs, outputs, options=None) -> schema.OperatorT:
    """Makes an operator.

    Args:
        code: int. See `operator_code`.
        inputs: sequence of int. Indices of tensors.
        outputs: sequence of int.
        options: builtin options of the schema, such as `MulOptionsT()`, or `None`.
    """
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs = np.array(inputs, np.int32)
    operator.outputs = np.array(outputs, np.int32)
    if options is not None:
        operator.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    return operator
