"""General distillation: a student for any task, from plain text and a teacher without a head.

The paper's first stage (arXiv 1909.10351, section 3.2): embedding, attention and hidden terms
over a large corpus. Not here: the prediction term, which the paper found not to help in it.
"""

import posixpath

import keras

from tinybert_tf.checkpoints.locations import load_plain_encoder
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.checkpoints.teachers import describe_teacher
from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.data import BucketedBatches, check_training_labels, encode_examples
from tinybert_tf.distillation import TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.evaluation import TextEvaluator
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs.config import GeneralConfig, ProbeConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.distilling import fit_stages, make_distiller
from tinybert_tf.runs.examples import read_part
from tinybert_tf.runs.models import check_start_vocabulary, make_student_encoder
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training import (
    assign_averages,
    make_optimizer,
    make_strategy,
    resolve_precision,
    workers,
)

# Batches of the corpus that the student's start is measured on.
_START_BATCHES = 16
# Dropout of the classifier that a probe fine-tunes, as BERT is fine-tuned.
_PROBE_DROPOUT = 0.1


def general_distill(config: GeneralConfig, run: RunDirectory) -> None:
    """Distils the teacher into a general student and saves the best by its held-out loss.

    The run's `student/` is a preset of a `BertEncoder` with its vocabulary: a `student.start`
    for tasks.

    Args:
        config: `GeneralConfig`.
        run: `RunDirectory`.

    Raises:
        TinyBertError: if corpus, teacher or student cannot be used or do not fit.
    """
    if workers.broadcast(run.student.exists()):
        return
    keras.utils.set_random_seed(config.seed)
    with make_strategy(config.strategy).scope():
        teacher, tokenizer = load_plain_encoder(
            config.teacher, resolve_precision(config.precision)
        )
        print(describe_teacher(config.teacher.weights, teacher, tokenizer), flush=True)
        check_start_vocabulary(config, tokenizer)
        student = make_student_encoder(config, teacher)
        distiller = make_distiller(config, student, teacher)
    batches = _batches(config, "train", config.distillation.stages[0].fit.tokens_per_batch)
    workers.check_alike("the corpus", corpus_figures(batches))
    batches.check_vocabulary(tokenizer)
    check_length(batches, student, teacher)
    evaluator = HeldOutEvaluator(config, distiller, tokenizer)

    def batches_of(stage):
        return _batches(config, "train", stage.fit.tokens_per_batch)

    sample = list(batches.dataset().take(_START_BATCHES).as_numpy_iterator())
    fit_stages(
        config, run, distiller, evaluator=evaluator, batches_of=batches_of, sample=sample
    )
    run.add_results(history=_dev_history(run), corpus=corpus_figures(batches))
    workers.on_chief(save_preset, student, BertPreprocessor(tokenizer), run.student)


class FineTuneProbe:
    """Fine-tunes copies of an encoder on a small task, to see what it has learned.

    Args:
        config: `ProbeConfig`.
        tokenizer: `BertTokenizer`. The encoder's.
        seed: int. Of the examples taken, the head and the order.

    Raises:
        TinyBertError: if the data cannot be read.
    """

    def __init__(self, config: ProbeConfig, tokenizer: BertTokenizer, seed: int):
        self._fit = config.fit
        self._seed = seed
        self._task = config.resolved_task()
        preprocessor = BertPreprocessor(tokenizer, config.data.max_tokens)
        train = read_part(self._task, config.data, "train", seed)
        check_training_labels(self._task, train, config.data.train)
        self._train = encode_examples(train, preprocessor)
        dev = read_part(self._task, config.data, "dev", seed)
        self._dev = encode_examples(dev, preprocessor)

    def score(self, encoder: BertEncoder) -> dict[str, float]:
        """Returns the dev metrics of a classifier fine-tuned from the encoder's weights.

        Args:
            encoder: `BertEncoder`. Left as it is.
        """
        options = {"dropout": _PROBE_DROPOUT, "attention_dropout": _PROBE_DROPOUT}
        copy = BertEncoder.from_config({**encoder.get_config(), **options, "name": None})
        copy.set_weights(encoder.get_weights())
        keras.utils.set_random_seed(self._seed)
        model = BertTextClassifier(copy, self._task.num_outputs, dropout=_PROBE_DROPOUT)
        batches = BucketedBatches(self._train, self._fit.tokens_per_batch, seed=self._seed)
        steps = self._fit.epochs * batches.steps_per_epoch
        precision = encoder.dtype_policy.name
        optimizer = make_optimizer(self._fit.optimizer, steps, precision)
        model.compile(optimizer, jit_compile=False)
        # The batches are shuffled; Keras would warn that it does not shuffle them again.
        model.fit(batches.dataset(self._fit.epochs), shuffle=False, verbose=0)
        assign_averages(model.optimizer)
        return TextEvaluator(self._task, model, self._dev).score()


class HeldOutEvaluator:
    """Measures the losses on held-out text and, if the config has one, the probe."""

    def __init__(
        self, config: GeneralConfig, distiller: TinyBertDistiller, tokenizer: BertTokenizer
    ):
        budget = config.distillation.stages[0].fit.tokens_per_batch
        batches = _batches(config, "held_out", budget).dataset()
        # Few enough to be kept.
        self._batches = list(batches.take(config.corpus.max_held_out_batches))
        self._distiller = distiller
        self._probe = None
        if config.probe is not None:
            self._probe = FineTuneProbe(config.probe, tokenizer, config.seed)

    def score(self) -> dict[str, float]:
        layers = self._distiller.measure_layers(self._batches)
        weights = self._distiller.stage.weights
        scores = {"loss": sum(weights[term] * sum(layers[term]) for term in layers)}
        for term, values in layers.items():
            scores[term] = sum(values)
            if len(values) > 1:
                scores |= {f"{term}_{m}": value for m, value in enumerate(values, start=1)}
        if self._probe is not None:
            student = self._distiller.student
            scores |= {f"probe_{k}": v for k, v in self._probe.score(student).items()}
        return scores

    def is_better(self, scores: dict[str, float], best: dict[str, float]) -> bool:
        return scores["loss"] < best["loss"]


def _batches(config: GeneralConfig, split: str, tokens_per_batch: int) -> CorpusBatches:
    return CorpusBatches(config.corpus.directory, split, tokens_per_batch, seed=config.seed)


def check_length(batches: CorpusBatches, *encoders: BertEncoder) -> None:
    """Raises TinyBertError if the sequences of a corpus are too long for an encoder."""
    longest = min(encoder.max_sequence_length for encoder in encoders)
    if batches.sequence_length > longest:
        raise TinyBertError(
            f"The corpus has sequences of {batches.sequence_length} tokens, but a position "
            f"table ends at {longest}. Make the corpus with --sequence_length={longest}."
        )


def corpus_figures(batches: CorpusBatches) -> dict:
    """Returns what was trained on, without the folders of this machine.

    Args:
        batches: `CorpusBatches`.
    """
    figures = batches.summary()
    inputs = [{**i, "name": posixpath.basename(i["name"])} for i in figures["inputs"]]
    return {**figures, "inputs": inputs}


def _dev_history(run: RunDirectory) -> list[dict]:
    """Returns what the held-out text said over the run, with the step of each score."""
    lines = [line for line in run.read_metrics() if "dev_loss" in line]
    # What a killed process logged after its last checkpoint is logged again.
    return list({(line["stage"], line["step"]): line for line in lines}.values())
