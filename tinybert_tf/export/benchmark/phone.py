"""The command lines that measure a bundle on a phone."""

import re
import shlex
from collections.abc import Iterable

from tinybert_tf.export.benchmark.subjects import Bundle
from tinybert_tf.export.bundle import MODEL, MULTI_MODEL

PHONE_FOLDER = "/data/local/tmp"
_TOOL = f"{PHONE_FOLDER}/benchmark_model"


def phone_commands(bundle: Bundle, threads: Iterable[int] = (1,)) -> list[str]:
    """Returns the lines for adb and TensorFlow Lite's benchmark_model.

    Unless told otherwise, the tool fills inputs with integers up to 99. A segment id above 1
    has no embedding, and a mask other than 0 and 1 no meaning, so the lines give the ranges.

    Args:
        bundle: `Bundle`, see `read_bundles`.
        threads: iterable of int.
    """
    largest_id = bundle.info["tokenizer"]["vocabulary_size"] - 1
    # One level of folders, and nothing that two shells would have to agree on.
    name = re.sub(r"[^\w.-]", "_", bundle.name)
    lines = []
    for file in (MODEL, MULTI_MODEL):
        signatures = bundle.signatures(file)
        if not signatures:
            continue
        model = f"{PHONE_FOLDER}/{name}_{file}"
        lines.append(shlex.join(["adb", "push", str(bundle.path / file), model]))
        for signature, length in signatures.items():
            for count in threads:
                command = [
                    *("adb", "shell", _TOOL, f"--graph={model}", f"--num_threads={count}"),
                    "--use_xnnpack=true",
                    "--input_layer=ids,segment_ids,mask",
                    f"--input_layer_shape=1,{length}:1,{length}:1,{length}",
                    f"--input_layer_value_range=ids,0,{largest_id}:segment_ids,0,0:mask,1,1",
                ]
                if len(signatures) > 1:
                    command.append(f"--signature_to_run_for={signature}")
                lines.append(shlex.join(command))
    return lines
