import json
import os
import pathlib
import re
import shutil
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinybert_tf.checkpoints._tensor_files import read_checkpoint
from tinybert_tf.errors import TinyBertError

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
CLASSIFIER = GOLDEN / "hf_bert_classifier"


def write_safetensors(path, header, content=b""):
    """Writes a file as the format describes it: length of the header, header, bytes."""
    if isinstance(header, dict):
        header = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.fixture
def directory(tmp_path):
    """A checkpoint directory with a config and no weights yet."""
    (tmp_path / "config.json").write_text('{"hidden_size": 24}', encoding="utf-8")
    return tmp_path


def assert_equal(tensors, expected):
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == expected[name].dtype
        assert tensor.shape == expected[name].shape
        assert tensor.tobytes() == expected[name].tobytes()


# === Checkpoints of every layout ===


@pytest.mark.parametrize(
    ("name", "count", "some", "shape"),
    [
        ("hf_bert_classifier", 57, "classifier.weight", (3, 24)),
        ("hf_bert_masked_lm", 60, "cls.predictions.bias", (2000,)),
        ("hf_tinybert_shared_fit_dense", 59, "fit_dense.weight", (32, 24)),
        ("hf_tinybert_layer_fit_denses", 65, "fit_denses.3.bias", (32,)),
    ],
)
def test_safetensors(name, count, some, shape):
    config, tensors, source = read_checkpoint(GOLDEN / name)
    assert config["hidden_size"] == 24 and config["num_hidden_layers"] == 3
    assert source == GOLDEN / name / "model.safetensors"
    assert len(tensors) == count
    assert tensors[some].shape == shape
    assert_equal(tensors, load_file(source))


def test_pytorch_bin(directory):
    shutil.copy(CLASSIFIER / "pytorch_model.bin", directory)
    config, tensors, source = read_checkpoint(str(directory))
    assert config == {"hidden_size": 24}
    assert source == directory / "pytorch_model.bin"
    assert_equal(tensors, load_file(CLASSIFIER / "model.safetensors"))


def write_shards(directory, expected, weights="model.safetensors", count=3):
    stem, suffix = weights.split(".")
    shards = [f"{stem}-{i + 1:05}-of-{count:05}.{suffix}" for i in range(count)]
    weight_map = {name: shards[i % count] for i, name in enumerate(expected)}
    for shard in shards:
        if suffix == "bin":
            shutil.copy(CLASSIFIER / weights, directory / shard)
        else:
            part = {name: expected[name] for name in expected if weight_map[name] == shard}
            save_file(part, directory / shard)
    index = directory / f"{weights}.index.json"
    content = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    index.write_text(json.dumps(content), encoding="utf-8")
    return index


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_shards(directory, weights):
    expected = load_file(CLASSIFIER / "model.safetensors")
    index = write_shards(directory, expected, weights)
    _, tensors, source = read_checkpoint(directory)
    assert source == index
    assert_equal(tensors, expected)


def test_order_of_preference(directory):
    expected = load_file(CLASSIFIER / "model.safetensors")
    sources = [
        write_shards(directory, expected, "pytorch_model.bin"),
        shutil.copy(CLASSIFIER / "pytorch_model.bin", directory / "pytorch_model.bin"),
        write_shards(directory, expected, "model.safetensors"),
        shutil.copy(CLASSIFIER / "model.safetensors", directory / "model.safetensors"),
    ]
    while sources:
        assert read_checkpoint(directory)[2] == sources[-1]
        sources.pop().unlink()


# === Dtypes ===


def test_floats_become_float32_and_integers_stay(directory):
    tensors = {
        "half": np.array([[1, -2], [0.5, 65504]], np.float16),
        "double": np.array([1 / 3, -1e30], np.float64),
        "single": np.array(7, np.float32),
        "long": np.array([2**62], np.int64),
        "byte": np.array([255], np.uint8),
        "bool": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float16),
    }
    save_file(tensors, directory / "model.safetensors")
    _, read, _ = read_checkpoint(directory)
    assert {name: tensor.dtype for name, tensor in read.items()} == {
        "half": np.float32,
        "double": np.float32,
        "single": np.float32,
        "long": np.int64,
        "byte": np.uint8,
        "bool": np.bool_,
        "empty": np.float32,
    }
    assert read["half"].tolist() == [[1, -2], [0.5, 65504]]
    assert read["double"].tolist() == [float(np.float32(1 / 3)), float(np.float32(-1e30))]
    assert read["single"].shape == () and read["single"] == 7
    assert read["long"].tolist() == [2**62]
    assert read["byte"].tolist() == [255]
    assert read["bool"].tolist() == [True, False]
    assert read["empty"].shape == (0, 3)


def test_bfloat16(directory):
    # The upper halves of the float32 of 1, -2, 3.140625, infinity and NaN.
    content = b"\x80\x3f\x00\xc0\x49\x40\x80\x7f\xc0\x7f"
    header = {"x": entry("BF16", [5, 1], 0, 10)}
    write_safetensors(directory / "model.safetensors", header, content)
    x = read_checkpoint(directory)[1]["x"]
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [[1], [-2], [3.140625], [np.inf], [np.nan]])


def test_bfloat16_written_by_safetensors(directory):
    values = np.array([0.1, -300.0], ml_dtypes.bfloat16)
    save_file({"x": values}, directory / "model.safetensors")
    assert read_checkpoint(directory)[1]["x"].tolist() == [0.10009765625, -300.0]


def test_double_beyond_float32_is_named(directory):
    save_file({"fine": np.ones(1), "huge": np.array([1e39])}, directory / "model.safetensors")
    with pytest.raises(TinyBertError, match=r"tensor 'huge' that are too large for float32"):
        read_checkpoint(directory)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_dtype_without_a_meaning_of_its_own_is_named(directory, dtype):
    header = {"x": entry(dtype, [2], 0, 2)}
    write_safetensors(directory / "model.safetensors", header, b"\0\0")
    with pytest.raises(TinyBertError, match=rf"tensor 'x' in dtype {dtype}.*float32"):
        read_checkpoint(directory)


# === Directories that cannot be used ===


def test_no_directory(tmp_path):
    path = tmp_path / "bert-base-uncased"
    with pytest.raises(TinyBertError, match=rf"no checkpoint directory {path}.*hf download"):
        read_checkpoint(path)


def test_file_instead_of_directory():
    path = CLASSIFIER / "model.safetensors"
    with pytest.raises(TinyBertError, match=rf"^{re.escape(str(path))} is a file.*directory"):
        read_checkpoint(path)


def test_no_config(tmp_path):
    with pytest.raises(TinyBertError, match=r"has no config\.json.*found nothing\."):
        read_checkpoint(tmp_path)
    (tmp_path / "flax_model.msgpack").touch()
    (tmp_path / "bert_model.ckpt.index").touch()
    with pytest.raises(TinyBertError, match=r"found bert_model\.ckpt\.index, flax_model\.msg"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"config\.json, line 1, column 1: not JSON"),
        (b'{\n  "hidden_size": 24,\n}', r"config\.json, line 3, column 1: not JSON"),
        (b"[1]", r"config\.json holds a JSON list, expected an object"),
        (b"null", r"config\.json holds a JSON NoneType, expected an object"),
        (b'{"a": "\xff"}', r"config\.json, line 1: byte 0xff is not UTF-8"),
        (b"[" * 10**5, r"config\.json cannot be read as JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", r"config\.json cannot be read as JSON"),
    ],
    ids=["empty", "comma", "list", "null", "not UTF-8", "deep", "long number"],
)
def test_bad_config(directory, content, match):
    (directory / "config.json").write_bytes(content)
    with pytest.raises(TinyBertError, match=match):
        read_checkpoint(directory)


def test_no_weights(directory):
    for i in range(10):
        (directory / f"shard{i}.h5").touch()
    message = r"expected model\.safetensors, .* or pytorch_model\.bin.*; found .* and 3 more"
    with pytest.raises(TinyBertError, match=message):
        read_checkpoint(directory)


# === Weight files that cannot be used ===


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!doctype html><html></html>", "Download or copy it again"),
    ],
)
def test_failed_downloads(directory, name, content, match):
    (directory / name).write_bytes(content)
    with pytest.raises(TinyBertError, match=rf"{re.escape(name)} is.*{match}"):
        read_checkpoint(directory)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_directory_instead_of_weights(directory, name):
    (directory / name).mkdir()
    with pytest.raises(TinyBertError, match=rf"Cannot read the weights .*{name}"):
        read_checkpoint(directory)


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (b"[]", b""),
        (b"\xff\xfe", b""),
        ({"x": entry("F32", [2], 0, 8)}, b"\0" * 7),
        ({"x": entry("F32", [3], 0, 8)}, b"\0" * 8),
        ({"x": entry("F32", [2], 0, 8), "y": entry("F32", [2], 4, 12)}, b"\0" * 12),
        ({"x": entry("F32", [0, 2**62, 4], 0, 0)}, b""),
        ({"x": entry("F32", [1] * 70, 0, 4)}, b"\0" * 4),
        ({"x": entry("Q4", [2], 0, 8)}, b"\0" * 8),
    ],
)
def test_damaged_safetensors(directory, header, content):
    write_safetensors(directory / "model.safetensors", header, content)
    with pytest.raises(TinyBertError, match=r"model\.safetensors is incomplete or damaged"):
        read_checkpoint(directory)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_truncated_anywhere(directory, name):
    content = (CLASSIFIER / name).read_bytes()
    path = directory / name
    cuts = np.linspace(0, len(content) - 1, 50).astype(int).tolist()
    for cut in [*cuts, 1, 7, 8, 9, 4000]:
        path.write_bytes(content[:cut])
        with pytest.raises(TinyBertError, match=re.escape(str(path))):
            read_checkpoint(directory)


def test_random_bytes_in_the_header(directory):
    content = (CLASSIFIER / "model.safetensors").read_bytes()
    header_end = 8 + struct.unpack("<Q", content[:8])[0]
    generator = np.random.default_rng(22)
    readable = 0
    for _ in range(300):
        damaged = bytearray(content)
        for position in generator.integers(0, header_end, generator.integers(1, 4)):
            damaged[position] = generator.integers(256)
        (directory / "model.safetensors").write_bytes(damaged)
        try:
            read_checkpoint(directory)
            readable += 1
        except TinyBertError:
            pass
    assert 0 < readable < 300


# === Indexes of shards that cannot be used ===


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_missing_shard(directory, weights):
    expected = load_file(CLASSIFIER / "model.safetensors")
    write_shards(directory, expected, weights)
    missing = sorted(directory.glob("*-00002-of-*"))[0]
    missing.unlink()
    with pytest.raises(TinyBertError, match=rf"3 shards, 1 of them missing.*{missing.name}"):
        read_checkpoint(directory)


def test_truncated_and_empty_shard(directory):
    write_shards(directory, load_file(CLASSIFIER / "model.safetensors"))
    shard = directory / "model-00002-of-00003.safetensors"
    os.truncate(shard, 5000)
    with pytest.raises(TinyBertError, match=r"model-00002-of-00003.*incomplete or damaged"):
        read_checkpoint(directory)
    os.truncate(shard, 0)
    with pytest.raises(TinyBertError, match=r"model-00002-of-00003.*is empty"):
        read_checkpoint(directory)


def test_tensor_missing_in_its_shard(directory):
    index = write_shards(directory, {"a": np.ones(1, "f4"), "b": np.ones(1, "f4")}, count=2)
    save_file({"a": np.ones(1, "f4")}, directory / "model-00002-of-00002.safetensors")
    with pytest.raises(TinyBertError, match=rf"model-00002.*no tensor 'b', which {index}"):
        read_checkpoint(directory)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "line 1, column 2: not JSON"),
        ("[]", "holds a JSON list"),
        ("{}", "no `weight_map`"),
        ('{"weight_map": {}}', "no `weight_map`"),
        ('{"weight_map": ["a"]}', "no `weight_map`"),
        ('{"weight_map": {"x": 3}}', "gives '3' as the file of 'x'"),
        ('{"weight_map": {"x": ""}}', "gives '' as the file of 'x'"),
        ('{"weight_map": {"x": "../other.bin"}}', r"gives '\.\./other\.bin' as the file"),
        ('{"weight_map": {"x": ".."}}', r"gives '\.\.' as the file"),
        ('{"weight_map": {"x": "/etc/hostname"}}', "gives '/etc/hostname' as the file"),
        (
            '{"weight_map": {"x": "\\ud800.bin"}}',
            r"1 of them missing, the first '\\ud800\.bin'",
        ),
        ('{"weight_map": {"x": "' + "n" * 300 + '.bin"}}', "1 of them missing"),
    ],
)
def test_bad_index(directory, content, match):
    index = directory / "model.safetensors.index.json"
    index.write_text(content, encoding="utf-8")
    with pytest.raises(TinyBertError, match=rf"{re.escape(str(index))}.*{match}"):
        read_checkpoint(directory)
