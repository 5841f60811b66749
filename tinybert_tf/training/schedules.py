"""Learning rates over a stage."""

import keras
from keras import ops


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
