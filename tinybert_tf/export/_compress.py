"""Edits of a quantized TFLite file that its converter does not offer."""

import functools

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from rich.progress import track
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import _flatbuffer

# A byte chooses one of 256 centroids, the last of them zero, for 4 weights: 2 bits a weight.
SUBVECTOR = 4
CENTROIDS = 256
# Tokens of 4 bits a weight: a tenth of BERT's vocabulary, and most of a text.
FREQUENT_TOKENS = 3000
# Of dense layers with dynamically quantized inputs and one scale for all weights.
_DENSE_VERSION = 9
# The version of GATHER that takes a table of this type.
_GATHER = {
    schema.TensorType.UINT8: (1, "uint8"),
    schema.TensorType.INT8: (2, "int8"),
    schema.TensorType.INT16: (4, "int16"),
}


def fold_channel_scales(model: schema.ModelT) -> None:
    """Makes dynamically quantized dense layers run on older runtimes, with the same result.

    A scale for each output channel wants FULLY_CONNECTED 12, of TensorFlow Lite 2.17. With
    int8 weights Q, scales s and bias b, `(Q diag(s)) x + b = s * (Q x + b / s)`: one scale for
    all weights, which version 9 (2.3) has, and a product with the vector of scales after it.

    Args:
        model: `ModelT`. Changed in place.
    """
    multiply = _flatbuffer.operator_code(model, "MUL", 1)
    folded = {}
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            operators.append(operator)
            if _flatbuffer.operator_name(model, operator) != "FULLY_CONNECTED":
                continue
            weights = graph.tensors[operator.inputs[1]]
            if weights.quantization is None or np.size(weights.quantization.scale) < 2:
                continue
            # Graphs of other lengths share the buffers.
            if weights.buffer not in folded:
                folded[weights.buffer] = _fold_buffers(model, graph, operator, weights)
            scale, ratio_buffer, bias_buffer = folded[weights.buffer]
            weights.quantization.scale = [scale]
            weights.quantization.zeroPoint = [0]
            weights.quantization.quantizedDimension = 0
            if bias_buffer is not None:
                graph.tensors[operator.inputs[2]].buffer = bias_buffer
            operators.append(_scale_output(graph, operator, weights, ratio_buffer, multiply))
        graph.operators = operators
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED:
            code.version = min(code.version, _DENSE_VERSION)


def _fold_buffers(model, graph, operator, weights) -> tuple[float, int, int | None]:
    scales = np.asarray(weights.quantization.scale, np.float32)
    scale = scales.max()
    # A channel of zeros has a scale of 0 in some converters; its output is its bias.
    ratio = np.maximum(scales / scale, np.finfo(np.float32).tiny)
    bias_buffer = None
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        data = model.buffers[graph.tensors[operator.inputs[2]].buffer].data
        bias = np.frombuffer(np.asarray(data, np.uint8).tobytes(), np.float32)
        bias_buffer = _flatbuffer.add_buffer(model, (bias / ratio).astype(np.float32))
    return float(scale), _flatbuffer.add_buffer(model, ratio), bias_buffer


def _scale_output(graph, operator, weights, ratio_buffer: int, multiply: int):
    """Puts a product with the scales between a dense layer and its output."""
    if operator.builtinOptions.fusedActivationFunction:
        raise TinyBertError(
            "A dense layer has an activation fused into it; the scales of its channels cannot "
            "be folded out. Export with another profile."
        )
    output = graph.tensors[operator.outputs[0]]
    unscaled = _flatbuffer.add_tensor(
        graph, output.name + b"_unscaled", output.shape, "float32"
    )
    ratio = _flatbuffer.add_tensor(
        graph, weights.name + b"_scales", (output.shape[-1],), "float32", buffer=ratio_buffer
    )
    product = _flatbuffer.make_operator(
        multiply, [unscaled, ratio], operator.outputs, schema.MulOptionsT()
    )
    operator.outputs = np.array([unscaled], np.int32)
    return product


def quantize_embedding(model: schema.ModelT, table: np.ndarray) -> None:
    """Stores a float32 token embedding in int8, with one scale for graphs of all lengths.

    Args:
        model: `ModelT`. Changed in place.
        table: float32 array [vocabulary, hidden].
    """
    scale = max(float(np.abs(table).max()), 1e-12) / 127
    buffer = _flatbuffer.add_buffer(model, np.round(table / scale).astype(np.int8))
    code = _flatbuffer.operator_code(model, "DEQUANTIZE", 2)
    gather = _flatbuffer.operator_code(model, "GATHER", 2)
    for graph in model.subgraphs:
        _, lookup, result = _find_lookup(model, graph, table.shape)
        tensor = graph.tensors[lookup.inputs[0]]
        tensor.buffer, tensor.type = buffer, schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        rows = _flatbuffer.add_tensor(
            graph, b"embedding_rows", graph.tensors[result].shape, "int8", scale=scale
        )
        lookup.opcodeIndex, lookup.outputs = gather, np.array([rows], np.int32)
        place = next(i for i, o in enumerate(graph.operators) if o is lookup)
        operator = _flatbuffer.make_operator(
            code, [rows], [result], schema.DequantizeOptionsT()
        )
        graph.operators.insert(place + 1, operator)


def product_quantize_embedding(
    model: schema.ModelT, table: np.ndarray, counts: np.ndarray
) -> None:
    """Replaces the token embedding by its product quantization (Jegou et al., 2011).

    Each row is cut into vectors of 4; each vector is the nearest of 255 centroids of its
    place. What the rows of the most frequent tokens lose by that is quantized once more.

    Args:
        model: `ModelT` of an int8 file. Changed in place.
        table: float32 array [vocabulary, hidden].
        counts: int array [vocabulary]. How often each token stands in text like the task's.

    Raises:
        TinyBertError: if rows cannot be cut into vectors of 4.
    """
    if table.shape[1] % SUBVECTOR:
        raise TinyBertError(
            f"A token embedding of width {table.shape[1]} cannot be cut into vectors of "
            f"{SUBVECTOR}. Choose a profile without product quantization, such as "
            "dynamic_int8."
        )
    constants, scales = _quantize_table(table.tobytes(), table.shape, counts.tobytes())
    _replace_lookups(model, table.shape, constants, scales)


# The files of a bundle want the same.
@functools.lru_cache(maxsize=1)
def _quantize_table(table: bytes, shape: tuple[int, int], counts: bytes) -> tuple[dict, dict]:
    """Returns the constants of a product-quantized table, and the scales of the int8 ones."""
    table = np.frombuffer(table, np.float32).reshape(shape)
    counts = np.frombuffer(counts, np.int64)
    frequent = np.argsort(-counts, kind="stable")[: min(FREQUENT_TOKENS, len(table))]
    constants = {"slots": np.zeros(len(table), np.int16)}
    constants["slots"][frequent] = np.arange(1, len(frequent) + 1)
    constants["codes"], codebook = _product_quantize(table, "all tokens")
    lost = table[frequent] - _decode(constants["codes"][frequent], codebook)
    # Slot 0, that of all other tokens, has nothing to add.
    lost = np.concatenate([np.zeros_like(lost[:1]), lost])
    constants["frequent_codes"], frequent_codebook = _product_quantize(lost, "frequent tokens")
    # The last centroid of each place, which clustering leaves at zero.
    constants["frequent_codes"][0] = CENTROIDS - 1
    # One list of centroids: those of place g begin at g times their number.
    places = np.arange(table.shape[1] // SUBVECTOR, dtype=np.int32)
    constants["offsets"] = places * CENTROIDS
    scales = {}
    codebooks = {"codebook": codebook, "frequent_codebook": frequent_codebook}
    for name, values in codebooks.items():
        scales[name] = max(float(np.abs(values).max()), 1e-12) / 127
        values = values.reshape(-1, SUBVECTOR)
        constants[name] = np.round(values / scales[name]).astype(np.int8)
    return constants, scales


def _product_quantize(table: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes uint8 [rows, places] and centroids float32 [places, 256, 4]."""
    places = table.shape[1] // SUBVECTOR
    codes = np.empty((len(table), places), np.uint8)
    codebook = np.zeros((places, CENTROIDS, SUBVECTOR), np.float32)
    parts = table.reshape(len(table), places, SUBVECTOR)
    # Sums of several threads come in any order; the same run is to give the same bytes.
    with threadpool_limits(1):
        for place in track(range(places), f"product quantization, {name}", transient=True):
            means = MiniBatchKMeans(
                min(CENTROIDS - 1, len(table)),
                random_state=0,
                n_init=1,
                batch_size=4096,
                max_iter=30,
            ).fit(parts[:, place])
            codes[:, place] = means.predict(parts[:, place])
            codebook[place, : len(means.cluster_centers_)] = means.cluster_centers_
    return codes, codebook


def _decode(codes: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Returns rows float32 [rows, hidden]."""
    return codebook[np.arange(codes.shape[1]), codes].reshape(len(codes), -1)


def _replace_lookups(model, shape, constants: dict, scales: dict) -> None:
    buffers = None
    for graph in model.subgraphs:
        dropped, operator, result = _find_lookup(model, graph, shape)
        if buffers is None:
            buffers = {k: _flatbuffer.add_buffer(model, v) for k, v in constants.items()}
            # The next graphs' tensors of the table have the same buffer.
            model.buffers[graph.tensors[operator.inputs[0]].buffer].data = None
        editor = _LookupEditor(model, graph, constants, buffers, scales)
        replacement = editor.operators(operator, result)
        operators = []
        for old in graph.operators:
            if old is operator:
                operators += replacement
            elif not any(old is other for other in dropped):
                operators.append(old)
        graph.operators = operators


def _find_lookup(model, graph, shape) -> tuple[list, schema.OperatorT, int]:
    """Finds the token embedding: operators to drop, the GATHER, the tensor of its result."""
    for operator in graph.operators:
        if _flatbuffer.operator_name(model, operator) != "GATHER":
            continue
        if tuple(graph.tensors[operator.inputs[0]].shape) != tuple(shape):
            continue
        result = operator.outputs[0]
        readers = [o for o in graph.operators if result in o.inputs]
        names = [_flatbuffer.operator_name(model, o) for o in readers]
        if names == ["DEQUANTIZE"]:
            return readers, operator, readers[0].outputs[0]
        return [], operator, result
    raise TinyBertError(
        f"The converted file has no lookup in a table of shape {tuple(shape)}; the conversion "
        "went wrong."
    )


def quantize_positions(model: schema.ModelT, hidden_dim: int) -> None:
    """Stores the position embedding, which its converter leaves in float32, in int8.

    Args:
        model: `ModelT`. Changed in place.
        hidden_dim: int. Width of the embeddings.
    """
    for graph in model.subgraphs:
        length = graph.tensors[graph.inputs[0]].shape[-1]
        additions = [o for o in graph.operators if _flatbuffer.operator_name(model, o) == "ADD"]
        for operator in additions:
            for index in operator.inputs:
                tensor = graph.tensors[index]
                data = model.buffers[tensor.buffer].data
                is_table = tuple(tensor.shape)[-2:] == (length, hidden_dim)
                if data is not None and len(data) and is_table:
                    _quantize_constant(model, graph, index)


def _quantize_constant(model, graph, index: int) -> None:
    """Makes a constant the result of a first operator that dequantizes it."""
    tensor = graph.tensors[index]
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    values = np.frombuffer(data.tobytes(), np.float32).reshape(tensor.shape)
    scale = max(float(np.abs(values).max()), 1e-12) / 127
    model.buffers[tensor.buffer].data = None
    quantized = np.round(values / scale).astype(np.int8)
    buffer = _flatbuffer.add_buffer(model, quantized)
    source = _flatbuffer.add_tensor(
        graph, tensor.name + b"_int8", quantized.shape, "int8", buffer=buffer, scale=scale
    )
    tensor.buffer = 0
    code = _flatbuffer.operator_code(model, "DEQUANTIZE", 2)
    options = schema.DequantizeOptionsT()
    graph.operators.insert(0, _flatbuffer.make_operator(code, [source], [index], options))


class _LookupEditor:
    """Makes the operators of one graph that look tokens up in a product-quantized table."""

    def __init__(self, model, graph, constants, buffers, scales):
        self._model, self._graph = model, graph
        self._constants, self._buffers, self._scales = constants, buffers, scales
        self._operators = []

    def operators(self, lookup: schema.OperatorT, result: int) -> list:
        """Returns what stands in for a GATHER whose float32 result is tensor `result`."""
        ids = lookup.inputs[1]
        shape = tuple(int(n) for n in self._graph.tensors[result].shape)
        self._put_codes(lookup.inputs[0])
        rows = self._decode(lookup.inputs[0], "codebook", ids, shape)
        slots = self._gather(self._constant("slots"), ids, shape[:-1])
        slots = self._cast(slots, shape[:-1])
        codes = self._constant("frequent_codes")
        added = self._decode(codes, "frequent_codebook", slots, shape)
        self._add(rows, added, shape, "float32", result)
        return self._operators

    def _decode(self, codes: int, codebook: str, indices: int, shape) -> int:
        """Looks up rows of codes, their centroids, and joins these."""
        coded = (*shape[:-1], shape[-1] // SUBVECTOR)
        codes = self._cast(self._gather(codes, indices, coded), coded)
        places = self._add(codes, self._constant("offsets"), coded, "int32")
        vectors = self._gather(self._constant(codebook), places, (*coded, SUBVECTOR))
        joined = self._reshape(vectors, shape, self._scales[codebook])
        return self._dequantize(joined, shape)

    def _put_codes(self, table: int) -> None:
        """Makes the tensor of the table, which nothing reads any more, that of the codes."""
        tensor, codes = self._graph.tensors[table], self._constants["codes"]
        tensor.name, tensor.buffer = b"embedding_codes", self._buffers["codes"]
        tensor.shape, tensor.type = np.array(codes.shape, np.int32), schema.TensorType.UINT8
        tensor.quantization = None

    def _constant(self, name: str) -> int:
        values = self._constants[name]
        return _flatbuffer.add_tensor(
            self._graph,
            b"embedding_" + name.encode(),
            values.shape,
            values.dtype,
            buffer=self._buffers[name],
            scale=self._scales.get(name),
        )

    def _apply(self, name, version, inputs, shape, dtype, *, options, scale=None, out=None):
        if out is None:
            label = f"embedding_{name.lower()}_{len(self._operators)}".encode()
            out = _flatbuffer.add_tensor(self._graph, label, shape, dtype, scale=scale)
        code = _flatbuffer.operator_code(self._model, name, version)
        self._operators.append(_flatbuffer.make_operator(code, inputs, [out], options))
        return out

    def _gather(self, table: int, indices: int, shape) -> int:
        tensor = self._graph.tensors[table]
        scale = tensor.quantization and tensor.quantization.scale[0]
        version, dtype = _GATHER[tensor.type]
        options = schema.GatherOptionsT()
        return self._apply(
            "GATHER", version, [table, indices], shape, dtype, scale=scale, options=options
        )

    def _cast(self, x: int, shape) -> int:
        is_short = self._graph.tensors[x].type == schema.TensorType.INT16
        options = schema.CastOptionsT()
        options.inDataType = self._graph.tensors[x].type
        options.outDataType = schema.TensorType.INT32
        return self._apply("CAST", 4 if is_short else 1, [x], shape, "int32", options=options)

    def _add(self, x: int, y: int, shape, dtype, out: int | None = None) -> int:
        options = schema.AddOptionsT()
        return self._apply("ADD", 1, [x, y], shape, dtype, options=options, out=out)

    def _reshape(self, x: int, shape, scale: float) -> int:
        values = np.array(shape, np.int32)
        buffer = _flatbuffer.add_buffer(self._model, values)
        target = _flatbuffer.add_tensor(
            self._graph, b"embedding_shape", values.shape, values.dtype, buffer=buffer
        )
        options = schema.ReshapeOptionsT()
        options.newShape = values
        return self._apply(
            "RESHAPE", 1, [x, target], shape, "int8", scale=scale, options=options
        )

    def _dequantize(self, x: int, shape) -> int:
        options = schema.DequantizeOptionsT()
        return self._apply("DEQUANTIZE", 2, [x], shape, "float32", options=options)
