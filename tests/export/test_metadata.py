"""The metadata, read by MediaPipe's generated reader of the schema."""

import io
import zipfile

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema

from tinybert_tf.export import ModelCard, metadata

VOCABULARY, LABELS = b"[PAD]\n[UNK]\n", b"a\nb\nc\n"


def _read(content):
    """The metadata within a file."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (entry,) = (e for e in model.metadata if e.name == b"TFLITE_METADATA")
    data = bytes(model.buffers[entry.buffer].data)
    assert data[4:8] == b"M001"
    return metadata_schema.ModelMetadataT.InitFromPackedBuf(data, 0)


def test_every_field(convert_classifier):
    card = ModelCard("tiny", "A tiny model.", "1.2.3", "its author", "CC0-1.0")
    content = convert_classifier("dynamic_int8")
    read = _read(metadata.add_metadata(content, card, "probability", VOCABULARY, LABELS))
    assert read.name == b"tiny"
    assert read.description == b"A tiny model."
    assert read.version == b"1.2.3"
    assert read.author == b"its author"
    assert read.license == b"CC0-1.0"
    assert read.minParserVersion == b"1.1.0"
    (graph,) = read.subgraphMetadata
    inputs = [tensor.name for tensor in graph.inputTensorMetadata]
    assert inputs == [b"ids", b"segment_ids", b"mask"]
    (unit,) = graph.inputProcessUnits
    assert unit.optionsType == metadata_schema.ProcessUnitOptions.BertTokenizerOptions
    (vocabulary,) = unit.options.vocabFile
    assert vocabulary.name == b"vocab.txt"
    assert vocabulary.type == metadata_schema.AssociatedFileType.VOCABULARY
    (output,) = graph.outputTensorMetadata
    assert output.name == b"probability"
    properties = metadata_schema.ContentProperties.FeatureProperties
    assert output.content.contentPropertiesType == properties
    (labels,) = output.associatedFiles
    assert labels.name == b"labels.txt"
    assert labels.type == metadata_schema.AssociatedFileType.TENSOR_AXIS_LABELS


def test_a_regressor_has_no_labels(convert_classifier):
    content = convert_classifier("float32")
    content = metadata.add_metadata(content, ModelCard("x"), "score", VOCABULARY, None)
    (graph,) = _read(content).subgraphMetadata
    assert not graph.outputTensorMetadata[0].associatedFiles
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["vocab.txt"]


def test_files_are_stored_with_one_time(convert_classifier):
    content = convert_classifier("float32")
    content = metadata.add_metadata(content, ModelCard("x"), "probability", VOCABULARY, LABELS)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("vocab.txt") == VOCABULARY
        assert archive.read("labels.txt") == LABELS
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_STORED
            assert member.date_time == (1980, 1, 1, 0, 0, 0)


def test_buffers_start_where_processors_read_vectors(convert_classifier):
    """The schema asks for 16 bytes, from the start of the file."""
    content = convert_classifier("small")
    content = metadata.add_metadata(content, ModelCard("x"), "probability", VOCABULARY, LABELS)
    model = schema.Model.GetRootAs(content, 0)
    starts = []
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.DataLength():
            data = buffer.DataAsNumpy()
            whole = np.frombuffer(content, np.uint8)
            starts.append(data.__array_interface__["data"][0] - whole.ctypes.data)
    assert len(starts) > 30
    assert not any(start % 16 for start in starts)
