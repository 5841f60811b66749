"""Keras as this library needs it: Keras 3 on TensorFlow. Looked at before Keras is imported."""

import os
import sys
from importlib import metadata

from packaging.requirements import Requirement

from tinybert_tf.errors import TinyBertError

_BACKEND, _LEGACY = "KERAS_BACKEND", "TF_USE_LEGACY_KERAS"
_DISTRIBUTION = "tinybert-tf"
# What is imported by all, and fails far from its cause in other versions.
_CHECKED = ("keras", "keras-nlp", "tensorflow", "tensorflow-text")


def check_backend() -> None:
    """Makes TensorFlow the backend of Keras, unless something else was asked for.

    Raises:
        TinyBertError: if an environment variable asks for another backend or for Keras 2, or
            Keras runs on another one already.
    """
    if os.environ.get(_LEGACY, "").lower() in ("1", "true"):
        raise TinyBertError(
            f"{_LEGACY} is {os.environ[_LEGACY]}, which asks for Keras 2; this library needs "
            f"Keras 3. Unset it: `env -u {_LEGACY} ...`."
        )
    # The variable goes before ~/.keras/keras.json.
    name = os.environ.setdefault(_BACKEND, "tensorflow")
    if "keras" in sys.modules:
        name = sys.modules["keras"].config.backend()
    if name != "tensorflow":
        raise TinyBertError(
            f"Keras is to run on {name} ({_BACKEND}); this library needs TensorFlow, whose "
            f"graphs its tokenizer and TFLite are made of. Set {_BACKEND}=tensorflow."
        )


def check_versions() -> None:
    """Compares the versions of Keras and TensorFlow with what the package was made for.

    Raises:
        TinyBertError: if one is missing or of another version.
    """
    try:
        required = map(Requirement, metadata.requires(_DISTRIBUTION) or ())
    except metadata.PackageNotFoundError:
        # Run from its folder, without having been installed.
        return
    for requirement in required:
        if requirement.name not in _CHECKED or requirement.marker:
            continue
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found = "missing"
        if found == "missing" or not requirement.specifier.contains(found, prereleases=True):
            raise TinyBertError(
                f"{requirement.name} is {found}, this library needs {requirement}. "
                f"`pip install '{requirement}'` changes it; constraints.txt has the versions "
                "that are tested."
            )


check_backend()
