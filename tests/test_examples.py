"""The programs of `examples/`, on tiny models and data."""

import importlib.util
import json
import pathlib

import keras_nlp
import pytest

from tinybert_tf.models import BertTextClassifier

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def load_example(tiny_data, monkeypatch, eagerly):
    """A function that loads a program and gives it other sentences."""

    def read_sample(split):
        _, *lines = (tiny_data / f"{split}.tsv").read_text("utf-8").splitlines()
        texts, labels = zip(*(line.split("\t") for line in lines[:16]), strict=True)
        return list(texts), list(labels)

    def load_with_tiny_sample(name):
        module = load(name)
        texts, labels = module.read_sample("test")
        assert len(texts) == len(labels) == 360 and len(set(labels)) == 12
        monkeypatch.setattr(module, "read_sample", read_sample)
        return module

    return load_with_tiny_sample


def check_student(directory, texts=("good thing 3",)):
    student = BertTextClassifier.from_preset(str(directory))
    assert student.labels == ("negative", "positive")
    assert student.predict(list(texts), verbose=0).shape == (1, 2)
    return student


@pytest.fixture
def keras_hub_preset(tmp_path, tiny_bert):
    words = (tiny_bert / "vocab.txt").read_text("utf-8").split()
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
    backbone = keras_nlp.models.BertBackbone(len(words), **sizes, max_sequence_length=16)
    preprocessor = keras_nlp.models.BertTextClassifierPreprocessor(
        keras_nlp.models.BertTokenizer(words), sequence_length=16
    )
    keras_nlp.models.BertTextClassifier(
        backbone, num_classes=2, preprocessor=preprocessor
    ).save_to_preset(str(tmp_path / "theirs"))
    return tmp_path / "theirs"


@pytest.mark.slow
def test_keras_hub_teacher(load_example, keras_hub_preset, tmp_path, capsys):
    program = load_example("keras_hub_teacher")
    program.main(str(keras_hub_preset), "bert_tiny", 1, str(tmp_path / "student"))
    student = check_student(tmp_path / "student")
    assert (student.backbone.num_layers, student.backbone.hidden_dim) == (2, 128)
    assert "teacher: accuracy" in capsys.readouterr().out


def test_sentence_transformer_teacher(load_example, tiny_bert, tmp_path, capsys):
    program = load_example("sentence_transformer_teacher")
    program.main(str(tiny_bert), "bert_tiny", 1, str(tmp_path / "student"))
    check_student(tmp_path / "student")
    assert "student: accuracy" in capsys.readouterr().out


@pytest.mark.slow
def test_own_stage(load_example, finished_run, tmp_path, capsys):
    program = load_example("own_stage")
    program.main(str(finished_run.path), 2, str(tmp_path / "student"))
    check_student(tmp_path / "student")
    assert "the best student: accuracy" in capsys.readouterr().out


def test_the_notebook_is_the_program():
    made = load("make_notebook").make_notebook(
        (EXAMPLES / "sentence_transformer_teacher.py").read_text("utf-8")
    )
    notebook = json.loads((EXAMPLES / "sentence_transformer_teacher.ipynb").read_text("utf-8"))
    assert notebook == made
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    # The magic of the installation is no Python.
    for source in code[1:]:
        compile(source, "cell", "exec")
    assert code[-1].startswith("main(") and "argparse" not in "".join(code)
