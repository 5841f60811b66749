"""Students cut out of their teachers, nothing fitted: what `initialize_from_teacher` is up to.

Dimensions are selected by energy (after weight subcloning, arXiv 2312.09299) or are principal
components (after SliceGPT, arXiv 2401.15024), units and heads are selected by norms. For
`student_start.py` and `general_student.py`, which measure them.
"""

from collections.abc import Callable

import keras
import numpy as np

from tinybert_tf.distillation import resolve_layer_mapping, student_init
from tinybert_tf.distillation._least_squares import Whitening, factorize
from tinybert_tf.models import encoder_of


def energy_basis(text, count: int) -> np.ndarray:
    """Returns columns of the identity [width, count]: the dimensions with most energy."""
    layers = range(text.encoder.num_layers + 1)
    energy = sum(
        np.square(batch).sum(0) for layer in layers for batch in text.hidden_states(layer)
    )
    return np.eye(len(energy))[:, np.sort(np.argsort(-energy)[:count])]


def component_basis(text, count: int) -> np.ndarray:
    """Returns principal components [width, count], of a length at which gammas stay."""
    basis = student_init._find_basis(text, count)
    # LayerNorm brings fewer coordinates of the same vector to the same mean square.
    return basis * (count / len(basis)) ** 0.5


def cut(find_basis: Callable, student, teacher, sample) -> None:
    """Makes the student of what the teacher's weights are in a basis; nothing is fitted.

    Args:
        find_basis: function of the text and a number of dimensions.
        student: `BertTextClassifier`. Changed in place.
        teacher: `BertTextClassifier`.
        sample: list of encoder inputs.
    """
    source, target = encoder_of(teacher), encoder_of(student)
    basis = find_basis(student_init._Text(source, sample), target.hidden_dim)
    for name, table in (
        ("token_embedding", "embeddings"),
        ("position_embedding", "position_embeddings"),
        ("segment_embedding", "embeddings"),
    ):
        theirs, ours = (getattr(getattr(e, name), table) for e in (source, target))
        ours.assign(_array(theirs)[: ours.shape[0]] @ basis)
    _cut_norm(source.embeddings_norm, target.embeddings_norm, basis)
    mapping = resolve_layer_mapping("uniform", target.num_layers, source.num_layers)
    for ours, g in zip(target.transformer_layers, mapping[1:], strict=True):
        theirs = source.transformer_layers[g - 1]
        _cut_heads(theirs.self_attention, ours.self_attention, basis)
        _cut_norm(theirs.attention_norm, ours.attention_norm, basis)
        _cut_feed_forward(theirs, ours, basis)
        _cut_norm(theirs.output_norm, ours.output_norm, basis)


def _cut_norm(theirs, ours, basis: np.ndarray) -> None:
    # Columns may be longer than 1; the scale's own diagonal does not depend on that.
    ours.gamma.assign(np.square(basis).T @ _array(theirs.gamma) / np.square(basis).sum(0))
    ours.beta.assign(_array(theirs.beta) @ basis)


def _cut_heads(theirs, ours, basis: np.ndarray) -> None:
    query, key, value = (
        student_init._compose(_inverse(basis), dense)
        for dense in (theirs.query, theirs.key, theirs.value)
    )
    output = _array(theirs.output_dense.kernel) @ basis
    white = [Whitening.of(np.eye(n)) for n in (len(query), len(query), basis.shape[1])]
    scale, rank = (ours.head_dim / theirs.head_dim) ** 0.25, range(ours.head_dim)
    parts = {"query": [], "key": [], "value": [], "output": []}
    for h in range(theirs.num_heads):
        columns = slice(h * theirs.head_dim, (h + 1) * theirs.head_dim)
        left, right = factorize(query[:, columns], key[:, columns], *white[:2], rank)
        parts["query"].append(left * scale)
        parts["key"].append(right * scale)
        left, right = factorize(value[:, columns], output[columns].T, *white[1:], rank)
        parts["value"].append(left)
        parts["output"].append(right)
    for name in ("query", "key", "value"):
        student_init._assign_dense(getattr(ours, name), np.hstack(parts[name]))
    bias = _array(theirs.output_dense.bias) @ basis
    student_init._assign_dense(
        ours.output_dense, np.vstack([np.hstack(parts["output"]).T, bias])
    )


def _cut_feed_forward(theirs, ours, basis: np.ndarray) -> None:
    into = student_init._compose(_inverse(basis), theirs.intermediate_dense)
    out = _array(theirs.output_dense.kernel) @ basis
    norms = np.linalg.norm(into[:-1], axis=0) * np.linalg.norm(out, axis=1)
    units = np.sort(np.argsort(-norms)[: ours.intermediate_dim])
    student_init._assign_dense(ours.intermediate_dense, into[:, units])
    bias = _array(theirs.output_dense.bias) @ basis
    student_init._assign_dense(ours.output_dense, np.vstack([out[units], bias]))


def _inverse(basis: np.ndarray) -> np.ndarray:
    """Returns what takes the student's states and a constant to the teacher's."""
    return np.vstack([np.linalg.pinv(basis), np.zeros(len(basis))])


def _array(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
