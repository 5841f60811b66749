"""ONNX Runtime and PyTorch for the workers of `export_latency.py`; nobody else needs this file.

It runs in a worker, whose memory and start are measured: each class imports its own runtime,
and nothing here imports this project. What they offer is described in `LiteRt` of
`tinybert_tf/export/benchmark/_worker.py`.
"""

import numpy as np


class OnnxRuntime:
    """Runs an ONNX file on the CPU."""

    integers = np.int64

    def __init__(self):
        import onnxruntime

        self._runtime = onnxruntime

    def load(self, path, threads, signatures):
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = self._runtime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, inputs):
        return inputs

    def __call__(self, inputs):
        return self._session.run(None, inputs)[0]


class PyTorch:
    """Runs a directory in the Hugging Face layout by transformers, eagerly."""

    integers = np.int64

    def __init__(self):
        import torch
        from transformers import BertForSequenceClassification

        self._torch, self._make_model = torch, BertForSequenceClassification.from_pretrained

    def load(self, path, threads, signatures):
        self._torch.set_num_threads(threads)
        self._model = self._make_model(path, local_files_only=True).eval()

    def prepare(self, inputs):
        names = {"ids": "input_ids", "segment_ids": "token_type_ids", "mask": "attention_mask"}
        return {names[name]: self._torch.from_numpy(value) for name, value in inputs.items()}

    def __call__(self, inputs):
        with self._torch.inference_mode():
            return self._model(**inputs).logits.numpy()
