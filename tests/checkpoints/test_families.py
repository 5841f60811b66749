"""BERT's relatives against what transformers computes (tests/golden/make_families.py)."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinybert_tf.checkpoints import load_encoder, load_text_classifier, save_text_classifier
from tinybert_tf.distillation import initialize_from_teacher
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import BertPreprocessor, load_tokenizer_files

FAMILIES = ["distilbert", "electra", "mpnet"]


def folder_of(golden, name):
    return golden / f"hf_{name}_classifier"


def inputs_of(expected):
    ids = expected["token_ids"].astype("int32")
    mask = expected["padding_mask"].astype("int32")
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask}


@pytest.mark.parametrize("name", FAMILIES)
def test_inside_and_logits(golden, name):
    folder = folder_of(golden, name)
    expected = dict(np.load(folder / "expected.npz"))
    inputs = inputs_of(expected)
    model = load_text_classifier(folder)
    outputs = model.expose(hidden_states=True, attention_scores=True)(inputs, training=False)
    np.testing.assert_allclose(outputs["predictions"], expected["logits"], atol=1e-5)
    real = inputs["padding_mask"].astype(bool)
    assert len(outputs["hidden_states"]) == 3
    for i, hidden in enumerate(outputs["hidden_states"]):
        np.testing.assert_allclose(
            np.asarray(hidden)[real], expected[f"hidden_{i}"][real], atol=1e-5
        )
    pairs = np.broadcast_to((real[:, None, :] & real[:, :, None])[:, None], (3, 4, 12, 12))
    for i, scores in enumerate(outputs["attention_scores"]):
        np.testing.assert_allclose(
            np.asarray(scores)[pairs], expected[f"score_{i}"][pairs], atol=1e-5
        )
    assert model.labels == ("sad", "glad", "neither")
    # All speak BERT's ids.
    assert model.backbone.vocabulary_size == 32


@pytest.mark.parametrize("name", FAMILIES)
def test_an_encoder_of_theirs_gets_a_new_pooler_where_it_is_asked_for(golden, name, caplog):
    folder = folder_of(golden, name)
    encoder = load_encoder(folder, new_pooler=True)
    assert "has no pooler" in caplog.text
    whole = load_text_classifier(folder).backbone
    ours, theirs = (
        {v.path.split("/", 1)[-1]: v.numpy() for v in model.weights if "pooled" not in v.path}
        for model in (encoder, whole)
    )
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_array_equal(value, theirs[path])
    with pytest.raises(TinyBertError, match="pooler"):
        load_encoder(folder)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_student_starts_from_them(golden, name):
    """Of a shape that holds all of the teacher, the student is near it at once."""
    folder = folder_of(golden, name)
    expected = dict(np.load(folder / "expected.npz"))
    inputs = inputs_of(expected)
    teacher = load_text_classifier(folder)
    encoder = BertEncoder(
        vocabulary_size=32,
        num_layers=2,
        num_heads=4,
        hidden_dim=24,
        intermediate_dim=40,
        max_sequence_length=24,
        dropout=0.0,
    )
    student = BertTextClassifier(encoder, 3, dropout=0.0)

    def error():
        ours, theirs = (
            model.expose(hidden_states=True)(inputs, training=False)["hidden_states"][-1]
            for model in (student, teacher)
        )
        real = inputs["padding_mask"].astype(bool)
        return np.square(np.asarray(ours)[real] - np.asarray(theirs)[real]).mean()

    before = error()
    initialize_from_teacher(student, teacher, [inputs])
    assert error() < 0.25 * before


def test_mpnet_s_tokens_are_bert_s(golden):
    folder = folder_of(golden, "mpnet")
    tokenizer = load_tokenizer_files(folder)
    words = (folder_of(golden, "electra") / "vocab.txt").read_text("utf-8").split()
    assert tokenizer.get_vocabulary() == words
    assert tokenizer.cls_token_id == words.index("[CLS]")
    assert tokenizer("a b").numpy().tolist() == [6, 7]


@pytest.mark.parametrize("name", FAMILIES)
def test_they_do_not_leave_as_bert(golden, name, tmp_path):
    """What another program would read otherwise is not written."""
    folder = folder_of(golden, name)
    model = load_text_classifier(folder)
    model.preprocessor = BertPreprocessor(load_tokenizer_files(folder), 12)
    wanted = {
        "distilbert": "pooler_activation=relu",
        "electra": "embedding_dim=16",
        "mpnet": "relative_attention_buckets=32",
    }
    with pytest.raises(TinyBertError, match=wanted[name]):
        save_text_classifier(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [("roberta", "byte-level BPE"), ("albert", "share"), ("x", "Supported are bert, ")],
)
def test_others_are_refused_by_type(golden, tmp_path, model_type, reason):
    config = json.loads((folder_of(golden, "electra") / "config.json").read_text("utf-8"))
    shutil.copytree(folder_of(golden, "electra"), tmp_path / "m")
    (tmp_path / "m/config.json").write_text(json.dumps({**config, "model_type": model_type}))
    with pytest.raises(TinyBertError, match=f"model_type '{model_type}' is not .*{reason}"):
        load_encoder(tmp_path / "m")


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_prefixes_of_wrappers(golden, tmp_path, wrapper):
    source = golden / "hf_bert_classifier"
    tensors = load_file(source / "model.safetensors")
    save_file({wrapper + k: v for k, v in tensors.items()}, tmp_path / "model.safetensors")
    shutil.copy(source / "config.json", tmp_path)
    expected = dict(np.load(source / "expected.npz"))
    inputs = {k: expected[k] for k in ("token_ids", "segment_ids", "padding_mask")}
    found = load_text_classifier(tmp_path)(inputs)
    np.testing.assert_allclose(found, expected["logits"], atol=1e-5)


def test_two_encoders_are_refused(golden, tmp_path):
    source = golden / "hf_bert_classifier"
    tensors = load_file(source / "model.safetensors")
    both = {f"{side}.{k}": v for side in ("question", "answer") for k, v in tensors.items()}
    save_file(both, tmp_path / "model.safetensors")
    shutil.copy(source / "config.json", tmp_path)
    with pytest.raises(
        TinyBertError, match=r"2 encoders: 'answer\.bert\.', 'question\.bert\.'"
    ):
        load_encoder(tmp_path)


def test_rows_that_pad_the_table_are_left_out(golden, tmp_path):
    source = golden / "hf_bert_classifier"
    tensors = load_file(source / "model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    rows = len(tensors[name])
    padding = np.full((7, tensors[name].shape[1]), 9.0, "float32")
    save_file(
        {**tensors, name: np.concatenate([tensors[name], padding])},
        tmp_path / "model.safetensors",
    )
    config = json.loads((source / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": rows + 7}))
    encoder = load_encoder(tmp_path, vocabulary_size=rows)
    table = encoder.token_embedding.embeddings.numpy()
    np.testing.assert_array_equal(table, tensors[name])
    assert load_encoder(tmp_path).vocabulary_size == rows + 7
