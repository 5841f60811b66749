"""What lies at a path: layouts, tokenizers and tables that fit, or the reason why not."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinybert_tf.checkpoints.locations import (
    WeightsConfig,
    layout_of,
    load_plain_encoder,
    load_tokenizer,
)
from tinybert_tf.errors import TinyBertError

TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture
def make(tiny_bert, tmp_path):
    """A function that writes the tiny BERT of 72 tokens otherwise.

    Tensors and settings given as None are left out; `rows` is the size of the token table.
    """

    def make_directory(tensors=(), config=(), words=None, rows=None, prefix="", **files):
        changed = {**load_file(tiny_bert / "model.safetensors"), **dict(tensors)}
        settings = {
            **json.loads((tiny_bert / "config.json").read_text("utf-8")),
            **dict(config),
        }
        if rows is not None:
            changed[TABLE] = np.resize(changed[TABLE], (rows, 24))
            settings["vocab_size"] = rows
        save_file(
            {prefix + k: v for k, v in changed.items() if v is not None},
            tmp_path / "model.safetensors",
        )
        files["config"] = {k: v for k, v in settings.items() if v is not None}
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
        words = (tiny_bert / "vocab.txt").read_text("utf-8").split("\n")[:-1] + (words or [])
        (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
        return tmp_path

    return make_directory


def load(directory, **config):
    return load_plain_encoder(WeightsConfig(str(directory), **config), "float32")


def assert_same_but_pooler(encoder, other):
    ours, theirs = (
        {v.path.split("/", 1)[-1]: v.numpy() for v in model.weights if "pooled" not in v.path}
        for model in (encoder, other)
    )
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_array_equal(value, theirs[path])


def test_no_pooler_where_it_is_trained(make, tiny_bert, caplog):
    """A masked LM or a sentence encoder: what `fine_tune` loads has a new one, and says so."""
    no_pooler = {"bert.pooler.dense.weight": None, "bert.pooler.dense.bias": None}
    encoder, _ = load(make(no_pooler))
    assert "has no pooler: its weights are new" in caplog.text
    assert_same_but_pooler(encoder, load(tiny_bert)[0])
    assert np.std(encoder.pooled_dense.kernel) > 0.01


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "a.b.c."])
def test_prefixes(make, tiny_bert, prefix):
    encoder, _ = load(make(prefix=prefix))
    for ours, theirs in zip(encoder.weights, load(tiny_bert)[0].weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# === Tables and vocabularies ===


@pytest.mark.parametrize("rows", [73, 80, 1095])
def test_padded_tables(make, rows):
    encoder, tokenizer = load(make(rows=rows))
    assert encoder.vocabulary_size == tokenizer.vocabulary_size() == 72


@pytest.mark.parametrize("rows", [71, 1096])
def test_tables_of_another_model(make, rows):
    with pytest.raises(TinyBertError, match=f"vocabulary has 72 tokens, .* embedding {rows}"):
        load(make(rows=rows))


def test_added_tokens_that_the_table_has(make):
    directory = make(rows=74, added_tokens={"covid": 72, "flu": 73})
    encoder, tokenizer = load(directory)
    assert encoder.vocabulary_size == 74
    assert tokenizer("Covid flu").numpy().tolist() == [72, 73]


def test_added_tokens_past_the_end_of_the_table(make):
    """Added to the tokenizer, but the model was never resized."""
    directory = make(added_tokens={"covid": 72, "flu": 73})
    with pytest.raises(TinyBertError, match=r"vocabulary has 74 tokens, .* embedding 72"):
        load(directory)


def test_a_token_twice(make):
    encoder, tokenizer = load(make(rows=73, words=["good"]))
    assert encoder.vocabulary_size == 73
    assert tokenizer("good").numpy().tolist() == [72]


# === Case and accents ===


@pytest.mark.parametrize("is_given", [False, True])
def test_a_cased_vocabulary(make, tmp_path, is_given):
    directory = make(rows=74, words=["Apple", "Polish"])
    given = str(directory / "vocab.txt") if is_given else None
    with pytest.raises(TinyBertError, match="'Apple', 'Polish': the model is cased, but"):
        load(directory, vocabulary=given)
    _, tokenizer = load(directory, vocabulary=given, lowercase=False)
    assert tokenizer("Apple").numpy().tolist() == [72]


def test_files_of_the_directory_hold_for_a_vocabulary_that_is_given(make, tmp_path):
    directory = make(tokenizer_config={"do_lower_case": False, "strip_accents": False})
    given = str(directory / "vocab.txt")
    with pytest.raises(TinyBertError, match="model is cased, but lowercase is true"):
        load_tokenizer(WeightsConfig(str(directory), vocabulary=given))
    with pytest.raises(TinyBertError, match="There is no vocabulary"):
        load_tokenizer(WeightsConfig(str(directory), vocabulary=f"{given}.old"))


def test_accents_are_kept_where_the_files_say_so(make):
    directory = make(rows=73, words=["möchte"], tokenizer_config={"strip_accents": False})
    _, tokenizer = load(directory)
    assert tokenizer("Möchte").numpy().tolist() == [72]


# === What else may lie there ===


@pytest.mark.parametrize("model_type", ["roberta", "albert", "xlm-roberta", "gpt2", "convbert"])
def test_other_models_by_type_and_first(make, model_type):
    """Before the tokenizer, which is another as well or not there at all."""
    directory = make(
        config={"model_type": model_type},
        tokenizer_config={"tokenizer_class": "RobertaTokenizer"},
    )
    (directory / "vocab.txt").unlink()
    with pytest.raises(
        TinyBertError, match=f"model_type '{model_type}' is not supported.*bert,"
    ):
        load(directory)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"not JSON"),
        ("[]", r"holds a JSON list, expected an object"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"model_type": ["bert"]}', r"model_type \[\"bert\"\] is not supported"),
        ('{"registered_name": 3}', "KerasHub|cannot be loaded"),
        ('{"registered_name": "tinybert_tf>BertEncoder"}', "cannot be loaded"),
    ],
)
def test_configs_of_other_things(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(TinyBertError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_norm_eps": "x"}, r"layer_norm_eps is 'x', expected a number above 0"),
        ({"layer_norm_eps": 0}, r"layer_norm_eps is 0, expected"),
        ({"vocab_size": 2147483648}, r"vocab_size is 2147483648, expected an integer from 1"),
        ({"vocab_size": 16_000_000}, r"a model of 384,0.* has room for"),
        ({"hidden_size": 16_000_000}, r"They are not of one model"),
        ({"num_hidden_layers": 5000}, r"in 5,000 blocks.* in 41 tensors"),
        ({"num_hidden_layers": 2.0}, r"num_hidden_layers is 2\.0, expected an integer"),
        ({"num_attention_heads": True}, r"num_attention_heads is true"),
        ({"num_attention_heads": 5}, r"not divisible by num_heads=5"),
        (
            {"hidden_dropout_prob": -0.1},
            r"hidden_dropout_prob is -0\.1, expected a number from",
        ),
        ({"hidden_dropout_prob": float("nan")}, r"hidden_dropout_prob is NaN"),
        ({"hidden_act": ["gelu"]}, r"hidden_act \[\"gelu\"\] is not known"),
        ({"max_position_embeddings": 0}, r"max_position_embeddings is 0"),
        ({"type_vocab_size": []}, r"type_vocab_size is \[\]"),
        ({"intermediate_size": None}, r"lacks intermediate_size"),
    ],
)
def test_values_of_a_config(make, changes, message):
    with pytest.raises(TinyBertError, match=message):
        load(make(config=changes))


def test_layouts(make, tmp_path):
    assert layout_of(str(make())) == "hugging_face"
    assert layout_of("bert_tiny_en_uncased") == "keras_hub"
    (tmp_path / "config.json").unlink()
    with pytest.raises(TinyBertError, match=r"has no config\.json"):
        layout_of(str(tmp_path))
