"""The teacher's outputs as a part of a run: what is kept of them, and where."""

import shutil

from tinybert_tf.data import EncodedExamples
from tinybert_tf.distillation import TeacherCache, TinyBertDistiller
from tinybert_tf.errors import TinyBertError
from tinybert_tf.runs.config import DistillationConfig, RunConfig
from tinybert_tf.runs.directory import RunDirectory
from tinybert_tf.training import broadcast, is_chief
from tinybert_tf.training.workers import chief_first

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
    contents = known["contents"] if known else _choose(config, run, distiller, train)
    contents = broadcast(contents)
    if contents == "none":
        run.add_results(teacher_cache={"contents": contents})
        return None
    cache = TeacherCache(distiller, train, contents)
    size = cache.bytes / _GIGABYTE
    if not known and is_chief():
        # Of a distillation that is done again, with other copies perhaps.
        shutil.rmtree(run.teacher_cache, ignore_errors=True)
    if not known:
        run.add_results(teacher_cache={"contents": contents, "gigabytes": size})
    print(
        f"The teacher's {contents} are kept in {run.teacher_cache} while the student learns: "
        f"{size:,.3g} GB",
        flush=True,
    )
    # The others find everything done.
    with chief_first():
        cache.write(str(run.teacher_cache))
    return cache


def _choose(
    config: RunConfig, run: RunDirectory, distiller: TinyBertDistiller, train: EncodedExamples
) -> str:
    wanted, free = config.distillation.teacher_cache, _free_gigabytes(run)
    if wanted == "none":
        return wanted
    sizes = {
        contents: TeacherCache(distiller, train, contents).bytes / _GIGABYTE
        for contents in ("outputs", "predictions")
    }
    if wanted != "auto":
        needed = sizes[wanted]
        if needed > free:
            raise TinyBertError(
                f"The teacher's {wanted} take {needed:,.3g} GB and {run.path} has "
                f"{free:,.3g} GB free. Free some, or set "
                "distillation.teacher_cache=auto, which takes what fits."
            )
        return wanted
    budget = min(config.distillation.teacher_cache_gigabytes, free / 2)
    fitting = (contents for contents, size in sizes.items() if size <= budget)
    return next((c for c in fitting if _pays(config.distillation, c)), "none")


def _pays(distillation: DistillationConfig, contents: str) -> bool:
    """Tells whether something would be computed more than once without the cache."""
    epochs = sum(
        stage.fit.epochs
        for stage in distillation.stages
        if contents == "outputs" or not stage.stage().layer_outputs
    )
    return epochs > 1


def _free_gigabytes(run: RunDirectory) -> float:
    return shutil.disk_usage(run.path).free / _GIGABYTE
