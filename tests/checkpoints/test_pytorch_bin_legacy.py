"""The format of `torch.save` before PyTorch 1.6."""

import pickle
import re

import numpy as np
import pytest

from tests.checkpoints.torch_pickles import (
    LITTLE_ENDIAN_HOST,
    MAGIC,
    ORDERED_DICT,
    SIX,
    dictionary,
    encode,
    flip,
    function,
    hostile_values,
    is_readable,
    legacy,
    legacy_storage,
    storage,
    tensor,
    write_legacy,
)
from tinybert_tf.checkpoints._pytorch_bin import read_pytorch_bin
from tinybert_tf.errors import TinyBertError


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
