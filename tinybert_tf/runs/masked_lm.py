"""A masked language model over a pretrained encoder, from a masked corpus.

Data augmentation wants one (arXiv 1909.10351, algorithm 1), and some encoders come without:
sentence encoders, for instance. Not here: next sentence prediction, and masks that change from
epoch to epoch; the corpus has them fixed.
"""

import keras
import numpy as np
import tensorflow as tf

from tinybert_tf.checkpoints.locations import load_plain_encoder
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertMaskedLM
from tinybert_tf.runs.config import MaskedLMConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.runs.general import check_length, corpus_figures
from tinybert_tf.tokenization import BertPreprocessor
from tinybert_tf.training import (
    StageFit,
    make_optimizer,
    make_strategy,
    resolve_precision,
    workers,
)

STAGE = "masked_lm"

# Batches whose masks the output bias is started on: some 40,000 masks of the default size.
_START_BATCHES = 64


def pretrain_masked_lm(config: MaskedLMConfig, run: RunDirectory) -> None:
    """Trains a masked LM and saves the best by its held-out loss, as `masked_lm/` of the run.

    The output weights are the token embedding's (tied). The output bias starts as the log
    frequency of the tokens, which need not be learned then; the head's other weights are
    random.

    Args:
        config: `MaskedLMConfig`.
        run: `RunDirectory`.

    Raises:
        TinyBertError: if corpus or encoder cannot be used or do not fit.
    """
    if workers.broadcast(run.masked_lm.exists()):
        return
    keras.utils.set_random_seed(config.seed)
    batches = MaskedBatches(config, "train")
    workers.check_alike("the corpus", corpus_figures(batches.corpus))
    with make_strategy(config.strategy).scope():
        encoder, tokenizer = load_plain_encoder(
            config.encoder, resolve_precision(config.precision), config.dropout
        )
        batches.corpus.check_vocabulary(tokenizer)
        check_length(batches.corpus, encoder)
        encoder.trainable = config.train_encoder
        # Nothing of a masked LM goes through it.
        encoder.freeze_pooler()
        model = BertMaskedLM(encoder)
        optimizer = make_optimizer(
            config.fit.optimizer, config.fit.epochs * batches.steps_per_epoch, config.precision
        )
        model.compile(
            optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # Weighted, and in no `metrics`: padding is no prediction.
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            metrics=None,
            jit_compile=False,
        )
    _fit(config, run, model, batches)
    run.add_results(corpus=corpus_figures(batches.corpus))
    workers.on_chief(save_preset, model, BertPreprocessor(tokenizer), run.masked_lm)


def _fit(
    config: MaskedLMConfig, run: RunDirectory, model: BertMaskedLM, batches: "MaskedBatches"
) -> None:
    """Trains the compiled model, and leaves it with the best weights by the held-out loss."""
    held_out = MaskedBatches(config, "held_out").sample(config.corpus.max_held_out_batches)
    evaluator = _HeldOutMasks(model, held_out)
    stage = StageFit(
        STAGE,
        model,
        batches=batches,
        evaluator=evaluator,
        config=config.fit,
        run=run,
        save_minutes=config.checkpoint_minutes,
    )
    if not stage.has_begun():
        _start_bias(model, batches)
        dev = workers.broadcast(evaluator.score())
        run.add_results(masked_lm_start={"dev": dev})
        stage.keep(0, dev)
    stage.fit()
    stage.load_best()


def _start_bias(model: BertMaskedLM, batches: "MaskedBatches") -> None:
    masked = [ids[weights > 0] for _, ids, weights in batches.sample(_START_BATCHES)]
    vocabulary_size = model.backbone.vocabulary_size
    model.masked_lm_head._bias.assign(log_frequencies(np.concatenate(masked), vocabulary_size))


def log_frequencies(token_ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Returns the log frequency of each token [vocabulary_size], each counted once more.

    Args:
        token_ids: int array [tokens].
        vocabulary_size: int.
    """
    counts = np.bincount(token_ids, minlength=vocabulary_size) + 1
    return np.log(counts / counts.sum())


class MaskedBatches:
    """Batches of a masked corpus as Keras's `fit` takes them.

    Args:
        config: `MaskedLMConfig`.
        split: str. See `CorpusBatches`.

    Raises:
        TinyBertError: if the corpus cannot be used or has no masks.
    """

    def __init__(self, config: MaskedLMConfig, split: str):
        directory = config.corpus.directory
        self.corpus = CorpusBatches(
            directory, split, config.fit.tokens_per_batch, seed=config.seed
        )
        if not self.corpus.has_masks:
            raise TinyBertError(
                f"{directory} has no masks. Make it with --mask_probability 0.15."
            )
        self.steps_per_epoch = self.corpus.steps_per_epoch
        self.tokens_per_epoch = self.corpus.tokens_per_epoch

    def dataset(self, epochs: int = 1, first_step: int = 0) -> tf.data.Dataset:
        """Returns batches of `(inputs, mask_ids, weights)`; see `CorpusBatches.dataset`."""
        return self.corpus.dataset(epochs, first_step).map(_split_labels)

    def sample(self, count: int) -> list:
        """Returns the first batches, at most so many."""
        return list(self.dataset().take(count).as_numpy_iterator())


class _HeldOutMasks:
    """Scores a masked LM on masks that it was not trained on."""

    def __init__(self, model: BertMaskedLM, batches: list):
        self._model = model
        self._batches = batches
        self._forward = tf.function(
            lambda inputs: model(inputs, training=False), reduce_retracing=True
        )

    def score(self) -> dict[str, float]:
        losses, hits = [], []
        for inputs, ids, weights in self._batches:
            logits, is_mask = self._forward(inputs), weights > 0
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
            losses.append(loss.numpy()[is_mask])
            hits.append((tf.argmax(logits, -1, ids.dtype) == ids).numpy()[is_mask])
        return {
            "loss": float(np.concatenate(losses).mean()),
            "accuracy": float(np.concatenate(hits).mean()),
            "masks": sum(map(len, hits)),
        }

    def is_better(self, scores: dict[str, float], best: dict[str, float]) -> bool:
        return scores["loss"] < best["loss"]


def _split_labels(inputs: dict):
    ids = inputs.pop("mask_ids")
    # Padding of masks has position 0, [CLS], which is never masked.
    return inputs, ids, tf.cast(inputs["mask_positions"] > 0, tf.float32)
