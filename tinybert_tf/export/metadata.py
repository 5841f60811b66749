"""Metadata with which MediaPipe and the Task Library run a TFLite file by themselves.

The format is TFLite's metadata schema (`metadata_schema.fbs`, file identifier `M001`): a
flatbuffer within the model, and the vocabulary and labels as a zip archive after it.
MediaPipe's TextClassifier finds tensors by the names that stand here, the Task Library's
BertNLClassifier by their order.
"""

import dataclasses
import io
import zipfile
from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinybert_tf.export import _flatbuffer

_IDENTIFIER = b"M001"
_NAME = b"TFLITE_METADATA"
# The first parser that knows BertTokenizerOptions.
_MINIMUM_PARSER = "1.1.0"
# Members of the schema's enumerations and unions.
_LABELS_FILE, _VOCABULARY_FILE = 2, 5
_BERT_TOKENIZER_OPTIONS, _FEATURE_PROPERTIES = 4, 1
_INPUTS = {
    "ids": "Token ids of the text, [CLS] first, a [SEP] after each text, padded with [PAD].",
    "segment_ids": "0 for the first text, 1 for the second, 0 for padding.",
    "mask": "1 at tokens, 0 at padding.",
}
# Zip archives hold times; one for all keeps the same model the same file.
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a file says of its model.

    Args:
        name: str.
        description: str.
        version: str. Of the model.
        author: str.
        license: str. Of the weights.
    """

    name: str
    description: str = ""
    version: str = "1.0.0"
    author: str = ""
    license: str = ""


def add_metadata(
    content: bytes, card: ModelCard, output: str, vocabulary: bytes, labels: bytes | None
) -> bytes:
    """Adds metadata, vocabulary and labels to a file of one signature.

    Args:
        content: bytes. See `tinybert_tf.export.convert`.
        card: `ModelCard`.
        output: str. The name of the one output.
        vocabulary: bytes. Of vocab.txt.
        labels: bytes or `None`. Of labels.txt; `None` if the task has no classes.
    """
    model = _flatbuffer.parse(content)
    entry = schema.MetadataT()
    entry.name = _NAME
    metadata = _serialize(card, output, labels is not None, _flatbuffer.minimum_runtime(model))
    entry.buffer = _flatbuffer.add_buffer(model, np.frombuffer(metadata, np.uint8))
    model.metadata.append(entry)
    files = {"vocab.txt": vocabulary}
    if labels is not None:
        files["labels.txt"] = labels
    return _flatbuffer.pack(model) + _archive(files)


def _archive(files: dict[str, bytes]) -> bytes:
    """Returns a zip archive whose members readers can map: stored, not deflated."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as writer:
        for name, content in files.items():
            writer.writestr(zipfile.ZipInfo(name, _TIME), content)
    return archive.getvalue()


def _serialize(card: ModelCard, output: str, has_labels: bool, runtime: str) -> bytes:
    tables = _Tables()
    vocabulary = tables.associated_file(
        "vocab.txt", "The tokens, one a line; the line is the id.", _VOCABULARY_FILE
    )
    # BertTokenizerOptions { vocab_file }, then ProcessUnit { options: a union }.
    options = tables.table([tables.vector([vocabulary])])
    tokenizer = tables.table([("byte", _BERT_TOKENIZER_OPTIONS), options])
    inputs = [tables.tensor(name, text) for name, text in _INPUTS.items()]
    files = []
    if has_labels:
        text = "The classes in the order of the probabilities, one a line."
        files = [tables.associated_file("labels.txt", text, _LABELS_FILE)]
    result = tables.tensor(output, f"The {output} of each class." if files else "", files)
    # SubGraphMetadata { name, description, inputs, outputs, files, input_process_units }
    graph = tables.table(
        [
            None,
            None,
            tables.vector(inputs),
            tables.vector([result]),
            None,
            tables.vector([tokenizer]),
        ]
    )
    # ModelMetadata { name, description, version, subgraphs, author, license, files, parser }
    description = card.description or f"TinyBERT. Runs on TensorFlow Lite {runtime} and newer."
    root = tables.table(
        [
            tables.string(card.name),
            tables.string(description),
            tables.string(card.version),
            tables.vector([graph]),
            tables.string(card.author),
            tables.string(card.license),
            None,
            tables.string(_MINIMUM_PARSER),
        ]
    )
    return tables.finish(root)


class _Tables:
    """Writes flatbuffer tables given as the list of their fields in the schema's order."""

    def __init__(self):
        self._builder = flatbuffers.Builder(1024)

    def string(self, text: str) -> int | None:
        return self._builder.CreateString(text) if text else None

    def vector(self, offsets: list[int]) -> int | None:
        if not offsets:
            return None
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def table(self, fields: list) -> int:
        """Fields are offsets, `("byte", value)` or `None` for the default."""
        self._builder.StartObject(len(fields))
        for slot, field in enumerate(fields):
            if isinstance(field, tuple):
                self._builder.PrependInt8Slot(slot, field[1], 0)
            elif field is not None:
                self._builder.PrependUOffsetTRelativeSlot(slot, field, 0)
        return self._builder.EndObject()

    def associated_file(self, name: str, description: str, kind: int) -> int:
        # AssociatedFile { name, description, type }
        return self.table([self.string(name), self.string(description), ("byte", kind)])

    def tensor(self, name: str, description: str, files: Sequence[int] = ()) -> int:
        # Content { content_properties: a union }
        content = self.table([("byte", _FEATURE_PROPERTIES), self.table([])])
        # TensorMetadata { name, description, dimensions, content, units, stats, files }
        return self.table(
            [
                self.string(name),
                self.string(description),
                None,
                content,
                None,
                None,
                self.vector(list(files)),
            ]
        )

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, _IDENTIFIER)
        return bytes(self._builder.Output())
