"""BERT's layers on arrays: in float32, whatever the models' policy, and without padding."""

import numpy as np
from keras import ops

from tinybert_tf.models import MASK_BIAS

_HEAD_PARTS = ("query", "key", "value")


def run_block(
    block, hidden: np.ndarray, mask: np.ndarray, position_bias: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Returns sums before and values after both LayerNorms of a block [tokens, width]."""
    attention = block.self_attention
    context = attend(attention, hidden, mask, position_bias)
    attention_sum = hidden + linear(attention.output_dense, context)
    attended = normalize(attention_sum, block.attention_norm)
    output_sum = attended + feed_forward(block, attended)
    return attention_sum, attended, output_sum, normalize(output_sum, block.output_norm)


def embed(encoder, inputs: dict, mask: np.ndarray) -> np.ndarray:
    """Returns the sums of an encoder's embeddings [tokens, width of the tables]."""
    tables = (
        encoder.token_embedding.embeddings,
        encoder.position_embedding.position_embeddings,
        encoder.segment_embedding.embeddings,
    )
    rows = (inputs["token_ids"][mask], np.nonzero(mask)[1], inputs["segment_ids"][mask])
    return sum(array(table)[row] for table, row in zip(tables, rows, strict=True))


def embedding_output(encoder, sums: np.ndarray) -> np.ndarray:
    """Returns the first hidden states [tokens, width] of the sums of the embeddings."""
    normalized = normalize(sums, encoder.embeddings_norm)
    if encoder.embeddings_projection is None:
        return normalized
    return linear(encoder.embeddings_projection, normalized)


def position_bias(encoder, mask: np.ndarray) -> np.ndarray | None:
    """Returns what an encoder adds to its scores [1, heads, seq, seq], `None` for nothing."""
    return None if encoder.position_bias is None else array(encoder.position_bias(mask))


def attend(
    attention, hidden: np.ndarray, mask: np.ndarray, position_bias: np.ndarray | None = None
) -> np.ndarray:
    """Returns what an attention layer gives its output layer [tokens, width]."""

    def heads(dense):
        padded = np.zeros((*mask.shape, attention.num_heads * attention.head_dim), "float32")
        padded[mask] = linear(dense, hidden)
        shape = (*mask.shape, attention.num_heads, attention.head_dim)
        return padded.reshape(shape).transpose(0, 2, 1, 3)

    query, key, value = (heads(getattr(attention, name)) for name in _HEAD_PARTS)
    scores = ops.matmul(query, key.swapaxes(-1, -2)) * attention.head_dim**-0.5
    if position_bias is not None:
        scores += position_bias
    bias = np.where(mask, 0.0, MASK_BIAS).astype("float32")[:, None, None, :]
    contexts = array(ops.matmul(ops.softmax(scores + bias), value))
    return contexts.transpose(0, 2, 1, 3).reshape(*mask.shape, -1)[mask]


def feed_forward(block, attended: np.ndarray) -> np.ndarray:
    units = array(block.activation(linear(block.intermediate_dense, attended)))
    return linear(block.output_dense, units)


def pool(model, hidden: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
    """Returns what the head of a text classifier gets [examples, width].

    Args:
        model: `BertTextClassifier`.
        hidden: for each batch the last hidden states [tokens, width].
        masks: for each batch a bool array [examples, seq] of the tokens.
    """
    encoder = model.backbone
    if encoder.pooled_dense is None:
        pooled = text_means(hidden, masks)
    else:
        first = linear(encoder.pooled_dense, first_tokens(hidden, masks))
        pooled = encoder.pooler_activation(first)
    return array(model.head_activation(pooled))


def first_tokens(hidden: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
    """Returns the hidden states [examples, width] of the first token of each example."""
    starts = [np.cumsum(mask.sum(1)) - mask.sum(1) for mask in masks]
    return np.concatenate([h[start] for h, start in zip(hidden, starts, strict=True)])


def text_means(hidden: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
    """Returns the means [examples, width] of the hidden states of each example's tokens."""
    means = []
    for h, mask in zip(hidden, masks, strict=True):
        counts = mask.sum(1)
        sums = np.add.reduceat(h, np.cumsum(counts) - counts, axis=0)
        means.append(sums / counts[:, None])
    return np.concatenate(means).astype("float32")


def standardize(x: np.ndarray, norm) -> np.ndarray:
    """Returns what LayerNorm scales and shifts."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + norm.epsilon)


def normalize(x: np.ndarray, norm) -> np.ndarray:
    return standardize(x, norm) * array(norm.gamma) + array(norm.beta)


def linear(dense, x: np.ndarray) -> np.ndarray:
    """Returns what a dense layer gives, without its activation."""
    return x @ array(dense.kernel) + array(dense.bias)


def compose(reconstruction: np.ndarray, dense) -> np.ndarray:
    """Returns [W; b] of a dense layer of the teacher's states as one of the student's."""
    composed = reconstruction @ array(dense.kernel)
    composed[-1] += array(dense.bias)
    return composed.astype("float32")


def array(variable) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable), "float32")


def assign_corner(variable, value: np.ndarray) -> None:
    """Assigns `value` to the leading corner of `variable`; the rest stays as it is."""
    full = np.array(array(variable))
    full[tuple(slice(n) for n in value.shape)] = value
    variable.assign(full)


def assign_dense(dense, coefficients: np.ndarray) -> None:
    """Assigns [W; b]; columns beyond it stay as they are."""
    assign_corner(dense.kernel, coefficients[:-1])
    assign_corner(dense.bias, coefficients[-1])
