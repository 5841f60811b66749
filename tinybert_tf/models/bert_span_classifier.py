"""BERT for extractive question answering."""

import keras
import keras_nlp
from keras import ops

from tinybert_tf.models._bert_task import BertTask
from tinybert_tf.models._replicas import share_of_mean
from tinybert_tf.models.bert_encoder import BertEncoder
from tinybert_tf.tokenization import BertPreprocessor


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertSpanClassifier(BertTask, keras_nlp.models.Task):
    """Scores each token as the start and as the end of the answer.

    The output is a dictionary of `start_logits` and `end_logits`, each [batch, seq]. Labels
    are int [batch, 2], the positions of the first and of the last token of the answer.

    Args:
        backbone: `BertEncoder`. Its pooler, which nothing goes through, is set not to train.
        preprocessor: `BertPreprocessor` or `None`. With one, the inputs are pairs of
            question and context.
        **kwargs: See `keras_nlp.models.Task`.
    """

    backbone_cls = BertEncoder
    preprocessor_cls = BertPreprocessor

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        backbone.freeze_pooler()
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

    def like(self, backbone, dropout):
        return type(self)(backbone, preprocessor=self.preprocessor)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Computes the loss that was given to `compile`, or without one the usual one.

        The usual one is the mean of the cross entropies of start and end over real tokens.

        Args:
            x: dict. Encoder inputs, each [batch, seq].
            y: int tensor [batch, 2], or what the compiled loss takes.
            y_pred: dict. The outputs.
            sample_weight: float tensor [batch] or `None`.
            training: bool. As Keras passes it.

        Returns:
            A scalar.
        """
        if self.loss is not None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        logits = ops.stack([y_pred["start_logits"], y_pred["end_logits"]], axis=1)
        is_token = ops.cast(x["padding_mask"], "bool")[:, None]
        # A Keras loss, because it knows how many replicas there are.
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if sample_weight is not None:
            sample_weight = ops.reshape(sample_weight, (-1, 1))
        loss = cross_entropy(y, ops.where(is_token, logits, -1e30), sample_weight)
        return share_of_mean(loss, y)
