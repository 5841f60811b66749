"""Bundles that can be measured together."""

import dataclasses
import shutil

import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export.benchmark import read_bundles
from tinybert_tf.export.benchmark.subjects import common_tokenizer


def test_folders_that_are_no_bundles(exported, tmp_path):
    for paths, message in (
        ([], "No bundle was named"),
        ([tmp_path / "absent"], "absent"),
        ([exported / "float32", tmp_path / ".." / exported / "float32"], "named twice"),
    ):
        with pytest.raises(TinyBertError, match=message):
            read_bundles(paths)
    altered = shutil.copytree(exported / "float32", tmp_path / "altered")
    with (altered / "model.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(TinyBertError, match=r"altered/model\.tflite"):
        read_bundles([exported / "float32", altered])


def test_bundles_of_one_name_are_told_apart(exported, tmp_path):
    paths = [tmp_path / run / "export" / "int8" for run in ("first", "second")]
    for path in paths:
        shutil.copytree(exported / "float32", path)
    names = [bundle.name for bundle in read_bundles(paths)]
    assert names == ["first/export/int8", "second/export/int8"]


def test_bundles_of_two_vocabularies_are_refused(both):
    assert common_tokenizer(both).vocabulary_size() == 31
    first, second = both
    tokenizer = {**second.info["tokenizer"], "lowercase": False}
    cased = dataclasses.replace(second, info={**second.info, "tokenizer": tokenizer})
    with pytest.raises(TinyBertError, match="float32, dynamic_int8 do not have the same"):
        common_tokenizer([first, cased])
