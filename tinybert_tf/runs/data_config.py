"""Where the examples of a run are, as `config.py` has it under `data`."""

from typing import Literal

import pydantic

from tinybert_tf.data._dialect import check_delimiter
from tinybert_tf.files import PathString
from tinybert_tf.strict import strict_dataclass

# Tokens of a text, and of a question with a window of its context.
_MAX_TOKENS, _MAX_WINDOW_TOKENS = 128, 384


@strict_dataclass
class WindowsConfig:
    """How a context that is longer than the model's length is seen, and answered from.

    Args:
        doc_stride: tokens from the start of a window to that of the next.
        max_query_tokens: questions are cut to this many tokens.
        max_answer_tokens: longer answers are not given.
    """

    doc_stride: pydantic.PositiveInt = 128
    max_query_tokens: pydantic.PositiveInt = 64
    max_answer_tokens: pydantic.PositiveInt = 30


@strict_dataclass
class DataConfig:
    """Where the examples are.

    Args:
        format: `"table"`: files with named columns, see `tinybert_tf.data.read_table`;
            `"glue"`: a GLUE task's directory; `"tfds"`: TensorFlow Datasets; `"squad"`: JSON
            files of questions and contexts, for the tasks `squad_v1` and `squad_v2`.
        source: for `"glue"` the directory, for `"tfds"` the data set ("glue/sst2").
        train: file (`table`, `squad`) or split.
        dev: file or split that checkpoints are chosen on.
        test: file or split of the final figures; `None` takes `dev`, as is usual for GLUE,
            whose test labels are not public.
        max_train_examples: take this many, chosen by the run's seed; `None` takes all.
        max_dev_examples: the same of `dev`, where scoring all at each evaluation takes long.
            `test` is always whole, as well where it is `dev`.
        max_tokens: texts are truncated to this many tokens, special ones included; contexts
            are cut into windows of it. `None` is 384 for `"squad"`, else 128.
        windows: `WindowsConfig`, for `"squad"` alone.
        delimiter: the character between the cells of `"table"` files of delimited text; `None`
            tells it from their header.
    """

    format: Literal["table", "glue", "tfds", "squad"]
    train: PathString
    dev: PathString
    test: PathString | None = None
    source: PathString | None = None
    max_train_examples: pydantic.PositiveInt | None = None
    max_dev_examples: pydantic.PositiveInt | None = None
    max_tokens: int | None = pydantic.Field(None, ge=3)
    windows: WindowsConfig | None = None
    delimiter: str | None = None

    def __post_init__(self):
        if self.delimiter is not None:
            check_delimiter(self.delimiter)
        if self.delimiter is not None and self.format != "table":
            raise ValueError(f"data.format {self.format} has no delimiter; format table has")
        has_files, is_squad = self.format in ("table", "squad"), self.format == "squad"
        if (self.source is None) != has_files:
            wanted = "no source" if has_files else "a source"
            raise ValueError(f"data.format {self.format} wants {wanted}; got {self.source!r}")
        if self.windows is not None and not is_squad:
            raise ValueError(
                f"data.format {self.format} wants no windows: its texts are truncated to "
                "max_tokens. Only contexts of questions (data.format squad) have windows"
            )
        # In the file of the run they are numbers, whatever becomes of the defaults.
        if self.max_tokens is None:
            tokens = _MAX_WINDOW_TOKENS if is_squad else _MAX_TOKENS
            object.__setattr__(self, "max_tokens", tokens)
        if self.windows is None and is_squad:
            object.__setattr__(self, "windows", WindowsConfig())
