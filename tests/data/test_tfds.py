"""TensorFlow Datasets as examples, from a prepared set of a few rows."""

import numpy as np
import pytest

from tinybert_tf.data.tasks import Task
from tinybert_tf.data.tfds import read_tfds
from tinybert_tf.errors import TinyBertError

MOOD = Task("mood", ("text",), "label", ("bad", "good"))
SCORED = Task("scored", ("text",), "score", None, (0.0, 5.0))


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """Defines and prepares two small data sets; returns their folder."""
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.features

    class TinyMood(tfds.core.GeneratorBasedBuilder):
        """Three labelled texts, and a split without labels."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            columns = {
                "text": features.Text(),
                "words": features.Sequence(features.Text()),
                "number": np.int32,
                # The other way round than in the task.
                "label": features.ClassLabel(names=["good", "bad"]),
            }
            return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict(columns))

        def _split_generators(self, dl_manager):
            rows = [("gut", 0), ("schön", 0), ("schlimm", 1)]
            return {
                "train": self._generate_examples(rows),
                "test": self._generate_examples([("unbekannt", -1)]),
                "hollow": self._generate_examples([(" ", 1), ("a", 0), ("b", 0), ("c", 0)]),
            }

        def _generate_examples(self, rows):
            for number, (text, label) in enumerate(rows):
                words = text.split()
                yield number, {"text": text, "words": words, "number": 0, "label": label}

    class TinyScored(tfds.core.GeneratorBasedBuilder):
        """Two texts with scores."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            columns = {"text": features.Text(), "score": np.float32}
            return tfds.core.DatasetInfo(builder=self, features=features.FeaturesDict(columns))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"text": "a", "score": 3.8}
            yield 1, {"text": "b", "score": 0.25}

    directory = tmp_path_factory.mktemp("tfds")
    for builder in (TinyMood, TinyScored):
        builder(data_dir=directory).download_and_prepare()
    return directory


def test_tfds_labels_are_matched_by_name(tfds_dir):
    examples = read_tfds(MOOD, "tiny_mood", "train", data_dir=tfds_dir)
    by_text = dict(zip(examples.texts[0], examples.labels.tolist(), strict=True))
    assert by_text == {"gut": 1, "schön": 1, "schlimm": 0}
    assert examples.labels.dtype == np.int32
    assert len(read_tfds(MOOD, "tiny_mood", "train[:2]", data_dir=tfds_dir)) == 2


def test_tfds_scores(tfds_dir):
    examples = read_tfds(SCORED, "tiny_scored", "train", data_dir=tfds_dir)
    by_text = dict(zip(examples.texts[0], examples.labels, strict=True))
    assert by_text == {"a": np.float32(3.8), "b": np.float32(0.25)}
    assert examples.labels.dtype == np.float32


@pytest.mark.parametrize(
    ("task", "name", "split", "message"),
    [
        (MOOD, "tiny_moot", "train", "no TFDS data set 'tiny_moot'. Did you mean 'tiny_mood'"),
        (MOOD, "tiny mood!", "train", "TFDS cannot open the data set 'tiny mood!'"),
        (MOOD, "glue/sst3", "train", "TFDS cannot open the data set 'glue/sst3'"),
        (MOOD, "tiny_mood", "trian", "no split 'trian'. Known: .*Did you mean 'train'"),
        (MOOD, "tiny_mood", "train[:", r"no split 'train\[:'. Known: "),
        (MOOD, "tiny_mood", "test", r"\(test\), example 0: the row has no label"),
        (
            Task("mood", ("texts",), "label", ("bad", "good")),
            "tiny_mood",
            "train",
            "no column 'texts'. Columns found: .*Did you mean 'text'",
        ),
        (Task("m", ("number",), "label", ("a", "b")), "tiny_mood", "train", "not a text"),
        (Task("m", ("words",), "label", ("a", "b")), "tiny_mood", "train", "not a text"),
        (
            Task("mood", ("text",), "label", ("bad", "fine")),
            "tiny_mood",
            "train",
            "not those of task 'mood': good, bad there, expected bad, fine",
        ),
        (
            Task("m", ("text",), "number", ("a", "b")),
            "tiny_mood",
            "train",
            "feature 'number' is .*, expected a ClassLabel",
        ),
        (
            Task("m", ("text",), "label", None, (0, 1)),
            "tiny_mood",
            "train",
            "good, bad there, expected scores",
        ),
        (
            Task("m", ("text",), "score", ("a", "b")),
            "tiny_scored",
            "train",
            "scores there, expected a, b",
        ),
        (
            Task("m", ("text",), "score", None, (0, 1)),
            "tiny_scored",
            "train",
            r"the score is '3\.8', expected a number from 0 to 1",
        ),
    ],
)
def test_what_tfds_cannot_give_is_refused(tfds_dir, task, name, split, message):
    with pytest.raises(TinyBertError, match=message):
        read_tfds(task, name, split, data_dir=tfds_dir)


def test_the_number_of_a_tfds_example(tfds_dir):
    tfds = pytest.importorskip("tensorflow_datasets")
    dataset = tfds.load("tiny_mood", split="hollow", data_dir=tfds_dir)
    texts = [example["text"] for example in tfds.as_numpy(dataset)]
    assert texts[0] != b" "  # TFDS shuffles; at 0 the test would prove nothing
    message = rf"\(hollow\), example {texts.index(b' ')}: the text in 'text' is empty"
    with pytest.raises(TinyBertError, match=message):
        read_tfds(MOOD, "tiny_mood", "hollow", data_dir=tfds_dir)


def test_a_tfds_data_set_that_cannot_be_prepared_is_refused(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    class TinyBroken(tfds.core.GeneratorBasedBuilder):
        """Fails as a download does without a network, or without an optional package."""

        VERSION = tfds.core.Version("1.0.0")
        error: Exception

        def _info(self):
            label = tfds.features.ClassLabel(names=["bad", "good"])
            columns = {"text": tfds.features.Text(), "label": label}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(columns)
            )

        def _split_generators(self, dl_manager):
            raise self.error

        def _generate_examples(self):
            yield 0, {}

    TinyBroken.error = ConnectionError("no route to host")
    with pytest.raises(TinyBertError, match=r"cannot be downloaded .*no route.* the network"):
        read_tfds(MOOD, "tiny_broken", "train", data_dir=tmp_path)
    TinyBroken.error = ModuleNotFoundError("No module named 'pretty'", name="pretty")
    with pytest.raises(TinyBertError, match=r"No module named .*Install the package 'pretty'"):
        read_tfds(MOOD, "tiny_broken", "train", data_dir=tmp_path)
