"""From a Keras student to the file a phone runs: convert, quantize, verify, write.

Needs the extra `[export]`.
"""

import importlib

from tinybert_tf.errors import TinyBertError

# What is public, by module. Loaded when it is asked for: a mistake on the command line does
# not wait for TensorFlow, and training does not want LiteRT.
_MODULES = {
    "bundle": ("TaskCard", "check_app", "export_bundle", "plan_lengths", "put_into_app"),
    "spans": ("SpanCard",),
    "verify": ("open_bundle", "verify_bundle"),
    "conversion": ("convert",),
    "metadata": ("ModelCard",),
    "profiles": ("Profile", "Tolerance", "load_profile", "profile_names"),
    "runtime": ("TfliteModel", "keras_function", "keras_outputs", "median_milliseconds"),
    "saved_model": ("export_keras", "export_saved_model"),
}
__all__ = sorted(name for names in _MODULES.values() for name in names)


def __getattr__(name: str):
    for module, names in _MODULES.items():
        if name in names:
            return getattr(_load(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load(module: str):
    try:
        return importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("ai_edge_litert", "jsonschema"):
            raise
        raise TinyBertError(
            f"{error.name} is not installed; the exporter checks every file with it. Install "
            "the exporter with `pip install 'tinybert-tf[export]'`."
        ) from error
