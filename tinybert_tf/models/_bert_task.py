"""What every head over `BertEncoder` shares."""

import keras

from tinybert_tf.models._quantized_weights import QuantizedPresets
from tinybert_tf.models._replicas import OverWorkers, share_of_mean


class BertTask(OverWorkers, QuantizedPresets):
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

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        # Another loss, such as a sum, is the user's own matter.
        is_mean = getattr(self.loss, "reduction", "mean") not in ("sum", "none", None)
        return share_of_mean(loss, y) if is_mean else loss

    def like(self, backbone, dropout):
        """Returns a model with a head like this one's, untrained, over another encoder.

        Args:
            backbone: `BertEncoder`.
            dropout: float. Rate on what a head gets, where it has one.
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
