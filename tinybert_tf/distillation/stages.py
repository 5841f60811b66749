"""What a stage of TinyBERT's distillation learns."""

import dataclasses
import math

from tinybert_tf.errors import TinyBertError

TERMS = ("attention", "hidden", "embedding", "prediction", "labels")


@dataclasses.dataclass(frozen=True)
class Stage:
    """The weights lambda of the terms of a stage's loss (arXiv 1909.10351, eq. 11).

    A term of weight 0 is not part of the loss and not computed at all, but `prediction`, which
    is always tracked where the models make predictions.

    Args:
        name: str. For logs and checkpoints.
        attention: float. Of eq. 7, summed over the student's blocks.
        hidden: float. Of eq. 8, summed over the student's blocks.
        embedding: float. Of eq. 9.
        prediction: float. Of eq. 10, or of the squared error of a regressor.
        labels: float. Of the cross entropy under the correct labels, or a regressor's squared
            error; the paper's stages have none. A weighted sum of it and `prediction` is what
            Hinton et al. (arXiv 1503.02531) learn from.
        temperature: float. t of eq. 10.

    Raises:
        TinyBertError: if a weight is negative or not finite, or all are 0.
    """

    name: str
    attention: float = 0.0
    hidden: float = 0.0
    embedding: float = 0.0
    prediction: float = 0.0
    labels: float = 0.0
    temperature: float = 1.0

    def __post_init__(self):
        weights = self.weights
        for term, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise TinyBertError(
                    f"Stage '{self.name}': the weight of {term} is {weight}; it must be 0 or "
                    "a positive number."
                )
        if not any(weights.values()):
            raise TinyBertError(
                f"Stage '{self.name}' has no term to learn from. Give at least one of "
                f"{', '.join(TERMS)} a positive weight."
            )
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise TinyBertError(
                f"Stage '{self.name}': temperature is {self.temperature}; it must be positive."
            )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term of `TERMS`."""
        return {term: getattr(self, term) for term in TERMS}

    @property
    def trains_head(self) -> bool:
        """Whether it learns from what the student predicts."""
        return bool(self.prediction or self.labels)

    @property
    def layer_outputs(self) -> tuple[str, ...]:
        """What it compares beside predictions, as `expose` names it."""
        is_asked = {
            "hidden_states": self.hidden or self.embedding,
            "attention_scores": self.attention,
        }
        return tuple(name for name, asked in is_asked.items() if asked)


INTERMEDIATE = Stage("intermediate", attention=1.0, hidden=1.0, embedding=1.0)
"""TinyBERT's first stage: what the layers compute."""
PREDICTION = Stage("prediction", prediction=1.0)
"""TinyBERT's second stage: what the teacher answers."""
