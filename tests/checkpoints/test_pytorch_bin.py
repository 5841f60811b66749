import collections
import os
import pathlib
import pickle
import re
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file

from tinybert_tf.checkpoints._pytorch_bin import read_pytorch_bin
from tinybert_tf.errors import TinyBertError

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
GOLDEN_BIN = GOLDEN / "hf_bert_classifier" / "pytorch_model.bin"

# === An assembler for the pickles that torch.save writes ===

ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def encode(value):
    """The instructions that push a plain value, without the header and the stop."""
    return pickle.dumps(value, protocol=2)[2:-1]


def function(name):
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def storage(kind="Float", key="0", length=6, view=b""):
    items = function(f"torch.{kind}Storage") + encode(key) + encode("cpu") + encode(length)
    return b"(" + encode("storage") + items + view + b"tQ"


def legacy_storage(*arguments, **options):
    """Before PyTorch 1.6, followed by a None: the storage is no view of another one."""
    return storage(*arguments, **options, view=b"N")


def tensor(source, offset, size, stride, rest=b"\x89" + ORDERED_DICT):
    view = encode(offset) + encode(size) + encode(stride)
    return function("torch._utils._rebuild_tensor_v2") + b"(" + source + view + rest + b"tR"


def dictionary(start=b"}", **entries):
    items = b"".join(encode(name) + value for name, value in entries.items())
    return start + b"(" + items + b"u"


def write_bin(path, content, storages, **options):
    return write_program(path, b"\x80\x02" + content + b".", storages, **options)


def write_program(
    path, program, storages, root="archive/", extra=(), compression=zipfile.ZIP_STORED
):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{root}data.pkl", program)
        for name, content in extra:
            archive.writestr(root + name, content)
        for key, array in storages.items():
            archive.writestr(f"{root}data/{key}", np.asarray(array).tobytes())
    return path


def read_one(tmp_path, content, storages):
    path = write_bin(tmp_path / "model.bin", dictionary(x=content), storages)
    return read_pytorch_bin(path)["x"]


MAGIC = 0x1950A86A20F9469CFC6C
LITTLE_ENDIAN_HOST = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 8},
}


def legacy(
    content,
    storages,
    *,
    magic=MAGIC,
    version=1001,
    host=LITTLE_ENDIAN_HOST,
    keys=None,
    counts=None,
    rest=b"",
):
    """The bytes of a file in the format before PyTorch 1.6."""
    header = b"".join(pickle.dumps(value, protocol=2) for value in (magic, version, host))
    keys = pickle.dumps(list(storages) if keys is None else keys, protocol=2)
    counts = {key: len(array) for key, array in storages.items()} | (counts or {})
    raw = (
        counts[key].to_bytes(8, "little", signed=True) + array.tobytes()
        for key, array in storages.items()
    )
    return header + b"\x80\x02" + content + b"." + keys + b"".join(raw) + rest


def write_legacy(path, *arguments, **options):
    path.write_bytes(legacy(*arguments, **options))
    return path


SIX = np.array([0, 1, 2, 3, 4, 5], "<f4")


# === Files that PyTorch wrote ===


@pytest.mark.parametrize("name", ["hf_bert_classifier", "hf_tinybert_layer_fit_denses"])
def test_equals_the_safetensors_of_the_same_model(name):
    expected = load_file(GOLDEN / name / "model.safetensors")
    tensors = read_pytorch_bin(GOLDEN / name / "pytorch_model.bin")
    assert tensors.keys() == expected.keys()
    for key, tensor in tensors.items():
        assert tensor.dtype == expected[key].dtype == np.float32
        assert tensor.shape == expected[key].shape
        assert tensor.tobytes() == expected[key].tobytes()
        assert tensor.flags.c_contiguous and tensor.flags.owndata and tensor.flags.writeable


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


# === Hostile files ===


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


def hostile_values(marker):
    touch = f"touch {marker}"
    yield "system", Call(os.system, touch)
    yield "eval", Call(eval, f"open({str(marker)!r}, 'w')")
    yield "getattr", Call(getattr, "text", "upper")
    yield "open", Call(open, str(marker), "w")


@pytest.mark.parametrize("place", ["whole", "entry", "tensor argument", "hooks", "metadata"])
def test_calls_are_refused_and_not_made(tmp_path, place):
    marker = tmp_path / "marker"
    for name, value in hostile_values(marker):
        call = encode(value)
        view = tensor(storage(), 0, (6,), (1,))
        programs = {
            "whole": call,
            "entry": dictionary(x=view, y=call),
            "tensor argument": dictionary(x=tensor(call, 0, (6,), (1,))),
            "hooks": dictionary(x=tensor(storage(), 0, (6,), (1,), b"\x89" + call)),
            "metadata": dictionary(ORDERED_DICT, x=view) + dictionary(_metadata=call) + b"b",
        }
        path = write_bin(tmp_path / "model.bin", programs[place], {"0": SIX})
        with pytest.raises(TinyBertError, match=rf"refused.*\.{name}'.*safetensors") as caught:
            read_pytorch_bin(path)
        assert str(path) in str(caught.value)
        assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x05touchC\x01\x85R.",
        b"(S'touch marker'\niposix\nsystem\n.",
        b"(cposix\nsystem\nS'touch marker'\no.",
        b"\x80\x02cbuiltins\nobject\n)\x81.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02\x82\x01.",
    ],
    ids=["STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "attribute", "torch.load", "EXT1"],
)
def test_other_ways_to_call_are_refused(tmp_path, program):
    path = write_program(tmp_path / "model.bin", program, {})
    with pytest.raises(TinyBertError, match=r"refused.*safetensors"):
        read_pytorch_bin(path)


VIEW = tensor(storage(), 0, (6,), (1,))
FUNCTION = function("torch._utils._rebuild_tensor_v2")


@pytest.mark.parametrize(
    "value",
    [
        VIEW + encode({"size": (99,)}) + b"b",
        FUNCTION + encode((None, {"__defaults__": (1,)})) + b"b",
        FUNCTION + encode({"attribute": 1}) + b"b",
        storage() + encode({"length": 99}) + b"b",
        function("collections.OrderedDict") + encode({"fromkeys": 1}) + b"b",
        encode({}) + encode({"x": 1}) + b"b",
    ],
    ids=["tensor", "defaults", "function", "storage", "class", "dict"],
)
def test_attributes_are_only_set_on_an_ordered_dict(tmp_path, value):
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW, y=value), {"0": SIX})
    with pytest.raises(TinyBertError, match="refused: its pickle sets attributes"):
        read_pytorch_bin(path)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (function("collections.OrderedDict") + encode(([("a", 1)],)) + b"R", "unknown way"),
        (function("collections.OrderedDict") + encode(7) + b"R", "no function"),
        (function("torch.FloatStorage") + b")R", "no function"),
        (encode("text") + b")R", "no function"),
        (FUNCTION + b")R", "unknown way"),
        (function("torch._utils._rebuild_parameter") + encode((1, 2, 3)) + b"R", "unknown way"),
        (encode(("storage", "FloatStorage", "0", "cpu", 6)) + b"Q", "unknown way"),
        (encode("storage") + b"Q", "unknown way"),
        (storage(length=-1), "unknown way"),
        (storage(length=True), "unknown way"),
        (storage(length=2**70), "unknown way"),
        (tensor(encode("0"), 0, (6,), (1,)), "unknown way"),
        (tensor(storage(), 0, [6], (1,)), "impossible shape"),
        (tensor(storage(), 0, (6.0,), (1,)), "impossible shape"),
        (tensor(storage(), 0, (-6,), (1,)), "impossible shape"),
        (tensor(storage(), 5, (6,), (-1,)), "impossible shape"),
        (tensor(storage(), -1, (6,), (1,)), "unknown way"),
        (tensor(storage(), 0, (2**64,), (1,)), "impossible shape"),
        (tensor(storage(), 0, (6,), (1, 1)), "1 dimensions and 2 strides"),
        (tensor(storage(), 0, (1,) * 40, (1,) * 40), "40 dimensions"),
        (
            tensor(storage(), 0, (6,), (1,), b"\x89" + ORDERED_DICT + encode({"neg": True})),
            "pending operation",
        ),
        (encode({}) + encode((1, 2)) + b"\x85K\x01s", "unusual keys"),
        (encode([]) + encode("k") + encode("v") + b"s", "fills something"),
        (encode({}) + encode("v") + b"a", "fills something"),
        (encode({}) + b"(" + encode("k") + b"u", "unusual keys"),
    ],
)
def test_junk_is_named(tmp_path, value, match):
    path = write_bin(tmp_path / "model.bin", dictionary(x=VIEW, y=value), {"0": SIX})
    with pytest.raises(TinyBertError, match=match):
        read_pytorch_bin(path)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (6, (), ()),
        (0, (2, 3), (4, 1)),
        (0, (2,), (2**62,)),
        (2**62, (1,), (1,)),
    ],
)
def test_views_outside_their_storage(tmp_path, offset, size, stride):
    # The storage has room behind it in the file: 6 elements declared, 8 present.
    view = tensor(storage(), offset, size, stride)
    with pytest.raises(TinyBertError, match=r"tensor 'x'.*does not fit its storage of 6"):
        read_one(tmp_path, view, {"0": np.zeros(8, "<f4")})


@pytest.mark.parametrize(
    ("size", "stride"),
    [
        ((2**31,), (0,)),
        ((2**20, 2**20, 2**20), (0, 0, 0)),
        ((0, 2**62, 2**62), (1, 1, 1)),
    ],
)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path, size, stride):
    with pytest.raises(TinyBertError, match="more than 16 times its own size"):
        read_one(tmp_path, tensor(storage(), 0, size, stride), {"0": SIX})


def test_many_names_for_one_large_view_count_each(tmp_path):
    view = tensor(storage(), 0, (2**20,), (0,)) + b"q\xff"
    names = b"".join(encode(f"x{i}") + b"h\xff" for i in range(100))
    content = b"}(" + encode("x") + view + names + b"u"
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    with pytest.raises(TinyBertError, match=r"more than 16 times its own size, up to 'x15'"):
        read_pytorch_bin(path)


def test_memo_index_allocates_nothing(tmp_path):
    content = dictionary(x=VIEW, y=encode(1) + b"r\xf0\xff\xff\xff")
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    assert list(read_pytorch_bin(path)) == ["x"]


def test_deep_nesting_and_self_reference(tmp_path):
    nested = (
        b"\x80\x02}X\x01\x00\x00\x00x" + VIEW + b"sX\x01\x00\x00\x00y)" + b"\x85" * 2 * 10**5
    )
    path = write_program(tmp_path / "model.bin", nested + b"s.", {"0": SIX})
    assert list(read_pytorch_bin(path)) == ["x"]
    content = b"}q\xfe" + b"(" + encode("x") + VIEW + encode("model") + b"h\xfeu"
    path = write_bin(tmp_path / "model.bin", content, {"0": SIX})
    assert list(read_pytorch_bin(path)) == ["x"]


def test_unprintable_names_stay_printable_in_the_message(tmp_path):
    key = "\ud800\x1b[2J" + "k" * 500
    content = dictionary(x=tensor(storage(key=key), 0, (6,), (1,)))
    with pytest.raises(TinyBertError) as caught:
        read_pytorch_bin(write_bin(tmp_path / "model.bin", content, {}))
    message = str(caught.value)
    assert message.isprintable() and message.isascii()
    assert len(message) < 250 + len(str(tmp_path))


# === Damaged and foreign files ===


def is_readable(path):
    try:
        read_pytorch_bin(path)
    except TinyBertError:
        return False
    return True


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


def flip(content, generator, start=0):
    content = bytearray(content)
    for position in generator.integers(start, len(content), generator.integers(1, 4)):
        content[position] = generator.integers(256)
    return bytes(content)


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


# === The format before PyTorch 1.6 ===


def test_legacy_file_byte_by_byte(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(
        # The number of the format and its version, 1001.
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
        b"\x80\x02M\xe9\x03."
        b"\x80\x02}q\0(X\x10\0\0\0protocol_versionq\x01M\xe9\x03"
        b"X\x0d\0\0\0little_endianq\x02\x88X\x0a\0\0\0type_sizesq\x03}q\x04"
        b"(X\x05\0\0\0shortq\x05K\x02X\x03\0\0\0intq\x06K\x04X\x04\0\0\0longq\x07K\x04uu."
        # An OrderedDict of one tensor "w" with offset 1, shape (2, 1), stride (2, 1).
        b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01X\x01\0\0\0wq\x02"
        b"ctorch._utils\n_rebuild_tensor_v2\nq\x03"
        b"((X\x07\0\0\0storageq\x04ctorch\nFloatStorage\nq\x05X\x02\0\0\x0077q\x06"
        b"X\x03\0\0\0cpuq\x07K\x04Ntq\x08Q"
        b"K\x01K\x02K\x01\x86q\x09K\x02K\x01\x86q\x0a\x89h\0)Rq\x0btq\x0cRq\x0ds"
        b"}q\x0eX\x09\0\0\0_metadataq\x0fh\0)Rq\x10sb."
        # The keys of the storages, then 4 elements: 7, 1.5, 7, -2.
        b"\x80\x02]q\0X\x02\0\0\x0077q\x01a."
        b"\x04\0\0\0\0\0\0\0"
        b"\0\0\xe0\x40\0\0\xc0\x3f\0\0\xe0\x40\0\0\0\xc0"
    )
    tensors = read_pytorch_bin(path)
    assert list(tensors) == ["w"]
    assert tensors["w"].dtype == np.float32
    assert tensors["w"].tolist() == [[1.5], [-2]]
    assert tensors["w"].flags.owndata and tensors["w"].flags.writeable


def legacy_example():
    """Storages of several widths, two of them shared, one empty, one outside the dict."""
    parameter = function("torch._utils._rebuild_parameter") + b"("
    transposed = tensor(legacy_storage(key="33"), 0, (3, 2), (1, 3))
    state_dict = dictionary(
        ORDERED_DICT,
        transposed=parameter + transposed + b"\x88" + ORDERED_DICT + b"tR",
        tail=tensor(legacy_storage(key="33"), 4, (2,), (1,)),
        half=tensor(legacy_storage("Half", "2", 3), 0, (3,), (1,)),
        wide=tensor(legacy_storage("BFloat16", "10", 2), 0, (2,), (1,)),
        empty=tensor(legacy_storage("Double", "4", 0), 0, (0, 3), (3, 1)),
        count=tensor(legacy_storage("Long", "5", 1), 0, (), ()),
        flags=tensor(legacy_storage("Bool", "6", 3), 0, (3,), (1,)),
    )
    attributes = dictionary(_metadata=encode({"": {"version": 1}})) + b"b"
    optimizer = dictionary(step=tensor(legacy_storage("Int", "99", 2), 0, (2,), (1,)))
    content = dictionary(optimizer=optimizer, state_dict=state_dict + attributes)
    storages = {
        "10": np.array([0x3F80, 0x4049], "<u2"),
        "2": np.array([1, -2, 0.5], "<f2"),
        "33": SIX,
        "4": np.array([], "<f8"),
        "5": np.array([-(2**40)], "<i8"),
        "6": np.array([1, 0, 255], "u1"),
        "99": np.array([8, 9], "<i4"),
    }
    return legacy(content, storages)


def test_legacy_storages_and_views(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(legacy_example())
    tensors = read_pytorch_bin(path)
    expected = {
        "transposed": np.array([[0, 3], [1, 4], [2, 5]], np.float32),
        "tail": np.array([4, 5], np.float32),
        "half": np.array([1, -2, 0.5], np.float16),
        "wide": np.array([1, 3.140625], np.float32),
        "empty": np.zeros((0, 3), np.float64),
        "count": np.array(-(2**40), np.int64),
        "flags": np.array([True, False, True]),
    }
    assert list(tensors) == list(expected)
    for name, tensor_ in tensors.items():
        assert tensor_.dtype == expected[name].dtype
        assert tensor_.shape == expected[name].shape
        assert tensor_.tobytes() == expected[name].tobytes()
        assert tensor_.flags.c_contiguous and tensor_.flags.owndata
    tensors["transposed"][:] = -1
    assert tensors["tail"].tolist() == [4, 5]


def test_legacy_pickle_protocol_4(tmp_path):
    content = legacy_example().removeprefix(pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2))
    path = tmp_path / "model.bin"
    path.write_bytes(pickle.dumps(MAGIC, 4) + pickle.dumps(1001, 4) + content)
    assert read_pytorch_bin(path)["tail"].tolist() == [4, 5]


LEGACY_VIEW = tensor(legacy_storage(), 0, (6,), (1,))


@pytest.mark.parametrize(
    "place", ["magic", "version", "host", "content", "entry", "keys", "only pickle"]
)
def test_calls_in_legacy_files_are_refused_and_not_made(tmp_path, place):
    marker = tmp_path / "marker"
    for name, value in hostile_values(marker):
        call = encode(value)
        content = {
            "content": call,
            "entry": dictionary(x=LEGACY_VIEW, y=call),
        }.get(place, dictionary(x=LEGACY_VIEW))
        options = {place: value} if place in ("magic", "version", "host", "keys") else {}
        path = write_legacy(tmp_path / "model.bin", content, {"0": SIX}, **options)
        if place == "only pickle":
            path.write_bytes(pickle.dumps(value, 4))
        with pytest.raises(TinyBertError, match=rf"refused.*\.{name}'.*safetensors") as caught:
            read_pytorch_bin(path)
        assert str(path) in str(caught.value)
        assert not marker.exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"magic": MAGIC + 1}, "is a pickle, but not of"),
        ({"magic": 2 ** (8 * 10**5)}, "is a pickle, but not of"),
        ({"version": 1002}, "not of version 1001"),
        ({"version": 2 ** (8 * 10**5)}, "not of version 1001"),
        ({"host": LITTLE_ENDIAN_HOST | {"little_endian": False}}, "little-endian host"),
        ({"host": {}}, "little-endian host"),
        ({"host": [True]}, "little-endian host"),
        ({"keys": []}, "does not list the storages"),
        ({"keys": ["1"]}, "does not list the storages"),
        ({"keys": ["0", "0"]}, "does not list the storages"),
        ({"keys": ["0", "1"]}, "does not list the storages"),
        ({"keys": [0]}, "does not list the storages"),
        ({"keys": [[]]}, "does not list the storages"),
        ({"keys": {"0": 0}}, "does not list the storages"),
        ({"counts": {"0": 5}}, r"storage '0' has 5 elements, expected 6"),
        ({"counts": {"0": -1}}, r"storage '0' has -1 elements, expected 6"),
        ({"rest": b"\0"}, "1 bytes follow its last storage"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "-".join(value),
)
def test_legacy_parts_that_do_not_fit(tmp_path, options, match):
    content = dictionary(x=LEGACY_VIEW)
    path = write_legacy(tmp_path / "model.bin", content, {"0": SIX}, **options)
    with pytest.raises(TinyBertError, match=match) as caught:
        read_pytorch_bin(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (storage(view=encode(("1", 0, 6))), "storage that is a part of another one"),
        (storage(view=b"NN"), "part of another one"),
        (legacy_storage(length=7), r"storage '0' ends at \d+"),
        (legacy_storage(length=2**62), r"storage '0' ends at \d+"),
        (legacy_storage(length=5), r"has 6 elements, expected 5"),
        (legacy_storage("Double"), r"storage '0' ends at \d+"),
        (legacy_storage("Half"), r"12 bytes follow"),
        (legacy_storage(key="1"), "does not list the storages"),
        (legacy_storage("ComplexFloat"), "refused"),
    ],
)
def test_legacy_storages_that_do_not_fit(tmp_path, source, match):
    content = dictionary(x=tensor(source, 0, (5,), (1,)))
    path = write_legacy(tmp_path / "model.bin", content, {"0": SIX})
    with pytest.raises(TinyBertError, match=match):
        read_pytorch_bin(path)


def test_legacy_storage_of_two_sizes(tmp_path):
    for other in (legacy_storage(length=5), legacy_storage("Double"), legacy_storage("Half")):
        content = dictionary(x=LEGACY_VIEW, y=tensor(other, 0, (1,), (1,)))
        path = write_legacy(tmp_path / "model.bin", content, {"0": SIX})
        with pytest.raises(TinyBertError, match="storage '0' two different sizes"):
            read_pytorch_bin(path)


def test_a_small_legacy_file_cannot_ask_for_much_memory(tmp_path):
    content = dictionary(x=tensor(legacy_storage(), 0, (2**31,), (0,)))
    path = write_legacy(tmp_path / "model.bin", content, {"0": SIX})
    with pytest.raises(TinyBertError, match="more than 16 times its own size"):
        read_pytorch_bin(path)


def test_long_pickle_in_a_legacy_file_is_refused(tmp_path):
    # The bytes that are looked at end in a string, and between two instructions.
    for content in (encode("x" * 2**22), encode("x" * (2**22 - 500)) + b"N" * 1000):
        path = write_legacy(tmp_path / "model.bin", content, {"0": SIX})
        with pytest.raises(TinyBertError, match="more than 4194304 bytes"):
            read_pytorch_bin(path)


def test_legacy_file_truncated_anywhere(tmp_path):
    content = legacy_example()
    path = tmp_path / "model.bin"
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        with pytest.raises(TinyBertError, match=re.escape(str(path))):
            read_pytorch_bin(path)


# pickletools warns of a backslash in a string, an instruction that is then refused.
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_random_bytes_in_a_legacy_file(tmp_path):
    content = legacy_example()
    generator = np.random.default_rng(22)
    path = tmp_path / "model.bin"
    readable = 0
    for _ in range(2000):
        path.write_bytes(flip(content, generator))
        readable += is_readable(path)
    assert 0 < readable < 1000
