"""The command lines for a phone."""

import dataclasses

import pytest
from ai_edge_litert.interpreter import Interpreter

from tinybert_tf.export.benchmark import phone_commands


def test_the_phone_s_command_lines(exported, float32):
    (bundle,) = float32
    folder = exported / "float32"
    tool = "adb shell /data/local/tmp/benchmark_model"
    model = "/data/local/tmp/float32_model.tflite"
    multi = "/data/local/tmp/float32_model_multi.tflite"

    def run(file, length, threads):
        return (
            f"{tool} --graph={file} --num_threads={threads} --use_xnnpack=true "
            "--input_layer=ids,segment_ids,mask "
            f"--input_layer_shape=1,{length}:1,{length}:1,{length} "
            "--input_layer_value_range=ids,0,30:segment_ids,0,0:mask,1,1"
        )

    assert phone_commands(bundle, [1, 4]) == [
        f"adb push {folder}/model.tflite {model}",
        run(model, 12, 1),
        run(model, 12, 4),
        f"adb push {folder}/model_multi.tflite {multi}",
        run(multi, 6, 1) + " --signature_to_run_for=length_6",
        run(multi, 6, 4) + " --signature_to_run_for=length_6",
        run(multi, 12, 1) + " --signature_to_run_for=length_12",
        run(multi, 12, 4) + " --signature_to_run_for=length_12",
    ]


def test_the_phone_has_no_folders_of_bundles(float32):
    bundle = dataclasses.replace(float32[0], name="my run/export/int8")
    lines = phone_commands(bundle)
    assert lines[0].endswith(" /data/local/tmp/my_run_export_int8_model.tflite")
    assert " --graph=/data/local/tmp/my_run_export_int8_model.tflite " in lines[1]


@pytest.mark.parametrize("file", ["model.tflite", "model_multi.tflite"])
def test_the_phone_s_ranges_go_to_the_inputs_they_are_for(exported, file):
    """benchmark_model takes inputs in the order of the graph, whatever they are called."""
    interpreter = Interpreter(str(exported / "float32" / file))
    for name in interpreter.get_signature_list():
        details = interpreter.get_signature_runner(name).get_input_details()
        by_index = sorted(details, key=lambda key: details[key]["index"])
        assert by_index == ["ids", "segment_ids", "mask"]
