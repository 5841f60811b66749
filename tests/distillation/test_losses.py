import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.distillation import losses
from tinybert_tf.errors import TinyBertError

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"

# Three tokens, the last one padding; two heads. Differences of 9 and more are padding's.
SCORES = np.array(
    [[[[1, 2, 9], [3, 4, 9], [9, 9, 9]], [[0, 1, 9], [1, 0, 9], [9, 9, 9]]]], float
)
SCORE_ERRORS = np.array(
    [[[[1, 0, 9], [0, 2, 9], [9, 9, 9]], [[0, 1, 9], [1, 1, 9], [9, 9, 9]]]]
)
MASK = np.array([[1, 1, 0]])


@pytest.fixture(scope="module")
def golden():
    arrays = dict(np.load(GOLDEN / "loss_inputs.npz"))
    arrays["student_hidden"] = (
        arrays["student_hidden"] @ arrays["projection_kernel"] + arrays["projection_bias"]
    )
    return arrays


@pytest.fixture(scope="module")
def expected():
    return json.loads((GOLDEN / "loss_expected.json").read_text())


def random_batch(seed=0, batch=3, heads=2, seq=5, width=4):
    rng = np.random.default_rng(seed)
    mask = np.arange(seq) < np.array([[seq], [3], [1]])[:batch]
    scores = rng.normal(size=(2, batch, heads, seq, seq))
    hidden = rng.normal(size=(2, batch, seq, width))
    return scores, hidden, mask.astype("int32")


# name, positional arguments of a float64 batch, whether the loss is masked
def all_losses():
    scores, hidden, mask = random_batch()
    logits = np.random.default_rng(1).normal(size=(2, 3, 4))
    outputs = np.random.default_rng(2).normal(size=(2, 3, 1))
    return [
        pytest.param(losses.attention_loss, (*scores, mask), id="attention"),
        pytest.param(losses.hidden_loss, (*hidden, mask), id="hidden"),
        pytest.param(losses.soft_cross_entropy, (*logits,), id="soft_cross_entropy"),
        pytest.param(losses.prediction_mse, (*outputs,), id="prediction_mse"),
    ]


def value_and_gradients(function, student, teacher, *args, **kwargs):
    student, teacher = tf.convert_to_tensor(student), tf.convert_to_tensor(teacher)
    with tf.GradientTape() as tape:
        tape.watch([student, teacher])
        value = function(student, teacher, *args, **kwargs)
    gradients = tape.gradient(value, [student, teacher])
    return value.numpy(), [gradient.numpy() for gradient in gradients]


# === Literal values ===


def test_attention_loss_is_the_mean_over_heads_and_pairs_of_real_tokens():
    value = losses.attention_loss(SCORES, SCORES + SCORE_ERRORS, MASK, centred=False)
    # Squares of head 1: 1 0 0 4, of head 2: 0 1 1 1; eight numbers.
    assert float(value) == pytest.approx(8 / 8, abs=1e-12)


def test_attention_loss_takes_each_row_up_to_a_constant():
    value = losses.attention_loss(SCORES, SCORES + SCORE_ERRORS, MASK)
    # Less their means, rows of head 1 are +-1/2 and +-1, of head 2 +-1/2 and 0; eight numbers.
    assert float(value) == pytest.approx((2 / 4 + 2 + 2 / 4) / 8, abs=1e-12)
    constants = np.array([[[[3e4], [-7.0], [0.0]], [[0.5], [1e3], [0.0]]]])
    shifted = losses.attention_loss(SCORES, SCORES + SCORE_ERRORS + constants, MASK)
    assert float(shifted) == pytest.approx(float(value), rel=1e-9)


LOG_ODDS = np.log([[3.0, 1.0, 96.0]])


def test_span_cross_entropy_is_over_real_positions():
    """Of the first two positions, the teacher has 3/4 and 1/4, the student 1/2 each."""
    student = np.array([[1.0, 1.0, 7.0]])
    value = losses.span_cross_entropy(student, LOG_ODDS, MASK)
    assert float(value) == pytest.approx(np.log(2), abs=1e-12)
    student = np.log([[1.0, 3.0, 1.0]])
    value = losses.span_cross_entropy(student, LOG_ODDS, MASK)
    assert float(value) == pytest.approx(3 / 4 * np.log(4) + 1 / 4 * np.log(4 / 3), abs=1e-12)
    # At temperature 2 the odds are sqrt(3) to 1, and 1 to sqrt(3).
    value = losses.span_cross_entropy(student, LOG_ODDS, MASK, temperature=2.0)
    root, both = 3**0.5, 1 + 3**0.5
    expected = (root * np.log(both) + np.log(both / root)) / both
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_compatible_span_cross_entropy_counts_padding_and_divides_by_positions():
    student = np.zeros((1, 3))
    value = losses.span_cross_entropy(student, LOG_ODDS, MASK, reference_compatible=True)
    assert float(value) == pytest.approx(np.log(3) / 3, abs=1e-12)


def test_padding_of_spans_may_hold_anything():
    """Neither value nor gradient know of it, in whatever type; nothing but padding is 0."""
    padded = np.array([[1.0, 1.0, 1e38], [9.0, 9.0, 9.0]], "float32")
    teacher = np.array([[np.log(3.0), 0.0, -1e38], [1.0, 2.0, 3.0]], "float32")
    mask = np.array([[1, 1, 0], [0, 0, 0]])
    weights = np.array([1.0, 0.0])
    value, (gradient, _) = value_and_gradients(
        losses.span_cross_entropy, padded, teacher, mask, sample_weight=weights
    )
    assert value == pytest.approx(np.log(2), rel=1e-6)
    np.testing.assert_allclose(gradient, [[-1 / 4, 1 / 4, 0], [0, 0, 0]], atol=1e-6)


def test_span_cross_entropy_wants_a_mask_of_its_shape():
    with pytest.raises(TinyBertError, match=r"padding_mask has shape \[1, 2\]"):
        losses.span_cross_entropy(LOG_ODDS, LOG_ODDS, MASK[:, :2])
    with pytest.raises(TinyBertError, match=r"expected 2 axes, \[batch, seq\]"):
        losses.span_cross_entropy(LOG_ODDS[0], LOG_ODDS[0], MASK)


def test_compatible_attention_loss_counts_masked_keys_and_compares_padded_queries():
    value = losses.attention_loss(
        SCORES, SCORES + SCORE_ERRORS, MASK, reference_compatible=True
    )
    # The padded query adds 81 for each of the two real keys and heads; 18 numbers.
    assert float(value) == pytest.approx((8 + 4 * 81) / 18, abs=1e-12)


def test_compatible_attention_loss_takes_scores_of_minus_hundred_for_masked():
    student = np.array([[[[1.0, -100.0], [-99.0, -2e4]]]])
    teacher = np.array([[[[2.0, 3.0], [-99.5, -1e4]]]])
    mask = np.ones((1, 2))
    value = losses.attention_loss(student, teacher, mask, reference_compatible=True)
    assert float(value) == pytest.approx((1 + 9 + 0.25 + 0) / 4, abs=1e-12)


def test_hidden_loss_is_the_mean_over_real_tokens():
    student = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    teacher = np.array([[[1.0, 0.0], [0.0, 4.0], [0.0, 0.0]]])
    assert float(losses.hidden_loss(student, teacher, MASK)) == pytest.approx(13 / 4)
    compatible = losses.hidden_loss(student, teacher, MASK, reference_compatible=True)
    assert float(compatible) == pytest.approx((13 + 25 + 36) / 6)


def test_soft_cross_entropy_of_a_uniform_student_is_the_log_of_the_classes():
    value = losses.soft_cross_entropy(np.zeros((2, 3)), np.array([[5.0, 1, 0], [0, 0, 0]]))
    assert float(value) == pytest.approx(1.0986122886681098, abs=1e-12)


def test_soft_cross_entropy_of_literal_logits():
    # Teacher probabilities 1/4, 3/4; student probabilities 1/3, 2/3.
    student, teacher = np.log([[1.0, 2.0]]), np.log([[1.0, 3.0]])
    by_hand = 0.5787519032481507  # log(3) / 4 + 3 log(3/2) / 4
    value = losses.soft_cross_entropy(student, teacher)
    assert float(value) == pytest.approx(by_hand, abs=1e-12)
    compatible = losses.soft_cross_entropy(student, teacher, reference_compatible=True)
    assert float(compatible) == pytest.approx(by_hand / 2, abs=1e-12)


def test_temperature_divides_both_logits():
    student, teacher = np.array([[2.0, -4.0, 6.0]]), np.array([[0.0, 3.0, 1.0]])
    at_two = losses.soft_cross_entropy(student, teacher, temperature=2)
    assert float(at_two) == float(losses.soft_cross_entropy(student / 2, teacher / 2))


def test_prediction_mse():
    value = losses.prediction_mse(np.array([[1.0], [4.0]]), np.array([[2.0], [1.0]]))
    assert float(value) == pytest.approx((1 + 9) / 2)


# === Golden values ===


def test_label_cross_entropy_of_literal_logits():
    # Row 0: softmax(0, ln 3) = (1/4, 3/4); row 1: softmax(ln 2, 0) = (2/3, 1/3).
    logits = np.log([[1.0, 3.0], [2.0, 1.0]])
    value = losses.label_cross_entropy(logits, np.array([1, 0]))
    assert float(value) == pytest.approx((np.log(4 / 3) + np.log(3 / 2)) / 2, abs=1e-12)
    wrong = losses.label_cross_entropy(logits, np.array([0, 1]))
    assert float(wrong) == pytest.approx((np.log(4) + np.log(3)) / 2, abs=1e-12)
    first = losses.label_cross_entropy(
        logits, np.array([1, 0]), sample_weight=np.array([2.0, 0.0])
    )
    assert float(first) == pytest.approx(np.log(4 / 3), abs=1e-12)


def test_positions_of_padding_are_no_labels():
    # Of three real positions, whatever padding holds: softmax(0, ln 2, 0) = (1, 2, 1) / 4.
    logits = np.array([[0.0, np.log(2), 0.0, 1e30]])
    mask = np.array([[1, 1, 1, 0]])
    value = losses.label_cross_entropy(logits, np.array([1]), mask)
    assert float(value) == pytest.approx(np.log(2), abs=1e-12)


@pytest.mark.parametrize("column", ["reference_code", "masked_mean"])
def test_golden_values(golden, expected, column):
    compatible = column == "reference_code"
    mask = golden["padding_mask"]
    computed = {
        "attention": losses.attention_loss(
            golden["student_scores"],
            golden["teacher_scores"],
            mask,
            compatible,
            centred=False,
        ),
        "hidden": losses.hidden_loss(
            golden["student_hidden"], golden["teacher_hidden"], mask, compatible
        ),
        "soft_cross_entropy_t1": losses.soft_cross_entropy(
            golden["student_logits"], golden["teacher_logits"], 1.0, compatible
        ),
        "soft_cross_entropy_t2": losses.soft_cross_entropy(
            golden["student_logits"], golden["teacher_logits"], 2.0, compatible
        ),
    }
    if not compatible:
        computed["regression"] = losses.prediction_mse(
            golden["student_regression"], golden["teacher_regression"]
        )
    assert computed.keys() == expected[column].keys()
    for name, value in computed.items():
        assert float(value) == pytest.approx(expected[column][name], rel=0, abs=1e-9), name


def test_compatible_attention_loss_is_the_same_with_the_mask_added(golden, expected):
    mask = golden["padding_mask"]
    added = (1.0 - mask[:, None, None, :]) * -10000.0
    value = losses.attention_loss(
        golden["student_scores"] + added,
        golden["teacher_scores"] + added,
        np.ones_like(mask),
        reference_compatible=True,
    )
    assert float(value) == pytest.approx(expected["reference_code"]["attention"], abs=1e-9)


# === Masks ===


@pytest.mark.parametrize("dtype", ["int32", "bool", "float32"])
def test_mask_may_be_of_any_type(dtype):
    scores, hidden, mask = random_batch()
    for function, tensors in ((losses.attention_loss, scores), (losses.hidden_loss, hidden)):
        value = function(*tensors, mask.astype(dtype))
        assert float(value) == float(function(*tensors, mask))


def test_further_padding_with_garbage_changes_nothing():
    scores, hidden, mask = random_batch()
    rng = np.random.default_rng(7)
    longer_scores = rng.normal(scale=50, size=(2, 3, 2, 9, 9))
    longer_scores[..., :5, :5] = scores
    longer_hidden = rng.normal(scale=50, size=(2, 3, 9, 4))
    longer_hidden[:, :, :5] = hidden
    longer_mask = np.pad(mask, ((0, 0), (0, 4)))
    for function, short, longer in (
        (losses.attention_loss, scores, longer_scores),
        (losses.hidden_loss, hidden, longer_hidden),
    ):
        value = float(function(*longer, longer_mask))
        assert value == pytest.approx(float(function(*short, mask)), rel=0, abs=1e-12)


def test_masked_garbage_whose_square_overflows_reaches_neither_value_nor_gradient():
    scores, hidden, mask = random_batch()
    pair = (mask[:, None, :, None] * mask[:, None, None, :]).astype(bool)
    for function, tensors, real in (
        (losses.attention_loss, scores, pair),
        (losses.hidden_loss, hidden, mask[:, :, None].astype(bool)),
    ):
        student, teacher = tensors.astype("float32")
        garbage = np.where(real, student, np.float32(1e38))
        value, gradients = value_and_gradients(function, garbage, teacher, mask)
        assert value == function(student, teacher, mask).numpy()
        for gradient in gradients:
            assert np.isfinite(gradient).all()
            assert not np.where(real, 0, gradient).any()


@pytest.mark.parametrize("compatible", [False, True])
def test_all_masked_scores_lose_nothing(compatible):
    scores, _, mask = random_batch()
    value, gradients = value_and_gradients(
        losses.attention_loss, *scores, np.zeros_like(mask), reference_compatible=compatible
    )
    assert value == 0
    assert all(not gradient.any() for gradient in gradients)


def test_all_masked_hidden_states_lose_nothing():
    _, hidden, mask = random_batch()
    value, gradients = value_and_gradients(losses.hidden_loss, *hidden, np.zeros_like(mask))
    assert value == 0
    assert all(not gradient.any() for gradient in gradients)


# === Numbers, gradients, weights: every loss ===


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("function", "args"), all_losses())
def test_half_precision_is_computed_in_float32(function, args, dtype):
    # A difference of 300 squares to 90,000; float16 ends at 65,504.
    student = tf.cast(tf.zeros_like(args[0]), dtype)
    teacher = tf.cast(tf.fill(args[1].shape, 300.0), dtype)
    # The same everywhere: centred, it would be no difference.
    options = {"centred": False} if function is losses.attention_loss else {}
    value, gradients = value_and_gradients(function, student, teacher, *args[2:], **options)
    assert value.dtype == np.float32
    assert np.isfinite(value)
    if function is not losses.soft_cross_entropy:
        assert value == float(tf.cast(teacher[0, 0], "float32").numpy().flat[0]) ** 2
    assert all(np.isfinite(gradient.astype("float32")).all() for gradient in gradients)


@pytest.mark.parametrize(("function", "args"), all_losses())
def test_float64_stays_and_types_may_be_mixed(function, args):
    assert function(*args).dtype == tf.float64
    single = function(args[0].astype("float32"), args[1].astype("float16"), *args[2:])
    assert single.dtype == tf.float32
    assert float(single) == pytest.approx(float(function(*args)), rel=1e-2)


@pytest.mark.parametrize(("function", "args"), all_losses())
def test_gradient_is_the_slope(function, args):
    student, *others = args
    value, (gradient, _) = value_and_gradients(function, student, *others)
    direction = np.random.default_rng(5).normal(size=student.shape)
    slope = (
        float(function(student + 1e-6 * direction, *others))
        - float(function(student - 1e-6 * direction, *others))
    ) / 2e-6
    assert np.isfinite(value)
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("compatible", [False, True])
@pytest.mark.parametrize(("function", "args"), all_losses())
def test_sample_weight_equals_repeating_rows(function, args, compatible):
    options = {} if function is losses.prediction_mse else {"reference_compatible": compatible}
    repeats = np.array([2, 0, 3])
    repeated = [np.repeat(array, repeats, axis=0) for array in args]
    expected = float(function(*repeated, **options))
    for scale in (1.0, 0.01):
        value = function(*args, sample_weight=repeats * scale, **options)
        assert float(value) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize(("function", "args"), all_losses())
def test_equal_weights_change_nothing_and_no_weight_at_all_loses_nothing(function, args):
    weighted = function(*args, sample_weight=np.full(3, 0.5))
    assert float(weighted) == pytest.approx(float(function(*args)), rel=0, abs=1e-12)
    value, gradients = value_and_gradients(function, *args, sample_weight=np.zeros(3))
    assert value == 0
    assert all(not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("function", "args"), all_losses())
def test_compiled_with_unknown_sizes(function, args, jit_compile):
    signature = [tf.TensorSpec([None] * array.ndim, array.dtype) for array in args]
    compiled = tf.function(function, input_signature=signature, jit_compile=jit_compile)
    assert float(compiled(*args)) == pytest.approx(float(function(*args)), abs=1e-12)


# === Errors ===


@pytest.mark.parametrize(
    ("function", "shapes", "message"),
    [
        (losses.attention_loss, [(2, 12, 5, 5), (2, 16, 5, 5), (2, 5)], "12 .* teacher 16"),
        (
            losses.attention_loss,
            [(2, 5, 5), (2, 5, 5), (2, 5)],
            r"student_scores .*\[2, 5, 5\]",
        ),
        (losses.attention_loss, [(2, 3, 5, 5), (2, 3, 6, 6), (2, 5)], r"\[2, 3, 6, 6\]"),
        (losses.attention_loss, [(2, 3, 5, 5), (2, 3, 5, 5), (2, 6)], "padding_mask .* here"),
        (losses.hidden_loss, [(2, 5, 312), (2, 5, 768), (2, 5)], "312 wide .* 768"),
        (losses.hidden_loss, [(2, 5, 4), (2, 5, 4), (2, 5, 1)], "padding_mask"),
        (losses.soft_cross_entropy, [(2, 3), (2, 4)], r"logits .*\[2, 3\] .*\[2, 4\]"),
        (losses.prediction_mse, [(2, 1), (2,)], "equal shapes"),
        (losses.prediction_mse, [(2,), (2,)], "expected 2 axes"),
    ],
)
def test_shapes_that_do_not_fit_are_named(function, shapes, message):
    with pytest.raises(TinyBertError, match=message):
        function(*(np.zeros(shape, "float32") for shape in shapes))


def test_sample_weight_must_not_broadcast():
    with pytest.raises(TinyBertError, match=r"sample_weight .*\[2, 1\]"):
        losses.prediction_mse(np.zeros((2, 1)), np.ones((2, 1)), sample_weight=np.ones((2, 1)))


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), float("nan"), "2"])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(TinyBertError, match="temperature"):
        losses.soft_cross_entropy(np.zeros((1, 2)), np.zeros((1, 2)), temperature)
