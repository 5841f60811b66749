"""What of a teacher a run keeps: what pays and fits, once and for all."""

import shutil
import types

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs import RunDirectory, teacher_caching
from tinybert_tf.runs.config_file import parse_config

# What the two would take.
SIZES = {"outputs": 8e9, "predictions": 2e6}


class FakeCache:
    """Stands for a cache of known size; writing it leaves its folder."""

    def __init__(self, distiller, examples, contents):
        self.contents, self.bytes = contents, SIZES[contents]

    def write(self, directory):
        (RunDirectory(directory).path).mkdir()


@pytest.fixture
def choose(make_tiny_values, tmp_path, monkeypatch):
    """Returns what is chosen with some settings, free gigabytes and epochs of the stages."""
    monkeypatch.setattr(teacher_caching, "TeacherCache", FakeCache)

    def cache_teacher(free=1000.0, epochs=(1, 2), **settings):
        values = make_tiny_values(tmp_path / "run")
        values["distillation"] |= settings
        for stage, count in zip(values["distillation"]["stages"], epochs, strict=True):
            stage["fit"]["epochs"] = count
        config = parse_config(values, "values")
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path: types.SimpleNamespace(free=free * 1e9)
        )
        run = RunDirectory(tmp_path / "run")
        run.path.mkdir(exist_ok=True)
        cache = teacher_caching.cache_teacher(config, run, None, None)
        return cache and cache.contents

    return cache_teacher


@pytest.mark.parametrize(
    ("settings", "contents"),
    [
        ({}, "outputs"),
        # Half of the free disk at most.
        ({"free": 15.0}, "predictions"),
        ({"free": 0.003}, None),
        ({"teacher_cache_gigabytes": 7.9}, "predictions"),
        # Seen once, nothing would be read again.
        ({"epochs": (1, 1), "teacher_cache_gigabytes": 7.9}, None),
        ({"epochs": (1, 1)}, "outputs"),
        ({"teacher_cache": "predictions"}, "predictions"),
        ({"teacher_cache": "outputs", "teacher_cache_gigabytes": 1.0}, "outputs"),
        ({"teacher_cache": "none"}, None),
    ],
)
def test_what_pays_and_fits(choose, settings, contents):
    assert choose(**settings) == contents


def test_too_much_is_refused(choose):
    with pytest.raises(TinyBertError, match=r"outputs take 8 GB and .* has 7.9 GB free"):
        choose(free=7.9, teacher_cache="outputs")


def test_what_was_chosen_stays(choose, tmp_path, capsys):
    assert choose(free=15.0) == "predictions"
    assert "predictions are kept" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "run" / "teacher_cache")
    assert choose(free=1000.0) == "predictions"
    results = RunDirectory(tmp_path / "run").read_results()
    figures = dict(results["teacher_cache"])
    assert figures.pop("seconds") > 0.0
    assert figures == {"contents": "predictions", "gigabytes": 0.002}
