"""Files of `torch.save` of today: what is read, and the damaged ones that are named."""

import collections
import pathlib
import pickle
import re
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.checkpoints.torch_pickles import (
    ORDERED_DICT,
    SIX,
    VIEW,
    dictionary,
    encode,
    flip,
    function,
    is_readable,
    read_one,
    storage,
    tensor,
    write_bin,
    write_program,
)
from tinybert_tf.checkpoints._pytorch_bin import read_pytorch_bin
from tinybert_tf.errors import TinyBertError

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
GOLDEN_BIN = GOLDEN / "hf_bert_classifier" / "pytorch_model.bin"

# === Files that PyTorch wrote ===


@pytest.mark.parametrize("name", ["hf_bert_classifier", "hf_tinybert_layer_fit_denses"])
def test_equals_the_safetensors_of_the_same_model(name):
    expected = load_file(GOLDEN / name / "model.safetensors")
    tensors = read_pytorch_bin(GOLDEN / name / "pytorch_model.bin")
    assert tensors.keys() == expected.keys()
    for key, array in tensors.items():
        assert array.dtype == expected[key].dtype == np.float32
        assert array.shape == expected[key].shape
        assert array.tobytes() == expected[key].tobytes()
        assert array.flags.c_contiguous and array.flags.owndata and array.flags.writeable


# === Views of storages ===


@pytest.mark.parametrize(
    ("offset", "size", "stride", "expected"),
    [
        (0, (2, 3), (3, 1), [[0, 1, 2], [3, 4, 5]]),
        (0, (3, 2), (1, 3), [[0, 3], [1, 4], [2, 5]]),
        (1, (2, 2), (3, 1), [[1, 2], [4, 5]]),
        (1, (3,), (2,), [1, 3, 5]),
        (4, (3, 2), (0, 1), [[4, 5], [4, 5], [4, 5]]),
        (5, (), (), 5),
        (5, (1, 1), (2**62, 7), [[5]]),
        (0, (2, 0, 3), (0, 3, 1), [[], []]),
        (99, (0,), (1,), []),
    ],
    ids=str,
)
def test_strided_views(tmp_path, offset, size, stride, expected):
    array = read_one(tmp_path, tensor(storage(), offset, size, stride), {"0": SIX})
    assert array.shape == size
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, np.reshape(expected, size))


@pytest.mark.parametrize(
    ("kind", "content", "dtype", "expected"),
    [
        # 1.0, -2.0, 3.140625, infinity: the upper half of the float32.
        (
            "BFloat16",
            b"\x80\x3f\0\xc0\x49\x40\x80\x7f",
            np.float32,
            [1, -2, 3.140625, np.inf],
        ),
        ("Half", b"\x00\x3c\x00\xc0\x00\x38\xff\x7b", np.float16, [1, -2, 0.5, 65504]),
        ("Double", np.array([1, 2, 3, 1e300], "<f8").tobytes(), np.float64, [1, 2, 3, 1e300]),
        ("Long", np.array([1, 2, 3, -(2**62)], "<i8").tobytes(), np.int64, [1, 2, 3, -(2**62)]),
        ("Int", np.array([1, 2, 3, -4], "<i4").tobytes(), np.int32, [1, 2, 3, -4]),
        ("Short", b"\x01\x00\x02\x00\x03\x00\xfc\xff", np.int16, [1, 2, 3, -4]),
        ("Char", b"\x01\x02\x03\xfc", np.int8, [1, 2, 3, -4]),
        ("Byte", b"\x01\x02\x03\xfc", np.uint8, [1, 2, 3, 252]),
        ("Bool", b"\x01\x00\x02\xff", np.bool_, [True, False, True, True]),
    ],
)
def test_dtypes(tmp_path, kind, content, dtype, expected):
    view = tensor(storage(kind, length=4), 0, (2, 2), (1, 2))
    array = read_one(tmp_path, view, {"0": np.frombuffer(content, "u1")})
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    # Byte for byte: a bool of another byte than 0 and 1 would compare equal to True.
    assert array.tobytes() == np.array(expected, dtype).reshape(2, 2).T.tobytes()


def test_scalar_of_a_widened_dtype_is_an_array(tmp_path):
    view = tensor(storage("BFloat16", length=1), 0, (), ())
    array = read_one(tmp_path, view, {"0": np.array([0x3F80], "<u2")})
    assert isinstance(array, np.ndarray) and array.shape == () and array == 1


def test_shared_storage_gives_separate_arrays_in_file_order(tmp_path):
    content = dictionary(
        whole=tensor(storage(), 0, (6,), (1,)),
        other=tensor(storage(key="1", length=1), 0, (1,), (1,)),
        tail=tensor(storage(), 4, (2,), (1,)),
    )
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX, "1": SIX[3:4]})
    tensors = read_pytorch_bin(path)
    assert list(tensors) == ["whole", "other", "tail"]
    tensors["whole"][:] = -1
    assert tensors["tail"].tolist() == [4, 5]
    assert tensors["other"].tolist() == [3]


# === Layouts of the content ===


def test_parameter_and_ignored_attributes(tmp_path):
    view = tensor(storage(), 0, (6,), (1,))
    parameter = function("torch._utils._rebuild_parameter") + b"(" + view + b"\x88"
    state_dict = dictionary(ORDERED_DICT, x=parameter + ORDERED_DICT + b"tR")
    metadata = collections.OrderedDict({"": {"version": 1}, "linear": {"version": 1}})
    content = state_dict + encode({"_metadata": metadata}) + b"b"
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    assert read_pytorch_bin(path)["x"].tolist() == SIX.tolist()


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_wrapped_state_dict(tmp_path, wrapper):
    view = tensor(storage(), 0, (6,), (1,))
    state_dict = dictionary(ORDERED_DICT, x=view, extra_state=encode([1, 2.5, "text", None]))
    content = dictionary(**{"epoch": encode(3), "ema": view, wrapper: state_dict})
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    tensors = read_pytorch_bin(path)
    assert list(tensors) == ["x"]


def test_pickle_protocol_4(tmp_path):
    short = b"\x8c\x05torch\x94\x8c\x0cFloatStorage\x93\x94"
    rebuild = b"\x8c\x0ctorch._utils\x8c\x12_rebuild_tensor_v2\x93"
    source = b"(" + b"\x8c\x07storage" + short + b"\x8c\x010\x8c\x03cpuK\x06tQ"
    view = b"K\x00K\x06\x85K\x01\x85\x89\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R"
    body = b"}\x94\x8c\x01x" + rebuild + b"(" + source + view + b"tRs."
    program = b"\x80\x04\x95" + len(body).to_bytes(8, "little") + body
    path = write_program(tmp_path / "model.bin", program, {"0": SIX})
    assert read_pytorch_bin(path)["x"].tolist() == SIX.tolist()


@pytest.mark.parametrize("root", ["", "archive/", "pytorch model.bin/"])
def test_root_folder_and_byte_order(tmp_path, root):
    content = dictionary(x=tensor(storage(), 0, (6,), (1,)))
    options = {"root": root, "extra": [("byteorder", b"little"), ("version", b"3\n")]}
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX}, **options)
    assert read_pytorch_bin(path)["x"].tolist() == SIX.tolist()


# === Damaged and foreign files ===


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(TinyBertError, match=r"nothing\.bin: No such file"):
        read_pytorch_bin(tmp_path / "nothing.bin")
    with pytest.raises(TinyBertError, match="Is a directory"):
        read_pytorch_bin(tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"P", "is incomplete"),
        (b"PK\x03\x04 and nothing more", "incomplete or damaged"),
        (b"<!doctype html>", r"is not a file of `torch\.save`"),
        (pickle.dumps({"x": 1}, 2), "is a pickle, but not of `torch.save`"),
        (pickle.dumps({"x": 1}, 4), "is a pickle, but not of `torch.save`"),
        (b"\x80", "damaged pickle"),
    ],
)
def test_other_formats(tmp_path, content, match):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(TinyBertError, match=rf"^{re.escape(str(path))} .*{match}"):
        read_pytorch_bin(path)


@pytest.mark.parametrize(
    ("content", "storages", "options", "match"),
    [
        (dictionary(x=VIEW), {}, {}, r"lacks the entry 'data/0'"),
        (dictionary(x=VIEW), {"0": SIX[:5]}, {}, r"has 20 bytes for tensor 'x', expected 24"),
        (dictionary(x=VIEW), {"0": SIX}, {"extra": [("byteorder", b"big")]}, "order 'big'"),
        (dictionary(x=VIEW), {"0": SIX}, {"compression": zipfile.ZIP_DEFLATED}, "compressed"),
        (dictionary(x=VIEW), {"0": SIX}, {"root": "a/b/"}, r"one entry data\.pkl, found 0"),
        (VIEW, {"0": SIX}, {}, "holds no state dict"),
        (dictionary(epoch=encode(3), net=dictionary(x=VIEW)), {"0": SIX}, {}, "'epoch', 'net'"),
        (encode({}), {}, {}, "no names"),
        (encode(1) + b"0", {}, {}, "instruction POP, which a state dict does not need"),
        (b"h\x05", {}, {}, "damaged pickle"),
        (b"u", {}, {}, "damaged pickle"),
        (b"K\x01K\x02\x93", {}, {}, "damaged pickle"),
    ],
)
def test_archives_that_do_not_fit(tmp_path, content, storages, options, match):
    path = write_bin(tmp_path / "model.bin", content, storages, **options)
    with pytest.raises(TinyBertError, match=match) as caught:
        read_pytorch_bin(path)
    assert str(path) in str(caught.value)


def test_overlapping_zip_entries_are_refused(tmp_path):
    # One run of bytes under a hundred names would be read a hundred times.
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW), {"0": np.zeros(10**5)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist.extend([archive.getinfo("archive/data/0")] * 100)
        archive._didModify = True
    with pytest.raises(TinyBertError, match="compressed or overlapping"):
        read_pytorch_bin(path)


@pytest.mark.parametrize("offset", [1, 10**6, 2**32, 2**63 - 1, 2**63])
def test_zip_entry_elsewhere(tmp_path, offset):
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW), {"0": SIX})
    with zipfile.ZipFile(path, "a") as archive:
        archive.getinfo("archive/data/0").header_offset = offset
        archive._didModify = True
    with pytest.raises(TinyBertError, match=r"model\.bin is incomplete or damaged \(."):
        read_pytorch_bin(path)


def test_damaged_fields_of_the_zip_directory(tmp_path):
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW), {"0": SIX})
    content = path.read_bytes()
    readable = 0
    for position in range(content.index(b"PK\x01\x02"), len(content)):
        for field in (b"\0\0", b"\xff\xff", b"\0\0\0\x80", b"\xff" * 4, b"\0" * 8):
            end = position + len(field)
            path.write_bytes(content[:position] + field + content[end:])
            readable += is_readable(path)
    assert readable > 0


def test_long_pickle_is_refused(tmp_path):
    path = write_bin(tmp_path / "model.bin", b"}" * (2**22 + 1), {})
    with pytest.raises(TinyBertError, match="at most 4194304 were expected"):
        read_pytorch_bin(path)


def test_truncated_anywhere(tmp_path):
    content = GOLDEN_BIN.read_bytes()
    path = tmp_path / "model.bin"
    cuts = np.linspace(0, len(content) - 1, 50).astype(int).tolist()
    for cut in [*cuts, 1, 3, 4, 30, len(content) - 22]:
        path.write_bytes(content[:cut])
        with pytest.raises(TinyBertError, match=re.escape(str(path))):
            read_pytorch_bin(path)


# The table of contents of a zip file is at its end.
@pytest.mark.parametrize("tail", [None, 6000])
def test_random_bytes_in_the_archive(tmp_path, tail):
    content = GOLDEN_BIN.read_bytes()
    generator = np.random.default_rng(20)
    path = tmp_path / "model.bin"
    readable = 0
    for _ in range(300):
        path.write_bytes(flip(content, generator, len(content) - tail if tail else 0))
        readable += is_readable(path)
    assert readable < 300


# pickletools warns of a backslash in a string, an instruction that is then refused.
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_random_bytes_in_the_pickle(tmp_path):
    # Zipped anew, with the checksum of the damaged pickle, so that it is read.
    with zipfile.ZipFile(GOLDEN_BIN) as archive:
        program = archive.read("pytorch_model/data.pkl")
        keys = [info.filename.split("/")[-1] for info in archive.infolist()]
        storages = {
            key: np.frombuffer(archive.read(f"pytorch_model/data/{key}"), "u1")
            for key in keys
            if key.isdigit()
        }
    generator = np.random.default_rng(21)
    readable = 0
    for _ in range(300):
        path = write_program(tmp_path / "model.bin", flip(program, generator), storages)
        readable += is_readable(path)
    assert 0 < readable < 300
