"""BERT for classification and regression of texts and text pairs."""

import keras
import keras_nlp

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models._bert_task import BertTask
from tinybert_tf.models.bert_encoder import BertEncoder
from tinybert_tf.tokenization import BertPreprocessor


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertTextClassifier(BertTask, keras_nlp.models.TextClassifier):
    """A classifier, or with one output a regressor, over BERT's pooled output.

    Args:
        backbone: `BertEncoder`.
        num_classes: int. Outputs; 1 makes a regressor.
        preprocessor: `BertPreprocessor` or `None`. With one, `fit` and `predict` take
            text; `None` takes token ids.
        labels: sequence of str or `None`. The names of the classes in the order of the
            outputs; they travel with the model.
        activation: str, callable or `None`. Of the outputs; `None` gives logits.
        head_activation: str, callable or `None`. Between the pooled output and the
            classifier. Huawei's TinyBERT has `"relu"`, Hugging Face and KerasHub none.
        dropout: float. Rate on the pooled output.
        **kwargs: See `keras_nlp.models.Task`.
    """

    backbone_cls = BertEncoder
    preprocessor_cls = BertPreprocessor

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        labels=None,
        activation=None,
        head_activation=None,
        dropout=0.1,
        **kwargs,
    ):
        if labels is not None and len(labels) != num_classes:
            raise TinyBertError(
                f"{len(labels)} labels {tuple(labels)} were given for {num_classes} classes. "
                "Give one name for each class."
            )

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.head_activation_layer = keras.layers.Activation(
            head_activation, dtype=backbone.dtype_policy, name="head_activation"
        )
        self.output_dropout = keras.layers.Dropout(
            dropout, dtype=backbone.dtype_policy, name="output_dropout"
        )
        # Float32 whatever the policy: losses and thresholds are compared on these.
        self.output_dense = keras.layers.Dense(
            num_classes,
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype="float32",
            name="logits",
        )

        # === Config ===
        # Before the functional model, whose constructor compiles with the defaults of these.
        self.num_classes = num_classes
        self.labels = None if labels is None else tuple(labels)
        self.activation = keras.activations.get(activation)
        self.head_activation = keras.activations.get(head_activation)
        self.dropout = dropout

        # === Functional Model ===
        inputs = backbone.input
        outputs = self.apply_head(backbone(inputs))
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Makes a classifier from a preset; see `keras_nlp.models.Task`.

        Args:
            preset: str or path. A preset of the package (`tinybert_tf.presets.PRESETS`) or a
                KerasHub preset (directory or handle) that holds a `BertEncoder` or a
                `BertTextClassifier`.
            load_weights: bool. `False` for random weights.
            **kwargs: arguments of the constructor. With `num_classes` the head begins anew, and
                its classes have no names unless `labels` gives them.

        Raises:
            TinyBertError: if weights in 8 bits cannot be read.
        """
        if "num_classes" in kwargs:
            kwargs.setdefault("labels", None)
        return super().from_preset(preset, load_weights=load_weights, **kwargs)

    def apply_head(self, encoder_outputs):
        x = self.head_activation_layer(encoder_outputs["pooled_output"])
        return self.output_dense(self.output_dropout(x))

    def like(self, backbone, dropout):
        return type(self)(
            backbone,
            self.num_classes,
            preprocessor=self.preprocessor,
            labels=self.labels,
            head_activation=self.head_activation,
            dropout=dropout,
        )

    def compile(self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs):
        """Configures training, with the defaults of `keras_nlp.models.TextClassifier`.

        A regressor's default loss is the mean squared error.

        Args:
            optimizer: see `keras.Model.compile`.
            loss: see `keras.Model.compile`.
            metrics: see `keras.Model.compile`.
            **kwargs: see `keras.Model.compile`.
        """
        if self.num_classes == 1:
            loss = "mean_squared_error" if loss == "auto" else loss
            metrics = ["root_mean_squared_error"] if metrics == "auto" else metrics
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compile_from_config(self, config):
        """Compiles a loaded model as it was when saved.

        Args:
            config: dict. What `get_compile_config` returned.
        """
        # Keras leaves this to every model with a `compile` of its own.
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_config(self):
        config = super().get_config()
        config.update(
            num_classes=self.num_classes,
            labels=self.labels,
            activation=keras.activations.serialize(self.activation),
            head_activation=keras.activations.serialize(self.head_activation),
            dropout=self.dropout,
        )
        return config
