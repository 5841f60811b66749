"""A run's student as a preset in 8 bits."""

import numpy as np
import pytest

from tinybert_tf.checkpoints.locations import load_classifier
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.runs.packing import pack_student

TEXTS = ["good thing 3", "bad thing 4 5", "thing 7"]


@pytest.fixture
def packed(copied_run, tmp_path):
    """A run, its student in 8 bits, and the scores of both."""
    scores = pack_student(copied_run, tmp_path / "packed")
    return copied_run, tmp_path / "packed", scores


def _assert_within_half_a_step(rounded, exact):
    for ours, theirs in zip(rounded.weights, exact.weights, strict=True):
        theirs = np.asarray(theirs)
        if theirs.ndim < 2:
            np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)
            continue
        axis = -1 if "embedding" in ours.path else 0
        step = np.abs(theirs).max(axis=axis, keepdims=True) / 127
        off = np.abs(np.asarray(ours) - theirs)
        assert np.all(off <= 0.501 * step), ours.path
        assert off.max() > 0, ours.path


def test_the_encoder_is_rounded_and_the_head_is_not(packed):
    run, directory, _ = packed
    exact, rounded = load_classifier(run.student), load_classifier(directory)
    _assert_within_half_a_step(rounded.backbone, exact.backbone)
    for ours, theirs in zip(
        rounded.output_dense.weights, exact.output_dense.weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert rounded.labels == exact.labels
    names = {path.name for path in directory.iterdir()}
    assert {"model.int8.safetensors", "task.weights.h5"} <= names
    assert "model.weights.h5" not in names


def test_it_says_what_the_student_says(packed):
    run, directory, scores = packed
    exact, rounded = (
        BertTextClassifier.from_preset(str(path)).predict(TEXTS, verbose=0)
        for path in (run.student, directory)
    )
    np.testing.assert_allclose(rounded, exact, atol=0.05)
    assert scores["float32"] == pytest.approx(
        {name: run.read_results()["evaluation"]["student"][name] for name in scores["float32"]}
    )
    assert run.read_results()["packed"] == scores


def test_with_other_classes_the_head_begins_anew(packed):
    _, directory, _ = packed
    model = BertTextClassifier.from_preset(
        str(directory), num_classes=3, labels=["a", "b", "c"]
    )
    encoder = BertEncoder.from_preset(str(directory))
    for ours, theirs in zip(model.backbone.weights, encoder.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.output_dense.kernel.shape[-1] == 3


def test_a_flipped_byte_is_found(packed):
    _, directory, _ = packed
    path = directory / "model.int8.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(TinyBertError, match=r"model\.int8\.safetensors is damaged"):
        load_classifier(directory)


def test_what_is_there_stays(packed):
    run, directory, _ = packed
    with pytest.raises(TinyBertError, match="packed"):
        pack_student(run, directory)


def test_a_run_without_student_is_refused(copied_run, tmp_path):
    copied_run.student.rename(tmp_path / "elsewhere")
    with pytest.raises(TinyBertError, match="holds no student"):
        pack_student(copied_run, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
