"""A tiny masked LM from a masked corpus."""

import keras
import numpy as np
import pytest

from tinybert_tf.checkpoints import load_encoder
from tinybert_tf.commands import command_line
from tinybert_tf.corpus import CorpusBatches
from tinybert_tf.errors import TinyBertError
from tinybert_tf.models import BertMaskedLM
from tinybert_tf.reports.tables import masked_lm_table
from tinybert_tf.runs import RunDirectory, pretrain_masked_lm
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.masked_lm import MaskedBatches, log_frequencies
from tinybert_tf.training import StageFit


@pytest.fixture(scope="module", autouse=True)
def eagerly():
    """Not so here: it learns something in some hundred steps, which is more than tracing."""


@pytest.fixture(scope="module")
def make_corpus(tiny_bert, tmp_path_factory):
    """Texts in which a word follows from its neighbours: "3 3 3 bad 41 41 41"."""
    folder = tmp_path_factory.mktemp("masked")
    random = np.random.default_rng(3)
    documents = [
        " ".join([str(a)] * count + ["thing"] + [str(b)] * count)
        for count in (4, 5)
        for a, b in random.integers(0, 8, (200, 2))
    ]
    (folder / "text.txt").write_text("\n\n".join(documents) + "\n", "utf-8")

    def make(mask_probability):
        output = folder / f"corpus_{mask_probability}"
        arguments = ["--input", str(folder / "text.txt"), "--output", str(output)]
        arguments += ["--vocabulary", str(tiny_bert / "vocab.txt"), "--held_out", "0.2"]
        arguments += ["--sequence_length", "16", "--runner", "in_process"]
        arguments += ["--mask_probability", str(mask_probability)]
        command_line.main(["corpus", *arguments])
        return output

    return make


@pytest.fixture(scope="module")
def make_values(make_corpus, tiny_bert):
    corpus = make_corpus(0.15)

    def make(run_directory):
        return {
            "run_directory": str(run_directory),
            "corpus": {"directory": str(corpus)},
            "encoder": {"weights": str(tiny_bert)},
            "fit": {
                "epochs": 12,
                "tokens_per_batch": 128,
                "optimizer": {"learning_rate": 0.01, "averaging": 0.9},
            },
            "precision": "float32",
        }

    return make


@pytest.fixture(scope="module")
def finished(make_values, tmp_path_factory):
    config = parse_config(make_values(tmp_path_factory.mktemp("mlm") / "run"), "values")
    run = RunDirectory.create(config, resume=False)
    pretrain_masked_lm(config, run)
    return config, run


def test_it_learns_what_belongs_there(finished):
    config, run = finished
    best = run.read_results()["masked_lm"]["best_dev"]
    # The most frequent word would be right in a fifth of the places at most.
    assert best["accuracy"] > 0.5

    model = BertMaskedLM.from_preset(str(run.masked_lm))
    held_out = CorpusBatches(config.corpus.directory, "held_out", 4096).dataset()
    right = total = 0
    for batch in held_out.as_numpy_iterator():
        ids = batch.pop("mask_ids")
        answers = keras.ops.convert_to_numpy(model(batch, training=False)).argmax(-1)
        is_mask = batch["mask_positions"] > 0
        right += (answers == ids)[is_mask].sum()
        total += is_mask.sum()
    assert best["masks"] == total
    assert best["accuracy"] == pytest.approx(right / total, abs=1e-6)


def test_it_starts_at_the_frequencies_of_tokens(make_values, tmp_path, monkeypatch):
    biases = []

    def stop(stage):
        biases.append(keras.ops.convert_to_numpy(stage.model.masked_lm_head._bias))
        raise KeyboardInterrupt

    monkeypatch.setattr(StageFit, "fit", stop)
    config = parse_config(make_values(tmp_path / "run"), "values")
    with pytest.raises(KeyboardInterrupt):
        pretrain_masked_lm(config, RunDirectory.create(config, resume=False))

    # The corpus has less than the 64 batches that are counted.
    batches = CorpusBatches(config.corpus.directory, "train", 128).dataset()
    counts = np.ones(len(biases[0]))
    for batch in batches.as_numpy_iterator():
        for token_id in batch["mask_ids"][batch["mask_positions"] > 0]:
            counts[token_id] += 1
    np.testing.assert_allclose(biases[0], np.log(counts / counts.sum()), rtol=1e-6)


def test_the_corpus_is_in_its_figures(finished):
    config, run = finished
    corpus = run.read_results()["corpus"]
    # 2 counts of neighbours x 200 pairs; no folder of this machine.
    assert corpus["counts"]["documents"] == 400
    assert corpus["inputs"][0]["name"] == "text.txt"
    batches = CorpusBatches(config.corpus.directory, "train", 128).dataset()
    tokens = sum(int(batch["padding_mask"].sum()) for batch in batches.as_numpy_iterator())
    assert corpus["totals"]["train"]["tokens"] == tokens


def test_the_table_of_its_figures(finished):
    _, run = finished
    results = run.read_results()
    table = masked_lm_table(results)
    best = results["masked_lm"]["best_step"]
    assert table.columns == ("figure", "start", f"masked_lm, step {best}")
    start = results["masked_lm_start"]["dev"]["loss"]
    end = results["masked_lm"]["best_dev"]["loss"]
    assert table.rows[0] == ("loss", f"{start:.4f}", f"{end:.4f}")
    assert table.rows[-1] == ("masks", *2 * [f"{results['masked_lm']['best_dev']['masks']:,}"])
    assert end < start


def test_log_frequencies():
    # Each token once more than it comes: 1, 3, 1 and 2 of 7.
    found = np.exp(log_frequencies(np.array([1, 1, 3]), 4))
    np.testing.assert_allclose(found, [1 / 7, 3 / 7, 1 / 7, 2 / 7], rtol=1e-12)


def test_padding_of_masks_weighs_nothing(finished):
    config, _ = finished
    inputs, ids, weights = next(iter(MaskedBatches(config, "train").dataset()))
    positions = inputs["mask_positions"].numpy()
    assert (positions == 0).any() and "mask_ids" not in inputs
    np.testing.assert_array_equal(weights.numpy(), (positions > 0).astype("float32"))
    assert (ids.numpy()[positions == 0] == 0).all()


def test_the_head_alone_leaves_the_encoder(make_values, tmp_path, tiny_bert):
    values = make_values(tmp_path / "run")
    values["train_encoder"] = False
    values["fit"].update(epochs=1, tokens_per_batch=2048)
    config = parse_config(values, "values")
    run = RunDirectory.create(config, resume=False)
    pretrain_masked_lm(config, run)
    assert run.read_results()["masked_lm"]["step"] > 1
    model = BertMaskedLM.from_preset(str(run.masked_lm))
    for ours, theirs in zip(
        model.backbone.weights, load_encoder(tiny_bert).weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs, err_msg=theirs.path)


def test_a_corpus_without_masks_is_refused(make_corpus, make_values, tmp_path):
    values = make_values(tmp_path / "run")
    values["corpus"] = {"directory": str(make_corpus(0))}
    config = parse_config(values, "values")
    with pytest.raises(TinyBertError, match=r"has no masks\. Make it with --mask_probability"):
        pretrain_masked_lm(config, RunDirectory.create(config, resume=False))
