"""Package metadata of tinybert-tf."""

import pathlib

from setuptools import find_packages, setup

# Ranges that the code is written for; the versions that are installed and tested stand in
# constraints.txt. Every requirement has a lower bound: without one, resolvers fall back to
# releases years old (tf-models-official 2.1.0.dev2) instead of reporting a conflict.
INSTALL_REQUIRES = [
    "absl-py>=2.1",
    "h5py>=3.11",
    # tensorflow-datasets 4.9.10 imports it without declaring it.
    "importlib-resources>=6.0",
    "jinja2>=3.1",
    # Upper bounds: about twenty private names of Keras and KerasHub are used (`_query_dense`,
    # `_maybe_symbolic_build`, ...), and those may change with any minor release.
    "keras>=3.15,<3.16",
    "keras-nlp>=0.32,<0.33",
    "matplotlib>=3.9",
    "ml-dtypes>=0.5",
    "packaging>=24.0",
    "pydantic>=2.10",
    "pyyaml>=6.0",
    "rich>=13.7",
    "safetensors>=0.4.5",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "tensorflow>=2.20,<2.21",
    "tensorflow-datasets>=4.9.10",
    "tensorflow-text>=2.20,<2.21",
    # Not for Python 3.13: it needs numpy 1 (through tensorflow-model-optimization), and
    # TensorFlow needs numpy 2 there.
    'tf-models-official>=2.20,<2.21; python_version < "3.13"',
    "threadpoolctl>=3.5",
]

EXTRAS_REQUIRE = {
    "beam": ["apache-beam>=2.77"],
    "parquet": ["pyarrow>=18,<23"],
    "export": ["ai-edge-litert>=2.3", "flatbuffers>=25.2", "jsonschema>=4.23"],
    "dev": [
        "mediapipe>=1.2",
        "mypy>=2.4,<2.5",
        "pytest>=8.3",
        "pytest-xdist>=3.6",
        "ruff>=0.17,<0.18",
        "uv>=0.9",
    ],
    "docs": ["mkdocs>=1.6,<2", "mkdocstrings[python]>=1.0"],
    "benchmark": ["onnx>=1.17", "onnxruntime>=1.20", "torch>=2.6", "transformers>=5.0"],
}

setup(
    name="tinybert-tf",
    version="0.1.0",
    description="TinyBERT for TensorFlow: from a BERT teacher to a phone",
    long_description=pathlib.Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=[
        *find_packages(include=["tinybert_tf", "tinybert_tf.*"]),
        "tinybert_tf.export.contract_files",
    ],
    # The app reads these as well, so they stand beside it.
    package_dir={"tinybert_tf.export.contract_files": "export"},
    package_data={
        "tinybert_tf": ["py.typed"],
        "tinybert_tf.data.reviews": ["*.tsv", "*.md"],
        "tinybert_tf.data.sample": ["*.tsv", "*.md"],
        "tinybert_tf.export.contract_files": ["*.json", "profiles/*.yaml"],
        "tinybert_tf.presets": ["*/*", "*/assets/tokenizer/*"],
        "tinybert_tf.runs": ["*.jinja"],
        "tinybert_tf.reports": ["page.css", "templates/*.jinja"],
    },
    entry_points={
        "console_scripts": ["tinybert-tf=tinybert_tf.commands.command_line:script"],
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
)
