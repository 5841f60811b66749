"""TinyBERT's losses for Keras's own `keras.distillation.Distiller`.

That distiller gives a loss the outputs of both models and nothing else: no mask, no
`sample_weight`, no projection that would train. So the padding mask has to be one of the
student's outputs, the projection a layer of the student, and the layers paired before:

```python
g = resolve_layer_mapping("uniform", 4, 12)
teacher_view = keras.Model(teacher.input, {
    "predictions": teacher_logits,
    "hidden_states": [teacher_hidden_states[i] for i in g],
    "attention_scores": [teacher_attention_scores[i - 1] for i in g[1:]],
    "padding_mask": teacher.input["padding_mask"],
})
student_view = keras.Model(student.input, {
    "predictions": student_logits,
    "hidden_states": [projection(hidden) for hidden in student_hidden_states],
    "attention_scores": student_attention_scores,
    "padding_mask": student.input["padding_mask"],
})
distiller = keras.distillation.Distiller(
    teacher_view, student_view, [SoftCrossEntropy(), HiddenStates(), AttentionScores()],
    student_loss_weight=0.0,
)
```

A model whose output is the logits alone needs no view for `SoftCrossEntropy`.

Under `tf.distribute` each loss is divided by the number of replicas, as Keras's own losses
are and as its distiller, which adds up the gradients of the replicas, expects. Its `loss`
metric is the whole loss then, its `distillation_loss` and `total_loss` are 1/N of it.
"""

import keras
from keras import ops

from tinybert_tf.distillation import losses
from tinybert_tf.errors import TinyBertError


@keras.saving.register_keras_serializable(package="tinybert_tf")
class SoftCrossEntropy(keras.distillation.DistillationLoss):
    """`losses.soft_cross_entropy` (eq. 10) of the models' logits.

    Reads the output itself, or its entry "predictions" where the output is a dict.

    Args:
        temperature: float. t > 0.
        reference_compatible: bool. See `losses.soft_cross_entropy`.

    Example:
    ```python
    distiller = keras.distillation.Distiller(
        teacher, student, SoftCrossEntropy(), student_loss_weight=0.0
    )
    distiller.compile("adam", loss="mse")  # asked for, not used at weight 0
    ```
    """

    def __init__(self, temperature=1.0, reference_compatible=False):
        losses.check_temperature(temperature)
        self.temperature = temperature
        self.reference_compatible = reference_compatible

    def validate_outputs(self, teacher_outputs, student_outputs):
        """Checks that both outputs hold logits; their shapes are checked with the loss."""
        for owner, outputs in (("teacher", teacher_outputs), ("student", student_outputs)):
            if isinstance(outputs, dict):
                _entry(outputs, "predictions", owner)
            elif keras.tree.is_nested(outputs):
                raise TinyBertError(
                    f"The {owner} returns a {type(outputs).__name__}; expected logits, or a "
                    'dict with the entry "predictions".'
                )

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Returns the scalar loss of one replica."""
        teacher_logits, student_logits = (
            outputs["predictions"] if isinstance(outputs, dict) else outputs
            for outputs in (teacher_outputs, student_outputs)
        )
        return _share_of_replica(
            losses.soft_cross_entropy(
                student_logits,
                teacher_logits,
                temperature=self.temperature,
                reference_compatible=self.reference_compatible,
            )
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "temperature": self.temperature,
            "reference_compatible": self.reference_compatible,
        }

    @classmethod
    def from_config(cls, config):
        """Builds the loss from `get_config()`."""
        return cls(**config)


class _PairedLayers(keras.distillation.DistillationLoss):
    """Sum over layers (eq. 11, lambda_m = 1) of a loss that takes a padding mask.

    Args:
        reference_compatible: bool. See the function that the class wraps.
    """

    # The entry of both outputs that holds the list of layers, and the loss of one layer.
    key: str
    layer_loss: staticmethod

    def __init__(self, reference_compatible=False):
        self.reference_compatible = reference_compatible

    def validate_outputs(self, teacher_outputs, student_outputs):
        """Checks that both lists are there and equally long, and the student's mask."""
        teacher_layers = _entry(teacher_outputs, self.key, "teacher")
        student_layers = _entry(student_outputs, self.key, "student")
        _entry(student_outputs, "padding_mask", "student")
        if len(teacher_layers) != len(student_layers):
            raise TinyBertError(
                f'The teacher returns {len(teacher_layers)} "{self.key}" and the student '
                f"{len(student_layers)}; expected a teacher layer for each of the student's. "
                "Pick them with resolve_layer_mapping."
            )

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """Returns the scalar loss of one replica."""
        layers = zip(student_outputs[self.key], teacher_outputs[self.key], strict=True)
        return _share_of_replica(
            sum(
                self.layer_loss(
                    student,
                    teacher,
                    student_outputs["padding_mask"],
                    reference_compatible=self.reference_compatible,
                )
                for student, teacher in layers
            )
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"reference_compatible": self.reference_compatible}

    @classmethod
    def from_config(cls, config):
        """Builds the loss from `get_config()`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tinybert_tf")
class HiddenStates(_PairedLayers):
    """`losses.hidden_loss` (eq. 8, 9) summed over the layers in the entry "hidden_states".

    Both models return a dict with a list of [batch, seq, hidden] under "hidden_states",
    equally long, the student's projected to the teacher's width; the student's also has
    "padding_mask", [batch, seq]. The module's docstring shows how.

    Args:
        reference_compatible: bool. See `losses.hidden_loss`.
    """

    key = "hidden_states"
    layer_loss = staticmethod(losses.hidden_loss)


@keras.saving.register_keras_serializable(package="tinybert_tf")
class AttentionScores(_PairedLayers):
    """`losses.attention_loss` (eq. 7) summed over the layers in "attention_scores".

    Both models return a dict with a list of [batch, heads, seq, seq], before softmax, under
    "attention_scores", equally long; the student's also has "padding_mask", [batch, seq].
    The module's docstring shows how.

    Args:
        reference_compatible: bool. See `losses.attention_loss`.
    """

    key = "attention_scores"
    layer_loss = staticmethod(losses.attention_loss)


def _entry(outputs, key: str, owner: str):
    if not isinstance(outputs, dict) or key not in outputs:
        found = (
            f"a dict with {sorted(outputs)}"
            if isinstance(outputs, dict)
            else f"a {type(outputs).__name__}"
        )
        raise TinyBertError(
            f'The {owner} returns {found}; expected a dict with the entry "{key}". Wrap the '
            f"{owner} in a keras.Model that returns it."
        )
    return outputs[key]


def _share_of_replica(loss):
    if keras.backend.backend() != "tensorflow":
        return loss
    import tensorflow as tf

    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return ops.divide(loss, ops.cast(num_replicas, loss.dtype))
