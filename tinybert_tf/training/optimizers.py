"""AdamW as BERT is trained: its schedule, clipping, averaging and loss scaling."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import keras
import pydantic
import tensorflow as tf
from keras import ops

from tinybert_tf.strict import strict_dataclass


@strict_dataclass
class OptimizerConfig:
    """AdamW with gradient clipping, as BERT is fine-tuned.

    Args:
        learning_rate: at the end of the warm-up.
        warmup: share of the steps in which the learning rate rises from 0.
        decay: of the learning rate after the warm-up, to 0.
        weight_decay: on matrices; biases and LayerNorms have none.
        clip_norm: of all gradients together.
        averaging: momentum of a moving average of the weights, such as 0.99: the averaged
            weights are then the ones that are scored and kept. 0 is off.
    """

    learning_rate: pydantic.PositiveFloat
    warmup: float = pydantic.Field(0.1, ge=0.0, lt=1.0)
    decay: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: pydantic.NonNegativeFloat = 0.01
    clip_norm: pydantic.PositiveFloat = 1.0
    averaging: float = pydantic.Field(0.0, ge=0.0, lt=1.0)


@keras.saving.register_keras_serializable(package="tinybert_tf")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then a decay to 0.

    Args:
        peak: float. The learning rate at the end of the warm-up.
        total_steps: int. Steps of the stage.
        warmup_steps: int. Steps of the warm-up.
        decay: `"linear"`, `"cosine"` or `"constant"`.
    """

    def __init__(self, peak, total_steps, warmup_steps=0, decay="linear"):
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.decay = decay

    def __call__(self, step):
        step = ops.cast(step, "float32")
        # Step 0 already moves: the ramp ends with its last step at the peak.
        warmup = (step + 1.0) / (self.warmup_steps + 1.0)
        remaining = max(self.total_steps - self.warmup_steps, 1)
        progress = ops.clip((step - self.warmup_steps) / remaining, 0.0, 1.0)
        factor = {
            "linear": lambda: 1.0 - progress,
            "cosine": lambda: 0.5 * (1.0 + ops.cos(3.141592653589793 * progress)),
            "constant": lambda: ops.ones_like(progress),
        }[self.decay]()
        return self.peak * ops.where(step < self.warmup_steps, warmup, factor)

    def get_config(self):
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "decay": self.decay,
        }


class ClippingTogether:
    """Mixin of Keras's optimizers: clips by the norm of what is really the gradient.

    Keras takes an embedding table's norm before the rows of one token are summed. Under a
    strategy it clips each replica's share and sums what is left: another direction and another
    length than on one device.
    """

    def _clip_gradients(self, grads):
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        context = tf.distribute.get_replica_context()
        count = context.num_replicas_in_sync
        if count > 1:
            grads = context.all_reduce(tf.distribute.ReduceOp.SUM, grads)
        clipped, _ = tf.clip_by_global_norm(grads, self.global_clipnorm)
        # Keras sums over the replicas after this.
        return clipped if count == 1 else [grad / count for grad in clipped]


class _AdamW(ClippingTogether, keras.optimizers.AdamW):
    def update_step(self, gradient, variable, learning_rate):
        """Does what Keras does, in TensorFlow's one kernel for it.

        Keras's some fifteen operations each go over all weights in memory, and of BERT's
        training step they are most of what is traced.
        """
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            # Rows of an embedding table that had no token are updated too, as Keras does.
            grad=tf.cast(gradient, variable.dtype),
        )

    def finalize_variable_values(self, var_list):
        """Left to `StageFit`.

        Keras puts the moving averages in the place of the weights at the end of every
        `fit`, and a stage that was killed in an epoch has one in its middle.
        """


class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Keras's, but under a strategy an overflow on one replica skips the step on all.

    Keras looks at the first replica's gradients alone, as if they were summed already.
    """

    def check_finite(self, grads):
        is_finite = super().check_finite(grads)
        overflows = keras.ops.cast(keras.ops.logical_not(is_finite), "float32")
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, overflows) == 0.0


def make_optimizer(
    config: OptimizerConfig, total_steps: int, precision: str
) -> keras.optimizers.Optimizer:
    """Makes AdamW with the schedule of a stage.

    Args:
        config: `OptimizerConfig`.
        total_steps: int. Of the stage.
        precision: str. The dtype policy of what is trained; float16 has its loss scaled.
    """
    schedule = WarmupDecay(
        config.learning_rate,
        total_steps=total_steps,
        warmup_steps=int(config.warmup * total_steps),
        decay=config.decay,
    )
    optimizer = _AdamW(
        schedule,
        weight_decay=config.weight_decay,
        epsilon=1e-6,
        global_clipnorm=config.clip_norm,
        use_ema=config.averaging > 0,
        ema_momentum=config.averaging,
        # TensorFlow takes no name that begins with an underscore, as the class's does.
        name="adamw",
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if precision == "mixed_float16":
        return LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
    return optimizer


def assign_averages(optimizer: keras.optimizers.Optimizer) -> None:
    """Puts the optimizer's moving averages, if it has any, in the place of the weights."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not optimizer.use_ema:
        return
    averages = optimizer._model_variables_moving_average
    for weight, average in zip(optimizer._trainable_variables, averages, strict=True):
        weight.assign(average)


@contextlib.contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Does as `assign_averages` for a while."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    weights = inner._trainable_variables if inner.use_ema else []
    values = [keras.ops.copy(weight) for weight in weights]
    assign_averages(optimizer)
    try:
        yield
    finally:
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)
