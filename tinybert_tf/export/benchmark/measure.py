"""The benchmark itself: what is run, checked and measured, in which order."""

import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np
from absl import logging
from scipy import special

from tinybert_tf.data import EncodedExamples, Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import figures
from tinybert_tf.export.benchmark.peers import (
    BERT_BASE,
    PEERS,
    TEACHER,
    check_peers,
    make_bert_base,
    make_peers,
)
from tinybert_tf.export.benchmark.process import run_script, with_progress
from tinybert_tf.export.benchmark.subjects import (
    STUDENT,
    Bundle,
    Subject,
    bundle_subjects,
    common_tokenizer,
)
from tinybert_tf.export.benchmark.texts import Texts
from tinybert_tf.export.bundle import MODEL, MULTI_MODEL
from tinybert_tf.export.conversion import output_function
from tinybert_tf.models import BertTextClassifier

# The same weights in float32 differ by rounding; quantized, by labels near a boundary.
_MAX_DIFFERENCE = 1e-3
_MIN_AGREEMENT = 0.9
_QUIET_LOAD = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """A measurement that every round makes once.

    Args:
        subject: `Subject`.
        length: int or `None`. Tokens of every text; `None` is real texts, each in the shortest
            signature that holds it.
        threads: int.
    """

    subject: Subject
    length: int | None
    threads: int

    @property
    def signatures(self) -> dict[str, int]:
        """The signatures that may run."""
        lengths = self.subject.signatures.items()
        return {name: length for name, length in lengths if self.length in (None, length)}

    def __str__(self):
        tokens = "real texts" if self.length is None else f"{self.length} tokens"
        return f"{self.subject.name} ({tokens}, threads: {self.threads})"


def benchmark(
    bundles: Sequence[Bundle],
    peers: Sequence[str] = (),
    student: BertTextClassifier | None = None,
    teacher: BertTextClassifier | None = None,
    examples: Examples | None = None,
    lengths: Sequence[int] | None = None,
    threads: Sequence[int] = (1,),
    rounds: int = 5,
    seconds: float = 2.0,
    seed: int = 42,
) -> dict:
    """Measures bundles and peers in interleaved rounds.

    Before anything is timed, each model runs 64 texts, and its outputs have to be those of the
    Keras model that it comes from: a peer that computes something else is no peer.

    Args:
        bundles: sequence of `Bundle`, see `read_bundles`. Of one tokenizer.
        peers: sequence of str. Names of `PEERS`.
        student: `BertTextClassifier` or `None`. What the bundles were exported from; with it
            they are checked as well.
        teacher: `BertTextClassifier` or `None`.
        examples: `Examples` or `None`. Real texts: with them the bundles' files, and the peers
            that take every length, run all of them (at most 1,000) in each round.
        lengths: sequence of int or `None`. Tokens of the texts; `None` is every length of the
            bundles, and for peers the bundles' static lengths.
        threads: sequence of int.
        rounds: int.
        seconds: float. Least time of a measurement in a round.
        seed: int. Of random tokens and of BERT-base's weights.

    Returns:
        dict. `load_average`; `settings`; `models`: runtime and megabytes by name; `results`: a
        dict for each row, see `figures.summarize`, with `model`, `length` (`None`: real
        texts), `threads`, `check` against Keras and `times_as_fast_as`, by the name of what it
        is compared with.

    Raises:
        TinyBertError: if a bundle or argument cannot be used, a package is missing, or a model
            does not compute what its Keras model does.
    """
    peers = tuple(dict.fromkeys(peers))
    keras_models = {STUDENT: student, TEACHER: teacher}
    keras_models = {name: model for name, model in keras_models.items() if model is not None}
    check_peers(peers, keras_models)
    _check_numbers(bundles, lengths, threads, rounds)
    tokenizer = common_tokenizer(bundles)
    _check_models(keras_models, bundles, tokenizer.vocabulary_size())
    load_before = os.getloadavg()
    _warn_if_busy(load_before[0])
    if BERT_BASE in peers:
        keras_models[BERT_BASE] = make_bert_base(tokenizer.vocabulary_size(), seed)
    peer_lengths = sorted(lengths or {bundle.static_length for bundle in bundles})
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subjects = [subject for bundle in bundles for subject in bundle_subjects(bundle)]
        subjects += make_peers(peers, keras_models, peer_lengths, folder)
        rows = _plan(subjects, lengths, peer_lengths, threads, examples is not None)
        ends = min(b.longest for b in bundles), max(_lengths(bundles))
        texts = Texts(folder, tokenizer, examples, *ends, seed)
        checks = _check_outputs(rows, texts, keras_models)
        answers = _measure(rows, texts, rounds, seconds)
        sizes = {s.name: {"runtime": s.runtime, "megabytes": s.megabytes} for s in subjects}
    return {
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "settings": {
            "peers": {name: PEERS[name].about for name in peers},
            "rounds": rounds,
            "seconds": seconds,
            "seed": seed,
        },
        "models": sizes,
        "results": _results(rows, answers, checks),
    }


def _lengths(bundles: list[Bundle]) -> list[int]:
    lengths = {
        length
        for bundle in bundles
        for file in (MODEL, MULTI_MODEL)
        for length in bundle.signatures(file).values()
    }
    return sorted(lengths)


def _check_numbers(bundles: list[Bundle], lengths, threads, rounds: int) -> None:
    known = _lengths(bundles)
    unknown = sorted(set(lengths or ()) - set(known))
    if unknown:
        raise TinyBertError(
            f"No bundle has a model of length {', '.join(map(str, unknown))}; there are "
            f"{', '.join(map(str, known))}. Choose of these, or export with other lengths."
        )
    if not threads or min(threads) < 1 or rounds < 1:
        raise TinyBertError(
            f"threads {list(threads)}, rounds {rounds}: each must be 1 or more."
        )


def _check_models(keras_models: dict, bundles: list[Bundle], vocabulary_size: int) -> None:
    """Looks whether models of a run take what is measured; what they compute is seen later."""
    longest = max(_lengths(bundles))
    for name, model in keras_models.items():
        encoder = model.backbone
        if encoder.vocabulary_size != vocabulary_size or encoder.max_sequence_length < longest:
            raise TinyBertError(
                f"The {name} has {encoder.vocabulary_size} tokens in its vocabulary and takes "
                f"{encoder.max_sequence_length}; the bundles have {vocabulary_size} and take "
                f"{longest}. Name the run that they are from."
            )


def _plan(
    subjects: list[Subject],
    lengths: Sequence[int] | None,
    peer_lengths: Sequence[int],
    threads: Sequence[int],
    has_texts: bool,
) -> list[Row]:
    """Returns the rows; those that are compared follow each other."""
    every_length = {length for s in subjects for length in s.signatures.values()}
    rows = []
    for count in sorted(set(threads)):
        for length in sorted(set(lengths or every_length)):
            rows += [
                Row(subject, length, count)
                for subject in subjects
                if length in (subject.signatures.values() or peer_lengths)
            ]
        if has_texts:
            # Of teacher and BERT-base there is a file for each length, and none for texts.
            rows += [
                Row(s, None, count) for s in subjects if s.name not in (TEACHER, BERT_BASE)
            ]
    return rows


def _ask_worker(row: Row, texts: str, seconds: float, outputs: str | None = None) -> dict:
    """Has a process of its own make one measurement; see `worker.measure`."""
    request = {
        "runtime": row.subject.runtime,
        "path": str(row.subject.path),
        "threads": row.threads,
        "signatures": row.signatures,
        "texts": texts,
        "seconds": seconds,
        "outputs": outputs,
    }
    return json.loads(run_script(f"measuring {row}", "worker.py", request=json.dumps(request)))


def _check_outputs(
    rows: list[Row], texts: Texts, keras_models: dict[str, BertTextClassifier]
) -> dict[Row, dict]:
    """Compares what each row's model computes with its Keras model, where that is there.

    Raises:
        TinyBertError: if it is something else.
    """
    checks, expected = {}, {}
    rows = [row for row in rows if row.subject.reference in keras_models]
    for row in with_progress(rows, "comparing outputs"):
        model, key = keras_models[row.subject.reference], (row.subject.reference, row.length)
        encoded = texts.encode_for_check(row.length)
        if key not in expected:
            expected[key] = _keras_outputs(model, encoded)
        file = texts.write(encoded, "check")
        _ask_worker(row, file, 0.0, f"{file}.npy")
        outputs = np.load(f"{file}.npy")
        # Our files end in a softmax, the peers' in logits.
        if row.subject.runtime != "litert" and model.num_classes > 1:
            outputs = special.softmax(outputs, axis=-1)
        checks[row] = figures.compare_outputs(outputs, expected[key])
        _check_comparison(row, checks[row])
    return checks


def _keras_outputs(model: BertTextClassifier, encoded: EncodedExamples) -> np.ndarray:
    """Returns what a file of the model should, [texts, outputs]."""
    inputs, _ = encoded.batch(np.arange(len(encoded)), int(encoded.lengths.max()))
    (outputs,) = output_function(model)(inputs).values()
    return outputs.numpy()


def _check_comparison(row: Row, comparison: dict) -> None:
    if row.subject.is_exact:
        is_same = comparison["max_difference"] <= _MAX_DIFFERENCE
    else:
        is_same = comparison["agreement"] >= _MIN_AGREEMENT
    if not is_same:
        raise TinyBertError(
            f"{row} does not compute what the Keras {row.subject.reference} does: on "
            f"{comparison['texts']} texts the agreement is {comparison['agreement']:.1%}, the "
            f"largest difference {comparison['max_difference']:.1e}. Nothing was timed. Are "
            "all bundles exported from this run?"
        )


def _measure(
    rows: list[Row], texts: Texts, rounds: int, seconds: float
) -> dict[Row, list[dict]]:
    """Returns the answers of each row's workers, one a round."""
    lengths = {row.length for row in rows}
    files = {n: texts.write(texts.encode(n), f"texts_{n}") for n in lengths}
    answers = {row: [] for row in rows}
    for number in range(rounds):
        for row in with_progress(rows, f"round {number + 1} of {rounds}"):
            # One pass over real texts takes its time.
            least = 0.0 if row.length is None else seconds
            answers[row].append(_ask_worker(row, files[row.length], least))
    return answers


def _results(
    rows: list[Row], answers: dict[Row, list[dict]], checks: dict[Row, dict]
) -> list[dict]:
    summaries = {row: figures.summarize(answers[row]) for row in rows}
    return [
        {
            "model": row.subject.name,
            "length": row.length,
            "threads": row.threads,
            **summaries[row],
            "check": checks.get(row),
            "times_as_fast_as": {
                name: figures.times_as_fast(summaries[row], summaries[other], row.length)
                for other in rows
                if (name := _compared_as(row, other))
            },
        }
        for row in rows
    ]


def _compared_as(row: Row, other: Row) -> str | None:
    """Returns the name under which a row is compared with another, if it is."""
    if (other.length, other.threads) != (row.length, row.threads):
        return None
    if row.subject.name not in PEERS and other.subject.name in PEERS:
        return other.subject.name
    if row.length is None and other.subject.name == row.subject.static:
        return figures.STATIC_FILE
    return None


def _warn_if_busy(load: float) -> None:
    if load > _QUIET_LOAD:
        logging.warning(
            "The load average is %.1f: other programs take their share of this machine. "
            "Ratios in one run suffer less than milliseconds; measure on a quiet one.",
            load,
        )
