"""BERT for masked language modelling."""

import keras
import keras_nlp
import tensorflow as tf

from tinybert_tf.models._bert_task import BertTask
from tinybert_tf.models.bert_encoder import BertEncoder
from tinybert_tf.tokenization import BertPreprocessor


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertMaskedLM(BertTask, keras_nlp.models.Task):
    """Predicts tokens at given positions, with the token embedding as output weights.

    Inputs are the encoder's and `mask_positions`, int [batch, masks]; the output is
    logits [batch, masks, vocabulary_size].

    Args:
        backbone: `BertEncoder`.
        preprocessor: `BertPreprocessor` or `None`. With one, `predict` takes text as well
            and gives the logits of every position, padding included.
        head_activation: str, callable or `None`. Of the head's dense layer; `None` is the
            encoder's, as in original BERT.
        head_layer_norm_epsilon: float or `None`. Of the head's LayerNorm; `None` is the
            encoder's.
        **kwargs: See `keras_nlp.models.Task`.
    """

    backbone_cls = BertEncoder
    preprocessor_cls = BertPreprocessor

    def __init__(
        self,
        backbone,
        preprocessor=None,
        head_activation=None,
        head_layer_norm_epsilon=None,
        **kwargs,
    ):
        if head_activation is None:
            head_activation = backbone.activation
        if head_layer_norm_epsilon is None:
            head_layer_norm_epsilon = backbone.layer_norm_epsilon

        # === Layers ===
        self.backbone = backbone
        # Nothing of a masked LM goes through it.
        backbone.freeze_pooler()
        self.preprocessor = preprocessor
        self.masked_lm_head = keras_nlp.layers.MaskedLMHead(
            token_embedding=backbone.token_embedding,
            intermediate_activation=head_activation,
            layer_norm_epsilon=head_layer_norm_epsilon,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            # Float32 whatever the policy, as all logits. KerasHub's head fails under the
            # mixed policies: it adds its float32 bias to half-precision logits.
            dtype="float32",
            name="masked_lm_head",
        )

        # === Functional Model ===
        inputs = {
            **backbone.input,
            "mask_positions": keras.Input((None,), dtype="int32", name="mask_positions"),
        }
        outputs = self.apply_head(backbone(backbone.input), inputs["mask_positions"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.head_activation = keras.activations.get(head_activation)
        self.head_layer_norm_epsilon = head_layer_norm_epsilon

    def apply_head(self, encoder_outputs, mask_positions):
        return self.masked_lm_head(encoder_outputs["sequence_output"], mask_positions)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Turns texts into inputs that ask for every position; ready inputs pass through.

        Args:
            x: texts as `BertPreprocessor` takes them, or the dictionary of inputs.
            y: labels or `None`, passed through.
            sample_weight: weights or `None`, passed through.
        """
        # No text can say what is masked: "[MASK]" in a text is plain text.
        if self.preprocessor is not None and not isinstance(x, dict):
            x = self.preprocessor(x)
            shape = tf.shape(x["token_ids"])
            x["mask_positions"] = tf.broadcast_to(tf.range(shape[-1]), shape)
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def get_config(self):
        config = super().get_config()
        config.update(
            head_activation=keras.activations.serialize(self.head_activation),
            head_layer_norm_epsilon=self.head_layer_norm_epsilon,
        )
        return config
