"""A student that starts from its teacher.

The student is cut out of the teacher: residual dimensions and feed-forward units are selected,
blocks are taken by the layer mapping, and each head keeps the directions of its bilinear
forms that matter most (truncated SVD). It makes sense before any training; distillation then
repairs what the cut took away.
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder


def initialize_from_teacher(
    student, teacher, sample: Iterable[dict], mapping: str | Sequence[int] = "uniform"
) -> np.ndarray:
    """Sets the student's weights from the teacher's; where nothing fits, they stay random.

    Any two shapes will do. Wider parts of the student beyond the teacher's width keep their
    random weights. Heads carry over where one head count divides the other.

    Args:
        student: `BertEncoder` or `BertTextClassifier`. Changed in place.
        teacher: a model of the same class.
        sample: iterable of encoder inputs (dicts of [batch, seq] arrays). Text on which the
            energy of the teacher's residual dimensions is measured; some hundred sentences
            do.
        mapping: see `resolve_layer_mapping`.

    Returns:
        float32 array [d', d]: the projection W_h that takes the student's hidden states to
        the teacher's dimensions they were cut from.

    Raises:
        TinyBertError: if vocabularies differ or `sample` is empty.
    """
    source, target = _encoder(teacher), _encoder(student)
    if source.vocabulary_size != target.vocabulary_size:
        raise TinyBertError(
            f"The student has a vocabulary of {target.vocabulary_size} tokens, its teacher of "
            f"{source.vocabulary_size}. Give the student the teacher's vocabulary."
        )
    layers = resolve_layer_mapping(mapping, target.num_layers, source.num_layers)
    kept = select_dimensions(source, sample, target.hidden_dim)

    _copy_embeddings(source, target, kept)
    for block, g in zip(target.transformer_layers, layers[1:], strict=True):
        _copy_block(source.transformer_layers[g - 1], block, kept)
    _copy_dense(source.pooled_dense, target.pooled_dense, kept, kept)
    if student is not target and student.num_classes == teacher.num_classes:
        outputs = np.arange(teacher.num_classes)
        _copy_dense(teacher.output_dense, student.output_dense, kept, outputs)

    projection = np.zeros((target.hidden_dim, source.hidden_dim), "float32")
    projection[np.arange(len(kept)), kept] = 1.0
    return projection


def select_dimensions(encoder: BertEncoder, sample: Iterable[dict], count: int) -> np.ndarray:
    """Chooses the residual dimensions with most energy over all hidden states of a sample.

    Args:
        encoder: `BertEncoder`.
        sample: iterable of encoder inputs.
        count: int. How many to keep at most.

    Returns:
        int array [min(count, hidden_dim)], ascending.
    """
    if count >= encoder.hidden_dim:
        return np.arange(encoder.hidden_dim)
    model = encoder.expose(hidden_states=True)
    energy = np.zeros(encoder.hidden_dim)
    for inputs in sample:
        mask = np.asarray(inputs["padding_mask"], "float32")[..., None]
        for hidden in model(inputs, training=False)["hidden_states"]:
            squares = np.square(np.asarray(hidden, "float32") * mask)
            energy += squares.sum(axis=(0, 1), dtype="float64")
    if not energy.any():
        raise TinyBertError(
            "The sample of texts that the student's start is measured on is empty. "
            "Give at least one batch."
        )
    return np.sort(np.argsort(-energy, kind="stable")[:count])


def _encoder(model) -> BertEncoder:
    return model if isinstance(model, BertEncoder) else model.backbone


def _numpy(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def _assign_corner(variable, value: np.ndarray) -> None:
    """Assigns `value` to the leading corner of `variable`; the rest stays as it is."""
    full = np.array(_numpy(variable))
    full[tuple(slice(n) for n in value.shape)] = value
    variable.assign(full)


def _copy_dense(source, target, rows: np.ndarray, columns: np.ndarray) -> None:
    _assign_corner(target.kernel, _numpy(source.kernel)[np.ix_(rows, columns)])
    _assign_corner(target.bias, _numpy(source.bias)[columns])


def _copy_norm(source, target, kept: np.ndarray) -> None:
    _assign_corner(target.gamma, _numpy(source.gamma)[kept])
    _assign_corner(target.beta, _numpy(source.beta)[kept])


def _copy_embeddings(source: BertEncoder, target: BertEncoder, kept: np.ndarray) -> None:
    tables = [
        (source.token_embedding.embeddings, target.token_embedding.embeddings),
        (
            source.position_embedding.position_embeddings,
            target.position_embedding.position_embeddings,
        ),
        (source.segment_embedding.embeddings, target.segment_embedding.embeddings),
    ]
    for theirs, ours in tables:
        _assign_corner(ours, _numpy(theirs)[: ours.shape[0], kept])
    _copy_norm(source.embeddings_norm, target.embeddings_norm, kept)


def _copy_block(source, target, kept: np.ndarray) -> None:
    _copy_attention(source.self_attention, target.self_attention, kept)
    _copy_norm(source.attention_norm, target.attention_norm, kept)
    _copy_feed_forward(source, target, kept)
    _copy_norm(source.output_norm, target.output_norm, kept)


def _copy_feed_forward(source, target, kept: np.ndarray) -> None:
    """Keeps the units with the largest product of input and output norm."""
    into = _numpy(source.intermediate_dense.kernel)[kept]
    out = _numpy(source.output_dense.kernel)[:, kept]
    weight = np.linalg.norm(into, axis=0) * np.linalg.norm(out, axis=1)
    count = min(target.intermediate_dim, source.intermediate_dim)
    units = np.sort(np.argsort(-weight, kind="stable")[:count])
    # Units beyond the teacher's keep random inputs but start silent, and learn from there.
    _assign_corner(target.output_dense.kernel, np.zeros(target.output_dense.kernel.shape))
    _copy_dense(source.intermediate_dense, target.intermediate_dense, kept, units)
    _copy_dense(source.output_dense, target.output_dense, units, kept)


def _copy_attention(source, target, kept: np.ndarray) -> None:
    """Carries the heads' bilinear forms over at the student's head size.

    A head acts through two matrices alone: scores through [W_q; b_q] [W_k; b_k]^T and output
    through [W_v; b_v] W_o (the bias as one more input row). Their best approximations of
    lower rank are truncated SVDs.
    """
    groups = _head_groups(source.num_heads, target.num_heads)
    if groups is None:
        return
    rank = target.head_dim
    # Scores are divided by sqrt(head_dim): the smaller root of the student is taken back
    # by (head_dim' / head_dim)^(1/4) on either side.
    scale = (target.head_dim / source.head_dim) ** 0.25
    heads = {name: [] for name in ("query", "key", "value", "output")}
    random = np.random.default_rng(0)
    for teacher_heads, part in groups:
        query = np.hstack([_head_input(source.query, h, source, kept) for h in teacher_heads])
        key = np.hstack([_head_input(source.key, h, source, kept) for h in teacher_heads])
        value = np.hstack([_head_input(source.value, h, source, kept) for h in teacher_heads])
        output = np.vstack([_head_output(h, source, kept) for h in teacher_heads])
        # Several teacher heads in one: the mean of their scores, the sum of their outputs.
        left, right = _factorize(query, key.T / len(teacher_heads), 0, rank, random)
        heads["query"].append(left * scale)
        heads["key"].append(right.T * scale)
        left, right = _factorize(value, output, part * rank, rank, random)
        heads["value"].append(left)
        heads["output"].append(right)

    rows = len(kept)
    for name in ("query", "key", "value"):
        layer, joined = getattr(target, name), np.hstack(heads[name])
        _assign_corner(layer.kernel, joined[:rows])
        _assign_corner(layer.bias, joined[rows])
    _assign_corner(target.output_dense.kernel, np.vstack(heads["output"]))
    _assign_corner(target.output_dense.bias, _numpy(source.output_dense.bias)[kept])


def _head_groups(teacher: int, student: int) -> list[tuple[list[int], int]] | None:
    """Returns for each student head its teacher heads and which part of their output it is.

    With more student than teacher heads, several student heads share one teacher head's
    scores and split the rank of its output among them.
    """
    if teacher % student == 0:
        size = teacher // student
        return [(list(range(h * size, (h + 1) * size)), 0) for h in range(student)]
    if student % teacher == 0:
        size = student // teacher
        return [([h // size], h % size) for h in range(student)]
    return None


def _head_input(layer, head: int, attention, kept: np.ndarray) -> np.ndarray:
    """Returns [W; b] of one head: [len(kept) + 1, head_dim]."""
    columns = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
    return np.vstack([_numpy(layer.kernel)[kept, columns], _numpy(layer.bias)[None, columns]])


def _head_output(head: int, attention, kept: np.ndarray) -> np.ndarray:
    """Returns W_o of one head: [head_dim, len(kept)]."""
    rows = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
    return _numpy(attention.output_dense.kernel)[rows][:, kept]


def _factorize(
    left: np.ndarray, right: np.ndarray, start: int, rank: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Splits `left @ right` into factors of `rank` columns and rows by its SVD.

    Singular directions `start` to `start + rank` are taken, each root on one side. Directions
    beyond the product's rank get a zero on the right and a small random vector on the left:
    the product is untouched and both sides can still learn.
    """
    # Thin QRs first: the SVD is then of a matrix of head size, not of hidden size.
    q_left, r_left = np.linalg.qr(left)
    q_right, r_right = np.linalg.qr(right.T)
    u, s, vt = np.linalg.svd(r_left @ r_right.T)
    u, s, vt = u[:, start : start + rank], s[start : start + rank], vt[start : start + rank]
    root = np.sqrt(s)
    factors = q_left @ (u * root), (root[:, None] * vt) @ q_right.T
    missing = rank - len(s)
    if missing:
        factors = (
            np.hstack([factors[0], random.normal(0.0, 0.02, (left.shape[0], missing))]),
            np.vstack([factors[1], np.zeros((missing, right.shape[1]))]),
        )
    return factors[0].astype("float32"), factors[1].astype("float32")
