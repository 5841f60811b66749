"""The parts of BERT whose inside a student learns from."""

import math

import keras
import numpy as np
from keras import ops

MASK_BIAS = -1e4
"""Added to the scores of masked keys: large enough to take them out of the softmax, small
enough for float16 and for the range of an int8 activation."""


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertSelfAttention(keras.layers.Layer):
    """Multi-head self-attention that returns its scores.

    With queries Q, keys K and values V of one head: scores `A = Q K^T / sqrt(head_dim)`,
    output `softmax(A + mask) V`, heads joined by a dense layer. The scores are the ones of
    TinyBERT's equation 7: before the mask and before the softmax.

    Args:
        num_heads: int. Attention heads; divides the hidden size.
        dropout: float. Rate on the attention probabilities.
        kernel_initializer: Keras initializer. For all four dense layers.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, num_heads, dropout=0.0, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, hidden_states_shape, padding_mask_shape=None, position_bias_shape=None):
        hidden_dim = hidden_states_shape[-1]
        self.head_dim = hidden_dim // self.num_heads

        def dense(name):
            layer = keras.layers.Dense(
                hidden_dim,
                kernel_initializer=self.kernel_initializer.clone(),
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build(hidden_states_shape)
            return layer

        self.query = dense("query")
        self.key = dense("key")
        self.value = dense("value")
        self.output_dense = dense("output_dense")
        self.attention_dropout = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="attention_dropout"
        )
        self.built = True

    def _split_heads(self, x):
        batch, length = ops.shape(x)[:2]
        x = ops.reshape(x, (batch, length, self.num_heads, self.head_dim))
        return ops.transpose(x, (0, 2, 1, 3))

    def call(self, hidden_states, padding_mask, position_bias=None, training=None):
        """Runs the layer.

        Args:
            hidden_states: float tensor [batch, seq, hidden].
            padding_mask: int or bool tensor [batch, seq], non-zero at real tokens.
            position_bias: float tensor [1, heads, seq, seq] or `None`. Added to the scores;
                see `RelativePositionBias`.
            training: bool. Whether dropout is on.

        Returns:
            `(output [batch, seq, hidden], scores [batch, heads, seq, seq])`.
        """
        query = self._split_heads(self.query(hidden_states) * self.head_dim**-0.5)
        key = self._split_heads(self.key(hidden_states))
        value = self._split_heads(self.value(hidden_states))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if position_bias is not None:
            scores += position_bias

        mask_bias = (1.0 - ops.cast(padding_mask, "float32"))[:, None, None, :] * MASK_BIAS
        # The softmax runs in float32 whatever the policy: half types lose the tail.
        probabilities = ops.softmax(ops.cast(scores, "float32") + mask_bias)
        probabilities = self.attention_dropout(
            ops.cast(probabilities, self.compute_dtype), training=training
        )
        context = ops.transpose(ops.matmul(probabilities, value), (0, 2, 1, 3))
        return self.output_dense(ops.reshape(context, ops.shape(hidden_states))), scores

    def compute_output_shape(
        self, hidden_states_shape, padding_mask_shape=None, position_bias_shape=None
    ):
        batch, length = hidden_states_shape[:2]
        return hidden_states_shape, (batch, self.num_heads, length, length)

    def get_config(self):
        config = super().get_config()
        config.update(
            num_heads=self.num_heads,
            dropout=self.dropout,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config


@keras.saving.register_keras_serializable(package="tinybert_tf")
class BertTransformerLayer(keras.layers.Layer):
    """One post-LayerNorm transformer block of BERT (Devlin et al., arXiv 1810.04805).

    Args:
        num_heads: int. Attention heads.
        intermediate_dim: int. Units of the feed-forward network.
        activation: str or callable. Of the feed-forward network.
        dropout: float. Rate after attention and after the feed-forward network.
        attention_dropout: float. Rate on the attention probabilities.
        layer_norm_epsilon: float. Of both LayerNorms.
        kernel_initializer: Keras initializer. For all dense layers.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        activation="gelu",
        dropout=0.0,
        attention_dropout=0.0,
        layer_norm_epsilon=1e-12,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, hidden_states_shape, padding_mask_shape=None, position_bias_shape=None):
        def layer_norm(name):
            layer = keras.layers.LayerNormalization(
                epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name
            )
            layer.build(hidden_states_shape)
            return layer

        self.self_attention = BertSelfAttention(
            self.num_heads,
            dropout=self.attention_dropout,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="self_attention",
        )
        self.self_attention.build(hidden_states_shape, padding_mask_shape)
        self.attention_norm = layer_norm("attention_norm")
        self.intermediate_dense = keras.layers.Dense(
            self.intermediate_dim,
            activation=self.activation,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="intermediate_dense",
        )
        self.intermediate_dense.build(hidden_states_shape)
        self.output_dense = keras.layers.Dense(
            hidden_states_shape[-1],
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="output_dense",
        )
        self.output_dense.build((*hidden_states_shape[:-1], self.intermediate_dim))
        self.output_norm = layer_norm("output_norm")
        self.hidden_dropout = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="hidden_dropout"
        )
        self.built = True

    def call(self, hidden_states, padding_mask, position_bias=None, training=None):
        """Runs the block.

        Args:
            hidden_states: float tensor [batch, seq, hidden].
            padding_mask: int or bool tensor [batch, seq], non-zero at real tokens.
            position_bias: float tensor [1, heads, seq, seq] or `None`.
            training: bool. Whether dropout is on.

        Returns:
            `(hidden_states [batch, seq, hidden], attention_scores [batch, heads, seq, seq])`.
        """
        attended, scores = self.self_attention(
            hidden_states, padding_mask, position_bias, training=training
        )
        attended = self.hidden_dropout(attended, training=training)
        x = self.attention_norm(hidden_states + attended)
        y = self.output_dense(self.intermediate_dense(x))
        y = self.hidden_dropout(y, training=training)
        return self.output_norm(x + y), scores

    def compute_output_shape(
        self, hidden_states_shape, padding_mask_shape=None, position_bias_shape=None
    ):
        batch, length = hidden_states_shape[:2]
        return hidden_states_shape, (batch, self.num_heads, length, length)

    def get_config(self):
        config = super().get_config()
        config.update(
            num_heads=self.num_heads,
            intermediate_dim=self.intermediate_dim,
            activation=keras.activations.serialize(self.activation),
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            layer_norm_epsilon=self.layer_norm_epsilon,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return config


@keras.saving.register_keras_serializable(package="tinybert_tf")
class MeanPooling(keras.layers.Layer):
    """The mean of the hidden states of a text's tokens, as sentence encoders are trained with.

    As in Sentence-BERT (Reimers and Gurevych, arXiv 1908.10084): special tokens count, padding
    does not. A row of nothing but padding is zero.
    """

    def call(self, hidden_states, padding_mask):
        """Returns the means [batch, hidden].

        Args:
            hidden_states: float tensor [batch, seq, hidden].
            padding_mask: int or bool tensor [batch, seq], non-zero at real tokens.
        """
        mask = ops.cast(padding_mask, "float32")
        weights = mask / ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)
        weights = ops.cast(weights, self.compute_dtype)[:, :, None]
        return ops.sum(hidden_states * weights, axis=1)

    def compute_output_shape(self, hidden_states_shape, padding_mask_shape):
        return (hidden_states_shape[0], hidden_states_shape[-1])


@keras.saving.register_keras_serializable(package="tinybert_tf")
class RelativePositionBias(keras.layers.Layer):
    """A learned bias on attention scores, by head and distance, the same in all blocks.

    As in MPNet (Song et al., arXiv 2004.09297), which took it from T5 (Raffel et al., arXiv
    1910.10683): near distances have a bucket each, further ones share buckets that widen as
    the logarithm, and what is beyond `max_distance` shares the last; each direction has half
    of the buckets.

    Args:
        num_buckets: int. Rows of the table, an even number.
        num_heads: int. Its columns.
        max_sequence_length: int. The longest text.
        max_distance: int. Tokens.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, num_buckets, num_heads, max_sequence_length, max_distance=128, **kwargs):
        super().__init__(**kwargs)
        self.num_buckets = num_buckets
        self.num_heads = num_heads
        self.max_sequence_length = max_sequence_length
        self.max_distance = max_distance

    def build(self, token_ids_shape):
        self.embeddings = self.add_weight(
            shape=(self.num_buckets, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="embeddings",
        )
        self.built = True

    def call(self, token_ids):
        """Returns the bias [1, heads, seq, seq] of a text of the length of `token_ids`."""
        positions = ops.arange(ops.shape(token_ids)[1])
        distances = positions[None, :] - positions[:, None] + self.max_sequence_length - 1
        buckets = ops.take(ops.convert_to_tensor(self._buckets()), distances)
        bias = ops.take(ops.cast(self.embeddings, self.compute_dtype), buckets, axis=0)
        return ops.transpose(bias, (2, 0, 1))[None]

    def _buckets(self) -> np.ndarray:
        """Returns the bucket of each distance from 1 - max_sequence_length upwards."""
        distances = np.arange(1 - self.max_sequence_length, self.max_sequence_length)
        half = self.num_buckets // 2
        exact = half // 2
        far = np.maximum(np.abs(distances), 1)
        widening = np.log(far / exact) / math.log(self.max_distance / exact) * (half - exact)
        wide = np.minimum(exact + widening.astype("int32"), half - 1)
        buckets = np.where(np.abs(distances) < exact, np.abs(distances), wide)
        return (buckets + half * (distances > 0)).astype("int32")

    def compute_output_shape(self, token_ids_shape):
        length = token_ids_shape[1]
        return (1, self.num_heads, length, length)

    def get_config(self):
        config = super().get_config()
        config.update(
            num_buckets=self.num_buckets,
            num_heads=self.num_heads,
            max_sequence_length=self.max_sequence_length,
            max_distance=self.max_distance,
        )
        return config


@keras.saving.register_keras_serializable(package="tinybert_tf")
def gelu_tanh(x):
    """GELU by its tanh approximation: what KerasHub's `BertBackbone` computes.

    Google's, Hugging Face's and Huawei's BERT use the exact (erf) form, Keras's `"gelu"`.

    Args:
        x: float tensor of any shape.
    """
    return keras.activations.gelu(x, approximate=True)
