"""The benchmark itself: what is run, checked and measured, in which order."""

import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Container, Mapping, Sequence

import numpy as np
from absl import logging
from scipy import special

from tinybert_tf.data import EncodedExamples, Examples
from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import figures
from tinybert_tf.export.benchmark._texts import Texts
from tinybert_tf.export.benchmark.peers import (
    BERT_BASE,
    PEERS,
    Peer,
    check_peers,
    make_bert_base,
)
from tinybert_tf.export.benchmark.process import run_script, with_progress
from tinybert_tf.export.benchmark.subjects import (
    WORKER,
    Bundle,
    Subject,
    bundle_subjects,
    common_tokenizer,
)
from tinybert_tf.export.bundle import MODEL, MULTI_MODEL
from tinybert_tf.export.conversion import output_function
from tinybert_tf.models import BertTextClassifier
from tinybert_tf.tokenization import BertTokenizer

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


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a benchmark measures.

    Args:
        lengths: sequence of int or `None`. Tokens of the texts; `None` is every length of the
            bundles, and for peers the bundles' static lengths.
        threads: sequence of int. Numbers of threads.
        rounds: int.
        seconds: float. Least time of a measurement in a round.
        seed: int. Of random tokens and of BERT-base's weights.
    """

    lengths: Sequence[int] | None = None
    threads: Sequence[int] = (1,)
    rounds: int = 5
    seconds: float = 2.0
    seed: int = 42


def benchmark(
    bundles: Sequence[Bundle],
    peers: Sequence[str] = (),
    *,
    keras_models: Mapping[str, BertTextClassifier] | None = None,
    examples: Examples | None = None,
    settings: Settings | None = None,
    known_peers: Mapping[str, Peer] = PEERS,
) -> dict:
    """Measures bundles and peers in interleaved rounds.

    Before anything is timed, each model runs 64 texts, and its outputs have to be those of the
    Keras model that it comes from: a peer that computes something else is no peer.

    Args:
        bundles: sequence of `Bundle`, see `read_bundles`. Of one tokenizer.
        peers: sequence of str. Names of `known_peers`.
        keras_models: dict or `None`. The run's models, by `STUDENT` and `TEACHER`. Bundles are
            compared with the student if it is there.
        examples: `Examples` or `None`. Real texts: with them the bundles' files, and the peers
            that take every length, run all of them (at most 1,000) in each round.
        settings: `Settings` or `None` for the defaults.
        known_peers: dict. The peers by name.

    Returns:
        dict. `load_average`; `settings`; `models`: runtime and megabytes by name; `results`: a
        dict for each row, see `figures.summarize`, with `model`, `length` (`None`: real
        texts), `threads`, `check` against Keras and `times_as_fast_as`, by the name of what it
        is compared with.

    Raises:
        TinyBertError: if a bundle or argument cannot be used, a package is missing, or a model
            does not compute what its Keras model does.
    """
    settings, models = settings or Settings(), dict(keras_models or {})
    peers = check_peers(peers, models, known_peers)
    _check_settings(bundles, settings)
    tokenizer = common_tokenizer(bundles)
    _check_models(models, bundles, tokenizer.vocabulary_size())
    load_before = _load_average()
    if BERT_BASE in peers:
        models[BERT_BASE] = make_bert_base(tokenizer.vocabulary_size(), settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        texts = _make_texts(folder, bundles, tokenizer, examples, settings.seed)
        peer_lengths = sorted(settings.lengths or {b.static_length for b in bundles})
        subjects = _make_subjects(folder, bundles, peers, models, peer_lengths)
        rows = _plan(subjects, peers, peer_lengths, settings, examples is not None)
        checks = _check_outputs(rows, texts, models)
        answers = _measure(rows, texts, settings)
        sizes = {s.name: s.facts() for s in subjects}
    return {
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "settings": {
            "peers": {name: peer.about for name, peer in peers.items()},
            **{key: getattr(settings, key) for key in ("rounds", "seconds", "seed")},
        },
        "models": sizes,
        "results": _results(rows, answers, checks, peers),
    }


def _make_texts(
    folder: pathlib.Path,
    bundles: Sequence[Bundle],
    tokenizer: BertTokenizer,
    examples: Examples | None,
    seed: int,
) -> Texts:
    return Texts(
        folder,
        tokenizer,
        examples,
        shortest_end=min(bundle.longest for bundle in bundles),
        longest_end=max(_lengths(bundles)),
        seed=seed,
    )


def _make_subjects(
    folder: pathlib.Path,
    bundles: Sequence[Bundle],
    peers: Mapping[str, Peer],
    keras_models: Mapping[str, BertTextClassifier],
    peer_lengths: Sequence[int],
) -> list[Subject]:
    """Returns what is measured; the peers' files go to the folder."""
    subjects = [subject for bundle in bundles for subject in bundle_subjects(bundle)]
    for name, peer in peers.items():
        subjects += peer.make(name, keras_models[peer.reference], peer_lengths, folder)
    return subjects


def _lengths(bundles: list[Bundle]) -> list[int]:
    lengths = {
        length
        for bundle in bundles
        for file in (MODEL, MULTI_MODEL)
        for length in bundle.signatures(file).values()
    }
    return sorted(lengths)


def _check_settings(bundles: Sequence[Bundle], settings: Settings) -> None:
    known = _lengths(bundles)
    unknown = sorted(set(settings.lengths or ()) - set(known))
    if unknown:
        raise TinyBertError(
            f"No bundle has a model of length {', '.join(map(str, unknown))}; there are "
            f"{', '.join(map(str, known))}. Choose of these, or export with other lengths."
        )
    threads, rounds = settings.threads, settings.rounds
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
    peers: Container[str],
    peer_lengths: Sequence[int],
    settings: Settings,
    has_texts: bool,
) -> list[Row]:
    """Returns the rows; those that are compared follow each other."""
    every_length = {length for s in subjects for length in s.signatures.values()}
    # A peer of static length has a file for each, and none for texts.
    take_texts = [s for s in subjects if s.name not in peers or not s.signatures]
    rows = []
    for count in sorted(set(settings.threads)):
        for length in sorted(set(settings.lengths or every_length)):
            rows += [
                Row(subject, length, count)
                for subject in subjects
                if length in (subject.signatures.values() or peer_lengths)
            ]
        if has_texts:
            rows += [Row(subject, None, count) for subject in take_texts]
    return rows


def _ask_worker(row: Row, texts: str, seconds: float, outputs: str | None = None) -> dict:
    """Has a process of its own make one measurement; see `_worker.measure`."""
    runtime = row.subject.runtime
    request = {
        "runtime": [str(runtime.file), runtime.kind],
        "path": str(row.subject.path),
        "threads": row.threads,
        "signatures": row.signatures,
        "texts": texts,
        "seconds": seconds,
        "outputs": outputs,
    }
    return json.loads(run_script(f"measuring {row}", WORKER, request=json.dumps(request)))


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
        if row.subject.gives_logits and model.num_classes > 1:
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


def _measure(rows: list[Row], texts: Texts, settings: Settings) -> dict[Row, list[dict]]:
    """Returns the answers of each row's workers, one a round."""
    lengths = {row.length for row in rows}
    files = {n: texts.write(texts.encode(n), f"texts_{n}") for n in lengths}
    answers = {row: [] for row in rows}
    for number in range(settings.rounds):
        for row in with_progress(rows, f"round {number + 1} of {settings.rounds}"):
            # One pass over real texts takes its time.
            least = 0.0 if row.length is None else settings.seconds
            answers[row].append(_ask_worker(row, files[row.length], least))
    return answers


def _results(
    rows: list[Row],
    answers: dict[Row, list[dict]],
    checks: dict[Row, dict],
    peers: Container[str],
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
                if (name := _compared_as(row, other, peers))
            },
        }
        for row in rows
    ]


def _compared_as(row: Row, other: Row, peers: Container[str]) -> str | None:
    """Returns the name under which a row is compared with another, if it is."""
    if (other.length, other.threads) != (row.length, row.threads):
        return None
    if row.subject.name not in peers and other.subject.name in peers:
        return other.subject.name
    if row.length is None and other.subject.name == row.subject.static:
        return figures.STATIC_FILE
    return None


def _load_average() -> tuple[float, float, float]:
    """Returns the load before anything is run; warns if the machine is busy."""
    load = os.getloadavg()
    if load[0] > _QUIET_LOAD:
        logging.warning(
            "The load average is %.1f: other programs take their share of this machine. "
            "Ratios in one run suffer less than milliseconds; measure on a quiet one.",
            load[0],
        )
    return load
