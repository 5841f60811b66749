"""The teacher's outputs as a part of a run: what is kept of them, and where."""

import shutil
import time

from tinybert_tf.data import EncodedExamples
from tinybert_tf.distillation import TeacherCache, TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.files import describe_size
from tinybert_tf.runs.config import DistillationConfig, RunConfig, StageConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.training import workers

_GIGABYTE = 1e9


def cache_teacher(
    config: RunConfig, run: RunDirectory, distiller: TinyBertDistiller, train: EncodedExamples
) -> TeacherCache | None:
    """Writes what the teacher says of the training examples, or goes on writing it.

    Args:
        config: `RunConfig`.
        run: `RunDirectory`.
        distiller: `TinyBertDistiller`.
        train: `EncodedExamples`. All that is trained on, copies included.

    Returns:
        `TeacherCache`, or `None` where nothing is kept.

    Raises:
        TinyBertError: if the config asks for more than the disk holds.
    """
    # Once chosen it stays: a killed run is to go on with the same numbers.
    known = run.read_results().get("teacher_cache")
    contents = known["contents"] if known else None
    if contents is None:
        sizes = cache_bytes(distiller, train)
        # Others may see another amount of free disk.
        contents = workers.broadcast(choose_contents(config.distillation, sizes, run.path))
    if contents == "none":
        run.add_results(teacher_cache={"contents": contents})
        return None
    cache = TeacherCache(distiller, train, contents)
    size = cache.bytes / _GIGABYTE
    if not known and workers.is_chief():
        # Of a distillation that is done again, with other copies perhaps.
        shutil.rmtree(run.teacher_cache, ignore_errors=True)
    if not known:
        run.add_results(teacher_cache={"contents": contents, "gigabytes": size})
    print(
        f"The teacher's {contents} are kept in {run.teacher_cache} while the student learns: "
        f"{describe_size(cache.bytes)}",
        flush=True,
    )
    started = time.monotonic()
    # The others find everything done.
    with workers.chief_first():
        cache.write(str(run.teacher_cache))
    figures = run.read_results()["teacher_cache"]
    # What a killed process took is not in it.
    figures["seconds"] = figures.get("seconds", 0.0) + time.monotonic() - started
    run.add_results(teacher_cache=figures)
    return cache


def cache_bytes(distiller: TinyBertDistiller, examples: EncodedExamples) -> dict[str, float]:
    """Returns how much a cache of each contents takes.

    Args:
        distiller: `TinyBertDistiller`.
        examples: `EncodedExamples`. All that is trained on, copies included.
    """
    return {
        contents: TeacherCache(distiller, examples, contents).bytes
        for contents in ("outputs", "predictions")
    }


def choose_contents(options: DistillationConfig, sizes: dict[str, float], directory) -> str:
    """Returns what is kept: `"outputs"`, `"predictions"` or `"none"`.

    Args:
        options: `DistillationConfig`.
        sizes: dict. See `cache_bytes`.
        directory: path. An existing one, on the disk of the run.

    Raises:
        TinyBertError: if the config asks for more than the disk holds.
    """
    wanted, free = options.teacher_cache, shutil.disk_usage(directory).free
    if wanted == "none":
        return wanted
    if wanted != "auto":
        needed = sizes[wanted]
        if needed > free:
            raise TinyBertError(
                f"The teacher's {wanted} take {needed / _GIGABYTE:,.3g} GB and {directory} "
                f"has {free / _GIGABYTE:,.3g} GB free. Free some, or set "
                "distillation.teacher_cache=auto, which takes what fits."
            )
        return wanted
    budget = min(options.teacher_cache_gigabytes * _GIGABYTE, free / 2)
    fitting = (contents for contents, size in sizes.items() if size <= budget)
    return next((c for c in fitting if _pays(options, c)), "none")


def is_cached(stage: StageConfig, contents: str) -> bool:
    """Tells whether a stage needs nothing of the teacher but what is kept."""
    return contents == "outputs" or (
        contents == "predictions" and not stage.stage().layer_outputs
    )


def _pays(distillation: DistillationConfig, contents: str) -> bool:
    """Tells whether something would be computed more than once without the cache."""
    stages = (stage for stage in distillation.stages if is_cached(stage, contents))
    return sum(stage.fit.epochs for stage in stages) > 1
