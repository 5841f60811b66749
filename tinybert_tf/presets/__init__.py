"""Presets that come with the package.

Each is a folder as KerasHub's presets are, but for its weights: they are kept in 8 bits
(`tinybert_tf.models._quantized_weights`), a quarter of the size, and are float32 once loaded.
Each has a model card, `README.md`.
"""

import importlib.resources
import os

# By name, what its weights are.
PRESETS = {
    "tinybert_4l_312d_en": "A general student of all-MiniLM-L6-v2, for English, uncased.",
    "tinybert_4l_312d_en_sst2": "Sentiment of English sentences, negative or positive.",
}


def resolve_preset(preset: str | os.PathLike) -> str:
    """Returns the folder of a preset of the package; anything else as it is.

    Args:
        preset: str or path. What a `from_preset` takes.
    """
    if preset not in PRESETS:
        return str(preset)
    return str(importlib.resources.files(__package__) / preset)


class PackagePresets:
    """Mixin of KerasHub's classes: `from_preset` knows the presets of the package, too."""

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Makes an object from a preset; see the class of KerasHub.

        Args:
            preset: str or path. A preset of the package (`PRESETS`) or a KerasHub preset
                (directory or handle).
            **kwargs: arguments of the constructor and of the class of KerasHub.
        """
        return super().from_preset(resolve_preset(preset), **kwargs)
