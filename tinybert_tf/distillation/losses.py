"""The losses of TinyBERT (arXiv 1909.10351) as pure functions of tensors and a mask.

| function | equation | compares |
|---|---|---|
| `attention_loss` | 7 | attention scores A_S, A_T before softmax, each row up to a constant |
| `hidden_loss` | 8, 9 | hidden states H_S W_h with H_T, embeddings E_S W_e with E_T |
| `soft_cross_entropy` | 10 | logits z_S with z_T at temperature t |
| `span_cross_entropy` | 10 | logits of the positions of an answer's start, or end |
| `prediction_mse` | none | regression outputs, where eq. 10 would be 0: one class |
| `label_cross_entropy` | none | logits z_S with the correct class, or position |

By default padding leaves numerator and denominator alike, so a batch padded further has
the same loss. `reference_compatible=True` computes what Huawei's released code computes,
to compare numbers with it.

Every function takes `sample_weight`, [batch]: the mean becomes a weighted one whose
weights enter the denominator too, so an integer weight equals repeating the row. Whatever
is averaged over nothing (all masked, all weights zero) is 0 with a gradient of 0.

Everything is computed in float32 at least: half precision is cast up, because squares of
scores beyond 256 overflow float16; float64 stays float64. The result is a scalar.

A masked mean is the mean over the batch it is given. Under data parallel training that is
the batch of one replica, and the average over replicas weighs a replica with few real
tokens like one with many.
"""

from collections.abc import Sequence

import keras
from keras import ops

from tinybert_tf.errors import TinyBertError

# Released code takes every score at or below this for a masked one.
_REFERENCE_MASKED_SCORE = -1e2

# A logit whose probability is 0 beside any other; 0 times its logarithm is still 0.
_NO_CLASS = -1e30


def attention_loss(
    student_scores,
    teacher_scores,
    padding_mask,
    reference_compatible=False,
    sample_weight=None,
    *,
    centred=True,
):
    """Mean squared error of attention scores, eq. 7.

    L_attn = 1/h sum_i MSE(A_i^S, A_i^T) with A = Q K^T / sqrt(d_head) before softmax, over
    the (query, key) pairs of which both are real tokens.

    Softmax does not see a constant added to a row of scores; eq. 7 does, and some teachers
    have large ones. So the error of a row is taken less its mean over the real keys.

    Args:
        student_scores: float tensor [batch, heads, seq, seq]. A^S of one student block.
        teacher_scores: float tensor of the same shape. A^T of the teacher block g(m). In
            both, pairs with padding may hold anything up to 1e38.
        padding_mask: int or bool tensor [batch, seq]. Nonzero at real tokens.
        reference_compatible: bool. As released code: scores of masked keys, and scores
            of -100 or less, count as 0, and the mean is over all pairs, padding included.
            Rows are not centred.
        sample_weight: optional float tensor [batch].
        centred: bool. Whether that is done; `False` is eq. 7 to the letter.

    Returns:
        A scalar.

    Raises:
        TinyBertError: if the shapes do not fit each other.
    """
    _check_rank("student_scores", student_scores, ("batch", "heads", "seq", "seq"))
    _check_heads(student_scores, teacher_scores)
    _check_same_shape("scores", student_scores, teacher_scores)
    _check_mask(padding_mask, student_scores, seq_axis=-1)
    student_scores, teacher_scores = _at_least_float32(student_scores, teacher_scores)
    is_token = ops.cast(padding_mask, "bool")

    if reference_compatible:
        is_key = is_token[:, None, None, :]
        student_scores = _zero_masked(student_scores, is_key)
        teacher_scores = _zero_masked(teacher_scores, is_key)
        squares = ops.square(student_scores - teacher_scores)
        return _mean_of_examples(ops.mean(squares, axis=(1, 2, 3)), sample_weight)

    is_pair = ops.logical_and(is_token[:, :, None], is_token[:, None, :])
    token_counts = ops.sum(ops.cast(is_token, student_scores.dtype), axis=-1)
    errors = student_scores - teacher_scores
    if centred:
        # A choice, not a product, here and below: what padding holds may be infinite by now.
        errors = ops.where(is_pair[:, None], errors, 0.0)
        sums = ops.sum(errors, axis=-1, keepdims=True)
        errors -= ops.divide_no_nan(sums, token_counts[:, None, None, None])
    # The heads share a mask: averaging them first leaves heads times less to mask.
    pair_errors = ops.mean(ops.square(errors), axis=1)
    totals = ops.sum(ops.where(is_pair, pair_errors, 0.0), axis=(1, 2))
    return _weighted_ratio(totals, ops.square(token_counts), sample_weight)


def hidden_loss(
    student_hidden,
    teacher_hidden,
    padding_mask,
    reference_compatible=False,
    sample_weight=None,
):
    """Mean squared error of hidden states, eq. 8, or of embedding outputs, eq. 9.

    L_hidn = MSE(H^S W_h, H^T) and L_embd = MSE(E^S W_e, E^T), over real tokens.

    Args:
        student_hidden: float tensor [batch, seq, hidden]. H^S W_h, already projected to
            the teacher's width (or E^S W_e).
        teacher_hidden: float tensor of the same shape. H^T of layer g(m) (or E^T). In
            both, padding may hold anything up to 1e38.
        padding_mask: int or bool tensor [batch, seq]. Nonzero at real tokens.
        reference_compatible: bool. As released code: padding counts like real tokens.
        sample_weight: optional float tensor [batch].

    Returns:
        A scalar.

    Raises:
        TinyBertError: if the shapes do not fit each other.
    """
    _check_rank("student_hidden", student_hidden, ("batch", "seq", "hidden"))
    _check_hidden_widths(student_hidden, teacher_hidden)
    _check_same_shape("hidden states", student_hidden, teacher_hidden)
    _check_mask(padding_mask, student_hidden, seq_axis=1)
    student_hidden, teacher_hidden = _at_least_float32(student_hidden, teacher_hidden)

    token_errors = ops.mean(ops.square(student_hidden - teacher_hidden), axis=-1)
    if reference_compatible:
        return _mean_of_examples(ops.mean(token_errors, axis=-1), sample_weight)
    is_token = ops.cast(padding_mask, "bool")
    totals = ops.sum(ops.where(is_token, token_errors, 0.0), axis=-1)
    token_counts = ops.sum(ops.cast(is_token, totals.dtype), axis=-1)
    return _weighted_ratio(totals, token_counts, sample_weight)


def soft_cross_entropy(
    student_logits,
    teacher_logits,
    temperature=1.0,
    reference_compatible=False,
    sample_weight=None,
):
    """Cross entropy of the student's prediction under the teacher's, eq. 10.

    L_pred = -sum_c softmax(z^T / t)_c log_softmax(z^S / t)_c, mean over the batch. It is
    not multiplied by t^2, as in the paper; its least value is the teacher's entropy, not 0.

    Args:
        student_logits: float tensor [batch, classes]. z^S.
        teacher_logits: float tensor of the same shape. z^T.
        temperature: float. t > 0; the paper finds 1 to work best.
        reference_compatible: bool. As released code: the mean is over classes too, which
            divides by their number (Huawei-Noah/Pretrained-Language-Model#176).
        sample_weight: optional float tensor [batch].

    Returns:
        A scalar.

    Raises:
        TinyBertError: if the shapes do not fit each other or `temperature` is not positive.
    """
    check_temperature(temperature)
    _check_rank("student_logits", student_logits, ("batch", "classes"))
    _check_same_shape("logits", student_logits, teacher_logits)
    student_logits, teacher_logits = _at_least_float32(student_logits, teacher_logits)

    teacher_probabilities = ops.softmax(teacher_logits / temperature, axis=-1)
    student_log_probabilities = ops.log_softmax(student_logits / temperature, axis=-1)
    reduce_classes = ops.mean if reference_compatible else ops.sum
    examples = -reduce_classes(teacher_probabilities * student_log_probabilities, axis=-1)
    return _mean_of_examples(examples, sample_weight)


def span_cross_entropy(
    student_logits,
    teacher_logits,
    padding_mask,
    *,
    temperature=1.0,
    reference_compatible=False,
    sample_weight=None,
):
    """Eq. 10 where the classes are the positions of a text: of an answer's start, or end.

    Args:
        student_logits: float tensor [batch, seq]. z^S of the starts, or of the ends.
        teacher_logits: float tensor of the same shape. z^T. In both, padding may hold
            anything up to 1e38.
        padding_mask: int or bool tensor [batch, seq]. Nonzero at real tokens; only they are
            classes.
        temperature: float. t > 0.
        reference_compatible: bool. As released code has `soft_cross_entropy`: padding is a
            class like others, and the mean is over classes too.
        sample_weight: optional float tensor [batch].

    Returns:
        A scalar.

    Raises:
        TinyBertError: if the shapes do not fit each other or `temperature` is not positive.
    """
    _check_rank("student_logits", student_logits, ("batch", "seq"))
    _check_same_shape("logits", student_logits, teacher_logits)
    _check_mask(padding_mask, student_logits, seq_axis=1)
    student_logits, teacher_logits = _at_least_float32(student_logits, teacher_logits)
    if not reference_compatible:
        is_token = ops.cast(padding_mask, "bool")
        student_logits = ops.where(is_token, student_logits, _NO_CLASS)
        teacher_logits = ops.where(is_token, teacher_logits, _NO_CLASS)
    return soft_cross_entropy(
        student_logits, teacher_logits, temperature, reference_compatible, sample_weight
    )


def prediction_mse(student_predictions, teacher_predictions, sample_weight=None):
    """Mean squared error of regression outputs: (y^S - y^T)^2, mean over the batch.

    The student learns from the teacher's prediction, as it does for classes. Released
    code takes the gold label instead (Huawei-Noah/Pretrained-Language-Model#128); to have
    that, pass the label as `teacher_predictions`.

    Args:
        student_predictions: float tensor [batch, 1]. y^S.
        teacher_predictions: float tensor of the same shape. y^T.
        sample_weight: optional float tensor [batch].

    Returns:
        A scalar.

    Raises:
        TinyBertError: if the shapes do not fit each other.
    """
    _check_rank("student_predictions", student_predictions, ("batch", "outputs"))
    _check_same_shape("predictions", student_predictions, teacher_predictions)
    student, teacher = _at_least_float32(student_predictions, teacher_predictions)
    return _mean_of_examples(ops.mean(ops.square(student - teacher), axis=-1), sample_weight)


def label_cross_entropy(student_logits, labels, padding_mask=None, sample_weight=None):
    """Cross entropy of the student's prediction under the correct label.

    L_label = -log softmax(z^S)_y, mean over the batch. The paper has no such term; a weighted
    sum of it and eq. 10 is what Hinton et al. (arXiv 1503.02531, section 2) learn from.

    Args:
        student_logits: float tensor [batch, classes]. z^S; or [batch, seq], of the positions of
            an answer's start, or end.
        labels: int tensor [batch]. y.
        padding_mask: int or bool tensor [batch, seq], or `None`. Nonzero at real tokens; of
            positions they alone are classes.
        sample_weight: optional float tensor [batch].

    Returns:
        A scalar.

    Raises:
        TinyBertError: if the shapes do not fit each other.
    """
    _check_rank("student_logits", student_logits, ("batch", "classes"))
    _check_rank("labels", labels, ("batch",))
    (student_logits,) = _at_least_float32(student_logits)
    if padding_mask is not None:
        _check_mask(padding_mask, student_logits, seq_axis=1)
        is_token = ops.cast(padding_mask, "bool")
        student_logits = ops.where(is_token, student_logits, _NO_CLASS)
    # A label that is no class is an error here or no number, never another class.
    examples = ops.sparse_categorical_crossentropy(
        ops.cast(labels, "int32"), student_logits, from_logits=True
    )
    return _mean_of_examples(examples, sample_weight)


def check_temperature(temperature: float) -> None:
    """Raises TinyBertError unless `temperature` is a positive, finite number."""
    if not isinstance(temperature, int | float) or not 0 < temperature < float("inf"):
        raise TinyBertError(
            f"temperature is {temperature!r}; expected a positive number. "
            "1.0 is the paper's choice."
        )


def _at_least_float32(*tensors):
    tensors = [ops.convert_to_tensor(tensor) for tensor in tensors]
    dtype = keras.backend.result_type("float32", *(tensor.dtype for tensor in tensors))
    return [ops.cast(tensor, dtype) for tensor in tensors]


def _zero_masked(scores, is_key):
    return ops.where(ops.logical_and(is_key, scores > _REFERENCE_MASKED_SCORE), scores, 0.0)


def _mean_of_examples(values, sample_weight):
    """Weighted mean of `values` [batch]."""
    return _weighted_ratio(values, ops.ones_like(values), sample_weight)


def _weighted_ratio(totals, counts, sample_weight):
    """sum_b w_b totals_b / sum_b w_b counts_b for tensors [batch], and 0 for 0 / 0."""
    if sample_weight is not None:
        _check_sample_weight(sample_weight, totals)
        weights = ops.cast(sample_weight, totals.dtype)
        totals, counts = totals * weights, counts * weights
    return ops.divide_no_nan(ops.sum(totals), ops.sum(counts))


def _check_rank(name: str, tensor, axes: Sequence[str]) -> None:
    shape = _shape(tensor)
    if len(shape) != len(axes):
        raise TinyBertError(
            f"{name} has shape {_spell(shape)}; expected {len(axes)} axes, [{', '.join(axes)}]."
        )


def _check_heads(student_scores, teacher_scores) -> None:
    student, teacher = _shape(student_scores), _shape(teacher_scores)
    if len(teacher) == 4 and _differ(student[1], teacher[1]):
        raise TinyBertError(
            f"The student has {student[1]} attention heads and the teacher {teacher[1]}; "
            "their scores are compared head by head. Give the student as many heads as the "
            "teacher, compare the mean over heads (mean over axis 1 of both, kept), or "
            "drop the attention term."
        )


def _check_hidden_widths(student_hidden, teacher_hidden) -> None:
    student, teacher = _shape(student_hidden), _shape(teacher_hidden)
    if len(teacher) == 3 and _differ(student[-1], teacher[-1]):
        raise TinyBertError(
            f"The student's hidden states are {student[-1]} wide and the teacher's "
            f"{teacher[-1]}. Project the student's to {teacher[-1]} first (W_h in eq. 8)."
        )


def _check_same_shape(what: str, student, teacher) -> None:
    # Without this, [batch, 1] against [batch] would silently broadcast to [batch, batch].
    student, teacher = _shape(student), _shape(teacher)
    if len(student) != len(teacher) or any(map(_differ, student, teacher)):
        raise TinyBertError(
            f"The student's {what} have shape {_spell(student)} and the teacher's "
            f"{_spell(teacher)}; expected equal shapes. Build both from the same batch, "
            "with the same labels."
        )


def _check_mask(padding_mask, tensor, seq_axis: int) -> None:
    mask, shape = _shape(padding_mask), _shape(tensor)
    expected = (shape[0], shape[seq_axis])
    if len(mask) != 2 or any(map(_differ, mask, expected)):
        raise TinyBertError(
            f"padding_mask has shape {_spell(mask)}; expected [batch, seq], here "
            f"{_spell(expected)}, nonzero at real tokens."
        )


def _check_sample_weight(sample_weight, totals) -> None:
    weight, expected = _shape(sample_weight), _shape(totals)
    if len(weight) != 1 or _differ(weight[0], expected[0]):
        raise TinyBertError(
            f"sample_weight has shape {_spell(weight)}; expected one weight an example, "
            f"{_spell(expected)}."
        )


def _shape(tensor) -> tuple:
    """The static shape; None where a size is known at run time only."""
    shape = getattr(tensor, "shape", None)
    return tuple(ops.convert_to_tensor(tensor).shape if shape is None else shape)


def _differ(size: int | None, other: int | None) -> bool:
    return size is not None and other is not None and size != other


def _spell(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
