"""What every head over `BertEncoder` shares."""

import keras

from tinybert_tf.models.quantized_weights import is_quantized_preset, load_preset_weights
from tinybert_tf.presets import resolve_preset


class BertTask:
    """Mixin of the task models: a head over an encoder whose inside can be asked for.

    A subclass applies its head in `apply_head`, both to build itself and in `expose`.
    """

    def apply_head(self, encoder_outputs, **head_inputs):
        """Returns the task's predictions from the encoder's outputs.

        Args:
            encoder_outputs: dict. `sequence_output` and `pooled_output`.
            **head_inputs: tensors. Inputs that the head wants beside the encoder's.
        """
        raise NotImplementedError

    def expose(self, hidden_states=False, attention_scores=False):
        """Returns a model on the same weights that outputs a dictionary.

        Args:
            hidden_states: bool. See `BertEncoder.expose`.
            attention_scores: bool. See `BertEncoder.expose`.

        Returns:
            `keras.Model`. Its outputs are the encoder's, and `predictions`, what the
            task model itself outputs.
        """
        encoder = self.backbone.expose(hidden_states, attention_scores)
        encoder_inputs = {name: self.input[name] for name in self.backbone.input}
        head_inputs = {k: v for k, v in self.input.items() if k not in encoder_inputs}
        outputs = encoder(encoder_inputs)
        outputs["predictions"] = self.apply_head(outputs, **head_inputs)
        return keras.Model(self.input, outputs, name=f"{self.name}_exposed")

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Makes a task model from a preset; see `keras_nlp.models.Task.from_preset`.

        Args:
            preset: str. A preset of the package (`tinybert_tf.presets.PRESETS`) or a KerasHub
                preset (directory or handle).
            load_weights: bool. `False` for random weights.
            **kwargs: arguments of the constructor, such as `num_classes`.
        """
        preset = resolve_preset(preset)
        if not is_quantized_preset(preset):
            return super().from_preset(preset, load_weights=load_weights, **kwargs)
        task = super().from_preset(preset, load_weights=False, **kwargs)
        if load_weights:
            load_preset_weights(task.backbone, preset)
        return task
