"""Apache Beam makes the same files as the process itself does."""

import pytest

from tinybert_tf.commands import corpus as command

apache_beam = pytest.importorskip("apache_beam", reason="needs the extra [beam]")


@pytest.fixture
def make_with_beam(make_corpus):
    def make(source, *options, name, runner="direct"):
        return make_corpus(source, "--runner", runner, *options, name=name)

    return make


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


OPTIONS = ("--shard_megabytes", "0.002", "--held_out", "0.2", "--mask_probability", "0.15")


def test_the_same_files(make_corpus, make_with_beam, text):
    expected = files(make_corpus(text, *OPTIONS, name="in_process"))
    assert len(expected) > 10
    assert files(make_with_beam(text, *OPTIONS, name="beam")) == expected
    options = ("--", "--direct_running_mode=multi_threading", "--direct_num_workers=2")
    assert files(make_with_beam(text, *OPTIONS, *options, name="threads")) == expected


def test_beam_is_the_default(tmp_path):
    assert command._choose_runner(None, []) == "direct"


def test_a_bad_line_is_named(make_with_beam, tmp_path, capsys):
    (tmp_path / "bad.txt").write_bytes(b"a b\n\n" * 100 + b"\xff\n")
    with pytest.raises(SystemExit) as caught:
        make_with_beam(tmp_path / "bad.txt", "--shard_megabytes", "0.0001", name="bad")
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "error: " in message and "bad.txt, line 201: byte 0xff is not UTF-8" in message
    assert not (tmp_path / "bad" / "manifest.json").exists()


def test_an_unknown_runner(make_with_beam, capsys):
    with pytest.raises(SystemExit):
        make_with_beam("a\n", name="unknown", runner="SnailRunner")
    assert "does not take the options --runner=SnailRunner: " in capsys.readouterr().err
