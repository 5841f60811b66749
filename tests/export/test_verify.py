"""A bundle that was cut, altered or mixed with another is refused, and the file named."""

import hashlib
import json
import shutil

import keras
import numpy as np
import pytest

from tinybert_tf.errors import TinyBertError
from tinybert_tf.export import ModelCard, export_bundle, verify_bundle
from tinybert_tf.export.bundle import seal
from tinybert_tf.runs.classifying import open_text_model

FILES = ["golden.json", "labels.txt", "model.tflite", "model_multi.tflite", "vocab.txt"]


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "bundle")


def test_a_bundle_classifies_as_its_model_does(bundle, classifier, running_eagerly):
    texts = ("a b c", "d", "e f")
    logits = classifier(classifier.preprocessor(list(texts)), training=False)
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    model = open_text_model(bundle)
    assert model.labels == ("neutral", "against", "for")
    with running_eagerly():
        np.testing.assert_allclose(model.predict((texts,)), expected, atol=1e-3)


@pytest.fixture(scope="module")
def other_bundle(once, make_classifier, export_arguments, lenient, converted_before):
    """Of other quantization, vocabulary and labels, files of other sizes."""
    model = make_classifier(labels=("a", "b", "c"))
    tokens = [*model.preprocessor.tokenizer.get_vocabulary()[:-1], "##s"]
    model.preprocessor.tokenizer.set_vocabulary(tokens)
    arguments = {**export_arguments, "card": ModelCard("other")}
    arguments["profile"] = lenient("dynamic_int8")

    def export(output):
        with converted_before():
            export_bundle(model, output=output, **arguments)

    return once("other", export)


def test_a_whole_bundle(bundle):
    info = verify_bundle(bundle)
    assert info["name"] == "tiny"
    assert info["golden_difference"] < 1e-6


@pytest.mark.parametrize("name", [*FILES, "bundle.json"])
def test_a_missing_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(TinyBertError, match=rf"{name}: No such file.*export it again"):
        verify_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(TinyBertError, match=rf"{name} has .* bytes, bundle.json says"):
        verify_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(TinyBertError, match=rf"{name} has not the SHA-256"):
        verify_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_bundle(copy, other_bundle, name):
    shutil.copy(other_bundle / name, copy / name)
    with pytest.raises(TinyBertError, match=rf"{name} has .*bundle\.json"):
        verify_bundle(copy)


def test_the_bundle_json_of_another_bundle(copy, other_bundle):
    shutil.copy(other_bundle / "bundle.json", copy / "bundle.json")
    with pytest.raises(TinyBertError, match=r"is of another bundle"):
        verify_bundle(copy)


def test_a_cut_bundle_json(copy):
    content = (copy / "bundle.json").read_bytes()
    (copy / "bundle.json").write_bytes(content[:-40])
    with pytest.raises(TinyBertError, match=r"bundle\.json is not JSON"):
        verify_bundle(copy)


def test_an_altered_bundle_json(copy):
    content = (copy / "bundle.json").read_text("utf-8")
    (copy / "bundle.json").write_text(content.replace("A tiny model", "A tidy model"), "utf-8")
    with pytest.raises(TinyBertError, match=r"bundle\.json was altered"):
        verify_bundle(copy)
    # Half a surrogate pair, which no file in UTF-8 can have.
    halved = content.replace("A tiny model", "A tiny \\ud800 model")
    (copy / "bundle.json").write_text(halved, "utf-8")
    with pytest.raises(TinyBertError, match=r"bundle\.json was altered"):
        verify_bundle(copy)


def test_a_file_too_many(copy):
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(TinyBertError, match=r"notes\.txt is no file of this bundle"):
        verify_bundle(copy)


def rewrite(copy, change, files=()):
    """Seals a bundle.json again after a change, as a mistaken writer would."""
    info = json.loads((copy / "bundle.json").read_bytes())
    for name in files:
        content = (copy / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        info["files"][name].update(bytes=len(content), sha256=digest)
    change(info)
    del info["sha256"]
    (copy / "bundle.json").write_bytes(seal(info))


def test_a_newer_schema(copy):
    rewrite(copy, lambda info: info.update(schema_version=3))
    with pytest.raises(TinyBertError, match=r"schema version 3.*reads up to 2.*Update"):
        verify_bundle(copy)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda info: info.pop("labels"), "at its top: 'labels' is a required property"),
        (lambda info: info["task"].update(num_texts=3), r"at task\.num_texts: 3 is not one of"),
        (lambda info: info.update(extra=1), "at its top: .*'extra' was unexpected"),
    ],
)
def test_a_bundle_json_that_breaks_the_schema(copy, change, message):
    rewrite(copy, change)
    with pytest.raises(TinyBertError, match=f"breaks its schema, {message}"):
        verify_bundle(copy)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda info: info["tokenizer"].update(vocabulary_size=30),
            r"vocab\.txt: has 31 tokens, expected 30",
        ),
        (lambda info: info["labels"].reverse(), r"labels\.txt holds .*'neutral', 'against'"),
        (
            lambda info: info["outputs"][0].update(name="score"),
            r"model\.tflite has outputs \['probability'\], not \['score'\]",
        ),
        (
            lambda info: info["files"]["model.tflite"]["signatures"].update(serving_default=9),
            r"model\.tflite has signatures .*12.*bundle.json says .*9",
        ),
    ],
)
def test_facts_that_the_files_deny(copy, change, message):
    rewrite(copy, change)
    with pytest.raises(TinyBertError, match=message):
        verify_bundle(copy)


def test_other_golden_outputs(copy):
    path = copy / "golden.json"
    golden = json.loads(path.read_bytes())
    golden["examples"][3]["outputs"]["model_multi.tflite"]["probability"][0] += 0.01
    path.write_text(json.dumps(golden))
    rewrite(copy, lambda info: None, ["golden.json"])
    with pytest.raises(TinyBertError, match=r"model_multi\.tflite, golden example 3: .* 0\.01"):
        verify_bundle(copy)


def test_other_golden_ids(copy):
    path = copy / "golden.json"
    golden = json.loads(path.read_bytes())
    golden["examples"][2]["token_ids"][1] += 1
    path.write_text(json.dumps(golden))
    rewrite(copy, lambda info: None, ["golden.json"])
    with pytest.raises(TinyBertError, match=r"golden\.json, example 2: other token ids"):
        verify_bundle(copy)


def test_another_vocabulary_within_the_model(copy):
    path = copy / "vocab.txt"
    lines = path.read_text("utf-8").split("\n")
    lines[5], lines[6] = lines[6], lines[5]
    path.write_text("\n".join(lines), "utf-8")
    rewrite(copy, lambda info: None, ["vocab.txt"])
    with pytest.raises(TinyBertError, match=r"model\.tflite has another vocab\.txt within it"):
        verify_bundle(copy)


def test_a_model_that_is_none(copy):
    (copy / "model.tflite").write_bytes(b"not a model")
    rewrite(copy, lambda info: None, ["model.tflite"])
    with pytest.raises(TinyBertError, match=r"model\.tflite is no TFLite file"):
        verify_bundle(copy)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda golden: golden.update(examples={"0": 1}), "holds no golden examples"),
        (
            lambda golden: golden["examples"][1].pop("texts"),
            r"examples\.1\.texts Field",
        ),
        (lambda golden: golden["examples"][1].update(token_ids="x"), r"examples\.1\.token_ids"),
        (
            lambda golden: golden["examples"][1].update(texts=["\ud800"]),
            "golden examples: Invalid JSON",
        ),
        (lambda golden: golden["examples"][1]["texts"].append("b"), "example 1: has 2 texts"),
        (
            lambda golden: golden["examples"][1]["outputs"].pop("model.tflite"),
            "outputs of model_multi.tflite; expected",
        ),
        (
            lambda golden: golden["examples"][1]["outputs"]["model.tflite"].update(
                probability=[0.5]
            ),
            "example 1: golden.json has other outputs than {'probability': 3}",
        ),
    ],
)
def test_a_golden_json_of_another_form(copy, change, message):
    path = copy / "golden.json"
    golden = json.loads(path.read_bytes())
    change(golden)
    path.write_text(json.dumps(golden))
    rewrite(copy, lambda info: None, ["golden.json"])
    with pytest.raises(TinyBertError, match=message):
        verify_bundle(copy)


def test_a_golden_json_that_is_nested_too_deep(copy):
    (copy / "golden.json").write_text("[" * 100_000)
    rewrite(copy, lambda info: None, ["golden.json"])
    with pytest.raises(TinyBertError, match=r"golden\.json is not JSON"):
        verify_bundle(copy)


def test_a_broken_archive_within_the_model(copy):
    """Its list of files stays; what it says of the first one does not."""
    path = copy / "model.tflite"
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x03\x04")
    content[at : at + 4] = b"xxxx"
    path.write_bytes(content)
    rewrite(copy, lambda info: None, ["model.tflite"])
    expected = r"model\.tflite: the files within it, for MediaPipe, cannot be read: Bad magic"
    with pytest.raises(TinyBertError, match=expected):
        verify_bundle(copy)


@pytest.mark.parametrize("at", [8, 300, 3000])
def test_a_damaged_model_with_the_right_hash(copy, at):
    path = copy / "model.tflite"
    content = bytearray(path.read_bytes())
    content[at : at + 64] = bytes(64)
    path.write_bytes(content)
    rewrite(copy, lambda info: None, ["model.tflite"])
    with pytest.raises(TinyBertError, match=r"model\.tflite"):
        verify_bundle(copy)


def test_damaged_and_hostile_bundles(copy, harness, fuzzing):
    """With the right hashes, as a mistaken writer would seal them; no error but ours."""
    info = json.loads((copy / "bundle.json").read_bytes())
    golden = json.loads((copy / "golden.json").read_bytes())
    golden["examples"] = golden["examples"][:2]
    (copy / "golden.json").write_text(json.dumps(golden))
    rewrite(copy, lambda info: None, ["golden.json"])
    contents = {name: (copy / name).read_bytes() for name in FILES}

    def sealed(name, content):
        facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files = {**info["files"], name: {**info["files"][name], **facts}}
        values = {key: value for key, value in info.items() if key != "sha256"}
        return {name: content, "bundle.json": seal({**values, "files": files})}

    def mutate(generator):
        kind = generator.random()
        if kind < 0.3:
            return {"bundle.json": fuzzing.mutate_json(generator, info).encode()}
        if kind < 0.6:
            text = fuzzing.mutate_json(generator, golden)
            return sealed("golden.json", text.encode())
        # A model whose numbers are others may do anything; its end are the packed files.
        name = generator.choice(["labels.txt", "vocab.txt", "model.tflite"])
        content = contents[name]
        if name == "model.tflite":
            at = content.index(b"PK\x03\x04")
            return sealed(name, content[:at] + fuzzing.mutate_bytes(generator, content[at:]))
        return sealed(name, fuzzing.mutate_bytes(generator, content))

    harness.count //= 4
    _, refused = harness.run(copy, mutate, verify_bundle)
    assert refused
