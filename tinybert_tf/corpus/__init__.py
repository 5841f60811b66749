"""Plain text to shards of token ids, and batches of them."""

import importlib

# What is public, by module. Loaded when it is asked for: a mistake on the command line does
# not wait for TensorFlow.
_MODULES = {"batches": ("CorpusBatches",), "options": ("CorpusOptions", "Manifest")}
__all__ = sorted(name for names in _MODULES.values() for name in names)


def __getattr__(name: str):
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
