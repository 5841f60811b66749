"""Export profiles: how weights and activations are stored, and what that may cost."""

import os
import pathlib
from typing import Annotated, Literal

import pydantic

from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.export._contract import contract_path
from tinybert_tf.files import read_text_file
from tinybert_tf.strict import strict_dataclass
from tinybert_tf.yaml_text import read_yaml

DEFAULT_PROFILE = "dynamic_int8"


@strict_dataclass
class Tolerance:
    """How far a file may be from the Keras model before its export fails.

    Args:
        max_difference: of one probability or score.
        mean_difference: over all examples and outputs.
        label_agreement: least share of examples with Keras's label, or span where spans are
            not scored.
        metric_drop: most that the task's first metric may lose, as a share of its best value.
    """

    max_difference: pydantic.NonNegativeFloat
    mean_difference: pydantic.NonNegativeFloat
    label_agreement: Annotated[float, pydantic.Field(ge=0.0, le=1.0)]
    metric_drop: pydantic.NonNegativeFloat


@strict_dataclass
class Profile:
    """A way to store a model.

    Args:
        name: the file's name without `.yaml`.
        description: one line for people.
        weights: of the dense layers. `"int8"` is per channel.
        embedding: of the token embedding. `"product"` is product quantization (Jegou et al.,
            2011).
        activations: `"dynamic_int8"` quantizes the inputs of dense layers at run time,
            `"static_int8"` in ranges measured before.
        tolerance: `Tolerance`.
    """

    name: str
    description: str
    weights: Literal["float32", "float16", "int8"]
    embedding: Literal["float32", "float16", "int8", "product"]
    activations: Literal["float32", "dynamic_int8", "static_int8"]
    tolerance: Tolerance

    def __post_init__(self):
        if (self.weights == "int8") != (self.activations != "float32"):
            raise ValueError(
                f"weights {self.weights} and activations {self.activations} do not go "
                "together; int8 weights want dynamic_int8 or static_int8 activations, others "
                "float32"
            )
        if self.embedding not in (self.weights, "product"):
            raise ValueError(
                f"embedding {self.embedding} wants weights {self.embedding}; got {self.weights}"
            )
        if self.embedding == "product" and self.activations != "dynamic_int8":
            raise ValueError("embedding product wants activations dynamic_int8")

    @property
    def wants_calibration(self) -> bool:
        """Whether `convert` needs examples of the task."""
        return self.activations == "static_int8" or self.embedding == "product"


def profile_names() -> list[str]:
    """Returns the names of the profiles that come with the library."""
    return sorted(path.stem for path in contract_path("profiles").glob("*.yaml"))


def load_profile(name: str | os.PathLike) -> Profile:
    """Reads a profile.

    Args:
        name: str or path. One of `profile_names()`, or a YAML file of one's own.

    Raises:
        TinyBertError: if there is no such profile or it is wrong.
    """
    if os.fspath(name) in profile_names():
        path = contract_path("profiles") / f"{name}.yaml"
    elif os.fspath(name).endswith(".yaml"):
        path = pathlib.Path(name)
    else:
        known = profile_names()
        raise TinyBertError(
            f"There is no profile '{name}'. Known are {', '.join(known)}, or the path of a "
            f"YAML file.{nearest_name(str(name), known)}"
        )
    try:
        values = read_yaml(read_text_file(path, "profile"), str(path))
        return pydantic.TypeAdapter(Profile).validate_python({"name": path.stem, **values})
    except TypeError as error:
        raise TinyBertError(f"{path} is no YAML mapping of a profile: {error}") from error
    except pydantic.ValidationError as error:
        problems = [
            f"{'.'.join(map(str, p['loc'])) or 'profile'}: {p['msg']}" for p in error.errors()
        ]
        raise TinyBertError(f"{path}:\n  " + "\n  ".join(problems)) from error
