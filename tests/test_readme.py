"""The Python examples of README and docs/distill.md run as they are written."""

import json
import pathlib
import re

import keras
import numpy as np
from safetensors.numpy import save_file

from tinybert_tf.models import BertTextClassifier

ROOT = pathlib.Path(__file__).resolve().parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "distill.md"
VOCABULARY_SIZE = 30522
WIDTH, LAYERS, UNITS = 24, 5, 32


def examples_of(page):
    examples = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [compile(example, page.name, "exec") for example in examples]


def write_teacher(directory):
    """A random BERT classifier of full vocabulary in the Hugging Face layout."""
    random = np.random.default_rng(0)

    def dense(prefix, inputs, outputs):
        yield f"{prefix}.weight", random.normal(0.0, 0.1, (outputs, inputs))
        yield f"{prefix}.bias", np.zeros(outputs)

    def norm(prefix):
        yield f"{prefix}.weight", np.ones(WIDTH)
        yield f"{prefix}.bias", np.zeros(WIDTH)

    tensors = {}
    for name, rows in (("word", VOCABULARY_SIZE), ("position", 512), ("token_type", 2)):
        tensors[f"embeddings.{name}_embeddings.weight"] = random.normal(0, 0.1, (rows, WIDTH))
    tensors.update(norm("embeddings.LayerNorm"))
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            tensors.update(dense(f"{layer}.attention.{name}", WIDTH, WIDTH))
        tensors.update(norm(f"{layer}.attention.output.LayerNorm"))
        tensors.update(dense(f"{layer}.intermediate.dense", WIDTH, UNITS))
        tensors.update(dense(f"{layer}.output.dense", UNITS, WIDTH))
        tensors.update(norm(f"{layer}.output.LayerNorm"))
    tensors.update(dense("pooler.dense", WIDTH, WIDTH))
    tensors = {f"bert.{name}": tensor for name, tensor in tensors.items()}
    tensors.update(dense("classifier", WIDTH, 2))
    directory.mkdir()
    save_file(
        {k: v.astype("float32") for k, v in tensors.items()}, directory / "model.safetensors"
    )
    config = {
        "vocab_size": VOCABULARY_SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 12,
        "hidden_size": WIDTH,
        "intermediate_size": UNITS,
        "max_position_embeddings": 512,
    }
    (directory / "config.json").write_text(json.dumps(config))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "to", "remember"]
    words += [f"word{i}" for i in range(VOCABULARY_SIZE - len(words))]
    (directory / "vocab.txt").write_text("\n".join(words) + "\n")


def test_the_guide_s_example(tmp_path, monkeypatch, eagerly):
    write_teacher(tmp_path / "my_bert")
    (tmp_path / "SST-2").mkdir()
    rows = [f"word{i} a film word{2 * i}\t{i % 2}" for i in range(24)]
    (tmp_path / "SST-2" / "train.tsv").write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    names = {}
    (example,) = examples_of(GUIDE)
    exec(example, names)

    student = BertTextClassifier.from_preset(str(tmp_path / "my_student"))
    # 14,350,248 weights of the encoder (Jiao et al. say 14.5 M) and 312 x 2 + 2 of the head.
    assert student.count_params() == 14_350_248 + 626
    np.testing.assert_allclose(
        student.predict(["a film to remember"], verbose=0),
        names["student"].predict(["a film to remember"], verbose=0),
        atol=1e-6,
    )
    projection = names["distiller"].projections[0]
    assert keras.ops.shape(projection.kernel) == (312, 24)


def test_the_readme_s_examples(finished_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "quickstart").symlink_to(finished_run.path)
    monkeypatch.chdir(tmp_path)
    of_the_package, of_the_quickstart = examples_of(README)
    exec(of_the_package, {})
    assert capsys.readouterr().out.split()[-1] == "positive"
    exec(of_the_quickstart, {})
    assert capsys.readouterr().out.split()[-1] in finished_run.config().resolved_task().labels
