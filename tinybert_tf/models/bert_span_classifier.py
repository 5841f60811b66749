"""BERT for extractive question answering."""

import keras
import keras_nlp

from tinybert_tf.models.bert_encoder import BertEncoder
from tinybert_tf.models.bert_task import BertTask
from tinybert_tf.tokenization import BertPreprocessor


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertSpanClassifier(BertTask, keras_nlp.models.Task):
    """Scores each token as the start and as the end of the answer.

    The output is a dictionary of `start_logits` and `end_logits`, each [batch, seq].

    Args:
        backbone: `BertEncoder`.
        preprocessor: `BertPreprocessor` or `None`. With one, the inputs are pairs of
            question and context.
        **kwargs: See `keras_nlp.models.Task`.
    """

    backbone_cls = BertEncoder
    preprocessor_cls = BertPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.span_dense = keras.layers.Dense(
            2,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype="float32",
            name="span_logits",
        )

        # === Functional Model ===
        inputs = backbone.input
        outputs = self.apply_head(backbone(inputs))
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def apply_head(self, encoder_outputs):
        logits = self.span_dense(encoder_outputs["sequence_output"])
        return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]}
