"""BERT's encoder as a KerasHub backbone that shows its inside."""

import keras
import keras_nlp

from tinybert_tf.errors import TinyBertError
from tinybert_tf.models._quantized_weights import QuantizedPresets
from tinybert_tf.models.architectures import ARCHITECTURES
from tinybert_tf.models.bert_layers import (
    BertTransformerLayer,
    MeanPooling,
    RelativePositionBias,
)
from tinybert_tf.presets import PRESETS

POOLINGS = ("cls", "mean")
"""What the pooled output of a `BertEncoder` may be."""


def _initializer():
    return keras.initializers.TruncatedNormal(stddev=0.02)


def encoder_of(model: keras.Model) -> "BertEncoder":
    """Returns the encoder of a task model, or the encoder that it is itself."""
    return model if isinstance(model, BertEncoder) else model.backbone


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertEncoder(QuantizedPresets, keras_nlp.models.Backbone):
    """BERT encoder (Devlin et al., arXiv 1810.04805).

    Inputs are a dictionary of int tensors [batch, seq]: `token_ids`, `segment_ids` and
    `padding_mask` (1 at real tokens). Outputs are a dictionary of `sequence_output`
    [batch, seq, hidden_dim] and `pooled_output` [batch, hidden_dim]. What a student learns
    from (hidden states, attention scores) is there on request: see `expose`.

    Args:
        vocabulary_size: int. Rows of the token embedding.
        num_layers: int. Transformer blocks.
        num_heads: int. Attention heads of a block; divides `hidden_dim`.
        hidden_dim: int. Width of the hidden states.
        intermediate_dim: int. Units of a block's feed-forward network.
        dropout: float. Rate after embeddings, attention and feed-forward network.
        attention_dropout: float or `None`. Rate on attention probabilities; `None` means
            the same as `dropout`.
        max_sequence_length: int. Rows of the position embedding.
        num_segments: int. Rows of the segment embedding.
        activation: str or callable. Of the feed-forward network. `"gelu"` is the exact
            form, as in the original BERT; `tinybert_tf.models.gelu_tanh` is KerasHub's.
        layer_norm_epsilon: float. Of every LayerNorm.
        embedding_dim: int or `None`. Width of the embeddings, where a dense layer takes them
            to `hidden_dim` (ELECTRA's small models); `None` is `hidden_dim`, without it.
        relative_attention_buckets: int or `None`. Rows of MPNet's bias on attention scores;
            see `RelativePositionBias`. It is a part of the scores that a student learns from.
        pooling: `"cls"` or `"mean"`. What the pooled output is: BERT's, a dense layer on the
            first token, or the mean of all tokens, without a layer (see `MeanPooling`).
        pooler_activation: str or callable. Of BERT's pooled output.
        dtype: str or `keras.DTypePolicy`. Of computations and weights.
        **kwargs: See `keras.Model`.

    Example:
    ```python
    encoder = BertEncoder.from_preset("tinybert_4l_312d", load_weights=False)
    outputs = encoder.expose(hidden_states=True, attention_scores=True)(
        {
            "token_ids": np.array([[101, 7592, 102, 0]]),
            "segment_ids": np.zeros((1, 4), "int32"),
            "padding_mask": np.array([[1, 1, 1, 0]]),
        }
    )
    len(outputs["hidden_states"])  # 5: embeddings and 4 blocks
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        dropout=0.1,
        attention_dropout=None,
        max_sequence_length=512,
        num_segments=2,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        embedding_dim=None,
        relative_attention_buckets=None,
        pooling="cls",
        pooler_activation="tanh",
        dtype=None,
        **kwargs,
    ):
        if hidden_dim % num_heads:
            raise TinyBertError(
                f"hidden_dim={hidden_dim} is not divisible by num_heads={num_heads}. "
                "Choose a multiple."
            )
        if pooling not in POOLINGS:
            raise TinyBertError(f"pooling is '{pooling}', expected one of {POOLINGS}.")
        attention_dropout = dropout if attention_dropout is None else attention_dropout
        table_dim = embedding_dim or hidden_dim

        # === Layers ===
        self.token_embedding = keras_nlp.layers.ReversibleEmbedding(
            vocabulary_size,
            table_dim,
            embeddings_initializer=_initializer(),
            dtype=dtype,
            name="token_embedding",
        )
        self.position_embedding = keras_nlp.layers.PositionEmbedding(
            max_sequence_length,
            initializer=_initializer(),
            dtype=dtype,
            name="position_embedding",
        )
        self.segment_embedding = keras.layers.Embedding(
            num_segments,
            table_dim,
            embeddings_initializer=_initializer(),
            dtype=dtype,
            name="segment_embedding",
        )
        self.embeddings_add = keras.layers.Add(dtype=dtype, name="embeddings_add")
        self.embeddings_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=dtype, name="embeddings_norm"
        )
        self.embeddings_dropout = keras.layers.Dropout(
            dropout, dtype=dtype, name="embeddings_dropout"
        )
        self.embeddings_projection = None
        if embedding_dim is not None:
            self.embeddings_projection = keras.layers.Dense(
                hidden_dim,
                kernel_initializer=_initializer(),
                dtype=dtype,
                name="embeddings_projection",
            )
        self.position_bias = None
        if relative_attention_buckets is not None:
            self.position_bias = RelativePositionBias(
                relative_attention_buckets,
                num_heads,
                max_sequence_length,
                dtype=dtype,
                name="position_bias",
            )
        self.transformer_layers = [
            BertTransformerLayer(
                num_heads,
                intermediate_dim,
                activation=activation,
                dropout=dropout,
                attention_dropout=attention_dropout,
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_initializer=_initializer(),
                dtype=dtype,
                name=f"transformer_layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.pooled_dense = self.mean_pooling = None
        if pooling == "cls":
            self.pooled_dense = keras.layers.Dense(
                hidden_dim,
                activation=pooler_activation,
                kernel_initializer=_initializer(),
                dtype=dtype,
                name="pooled_dense",
            )
        else:
            self.mean_pooling = MeanPooling(dtype=dtype, name="mean_pooling")

        # === Functional Model ===
        inputs = {
            name: keras.Input(shape=(None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        tokens = self.token_embedding(inputs["token_ids"])
        embedded = self.embeddings_add(
            (
                tokens,
                self.position_embedding(tokens),
                self.segment_embedding(inputs["segment_ids"]),
            )
        )
        embedded = self.embeddings_dropout(self.embeddings_norm(embedded))
        if self.embeddings_projection is not None:
            embedded = self.embeddings_projection(embedded)
        hidden_states, attention_scores = [embedded], []
        shared = [inputs["padding_mask"]]
        if self.position_bias is not None:
            shared.append(self.position_bias(inputs["token_ids"]))
        for layer in self.transformer_layers:
            x, scores = layer(hidden_states[-1], *shared)
            hidden_states.append(x)
            attention_scores.append(scores)
        if pooling == "cls":
            pooled = self.pooled_dense(hidden_states[-1][:, 0, :])
        else:
            pooled = self.mean_pooling(hidden_states[-1], inputs["padding_mask"])
        outputs = {"sequence_output": hidden_states[-1], "pooled_output": pooled}
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.activation = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.embedding_dim = embedding_dim
        self.relative_attention_buckets = relative_attention_buckets
        self.pooling = pooling
        self.pooler_activation = keras.activations.get(pooler_activation)
        self._intermediate_outputs = {
            "hidden_states": hidden_states,
            "attention_scores": attention_scores,
        }

    def expose(self, hidden_states=False, attention_scores=False):
        """Returns a model on the same weights that also outputs what is asked for.

        Args:
            hidden_states: bool. Adds `hidden_states`: a list of num_layers + 1 tensors
                [batch, seq, hidden_dim], the embedding output first.
            attention_scores: bool. Adds `attention_scores`: a list of num_layers tensors
                [batch, heads, seq, seq], `Q K^T / sqrt(head_dim)` before mask and softmax.

        Returns:
            `keras.Model` with the inputs of the encoder and a dictionary of outputs. What
            is not asked for is not an output and is not kept.
        """
        outputs = dict(self.output)
        if hidden_states:
            outputs["hidden_states"] = self._intermediate_outputs["hidden_states"]
        if attention_scores:
            outputs["attention_scores"] = self._intermediate_outputs["attention_scores"]
        return keras.Model(self.input, outputs, name=f"{self.name}_exposed")

    def freeze_pooler(self):
        """Sets the pooler, if there is one, not to train: for heads that go without it."""
        if self.pooled_dense is not None:
            self.pooled_dense.trainable = False

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Makes an encoder from a preset directory or handle, or a named architecture.

        Args:
            preset: str. A preset of the package (`tinybert_tf.presets.PRESETS`), a KerasHub
                preset (directory or handle) that holds a `BertEncoder`, or a name of
                `tinybert_tf.models.ARCHITECTURES`.
            load_weights: bool. `False` for random weights. The named architectures have
                no weights: they want `False`.
            **kwargs: Overrides of the constructor's arguments.

        Raises:
            TinyBertError: if weights are asked of a named architecture.
        """
        if preset not in ARCHITECTURES:
            return super().from_preset(preset, load_weights=load_weights, **kwargs)
        if load_weights:
            raise TinyBertError(
                f"'{preset}' names an architecture without weights. Pass "
                "load_weights=False for random weights, then start it from its teacher with "
                "tinybert_tf.distillation.initialize_from_teacher; or take a preset with "
                f"weights: {', '.join(PRESETS)}."
            )
        return cls(**{**ARCHITECTURES[preset], **kwargs})

    def get_config(self):
        config = super().get_config()
        config.update(
            vocabulary_size=self.vocabulary_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            hidden_dim=self.hidden_dim,
            intermediate_dim=self.intermediate_dim,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            max_sequence_length=self.max_sequence_length,
            num_segments=self.num_segments,
            activation=keras.activations.serialize(self.activation),
            layer_norm_epsilon=self.layer_norm_epsilon,
            embedding_dim=self.embedding_dim,
            relative_attention_buckets=self.relative_attention_buckets,
            pooling=self.pooling,
            pooler_activation=keras.activations.serialize(self.pooler_activation),
        )
        return config
