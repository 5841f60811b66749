"""What a run keeps when its config has changed: what was done before the change matters."""

from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config import AnyRunConfig, RunConfig

# The steps of a task's run that can be done again, in their order.
STEPS = ("augment", "distill", "evaluate", "export")
# The first step that reads a key of a task's config, or a part of it. What is not here makes
# another run.
_FIRST_STEPS = {
    "data.test": "evaluate",
    "augmentation": "augment",
    "student": "distill",
    "distillation": "distill",
    "export": "export",
}
# No figure and no weight depends on them.
_WITHOUT_EFFECT = {
    *("run_directory", "checkpoint_minutes"),
    *("distillation.teacher_cache_gigabytes", "distillation.keep_teacher_cache"),
}


def changed_keys(before: AnyRunConfig, after: AnyRunConfig) -> dict[str, tuple]:
    """Returns both values of each key, as a dotted path, that two configs differ in.

    Args:
        before: `AnyRunConfig`.
        after: `AnyRunConfig`.
    """
    old, new = flatten(before.to_dict()), flatten(after.to_dict())
    return {
        key: (old.get(key), new.get(key))
        for key in {**old, **new}
        if old.get(key) != new.get(key) and key not in _WITHOUT_EFFECT
    }


def steps_to_redo(path, before: AnyRunConfig, after: AnyRunConfig) -> tuple[str, ...]:
    """Returns the steps of a run whose results a change of its config makes stale, in order.

    Args:
        path: path. The run's, for messages.
        before: `AnyRunConfig`. What it was started with.
        after: `AnyRunConfig`. What it is to go on with.

    Raises:
        TinyBertError: if the change makes another run: nothing could be kept.
    """
    first = len(STEPS)
    for key, (old, new) in changed_keys(before, after).items():
        step = _FIRST_STEPS.get(key) or _FIRST_STEPS.get(key.split(".")[0])
        if not isinstance(after, RunConfig) or step is None:
            raise TinyBertError(
                f"The run in {path} was started with {key}={old!r}, the config now says "
                f"{new!r}. Go on with the config it has, or set another run_directory."
            )
        first = min(first, STEPS.index(step))
    return STEPS[first:]


def flatten(values, prefix: str = "") -> dict:
    """Returns the leaves of nested dicts and lists by their dotted paths, as `--set` has them.

    Args:
        values: dict, list or a leaf.
        prefix: str. What the paths begin with.
    """
    if isinstance(values, dict | list):
        items = values.items() if isinstance(values, dict) else enumerate(values)
        return {
            key: leaf
            for name, value in items
            for key, leaf in flatten(value, f"{prefix}{name}.").items()
        }
    return {prefix.rstrip("."): values}
