"""Makes the int8 ONNX file of a classifier, in a process of `export_latency_peers.py`.

    python benchmarks/export_latency_onnx.py DIRECTORY FILE

`DIRECTORY` is in the Hugging Face layout. It is a process of its own because TensorFlow and
PyTorch cannot be loaded into one. Of the ways to make such a file this is the one that ran
fastest on a CPU with int8 products (AVX-512 VNNI), at 16, 32 and 128 tokens: TorchScript's
exporter, attention written out, one scale a weight matrix, all fusions left to ONNX Runtime.
Slower were, by 2 to 26 % at 128 tokens, a scale for each channel, scaled dot-product attention,
fusing by `onnxruntime.transformers` beforehand, a static length and torch.export's exporter;
with uint8 weights it took about twice as long.
"""

import pathlib
import sys
import tempfile

import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

_INPUTS = ("ids", "mask", "segment_ids")
_OPSET = 17


def main():
    """Writes the file."""
    directory, file = sys.argv[1:]
    model = transformers.BertForSequenceClassification.from_pretrained(
        directory, attn_implementation="eager", local_files_only=True
    ).eval()
    example = torch.ones((1, 8), dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder:
        float32 = pathlib.Path(folder) / "model.onnx"
        # In the order of the model's arguments.
        torch.onnx.export(
            model,
            (example, example, torch.zeros_like(example)),
            str(float32),
            input_names=list(_INPUTS),
            output_names=["logits"],
            dynamic_axes={name: {1: "length"} for name in _INPUTS},
            opset_version=_OPSET,
            dynamo=False,
        )
        quantize_dynamic(float32, file, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    main()
