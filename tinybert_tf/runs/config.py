"""A run as a YAML file: typed, validated, printed at start, saved with the run."""

import dataclasses
from typing import Literal

import pydantic

from tinybert_tf.augmentation import AugmentationOptions, default_copies
from tinybert_tf.checkpoints.locations import WeightsConfig
from tinybert_tf.data import GLUE_TASKS, SPAN_TASKS, SpanTask, Task
from tinybert_tf.distillation import Stage
from tinybert_tf.errors import TinyBertError, nearest_name
from tinybert_tf.export import load_profile
from tinybert_tf.files import PathString
from tinybert_tf.models import ARCHITECTURES
from tinybert_tf.runs.data_config import DataConfig
from tinybert_tf.strict import strict_dataclass, strict_keyword_dataclass
from tinybert_tf.training import FitConfig

# A stage's figures stand in `results.json` beside these, its checkpoints beside the teacher's.
_TAKEN = (
    *("commands", "finetune", "teacher", "augmentation", "student_start", "student_head"),
    "teacher_cache",
    *("evaluation", "export", "latency", "packed"),
)


@strict_dataclass
class TaskConfig:
    """A task of the user's own: the fields of `tinybert_tf.data.Task`."""

    name: str
    text_fields: tuple[str, ...]
    label_field: str
    labels: tuple[str, ...] | None = None
    score_range: tuple[float, float] | None = None
    metrics: tuple[str, ...] = ("accuracy",)


@strict_dataclass
class TeacherConfig(WeightsConfig):
    """The teacher of a task: `WeightsConfig` and how it learns the task.

    Args:
        dropout: rate during fine-tuning; `None` is the model's own.
        pooling: what the new head gets, `"cls"` (BERT's pooler) or `"mean"` (the mean of the
            tokens, which sentence encoders were trained with); `None` is the mean where a
            directory of sentence-transformers says so, otherwise BERT's. The student's is its
            teacher's.
        fine_tune: how it learns the task; `None` means that it has learned it already.
    """

    dropout: float | None = pydantic.Field(None, ge=0.0, lt=1.0)
    pooling: Literal["cls", "mean"] | None = None
    fine_tune: FitConfig | None = None


@strict_dataclass
class StudentConfig:
    """The student.

    Args:
        architecture: a name of `tinybert_tf.models.ARCHITECTURES`.
        start: `"teacher"` fits the student to its teacher, `"random"` does not; else another
            model of the teacher's vocabulary: a preset such as "tinybert_4l_312d_en", the
            `student/` or `teacher/` of a run, or what `WeightsConfig` takes. Of the student's
            shape, it is taken as it is; of another, the student is fitted to it.
        dropout: rate during distillation.
        overrides: arguments of `BertEncoder` that differ from the architecture's.
    """

    architecture: str = "tinybert_4l_312d"
    start: PathString = "teacher"
    dropout: float = pydantic.Field(0.1, ge=0.0, lt=1.0)
    overrides: dict[str, int | float | str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        # Here, because the student is made only after the teacher was trained.
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture '{self.architecture}' is not known. Known are "
                f"{', '.join(ARCHITECTURES)}.{nearest_name(self.architecture, ARCHITECTURES)}"
            )


@strict_dataclass
class StageConfig:
    """A stage: the weights of its terms (see `tinybert_tf.distillation.Stage`) and its fit.

    Args:
        augmented: whether it learns from the augmented copies beside the training examples;
            `None` means that it does if there are any.
    """

    name: str
    fit: FitConfig
    attention: float = 0.0
    hidden: float = 0.0
    embedding: float = 0.0
    prediction: float = 0.0
    labels: float = 0.0
    temperature: float = 1.0
    augmented: bool | None = None

    def stage(self) -> Stage:
        """Returns the stage without its fit."""
        fields = [field.name for field in dataclasses.fields(Stage)]
        return Stage(**{name: getattr(self, name) for name in fields})


@strict_dataclass
class DistillationConfig:
    """Arguments of `tinybert_tf.distillation.TinyBertDistiller`, and the stages in order.

    Args:
        teacher_cache: what of the teacher's outputs is kept on disk, so that each is computed
            once. `"outputs"`: all that the stages ask for; `"predictions"`: these alone, which
            are small; `"auto"`: the most of these that pays and fits. A general distillation
            keeps nothing: it sees its corpus too seldom.
        teacher_cache_gigabytes: how much `"auto"` may take; half of the free disk at most.
        keep_teacher_cache: whether it stays when the distillation is done.
    """

    stages: tuple[StageConfig, ...]
    mapping: Literal["uniform", "top", "bottom"] | tuple[int, ...] = "uniform"
    projections: Literal["shared", "embedding_apart", "per_layer"] = "embedding_apart"
    attention_heads: Literal["each", "mean"] = "each"
    attention_scores: Literal["centred", "raw"] = "centred"
    reference_compatible: bool = False
    teacher_cache: Literal["auto", "outputs", "predictions", "none"] = "auto"
    teacher_cache_gigabytes: pydantic.PositiveFloat = 20.0
    keep_teacher_cache: bool = False

    def __post_init__(self):
        names = [stage.name for stage in self.stages]
        taken = [name for name in names if name in _TAKEN]
        if taken:
            raise ValueError(f"'{taken[0]}' means something else in a run; rename the stage")
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages must be at least one, of different names; got {names}")
        for stage in self.stages:
            stage.stage()


@strict_dataclass
class AugmentationConfig(AugmentationOptions):
    """The fields of `AugmentationOptions`, and what the copies are made with.

    Args:
        masked_lm: `WeightsConfig`. A BERT with its masked-LM head; its vocabulary may be
            another one than the teacher's.
        word_vectors: file in GloVe's or word2vec's format, for words of several tokens; `None`
            leaves them to the masked LM.
        copies: see `AugmentationOptions`; `None` is the paper's number for the task.
        examples_per_shard: what a killed run may lose, and what a worker does at once.
    """

    masked_lm: WeightsConfig = dataclasses.field(kw_only=True)
    word_vectors: PathString | None = None
    copies: pydantic.PositiveInt | None = None
    examples_per_shard: pydantic.PositiveInt = 512

    def options(self) -> AugmentationOptions:
        """Returns the options without masked LM, word vectors and shards."""
        fields = [field.name for field in dataclasses.fields(AugmentationOptions)]
        return AugmentationOptions(**{name: getattr(self, name) for name in fields})


@strict_dataclass
class ExportConfig:
    """What `run` exports at its end: a bundle for each profile.

    Args:
        profiles: names of `export/profiles`, or YAML files of one's own.
        sequence_length: the static length of `model.tflite`, and the longest of
            `model_multi.tflite`; `None` is `data.max_tokens`.
        lengths: of `model_multi.tflite`; `None` is 16, 32, 64, ... up to `sequence_length`.
        name: of the model; `None` is the run directory's.
        description: one line about the model.
        version: of the model.
        author: who made it.
        license: of the weights.
    """

    profiles: tuple[PathString, ...] = ("dynamic_int8",)
    sequence_length: int | None = pydantic.Field(None, ge=3)
    lengths: tuple[int, ...] | None = None
    name: str | None = None
    description: str = ""
    version: str = "1.0.0"
    author: str = ""
    license: str = ""

    def __post_init__(self):
        for profile in self.profiles:
            load_profile(profile)


def _resolve_task(task: str | TaskConfig, data: DataConfig) -> Task | SpanTask:
    """Returns the task that a config names or describes.

    Raises:
        TinyBertError: if there is none of that name.
        ValueError: if its data are of another format.
    """
    if isinstance(task, TaskConfig):
        resolved = Task(**dataclasses.asdict(task))
    else:
        known = GLUE_TASKS | SPAN_TASKS
        if task not in known:
            raise TinyBertError(
                f"task '{task}' is not known. Known are {', '.join(known)}; or "
                "describe your own with name, text_fields, label_field and labels."
                f"{nearest_name(task, known)}"
            )
        resolved = known[task]
    if data.format not in resolved.formats:
        raise ValueError(
            f"task '{resolved.name}' does not go with data.format {data.format}: format squad "
            f"is that of {' and '.join(SPAN_TASKS)}, the others are of all other tasks"
        )
    return resolved


def _check_not_augmented(distillation: DistillationConfig) -> None:
    for stage in distillation.stages:
        if stage.augmented:
            raise ValueError(
                f"stage '{stage.name}' has augmented: true, but the config has no "
                "augmentation. Say what the copies are made with (augmentation.masked_lm), or "
                "leave it out"
            )


def _check_copies_without_labels(distillation: DistillationConfig) -> None:
    for stage in distillation.stages:
        if stage.labels and stage.augmented is not False:
            raise ValueError(
                f"stage '{stage.name}' learns from the correct labels, which augmented copies "
                "do not have: a word that was replaced may be the one that matters. Set "
                "labels: 0, or augmented: false in this stage"
            )


@strict_keyword_dataclass
class AnyRunConfig:
    """What every run has.

    Args:
        run_directory: where everything the run makes goes.
        seed: of weights, dropout and the order of what is trained on.
        precision: a Keras dtype policy of all models. `"auto"` is mixed_bfloat16 where the
            processor multiplies bfloat16 itself, twice as fast, and float32 elsewhere.
        strategy: of `tf.distribute`. `"mirrored"` is all GPUs of this machine,
            `"multi_worker"` those of all machines that the variable `TF_CONFIG` names.
        checkpoint_minutes: how much work a killed run may lose.
    """

    run_directory: PathString
    seed: int = pydantic.Field(42, ge=0, lt=2**32)
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    strategy: Literal["none", "mirrored", "multi_worker"] = "none"
    checkpoint_minutes: pydantic.PositiveFloat = 2.0

    def to_dict(self) -> dict:
        """Returns plain values: what a YAML file holds."""
        return pydantic.TypeAdapter(type(self)).dump_python(self, mode="json")


@strict_keyword_dataclass
class RunConfig(AnyRunConfig):
    """A run: from a teacher's weights to a distilled, exported student.

    Args:
        task: a GLUE task's name, squad_v1 or squad_v2, or a task of one's own.
        augmentation: `AugmentationConfig`, or `None` to learn from the examples alone.
    """

    task: str | TaskConfig
    data: DataConfig
    teacher: TeacherConfig
    distillation: DistillationConfig
    student: StudentConfig = dataclasses.field(default_factory=StudentConfig)
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)
    augmentation: AugmentationConfig | None = None

    def __post_init__(self):
        task = self.resolved_task()
        if self.augmentation is not None and task.kind != "text":
            raise ValueError(
                f"task '{task.name}' has no augmentation: a replaced word may be the answer or "
                "shift it. Leave augmentation out"
            )
        if self.augmentation is None:
            _check_not_augmented(self.distillation)
            return
        _check_copies_without_labels(self.distillation)
        if self.augmentation.copies is None:
            # In the file of the run it is a number, whatever becomes of the default.
            augmentation = dataclasses.replace(
                self.augmentation, copies=default_copies(task.name)
            )
            object.__setattr__(self, "augmentation", augmentation)

    def resolved_task(self) -> Task | SpanTask:
        """Returns the task that the config names or describes."""
        return _resolve_task(self.task, self.data)

    @property
    def purpose(self) -> str:
        """What the config makes, for messages."""
        return "a task"


@strict_dataclass
class CorpusConfig:
    """Text that was made ready by `python -m tinybert_tf corpus`.

    Args:
        directory: the corpus.
        max_held_out_batches: held-out batches that the losses are measured on.
    """

    directory: PathString
    max_held_out_batches: pydantic.PositiveInt = 16


@strict_dataclass
class ProbeConfig:
    """A small task that the student is fine-tuned on at each evaluation, from where it is.

    It shows whether general distillation makes a student that learns better. The copy that
    is fine-tuned is thrown away.

    Args:
        task: a GLUE task's name, or a task of one's own.
        data: `DataConfig`.
        fit: `FitConfig`, of plain fine-tuning with labels.
    """

    task: str | TaskConfig
    data: DataConfig
    fit: FitConfig

    def __post_init__(self):
        if self.resolved_task().kind != "text":
            raise ValueError(f"a probe classifies texts; it takes no task '{self.task}'")

    def resolved_task(self) -> Task:
        """Returns the task that the config names or describes."""
        return _resolve_task(self.task, self.data)


@strict_keyword_dataclass
class GeneralConfig(AnyRunConfig):
    """General distillation: from a pretrained teacher to a student for any task.

    Args:
        corpus: `CorpusConfig`. Plain text; there are no labels.
        teacher: `WeightsConfig`. An encoder; a head is not looked at.
        distillation: `DistillationConfig`. Stages without a prediction term.
        student: `StudentConfig`.
        probe: `ProbeConfig` or `None`.
    """

    corpus: CorpusConfig
    teacher: WeightsConfig
    distillation: DistillationConfig
    student: StudentConfig = dataclasses.field(default_factory=StudentConfig)
    probe: ProbeConfig | None = None

    def __post_init__(self):
        for stage in self.distillation.stages:
            if stage.stage().trains_head:
                raise ValueError(
                    f"stage '{stage.name}' has a prediction term, but a general student has "
                    "no task to predict. Set prediction=0 and labels=0"
                )
        _check_not_augmented(self.distillation)
        if self.distillation.teacher_cache in ("outputs", "predictions"):
            raise ValueError(
                f"distillation.teacher_cache is {self.distillation.teacher_cache}, but of a "
                "corpus, which is seen too seldom, nothing is kept. Leave it out"
            )

    @property
    def purpose(self) -> str:
        """What the config makes, for messages."""
        return "a general student"


@strict_keyword_dataclass
class MaskedLMConfig(AnyRunConfig):
    """Training of a masked language model over a pretrained encoder.

    Args:
        corpus: `CorpusConfig`. Text with masks.
        encoder: `WeightsConfig`.
        fit: `FitConfig`.
        train_encoder: whether the encoder learns too, or the head alone.
        dropout: rate of the encoder; `None` is its own. One pass over much text wants none.
    """

    corpus: CorpusConfig
    encoder: WeightsConfig
    fit: FitConfig
    train_encoder: bool = True
    dropout: float | None = pydantic.Field(None, ge=0.0, lt=1.0)

    @property
    def purpose(self) -> str:
        """What the config makes, for messages."""
        return "a masked LM"
