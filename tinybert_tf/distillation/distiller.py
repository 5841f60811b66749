"""TinyBERT's distillation as a `keras.Model`."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tinybert_tf.distillation import losses
from tinybert_tf.distillation._kinds import check_pair, check_stage, kind_of
from tinybert_tf.distillation._least_squares import LinearFit
from tinybert_tf.distillation._projections import check_choice, make_projections
from tinybert_tf.distillation._text_inputs import TextInputs, unpack
from tinybert_tf.distillation.layer_mapping import resolve_layer_mapping
from tinybert_tf.distillation.stages import TERMS, Stage
from tinybert_tf.distillation.teacher_cache import as_outputs, encoder_inputs
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import encoder_of
from tinybert_tf.models._replicas import OverWorkers

_ATTENTION_HEADS = ("each", "mean")
_ATTENTION_SCORES = ("centred", "raw")
# How much of the text it takes to outweigh a projection of zeros, in tokens.
_PRIOR_TOKENS = 1.0


class _Untracked:
    """Holds the teacher where Keras does not look: it is neither trained nor saved."""

    def __init__(self, model):
        self.model = model


@keras.saving.register_keras_serializable(package="tinybert_tf")
class TinyBertDistiller(OverWorkers, TextInputs, keras.Model):
    """Trains a student to behave like its teacher, layer by layer (arXiv 1909.10351).

    One step is one forward pass of the teacher (inference mode, outside the gradient) and one
    of the student. The total loss is `sum over terms of lambda L` (eq. 11) with the weights
    of the stage given to `compile`; see `tinybert_tf.distillation.losses` for the terms.

    Works under `fit`, callbacks, `jit_compile`, mixed precision and `tf.distribute`: masked
    means are taken over the global batch, whatever number of replicas it is split over. `fit`
    takes text as well, where the student has a preprocessor. The distiller is not saved whole.
    Weights are those of the student and of the projections; the teacher's are not among them.

    Args:
        student: `BertTextClassifier`, `BertSpanClassifier` or `BertEncoder`. Changed by
            training.
        teacher: a model of the same kind, never changed. Under a `tf.distribute` strategy
            build both in its scope.
        mapping: "uniform", "top", "bottom" or a teacher block for each student block; see
            `resolve_layer_mapping`.
        projections: str. The learned W_h and W_e (d' x d, with bias) that take the student's
            hidden states to the teacher's width: `"shared"` is one for all, as in Huawei's
            first release, `"embedding_apart"` one for the embedding and one for all blocks,
            as in the paper, `"per_layer"` one each, as in Huawei's second release. They are
            random until `fit_projections`, or training, sets them.
        attention_heads: `"each"` compares head by head, `"mean"` compares the mean over heads,
            for a student with another number of heads than its teacher.
        attention_scores: `"centred"` compares rows of scores up to a constant, which softmax
            does not see, `"raw"` compares them as they are, as the paper does; see
            `losses.attention_loss`.
        reference_compatible: bool. Losses exactly as Huawei's released code computes them,
            padding included and scores raw.
        **kwargs: See `keras.Model`.

    Raises:
        TinyBertError: if student and teacher do not fit each other.

    Example:
    ```python
    initialize_from_teacher(student, teacher, sample)
    distiller = TinyBertDistiller(student, teacher)
    distiller.fit_projections(sample)
    distiller.compile(keras.optimizers.AdamW(4e-4), stage=INTERMEDIATE)
    distiller.fit(dataset, epochs=2)
    initialize_head(student, teacher, sample)
    distiller.compile(keras.optimizers.AdamW(1e-4), stage=PREDICTION)
    distiller.fit(dataset)
    ```
    """

    def __init__(
        self,
        student,
        teacher,
        mapping: str | Sequence[int] = "uniform",
        projections: str = "embedding_apart",
        attention_heads: str = "each",
        attention_scores: str = "centred",
        reference_compatible: bool = False,
        **kwargs,
    ):
        # The student's policy decides on loss scaling (float16).
        super().__init__(**{"dtype": student.dtype_policy, **kwargs})
        check_choice("attention_heads", attention_heads, _ATTENTION_HEADS)
        check_choice("attention_scores", attention_scores, _ATTENTION_SCORES)
        check_pair(student, teacher)
        student_encoder, teacher_encoder = encoder_of(student), encoder_of(teacher)
        self.student = student
        self._teacher_holder = _Untracked(teacher)
        self.layer_mapping = resolve_layer_mapping(
            mapping, student_encoder.num_layers, teacher_encoder.num_layers
        )
        self.attention_heads = attention_heads
        self.attention_scores = attention_scores
        self.reference_compatible = reference_compatible
        self.projections, of_states = make_projections(
            projections, student_encoder, teacher_encoder
        )
        # Keras would save the layers of a list twice.
        self._projection_of = of_states.__getitem__

        self._loss_tracker = keras.metrics.Mean(name="loss")
        self._term_trackers = {term: keras.metrics.Mean(name=term) for term in TERMS}
        self.stage: Stage | None = None
        self.built = True

    @property
    def teacher(self):
        """The teacher. Not a part of this model's weights."""
        return self._teacher_holder.model

    @property
    def preprocessor(self):
        """What encodes text that `fit` is given: the student's, or the teacher's, or `None`."""
        own = getattr(self.student, "preprocessor", None)
        return own or getattr(self.teacher, "preprocessor", None)

    def __dir__(self):
        # Keras saves the weights of every model that it finds in `dir()`.
        return [name for name in super().__dir__() if name != "teacher"]

    def fit_projections(self, sample: Iterable[dict]) -> None:
        """Sets the projections to those of the least hidden and embedding loss.

        Student and projections then need not find each other first, whatever the student
        started from.

        Args:
            sample: iterable of encoder inputs, each [batch, seq]. Text that they are fitted on;
                some thousand tokens do.

        Raises:
            TinyBertError: if `sample` is empty.
        """
        student = self.student.expose(hidden_states=True)
        teacher = self.teacher.expose(hidden_states=True)
        fits = {id(layer): LinearFit(_PRIOR_TOKENS) for layer in self.projections}
        for x in sample:
            mask = np.asarray(x["padding_mask"], "bool")
            ours, theirs = (
                [ops.convert_to_numpy(h)[mask].astype("float32") for h in outputs]
                for outputs in (
                    student(x, training=False)["hidden_states"],
                    teacher(x, training=False)["hidden_states"],
                )
            )
            for m, g in enumerate(self.layer_mapping):
                fits[id(self._projection_of(m))].add(ours[m], theirs[g])
        for layer in self.projections:
            fit = fits[id(layer)]
            if not fit.count:
                raise TinyBertError(
                    "The sample of texts that the projections are fitted on is empty. Give at "
                    "least one batch."
                )
            coefficients = fit.solve(np.zeros((layer.kernel.shape[0] + 1, layer.units)))
            layer.kernel.assign(coefficients[:-1])
            layer.bias.assign(coefficients[-1])

    def compile(self, optimizer="adamw", stage: Stage | None = None, metrics=None, **kwargs):
        """Configures training for a stage. Compile again for the next one.

        Args:
            optimizer: see `keras.Model.compile`.
            stage: `Stage`. Which terms weigh what.
            metrics: list of Keras metrics of labels and the student's predictions, updated
                where the data has labels.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution` and
                `auto_scale_loss` of `keras.Model.compile`.

        Raises:
            TinyBertError: if the stage asks for what the models do not have.
        """
        if not isinstance(stage, Stage):
            raise TinyBertError(
                f"compile() wants stage=, a tinybert_tf.distillation.Stage; got {stage!r}. "
                "INTERMEDIATE and PREDICTION are the paper's two."
            )
        check_stage(stage, self.student, self.teacher, self.attention_heads)
        # XLA is slower than plain graphs at the short lengths of most tasks (on CPU).
        super().compile(
            optimizer=optimizer, metrics=metrics, **{"jit_compile": False, **kwargs}
        )
        self.stage = stage
        wants = dict.fromkeys(stage.layer_outputs, True)
        self._student_model = _Untracked(self.student.expose(**wants))
        self._teacher_model = _Untracked(self.teacher.expose(**wants))
        ids = tf.TensorSpec((None, None), tf.int32)
        inputs = dict.fromkeys(("token_ids", "segment_ids", "padding_mask"), ids)
        self._measure = tf.function(self._measure_batch, input_signature=[inputs])
        # Under a strategy, variables may not be made inside the step: make them all now.
        self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self):
        trackers = [self._loss_tracker]
        if self.stage is not None:
            trackers += [self._term_trackers[term] for term in self._tracked_terms()]
        compiled = getattr(self, "_compile_metrics", None)
        return trackers + ([compiled] if compiled is not None else [])

    def call(self, inputs, training=None):
        """Returns the student's output."""
        return self.student(encoder_inputs(inputs), training=training)

    def train_step(self, data):
        x, y, sample_weight = unpack(data)
        # Outside the tape: nothing of the teacher is kept for a gradient.
        x, teacher_outputs = self._ask_teacher(x)
        shares, counts = self._shares(x, sample_weight)
        with tf.GradientTape() as tape:
            student_outputs = self._student_model.model(x, training=True)
            terms = self.compute_terms(
                x, student_outputs, teacher_outputs, sample_weight, labels=y
            )
            parts = {term: value * shares[term] for term, value in terms.items()}
            loss = self._total_loss(parts)
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        # A stage leaves alone what none of its terms reaches: the head in the intermediate
        # stage, the projections in the prediction stage.
        reached = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        self.optimizer.apply_gradients(reached)
        return self._update_metrics(loss, parts, counts, student_outputs, (y, sample_weight))

    def test_step(self, data):
        x, y, sample_weight = unpack(data)
        x, teacher_outputs = self._ask_teacher(x)
        shares, counts = self._shares(x, sample_weight)
        student_outputs = self._student_model.model(x, training=False)
        terms = self.compute_terms(x, student_outputs, teacher_outputs, sample_weight, labels=y)
        parts = {term: value * shares[term] for term, value in terms.items()}
        loss = self._total_loss(parts)
        return self._update_metrics(loss, parts, counts, student_outputs, (y, sample_weight))

    def compute_terms(
        self, x, student_outputs, teacher_outputs, sample_weight=None, labels=None
    ) -> dict:
        """Computes the terms of the stage over the batch of one replica.

        Args:
            x: dict. Encoder inputs, each [batch, seq].
            student_outputs: dict. Of `student.expose(...)`.
            teacher_outputs: dict. Of `teacher.expose(...)`.
            sample_weight: float tensor [batch] or `None`.
            labels: tensor or `None`. What a stage with a weight of `labels` learns from.

        Returns:
            dict of scalars, one for each term that is tracked, not yet weighted.

        Raises:
            TinyBertError: if the stage learns from labels and there are none.
        """
        layers = self.compute_layer_terms(x, student_outputs, teacher_outputs, sample_weight)
        terms = {term: sum(losses_of_layers) for term, losses_of_layers in layers.items()}
        if "predictions" in student_outputs:
            terms["prediction"] = kind_of(self.student).prediction_loss(
                student_outputs["predictions"],
                teacher_outputs["predictions"],
                self.stage.temperature,
                self._masking(x, sample_weight),
            )
        if self.stage.labels:
            if labels is None:
                raise TinyBertError(
                    f"Stage '{self.stage.name}' learns from the correct labels, too (labels="
                    f"{self.stage.labels}), but the data has none. Give some, or set labels=0."
                )
            terms["labels"] = kind_of(self.student).label_loss(
                student_outputs["predictions"], labels, self._masking(x, sample_weight)
            )
        return terms

    def compute_layer_terms(
        self, x, student_outputs, teacher_outputs, sample_weight=None
    ) -> dict:
        """Computes the terms that are sums over layers, layer by layer.

        Args:
            x: dict. See `compute_terms`.
            student_outputs: dict. See `compute_terms`.
            teacher_outputs: dict. See `compute_terms`.
            sample_weight: float tensor [batch] or `None`.

        Returns:
            dict of lists of scalars by term: `attention` and `hidden` of blocks 1 to M,
            `embedding` of one; those alone that the stage has.
        """
        masked = self._masking(x, sample_weight)
        blocks = range(1, len(self.layer_mapping))
        compute = {
            "attention": (self._attention_loss, blocks),
            "hidden": (self._projected_loss, blocks),
            "embedding": (self._projected_loss, (0,)),
        }
        return {
            term: [loss(m, student_outputs, teacher_outputs, masked) for m in layers]
            for term, (loss, layers) in compute.items()
            if self.stage.weights[term]
        }

    def measure_layers(self, batches: Iterable[dict]) -> dict[str, list[float]]:
        """Measures the terms of each layer over many batches, in inference mode.

        Args:
            batches: iterable of encoder inputs, each [batch, seq].

        Returns:
            dict of lists of floats: see `compute_layer_terms`. Masked means over all batches
            together.

        Raises:
            TinyBertError: if there is no batch.
        """
        totals, weights = {}, {}
        for x in batches:
            layers, counts = self._measure(x)
            for term, values in layers.items():
                totals[term] = totals.get(term, 0.0) + np.stack(values) * counts[term].numpy()
                weights[term] = weights.get(term, 0.0) + counts[term].numpy()
        if not totals:
            raise TinyBertError("There is no batch to measure on. Give at least one.")
        return {term: (totals[term] / weights[term]).tolist() for term in totals}

    def _measure_batch(self, x):
        student_outputs = self._student_model.model(x, training=False)
        teacher_outputs = self._teacher_model.model(x, training=False)
        _, counts = self._shares(x, None)
        return self.compute_layer_terms(x, student_outputs, teacher_outputs), counts

    def _ask_teacher(self, x) -> tuple[dict, dict]:
        """Returns the encoder inputs of a batch, and the teacher's outputs.

        They are computed, unless the batch has them from a `TeacherCache`.
        """
        inputs = encoder_inputs(x)
        if "teacher_outputs" in x:
            return inputs, as_outputs(x["teacher_outputs"], self.layer_mapping)
        return inputs, self._teacher_model.model(inputs, training=False)

    def _masking(self, x, sample_weight) -> dict:
        """Returns the arguments that the masked losses share."""
        return {
            "padding_mask": x["padding_mask"],
            "reference_compatible": self.reference_compatible,
            "sample_weight": sample_weight,
        }

    def _attention_loss(self, m, student_outputs, teacher_outputs, masked):
        student_scores = student_outputs["attention_scores"][m - 1]
        teacher_scores = teacher_outputs["attention_scores"][self.layer_mapping[m] - 1]
        if self.attention_heads == "mean":
            student_scores = ops.mean(student_scores, axis=1, keepdims=True)
            teacher_scores = ops.mean(teacher_scores, axis=1, keepdims=True)
        centred = self.attention_scores == "centred"
        return losses.attention_loss(student_scores, teacher_scores, centred=centred, **masked)

    def _projected_loss(self, m, student_outputs, teacher_outputs, masked):
        projected = self._projection_of(m)(student_outputs["hidden_states"][m])
        teacher_hidden = teacher_outputs["hidden_states"][self.layer_mapping[m]]
        return losses.hidden_loss(projected, teacher_hidden, **masked)

    def _tracked_terms(self) -> list[str]:
        has_predictions = kind_of(self.student).has_predictions
        return [
            term
            for term in TERMS
            if self.stage.weights[term] or (term == "prediction" and has_predictions)
        ]

    def _shares(self, x, sample_weight) -> tuple[dict, dict]:
        """Returns this replica's share of each term's mean over the global batch.

        A mean over the global batch is not the mean of the replicas' means: one with few
        real tokens would count like one with many. Weighted by their shares, the replicas'
        means add up to it.

        Returns:
            `(shares, counts)`, dictionaries of scalars by term. Counts are what the means of
            the global batch are over: pairs of tokens, tokens, or examples.
        """
        tokens = ops.sum(ops.cast(x["padding_mask"], "float32"), axis=-1)
        if self.reference_compatible:
            tokens = ops.ones_like(tokens)
        examples = ops.ones_like(tokens)
        if sample_weight is not None:
            examples = ops.cast(sample_weight, "float32")
        token_count = ops.sum(examples * tokens)
        own = {
            "attention": ops.sum(examples * ops.square(tokens)),
            "hidden": token_count,
            "embedding": token_count,
            "prediction": ops.sum(examples),
            "labels": ops.sum(examples),
        }
        counts = _sum_over_replicas(own)
        return {term: ops.divide_no_nan(own[term], counts[term]) for term in own}, counts

    def _total_loss(self, parts: dict):
        """Returns the weighted sum of the terms (eq. 11)."""
        loss = 0.0
        for term, part in parts.items():
            if self.stage.weights[term]:
                loss += self.stage.weights[term] * part
        return loss

    def _update_metrics(self, loss, parts, counts, student_outputs, labels):
        y, sample_weight = labels
        # Of the global batch, in every replica: Keras reports after each step the plain mean
        # of what the replicas have seen.
        loss, terms = _sum_over_replicas((loss, parts))
        for term, value in terms.items():
            self._term_trackers[term].update_state(value, sample_weight=counts[term])
        self._loss_tracker.update_state(loss, sample_weight=counts["prediction"])
        if y is not None and "predictions" in student_outputs:
            self.compute_metrics(None, y, student_outputs["predictions"], sample_weight)
        return self.get_metrics_result()


def _sum_over_replicas(values):
    """Returns a structure of tensors summed over the replicas."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)
