"""A student that starts from its teacher.

The student's hidden states are to be coordinates of its teacher's in a basis of fewer
dimensions; block m stands for the teacher's blocks up to g(m) of the layer mapping. Block by
block, on real text, every part of it gets the weights that make it compute there what the
teacher computes, from what the student has come to so far: so each part also takes up what
was cut away before it. All is closed form, nothing is trained:

- basis: principal components of the teacher's hidden states, turned towards its own
  dimensions, in which LayerNorm's scales are diagonal;
- query and key: the teacher's bilinear form of each head, in the lower rank that changes the
  scores of this text least (SVD weighted by the inputs' moments), up to a constant of each
  row, which softmax does not see;
- feed-forward units: those of the teacher's block that its output is best fitted from;
- output layers, LayerNorms, pooler and head: ridge regression towards the teacher's values.

Sources it goes on from: weight subcloning (Samragh et al., arXiv 2312.09299), which selects
dimensions and units by norms, and SliceGPT (Ashkboos et al., arXiv 2401.15024), which rotates
to principal components. `benchmarks/student_start.py` compares.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import linalg

from tinybert_tf.distillation._array_bert import (
    array,
    assign_corner,
    assign_dense,
    attend,
    compose,
    embed,
    embedding_output,
    feed_forward,
    first_tokens,
    linear,
    normalize,
    pool,
    position_bias,
    run_block,
    standardize,
)
from tinybert_tf.distillation._kinds import kind_of
from tinybert_tf.distillation._least_squares import LinearFit, ScaleFit, Whitening, factorize
from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, encoder_of
from tinybert_tf.waiting import PassProgress

# How much of the text it takes to outweigh the plain cut of the teacher, in tokens.
_PRIOR_TOKENS = 30.0
# What the basis is found on: it takes fewer than what is fitted in it.
_BASIS_TOKENS = 8192
_HEAD_PARTS = ("query", "key", "value")


def initialize_from_teacher(
    student, teacher, sample: Iterable[dict], mapping: str | Sequence[int] = "uniform"
) -> None:
    """Sets the student's weights from the teacher's; where nothing fits, they stay random.

    Any two shapes will do. Dimensions of the student beyond the teacher's width keep their
    random weights. Queries, keys and values carry over where one head count divides the other.
    A student of its teacher's shape becomes its teacher.

    Args:
        student: `BertEncoder`, `BertTextClassifier` or `BertSpanClassifier`. Changed in place.
        teacher: a model of the same class.
        sample: iterable of encoder inputs (dicts of [batch, seq] arrays). Text that the
            weights are fitted on: 30,000 tokens do, fewer leave more of a plain cut. The
            hidden states of both models are in memory for all of it.
        mapping: see `resolve_layer_mapping`.

    Raises:
        TinyBertError: if vocabularies differ or `sample` is empty.
    """
    source, target = encoder_of(teacher), encoder_of(student)
    if source.vocabulary_size != target.vocabulary_size:
        raise TinyBertError(
            f"The student has a vocabulary of {target.vocabulary_size} tokens, its teacher of "
            f"{source.vocabulary_size}. Give the student the teacher's vocabulary."
        )
    layers = resolve_layer_mapping(mapping, target.num_layers, source.num_layers)
    text = _Text(source, sample)
    basis = _find_basis(text.part(_BASIS_TOKENS), min(source.hidden_dim, target.hidden_dim))

    hidden = _fit_embeddings(text, source, target, basis)
    blocks = list(zip(target.transformer_layers, layers[1:], strict=True))
    with PassProgress("student's start", len(blocks), unit="blocks") as progress:
        for block, g in blocks:
            hidden = _fit_block(text, block, g, hidden, basis)
            progress.advance(1)
    pooled_basis = _fit_pooler(text, target, hidden, basis)
    _fit_head(text, student, teacher, hidden, pooled_basis, basis)


def initialize_head(student, teacher, sample: Iterable[dict]) -> None:
    """Sets pooler and head of a student whose encoder stays as it is, such as a general one.

    They become what computes the teacher's logits best from the hidden states that the student
    has; it need not be cut out of this teacher.

    Args:
        student: `BertTextClassifier` or `BertSpanClassifier`. Changed in place; a
            `BertEncoder`, which has no head, is left as it is.
        teacher: a model of the same class.
        sample: iterable of encoder inputs. See `initialize_from_teacher`.

    Raises:
        TinyBertError: if `sample` is empty.
    """
    if not kind_of(student).has_predictions:
        return
    source, target = encoder_of(teacher), encoder_of(student)
    text = _Text(source, sample)
    hidden = [embedding_output(target, x) for x in text.embed(target)]
    for block in target.transformer_layers:
        states = zip(hidden, text.masks, strict=True)
        hidden = [run_block(block, x, mask)[-1] for x, mask in states]
    # Nothing is known of how the student's dimensions lie to the teacher's but the text.
    basis = np.zeros((source.hidden_dim, min(source.hidden_dim, target.hidden_dim)))
    pooled_basis = _fit_pooler(text, target, hidden, basis)
    _fit_head(text, student, teacher, hidden, pooled_basis, basis)


class _Text:
    """The sample and what the teacher makes of it, without padding.

    Args:
        encoder: `BertEncoder`. The teacher's.
        sample: iterable of encoder inputs.
    """

    def __init__(self, encoder: BertEncoder, sample: Iterable[dict]):
        self.batches = [{k: np.asarray(v) for k, v in inputs.items()} for inputs in sample]
        self.masks = [inputs["padding_mask"].astype(bool) for inputs in self.batches]
        if not any(mask.any() for mask in self.masks):
            raise TinyBertError(
                "The sample of texts that the student's start is measured on is empty. "
                "Give at least one batch."
            )
        self.encoder = encoder
        self._position_biases = [position_bias(encoder, mask) for mask in self.masks]
        self._layer: int | None = None

    def part(self, tokens: int) -> "_Text":
        """Returns some of the batches, of all lengths, with about so many tokens."""
        every = max(sum(int(mask.sum()) for mask in self.masks) // tokens, 1)
        return _Text(self.encoder, self.batches[::every])

    def embed(self, encoder: BertEncoder) -> list[np.ndarray]:
        """Returns for each batch the sums of an encoder's embeddings [tokens, width]."""
        batches = zip(self.batches, self.masks, strict=True)
        return [embed(encoder, inputs, mask) for inputs, mask in batches]

    def hidden_states(self, layer: int) -> list[np.ndarray]:
        """Returns for each batch the teacher's hidden states [tokens, width] after a block."""
        # From the last ones that were asked for: mostly the next are.
        if self._layer is None or self._layer > layer:
            self._layer = 0
            sums = self.embed(self.encoder)
            self._hidden = [embedding_output(self.encoder, x) for x in sums]
        for block in self.encoder.transformer_layers[self._layer : layer]:
            states = zip(self._hidden, self.masks, self._position_biases, strict=True)
            self._hidden = [run_block(block, *state)[-1] for state in states]
        self._layer = layer
        return self._hidden

    def run_block(self, number: int) -> dict[str, tuple[np.ndarray, ...]]:
        """Returns for each batch a block of the teacher's input, and what `run_block` does.

        Args:
            number: int. The block, counted from 1.
        """
        block = self.encoder.transformer_layers[number - 1]
        hidden = self.hidden_states(number - 1)
        states = zip(hidden, self.masks, self._position_biases, strict=True)
        inside = zip(*(run_block(block, *state) for state in states), strict=True)
        names = ("attention_sum", "attended", "output_sum", "output")
        values = {"input": hidden, **dict(zip(names, inside, strict=True))}
        self._hidden, self._layer = list(values["output"]), number
        return values


def _find_basis(text: _Text, count: int) -> np.ndarray:
    """Returns an orthonormal basis [width, count] of what the hidden states span most.

    It spans their principal components. Of all bases that do, it is the one closest to
    dimensions of the teacher: there LayerNorm's scales come closest to being scales.
    """
    width = text.encoder.hidden_dim
    if count == width:
        return np.eye(width)
    covariance = np.zeros((width, width))
    for layer in range(text.encoder.num_layers + 1):
        covariance += np.cov(np.concatenate(text.hidden_states(layer)), rowvar=False, ddof=0)
    components = np.linalg.eigh(covariance).eigenvectors[:, -count:]
    # The dimensions that the components span best are the pivots of a QR decomposition.
    pivots = linalg.qr(components.T, mode="r", pivoting=True)[1]
    rotation, _ = linalg.polar(components.T[:, np.sort(pivots[:count])])
    return components @ rotation


def _fit_embeddings(text: _Text, source, target, basis: np.ndarray) -> list[np.ndarray]:
    """Sets the student's embeddings; returns their output for each batch."""
    tables = [
        (source.token_embedding.embeddings, target.token_embedding.embeddings),
        (
            source.position_embedding.position_embeddings,
            target.position_embedding.position_embeddings,
        ),
        (source.segment_embedding.embeddings, target.segment_embedding.embeddings),
    ]
    into, gamma = basis, array(source.embeddings_norm.gamma)
    if source.embeddings_projection is not None:
        # Its LayerNorm comes before; what follows the student's is fitted all the same.
        into = gamma[:, None] * array(source.embeddings_projection.kernel) @ basis
        gamma = np.ones(source.hidden_dim, "float32")
    for theirs, ours in tables:
        assign_corner(ours, array(theirs)[: ours.shape[0]] @ into)
    sums = text.embed(target)
    return _fit_norm(target.embeddings_norm, gamma, sums, text.hidden_states(0), basis)


def _fit_block(
    text: _Text, block, number: int, hidden: list[np.ndarray], basis: np.ndarray
) -> list[np.ndarray]:
    """Makes a block of the student do what one of the teacher does.

    Args:
        text: `_Text`.
        block: `BertTransformerLayer`. The student's, changed in place.
        number: int. The teacher's block, counted from 1.
        hidden: for each batch the student's hidden states before the block.
        basis: float array [teacher's width, dimensions].

    Returns:
        for each batch the student's hidden states after the block.
    """
    source = text.encoder.transformer_layers[number - 1]
    inside = text.run_block(number)
    ours, theirs = block.self_attention, source.self_attention
    prior = _fit_heads(ours, theirs, hidden, inside["input"], basis)
    contexts = [attend(ours, h, mask) for h, mask in zip(hidden, text.masks, strict=True)]
    fit = LinearFit(_PRIOR_TOKENS)
    for context, h, goal in zip(contexts, hidden, inside["attention_sum"], strict=True):
        fit.add(context, goal @ basis - h[:, : basis.shape[1]])
    assign_dense(ours.output_dense, fit.solve(prior))
    sums = [h + linear(ours.output_dense, c) for h, c in zip(hidden, contexts, strict=True)]
    gamma = array(source.attention_norm.gamma)
    attended = _fit_norm(block.attention_norm, gamma, sums, inside["attended"], basis)

    _fit_feed_forward(block, source, attended, inside, basis)
    sums = [x + feed_forward(block, x) for x in attended]
    gamma = array(source.output_norm.gamma)
    return _fit_norm(block.output_norm, gamma, sums, inside["output"], basis)


def _fit_heads(ours, theirs, hidden, teacher_hidden, basis: np.ndarray) -> np.ndarray:
    """Sets query, key and value of an attention layer.

    A head acts through two forms alone: scores through [W_q; b_q] [W_k; b_k]^T and output
    through [W_v; b_v] W_o (the bias as one more input row).

    Returns:
        the output layer that goes with the values: [student's width + 1, dimensions].
    """
    output = np.zeros((ours.num_heads * ours.head_dim + 1, basis.shape[1]))
    output[-1] = array(theirs.output_dense.bias) @ basis
    groups = _head_groups(theirs.num_heads, ours.num_heads)
    if groups is None:
        return output
    reconstruction, moments = _reconstruct(hidden, teacher_hidden, basis)
    inputs, outputs = Whitening.of(moments), Whitening.of(np.eye(basis.shape[1]))
    # What is the same for all keys of a query, softmax does not see: it costs no rank.
    mean = moments[:, -1]
    keys = Whitening.of(moments - np.outer(mean, mean))
    forms = {name: compose(reconstruction, getattr(theirs, name)) for name in _HEAD_PARTS}
    output_form = array(theirs.output_dense.kernel) @ basis
    rank = ours.head_dim
    # Scores are divided by sqrt(head_dim): the smaller root of the student is taken back
    # by (head_dim' / head_dim)^(1/4) on either side.
    scale = (rank / theirs.head_dim) ** 0.25
    heads = {name: [] for name in _HEAD_PARTS}
    for h, (first, size, part) in enumerate(groups):
        columns = slice(first * theirs.head_dim, (first + size) * theirs.head_dim)
        query, key, value = (forms[name][:, columns] for name in _HEAD_PARTS)
        # Several teacher heads in one: the mean of their scores, the sum of their outputs.
        left, right = factorize(query, key / size, inputs, keys, range(rank))
        heads["query"].append(left * scale)
        heads["key"].append(right * scale)
        ranks = range(part * rank, (part + 1) * rank)
        left, right = factorize(value, output_form[columns].T, inputs, outputs, ranks)
        heads["value"].append(left)
        output[h * rank : (h + 1) * rank] = right.T
    for name in _HEAD_PARTS:
        assign_dense(getattr(ours, name), np.hstack(heads[name]))
    return output


def _head_groups(teacher: int, student: int) -> list[tuple[int, int, int]] | None:
    """Returns for each student head its teacher heads and which part of their output it is.

    With more student than teacher heads, several student heads share one teacher head's
    scores and split the rank of its output among them.

    Returns:
        tuples of the first teacher head, the number of them, and the part; `None` where
        neither number divides the other.
    """
    if teacher % student == 0:
        size = teacher // student
        return [(h * size, size, 0) for h in range(student)]
    if student % teacher == 0:
        size = student // teacher
        return [(h // size, 1, h % size) for h in range(student)]
    return None


def _fit_feed_forward(block, source, attended, inside, basis: np.ndarray) -> None:
    """Sets the feed-forward network of a block."""
    reconstruction, _ = _reconstruct(attended, inside["attended"], basis)
    into = compose(reconstruction, source.intermediate_dense)
    fit = LinearFit(_PRIOR_TOKENS)
    for x, goal in zip(attended, inside["output_sum"], strict=True):
        units = array(source.activation(x @ into[:-1] + into[-1]))
        fit.add(units, goal @ basis - x[:, : basis.shape[1]])
    output = source.output_dense
    prior = np.vstack([array(output.kernel), array(output.bias)]) @ basis
    units = fit.select(prior, block.intermediate_dim)
    assign_dense(block.intermediate_dense, into[:, units])
    # Units beyond the teacher's keep random inputs but start silent, and learn from there.
    assign_corner(block.output_dense.kernel, np.zeros(block.output_dense.kernel.shape))
    assign_dense(block.output_dense, fit.solve(prior, units))


def _fit_pooler(text: _Text, target, hidden, basis: np.ndarray) -> np.ndarray:
    """Sets the pooler, where both have one; returns what it has of what the teacher pools.

    Args:
        text: `_Text`.
        target: `BertEncoder`. The student's.
        hidden: for each batch the student's last hidden states.
        basis: float array [teacher's width, dimensions].

    Returns:
        float array [teacher's width, dimensions]. The pooled output of the teacher times this
        is about that of the student, as far as it is fitted.
    """
    source = text.encoder
    if source.pooled_dense is None or target.pooled_dense is None:
        is_mean = source.pooled_dense is target.pooled_dense
        return basis if is_mean else np.zeros_like(basis)
    last = text.hidden_states(source.num_layers)
    reconstruction, _ = _reconstruct(hidden, last, basis)
    into = compose(reconstruction, source.pooled_dense)
    fit = LinearFit(_PRIOR_TOKENS)
    ours, theirs = (first_tokens(states, text.masks) for states in (hidden, last))
    pooled = target.pooler_activation(ours @ into[:-1] + into[-1])
    goal = source.pooler_activation(linear(source.pooled_dense, theirs))
    fit.add(array(pooled), array(goal))
    units = fit.select(np.eye(source.hidden_dim + 1, source.hidden_dim), target.hidden_dim)
    assign_dense(target.pooled_dense, into[:, units])
    return np.eye(source.hidden_dim)[:, units]


def _fit_head(
    text: _Text, student, teacher, hidden, pooled_basis: np.ndarray, basis: np.ndarray
) -> None:
    """Sets the head of a task model towards the teacher's logits.

    Args:
        text: `_Text`.
        student: `BertEncoder`, which has none, or a task model.
        teacher: a model of the same class.
        hidden: for each batch the student's last hidden states.
        pooled_basis: float array [teacher's width, dimensions]. See `_fit_pooler`.
        basis: float array [teacher's width, dimensions].
    """
    head = kind_of(student).head(student, teacher)
    if head is None:
        return
    theirs = head.teacher_dense
    last = text.hidden_states(text.encoder.num_layers)
    if head.is_pooled:
        features = [pool(student, hidden, text.masks)]
        goals = [linear(theirs, pool(teacher, last, text.masks))]
        carried = pooled_basis.T @ array(theirs.kernel)
    else:
        features, goals = hidden, [linear(theirs, x) for x in last]
        carried = basis.T @ array(theirs.kernel)
    fit = LinearFit(_PRIOR_TOKENS)
    for x, goal in zip(features, goals, strict=True):
        fit.add(x, goal)
    prior = np.zeros((features[0].shape[1] + 1, goals[0].shape[1]))
    prior[: len(carried)], prior[-1] = carried, array(theirs.bias)
    assign_dense(head.student_dense, fit.solve(prior))


def _reconstruct(
    hidden: list[np.ndarray], teacher_hidden: list[np.ndarray], basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits the teacher's hidden states from the student's.

    Returns:
        the coefficients [student's width + 1, teacher's width], and the second moments of the
        student's states and a constant.
    """
    fit = LinearFit(_PRIOR_TOKENS)
    for h, goal in zip(hidden, teacher_hidden, strict=True):
        fit.add(h, goal)
    prior = np.zeros((hidden[0].shape[1] + 1, len(basis)))
    prior[: basis.shape[1]] = basis.T
    return fit.solve(prior), fit.input_moments


def _fit_norm(ours, gamma: np.ndarray, sums, goals, basis: np.ndarray) -> list[np.ndarray]:
    """Sets a LayerNorm of the student towards the teacher's values in the basis.

    Args:
        ours: the layer of the student.
        gamma: float array [teacher's width]. The teacher's scale.
        sums: for each batch what the student's layer gets [tokens, student's width].
        goals: for each batch what the teacher's layer gives [tokens, teacher's width].
        basis: float array [teacher's width, dimensions].

    Returns:
        for each batch what the student's layer gives.
    """
    dimensions = basis.shape[1]
    fit = ScaleFit(_PRIOR_TOKENS)
    for x, goal in zip(sums, goals, strict=True):
        fit.add(standardize(x, ours)[:, :dimensions], goal @ basis)
    # What a basis that is turned from the dimensions leaves on the diagonal of diag(gamma); and
    # the same length is another mean square in another width.
    prior = np.square(basis).T @ gamma * (len(basis) / sums[0].shape[1]) ** 0.5
    scale, shift = fit.solve(prior)
    assign_corner(ours.gamma, scale)
    assign_corner(ours.beta, shift)
    return [normalize(x, ours) for x in sums]
