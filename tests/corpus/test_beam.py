"""Apache Beam makes the same files as the process itself does."""

import pytest

from tinybert_tf.commands import corpus as command
from tinybert_tf.corpus._writing import run_on_beam
from tinybert_tf.errors import TinyBertError

apache_beam = pytest.importorskip("apache_beam", reason="needs the extra [beam]")


def beam(*options):
    return lambda corpus: run_on_beam(corpus, options)


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


OPTIONS = {"shard_megabytes": 0.002, "held_out": 0.2, "mask_probability": 0.15}


def test_the_same_files(make_corpus, text):
    expected = files(make_corpus(text, **OPTIONS))
    assert len(expected) > 10
    assert files(make_corpus(text, **OPTIONS, name="beam", run=beam())) == expected
    threads = beam("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    assert files(make_corpus(text, **OPTIONS, name="threads", run=threads)) == expected


def test_beam_is_the_default():
    assert command._choose_runner(None, []) == "direct"


def test_a_bad_line_is_named(make_corpus, tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"a b\n\n" * 100 + b"\xff\n")
    with pytest.raises(TinyBertError, match=r"bad.txt, line 201: byte 0xff is not UTF-8"):
        make_corpus(path, shard_megabytes=0.0001, name="bad", run=beam())
    assert not (tmp_path / "bad" / "manifest.json").exists()


def test_an_unknown_runner(make_corpus):
    message = "does not take the options --runner=SnailRunner: "
    with pytest.raises(TinyBertError, match=message):
        make_corpus("a\n", run=beam("--runner=SnailRunner"))
