"""Batches of a corpus: every sequence once an epoch, from any step, and shards that are not."""

import hashlib
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.errors import TinyBertError
from tinybert_tf.tokenization import BertTokenizer

SMALL = {"shard_megabytes": 0.002}
TOKENS = 128


@pytest.fixture(scope="module")
def corpus(finished_corpus, text):
    return str(finished_corpus(text, held_out=0.2, **SMALL))


def rows(batches):
    """The ids of each row without padding, in order."""
    return [
        tuple(ids[:count].tolist())
        for batch in batches
        for ids, count in zip(batch["token_ids"], batch["padding_mask"].sum(1), strict=True)
    ]


def as_list(dataset):
    return list(dataset.as_numpy_iterator())


def same(these, those):
    return len(these) == len(those) and all(
        a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)
        for a, b in zip(these, those, strict=True)
    )


def test_an_epoch_is_every_sequence_once(corpus):
    plain = rows(as_list(CorpusBatches(corpus, tokens_per_batch=TOKENS).dataset()))
    batches = CorpusBatches(corpus, tokens_per_batch=TOKENS, seed=3)
    epochs = as_list(batches.dataset(epochs=2))
    first, second = epochs[: len(epochs) // 2], epochs[len(epochs) // 2 :]
    assert sorted(rows(first)) == sorted(rows(second)) == sorted(plain)
    assert rows(first) != rows(second)
    assert len(plain) == len(batches)
    assert sum(map(len, plain)) == batches.tokens_per_epoch
    manifest = json.loads(pathlib.Path(corpus, "manifest.json").read_text("utf-8"))
    assert manifest["totals"]["train"]["sequences"] == len(plain)
    assert manifest["totals"]["train"]["tokens"] == batches.tokens_per_epoch


def test_the_inputs_are_those_of_an_encoder(corpus):
    batches = CorpusBatches(corpus, tokens_per_batch=TOKENS, seed=3)
    for batch in as_list(batches.dataset()):
        assert set(batch) == {"token_ids", "segment_ids", "padding_mask"}
        ids, mask = batch["token_ids"], batch["padding_mask"]
        assert {x.dtype for x in batch.values()} == {np.dtype("int32")}
        assert ids.shape[1] in (8, 16) and ids.size <= TOKENS
        assert not batch["segment_ids"].any() and batch["segment_ids"].shape == ids.shape
        # Padding is [PAD], of id 1, and comes last.
        assert ((ids == 1) == (mask == 0)).all()
        assert (np.diff(mask, axis=1) <= 0).all()
        assert (ids[:, 0] == 2).all()


def test_shards_come_in_an_order_of_the_epoch(corpus):
    batches = CorpusBatches(corpus, tokens_per_batch=TOKENS, seed=3)
    orders = [
        [number for _, number, _ in batches._visits(e + 1, e * batches.steps_per_epoch)]
        for e in range(3)
    ]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len(orders[0]) > 4 and orders[0] != orders[1] != orders[2]


def test_training_goes_on_at_any_step(corpus):
    batches = CorpusBatches(corpus, tokens_per_batch=TOKENS, seed=3)
    steps = batches.steps_per_epoch
    whole = as_list(batches.dataset(epochs=2))
    assert len(whole) == 2 * steps
    for first_step in (0, 1, steps // 2, steps - 1, steps, steps + 5, 2 * steps - 1):
        dataset = CorpusBatches(corpus, tokens_per_batch=TOKENS, seed=3).dataset(2, first_step)
        assert dataset.cardinality() == 2 * steps - first_step
        assert same(as_list(dataset), whole[first_step:])
    other = as_list(CorpusBatches(corpus, tokens_per_batch=TOKENS, seed=4).dataset(2))
    assert not same(other, whole)


def test_the_steps_are_known_without_reading_shards(corpus, monkeypatch):
    read = len(as_list(CorpusBatches(corpus, "held_out", TOKENS, seed=1).dataset()))
    monkeypatch.setattr("tinybert_tf.corpus._shards.read_shard", None)
    assert CorpusBatches(corpus, "held_out", TOKENS, seed=1).steps_per_epoch == read > 1


def test_masked_corpora(finished_corpus, text):
    plain = CorpusBatches(finished_corpus(text, held_out=0.0, **SMALL))
    original = rows(as_list(plain.dataset()))
    masked = finished_corpus(text, mask_probability=0.2, held_out=0.0, **SMALL)
    batches = CorpusBatches(masked)
    restored = []
    for batch in as_list(batches.dataset()):
        positions, ids = batch["mask_positions"], batch["mask_ids"]
        assert positions.shape == ids.shape and positions.dtype == ids.dtype == np.int32
        is_mask = positions > 0
        assert (np.diff(is_mask.astype(int), axis=1) <= 0).all()
        # Letters, and zeros after them.
        assert (ids[is_mask] >= 5).all() and not ids[~is_mask].any()
        lengths = batch["padding_mask"].sum(1) - 2
        assert is_mask.sum(1).tolist() == [max(round(n * 0.2), 1) for n in lengths.tolist()]
        assert is_mask.sum(1).max() == is_mask.shape[1]
        row, column = np.nonzero(is_mask)
        token_ids = batch["token_ids"].copy()
        token_ids[row, positions[row, column]] = ids[row, column]
        restored += rows([{**batch, "token_ids": token_ids}])
    assert restored == original


# === What cannot be trained on ===


def test_the_vocabulary_is_compared(corpus, tokenizer):
    batches = CorpusBatches(corpus)
    batches.check_vocabulary(tokenizer)
    tokens = tokenizer.get_vocabulary()
    with pytest.raises(
        TinyBertError, match=r"25 tokens, uncased.* the model's 25 tokens, cased"
    ):
        batches.check_vocabulary(BertTokenizer(tokens, lowercase=False))
    with pytest.raises(TinyBertError, match="another vocabulary than the model's"):
        batches.check_vocabulary(BertTokenizer([*tokens[:-2], tokens[-1], tokens[-2]]))


def test_a_missing_or_cut_shard_is_named(copied_corpus, text):
    directory = copied_corpus(text, held_out=0.2, **SMALL)
    path = sorted(directory.glob("train-*"))[2]
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    message = f"{path.name} has {len(content) - 1:,} bytes, expected {len(content):,}"
    with pytest.raises(TinyBertError, match=message):
        CorpusBatches(directory)
    path.unlink()
    with pytest.raises(TinyBertError, match=f"{path.name} is missing"):
        CorpusBatches(directory)


def test_a_changed_shard_is_named_when_it_is_read(copied_corpus, text):
    directory = copied_corpus(text, held_out=0.2, **SMALL)
    path = sorted(directory.glob("train-*"))[2]
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    batches = CorpusBatches(directory)
    message = f"TinyBertError: {path} is not the file that was written. Copy it again"
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(message)):
        as_list(batches.dataset())


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda values: values["header"].update(version=2), "is of version 2, expected 1"),
        (lambda values: values.pop("shards"), "is not what this version of tinybert_tf writes"),
        (
            lambda values: values.update(extra=1),
            "make it again with `python -m tinybert_tf corpus`",
        ),
        (lambda values: values["shards"][0].update(name="../x"), r"shard \.\./x is no file"),
        (lambda values: values["shards"][0].update(size=-1), "of -1 bytes cannot have"),
        (
            lambda values: values["shards"][0].update(
                sequences=10**12, tokens=5 * 10**12, lengths={5: 10**12}
            ),
            "cannot have 1,000,000,000,000 sequences of 5,000,000,000,000 tokens",
        ),
    ],
)
def test_manifests_that_are_none(copied_corpus, change, message):
    directory = copied_corpus("a b c\n", held_out=0.0)
    values = json.loads((directory / "manifest.json").read_text("utf-8"))
    change(values)
    (directory / "manifest.json").write_text(json.dumps(values), "utf-8")
    with pytest.raises(TinyBertError, match=message) as caught:
        CorpusBatches(directory)
    assert "\n" not in str(caught.value)


def test_a_shard_of_other_lengths_than_the_manifest_says(copied_corpus):
    directory = copied_corpus("a b c\n", held_out=0.0)
    values = json.loads((directory / "manifest.json").read_text("utf-8"))
    # [CLS], [SEP] and three words.
    assert values["shards"][0]["lengths"] == {"5": 1}
    values["shards"][0].update(lengths={"7": 1}, tokens=7)
    (directory / "manifest.json").write_text(json.dumps(values), "utf-8")
    batches = CorpusBatches(directory)
    with pytest.raises(TinyBertError, match=r"has sequences of other lengths than manifest"):
        batches._read(0)


def test_what_is_not_there(corpus, finished_corpus, tmp_path):
    with pytest.raises(
        TinyBertError, match=r"holds no finished corpus: it has no manifest.json"
    ):
        CorpusBatches(tmp_path)
    with pytest.raises(TinyBertError, match="split is 'dev', expected one of train, held_out"):
        CorpusBatches(corpus, "dev")
    directory = finished_corpus("a b c\n", held_out=0.0)
    with pytest.raises(TinyBertError, match=r"no held_out sequences: .* --held_out 0.0"):
        CorpusBatches(directory, "held_out")


def test_damaged_and_hostile_corpora(copied_corpus, text, harness, fuzzing):
    """Manifests that are others, and shards whose hashes are right; no error but ours."""
    directory = copied_corpus(text, held_out=0.2, mask_probability=0.2, **SMALL)
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    shard = next(s for s in manifest["shards"] if s["split"] == "train")
    content = (directory / shard["name"]).read_bytes()

    def mutate(generator):
        if generator.random() < 0.6:
            return {"manifest.json": fuzzing.mutate_json(generator, manifest).encode()}
        changed = fuzzing.mutate_bytes(generator, content)
        digest = {"size": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
        shards = [{**s, **digest} if s == shard else s for s in manifest["shards"]]
        values = json.dumps({**manifest, "shards": shards}).encode()
        return {"manifest.json": values, shard["name"]: changed}

    def load(directory):
        batches = CorpusBatches(directory, tokens_per_batch=TOKENS, seed=3)
        for _ in batches._generate(epochs=1, first_step=0):
            pass

    # TensorFlow starts a pipeline for each shard.
    harness.count //= 4
    _, refused = harness.run(directory, mutate, load)
    assert refused
