"""Damaged and hostile files: no error but ours, no memory for what they declare, nothing run.

Each format is mutated from a seed: values of JSON of other types and sizes, names, shapes and
dtypes of tensors, bytes. `-m slow` runs 10,000 mutations of each.
"""

import io
import json
import shutil
import struct
import zipfile

import keras_nlp
import numpy as np
import pytest
from safetensors.numpy import save_file
from tensorflow.core.protobuf import tensor_bundle_pb2

from tinybert_tf.checkpoints import (
    hugging_face,
    load_text_classifier,
    text_classifier_from_keras_hub,
)
from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    load_classifier,
    load_plain_encoder,
)
from tinybert_tf.checkpoints.presets import save_preset
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, load_tokenizer_files

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "##s"]
CONFIG = {
    "model_type": "bert",
    # Two more are added.
    "vocab_size": len(WORDS) + 2,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 4,
    "intermediate_size": 6,
    "max_position_embeddings": 8,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
    "classifier_dropout": 0.1,
    "position_embedding_type": "absolute",
    "id2label": {"0": "negative", "1": "positive"},
}
ADDED = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
TOKENIZER = {
    "version": "1.0",
    "added_tokens": [
        {"id": 0, "content": "[PAD]", **ADDED, "special": True},
        {"id": 8, "content": "covid", **ADDED, "special": False},
    ],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {word: i for i, word in enumerate(WORDS)},
    },
}
TOKENIZER_FILES = {
    "tokenizer_config.json": {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "unk_token": {"content": "[UNK]", **ADDED},
        "added_tokens_decoder": {"8": {"content": "covid", **ADDED, "special": False}},
    },
    "special_tokens_map.json": {"unk_token": "[UNK]", "pad_token": {"content": "[PAD]"}},
    "added_tokens.json": {"flu": 9},
}
# === Files ===


def tiny_tensors():
    """The weights of a classifier of one block, by Hugging Face's names."""
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    layer = "bert.encoder.layer.0"
    matrices = {
        f"{layer}.attention.self.{x}": (width, width) for x in ("query", "key", "value")
    }
    matrices |= {
        f"{layer}.attention.output.dense": (width, width),
        f"{layer}.intermediate.dense": (inner, width),
        f"{layer}.output.dense": (width, inner),
        "bert.pooler.dense": (width, width),
        "classifier": (2, width),
    }
    shapes = {}
    for name, shape in matrices.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in ("bert.embeddings", f"{layer}.attention.output", f"{layer}.output"):
        shapes |= {f"{name}.LayerNorm.weight": (width,), f"{name}.LayerNorm.bias": (width,)}
    rows = {"word": len(WORDS) + 2, "position": 8, "token_type": 2}
    for name, count in rows.items():
        shapes[f"bert.embeddings.{name}_embeddings.weight"] = (count, width)
    values = np.random.default_rng(5)
    return {name: values.normal(size=shape).astype("float32") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A classifier of one block in the Hugging Face layout, with all its tokenizer's files."""
    folder = tmp_path_factory.mktemp("hostile")
    save_file(tiny_tensors(), folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    for name, content in {"config.json": CONFIG, **TOKENIZER_FILES}.items():
        (folder / name).write_text(json.dumps(content), "utf-8")
    return folder


@pytest.fixture(autouse=True)
def models_made_once(monkeypatch):
    """Most mutations leave the sizes as they are: models of equal arguments are one."""
    models = {}

    def once(cls):
        def make(*args, **kwargs):
            key = repr((cls, [id(arg) for arg in args], sorted(kwargs.items())))
            if key not in models:
                models[key] = cls(*args, **kwargs)
            return models[key]

        return make

    for cls in (BertEncoder, BertTextClassifier):
        monkeypatch.setattr(hugging_face, cls.__name__, once(cls))


# === Config and tokenizer ===


@pytest.mark.parametrize("family", ["bert", "distilbert", "electra", "mpnet"])
def test_config(golden, tmp_path, harness, fuzzing, family):
    folder = shutil.copytree(golden / f"hf_{family}_classifier", tmp_path / family)
    config = json.loads((folder / "config.json").read_text("utf-8"))

    def mutate(generator):
        return {"config.json": fuzzing.mutate_json(generator, config).encode()}

    harness.count //= 4
    _, refused = harness.run(folder, mutate, load_text_classifier)
    assert refused


@pytest.mark.parametrize(
    ("names", "has_state"),
    [(["tokenizer.json"], True), (list(TOKENIZER_FILES), False), (list(TOKENIZER_FILES), True)],
)
def test_tokenizer(folder, tmp_path, harness, fuzzing, names, has_state):
    folder = shutil.copytree(folder, tmp_path / "tokenizer")
    if has_state:
        (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER), "utf-8")

    def mutate(generator):
        name = generator.choice(names)
        content = {**TOKENIZER_FILES, "tokenizer.json": TOKENIZER}[name]
        return {name: fuzzing.mutate_json(generator, content).encode()}

    loaded, refused = harness.run(folder, mutate, load_tokenizer_files)
    assert loaded and refused


def test_vocabulary(folder, tmp_path, harness, fuzzing):
    folder = shutil.copytree(folder, tmp_path / "vocabulary")
    content = (folder / "vocab.txt").read_bytes() * 3

    def mutate(generator):
        return {"vocab.txt": fuzzing.mutate_bytes(generator, content)}

    _, refused = harness.run(folder, mutate, load_tokenizer_files)
    assert refused


# === Weights ===


def mutate_safetensors(fuzzing, generator, content):
    if generator.random() < 0.2:
        return fuzzing.mutate_bytes(generator, content)
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    for _ in range(generator.choice([1, 2])):
        name = generator.choice([name for name in header if name != "__metadata__"])
        tensor = header[name]
        if not isinstance(tensor, dict):
            continue
        kind = generator.random()
        if kind < 0.3 and isinstance(tensor.get("shape"), list):
            tensor["shape"] = fuzzing.mutate_shape(generator, tensor["shape"])
        elif kind < 0.5:
            dtypes = ["F16", "BF16", "I64", "BOOL", "F8_E4M3", "U8", "x", "F64"]
            tensor["dtype"] = generator.choice(dtypes)
        elif kind < 0.7:
            tensor["data_offsets"] = [generator.choice([0, -1, 2**40]), 10**10]
        elif kind < 0.85:
            header[generator.choice(["x", "bert.x", "\ud800", "a" * 2000])] = header.pop(name)
        else:
            del header[name]
    header = (
        json.dumps(header)
        if generator.random() < 0.8
        else fuzzing.mutate_json(generator, header)
    )
    header = header.encode()
    declared = len(header) if generator.random() < 0.9 else generator.choice([0, 2**33, 2**63])
    return struct.pack("<Q", declared) + header + content[8 + size :]


def mutate_bin(fuzzing, generator, content):
    """Mutates bytes of the zip file or, with right checksums, of an entry of it."""
    if generator.random() < 0.3:
        return fuzzing.mutate_bytes(generator, content)
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        names = old.namelist()
        changed = generator.choice([name for name in names if name.endswith("pkl")] * 8 + names)
        for name in names:
            entry = old.read(name)
            if name == changed:
                entry = fuzzing.mutate_bytes(generator, entry)
            if generator.random() > 0.02:
                new.writestr(name, entry)
    return written.getvalue()


def test_safetensors(folder, harness, fuzzing):
    content = (folder / "model.safetensors").read_bytes()

    def mutate(generator):
        return {"model.safetensors": mutate_safetensors(fuzzing, generator, content)}

    _, refused = harness.run(folder, mutate, load_text_classifier)
    assert refused


def test_pytorch_bin(golden, tmp_path, harness, fuzzing):
    name = "pytorch_model.bin"
    source = golden / "hf_bert_classifier"
    for file in ("config.json", name):
        shutil.copy(source / file, tmp_path)
    content = (source / name).read_bytes()

    def mutate(generator):
        return {name: mutate_bin(fuzzing, generator, content)}

    _, refused = harness.run(tmp_path, mutate, load_text_classifier)
    assert refused


# === TensorFlow's checkpoints, whose index has checksums ===


def _crc_table():
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        yield number


_CRC = tuple(_crc_table())


def masked_crc(content):
    """Returns CRC-32C as TensorFlow writes it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def block(entries):
    content = b"".join(
        b"\0" + number(len(key)) + number(len(value)) + key + value for key, value in entries
    )
    content += struct.pack("<II", 0, 1) + b"\0"
    return content + struct.pack("<I", masked_crc(content))


def index_file(entries):
    """Returns an index of one block, with right checksums."""
    content = block(entries)
    handle = b"\0" + number(len(content) - 5)
    parts = [content, block([]), block([(b"\xff", handle)])]
    starts = [len(parts[0]), len(parts[0]) + len(parts[1])]
    footer = b"".join(
        number(start) + number(len(part) - 5)
        for start, part in zip(starts, parts[1:], strict=True)
    )
    return b"".join(parts) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def mutate_index(fuzzing, generator, entries):
    """Returns an index in which some tensors are declared otherwise."""
    entries = dict(entries)
    header = tensor_bundle_pb2.BundleHeaderProto.FromString(entries.pop(""))
    if generator.random() < 0.1:
        header.num_shards = generator.choice([0, -1, 2, 2**31 - 1])
    for _ in range(generator.choice([1, 1, 3])):
        name = generator.choice(list(entries))
        entry = tensor_bundle_pb2.BundleEntryProto.FromString(entries[name])
        kind = generator.random()
        if kind < 0.4:
            sizes = fuzzing.mutate_shape(generator, [d.size for d in entry.shape.dim])
            entry.shape.ClearField("dim")
            for size in sizes:
                entry.shape.dim.add(size=min(size, 2**63 - 1))
            if generator.random() < 0.5:
                entry.size = min(2**62, 4 * int(np.prod(np.abs(sizes).astype(float))))
        elif kind < 0.55:
            entry.dtype = generator.choice([0, 2, 3, 7, 9, 10, 19, 20, 21, 101])
        elif kind < 0.75:
            field = generator.choice(["offset", "size", "shard_id"])
            setattr(entry, field, generator.choice([-1, 0, 1, 10**9]))
        elif kind < 0.85:
            entry.slices.add().extent.add().start = generator.choice([-1, 0, 2**40])
        elif kind < 0.9:
            entry.shape.unknown_rank = True
        else:
            del entries[name]
            name = generator.choice(
                ["x", "bert/x/kernel", "a" * 900, "layer_99999999999/kernel"]
            )
        content = entry.SerializeToString()
        entries[name] = content
    if generator.random() < 0.1:
        entries[name] = fuzzing.mutate_bytes(generator, content)
    pairs = [(b"", header.SerializeToString())]
    pairs += [(name.encode(), content) for name, content in sorted(entries.items())]
    return index_file(pairs)


def test_tf1(make_tf1, harness, fuzzing):
    directory = make_tf1()
    contents = {
        path.name: path.read_bytes() for path in directory.glob("bert_model.ckpt.[di]*")
    }
    index = next(name for name in contents if name.endswith("index"))
    entries = dict(read_entries(contents[index]))

    def mutate(generator):
        name = generator.choice([index] * 9 + list(contents))
        if generator.random() < 0.6 and name == index:
            return {index: mutate_index(fuzzing, generator, entries)}
        return {name: fuzzing.mutate_bytes(generator, contents[name])}

    _, refused = harness.run(directory, mutate, load_text_classifier)
    assert refused


def read_entries(content):
    from tinybert_tf.checkpoints._tf1_index import _read_entries

    return ((key.decode(), value) for key, value in _read_entries(content))


# === KerasHub's presets, and those of this library ===


@pytest.mark.parametrize("kind", ["own", "keras_hub"])
def test_presets(folder, tmp_path, harness, fuzzing, kind):
    preset = tmp_path / kind
    if kind == "own":
        model = load_text_classifier(folder)
        tokenizer = load_tokenizer_files(folder)
        save_preset(model, BertPreprocessor(tokenizer, 8), preset)
    else:
        keras_hub_classifier().save_to_preset(str(preset))
    files = {path.name: json.loads(path.read_text("utf-8")) for path in preset.glob("*.json")}
    assert {"config.json", "task.json", "tokenizer.json"} <= files.keys()

    def mutate(generator):
        name = generator.choice(sorted(files))
        return {name: fuzzing.mutate_json(generator, files[name]).encode()}

    def load(directory):
        load_plain_encoder(WeightsConfig(str(directory)), "float32")
        (load_classifier if kind == "own" else text_classifier_from_keras_hub)(directory)

    # Keras takes half a second for each.
    harness.count //= 8
    _, refused = harness.run(preset, mutate, load)
    assert refused


def keras_hub_classifier():
    backbone = keras_nlp.models.BertBackbone(len(WORDS), 1, 2, 4, 6, max_sequence_length=8)
    tokenizer = keras_nlp.tokenizers.BertTokenizer(WORDS, lowercase=True)
    preprocessor = keras_nlp.models.BertTextClassifierPreprocessor(tokenizer, 8)
    return keras_nlp.models.BertTextClassifier(backbone, 2, preprocessor)
