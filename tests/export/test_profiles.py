"""Profiles: those of the library, one's own, and wrong ones."""

import pytest
import yaml

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import load_profile, profile_names


def test_the_library_s():
    assert profile_names() == ["dynamic_int8", "float16", "float32", "small", "static_int8"]
    stored = {n: (p.weights, p.embedding, p.activations) for n, p in _profiles().items()}
    assert stored == {
        "float32": ("float32", "float32", "float32"),
        "float16": ("float16", "float16", "float32"),
        "dynamic_int8": ("int8", "int8", "dynamic_int8"),
        "static_int8": ("int8", "int8", "static_int8"),
        "small": ("int8", "product", "dynamic_int8"),
    }
    assert [n for n, p in _profiles().items() if p.wants_calibration] == [
        "small",
        "static_int8",
    ]


def _profiles():
    return {name: load_profile(name) for name in profile_names()}


def values(**changes):
    tolerance = {
        "max_difference": 0.1,
        "mean_difference": 0.01,
        "label_agreement": 0.9,
        "metric_drop": 0.1,
    }
    return {
        "description": "mine",
        "weights": "int8",
        "embedding": "int8",
        "activations": "dynamic_int8",
        "tolerance": tolerance,
    } | changes


def test_one_s_own(tmp_path):
    path = tmp_path / "strict.yaml"
    path.write_text(yaml.safe_dump(values()))
    profile = load_profile(path)
    assert profile.name == "strict"
    assert profile.tolerance.label_agreement == 0.9


def test_a_misspelt_name_is_told_the_nearest():
    with pytest.raises(TinyBertError, match=r"no profile 'dynamic_int'.*dynamic_int8"):
        load_profile("dynamic_int")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"weights": "int4"}, "weights: Input should be 'float32', 'float16' or 'int8'"),
        ({"weights": "float16"}, "weights float16 and activations dynamic_int8 do not go"),
        ({"activations": "float32"}, "weights int8 and activations float32 do not go"),
        ({"embedding": "float16"}, "embedding float16 wants weights float16; got int8"),
        (
            {"embedding": "product", "activations": "static_int8"},
            "product wants activations dynamic_int8",
        ),
        ({"size": 3}, "size: Unexpected keyword argument"),
        ({"tolerance": {}}, "tolerance.max_difference: Field required"),
    ],
)
def test_wrong_ones(tmp_path, changes, message):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values(**changes)))
    with pytest.raises(TinyBertError, match=rf"mine\.yaml:\n  .*{message}"):
        load_profile(path)


@pytest.mark.parametrize("text", ["- a list\n", "a: [\n", "just text\n", ""])
def test_files_that_are_no_profile(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(TinyBertError, match=r"mine\.yaml is (no YAML mapping|not YAML)"):
        load_profile(path)
