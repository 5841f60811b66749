"""Two replicas, or two workers, learn what one does from the same global batch."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

# Processes that trace: `make test-distributed` runs them.
pytestmark = pytest.mark.slow

PROGRAM = pathlib.Path(__file__).with_name("replicas_program.py")


def start(kind, output, **environment):
    # Without a search for GPUs: two workers would share one.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), kind, str(output)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(processes, timeout):
    """Waits for all; what one of them printed is shown if it failed."""
    try:
        for process in processes:
            printed, _ = process.communicate(timeout=timeout)
            assert process.returncode == 0, printed[-3000:]
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What one replica alone, and two, report and arrive at."""
    folder = tmp_path_factory.mktemp("results")
    outputs = {kind: folder / f"{kind}.npz" for kind in ("alone", "mirrored")}
    # At once: most of their time is the tracing of graphs, on one core each.
    finish([start(kind, output) for kind, output in outputs.items()], timeout=600)
    return {kind: np.load(output) for kind, output in outputs.items()}


@pytest.fixture(scope="module")
def alone(results):
    return results["alone"]


@pytest.fixture(scope="module")
def mirrored(results):
    return results["mirrored"]


NAMES = ["accuracy", "attention", "embedding", "hidden", "loss", "prediction"]


def test_one_step_of_two_replicas_is_one_step_of_one(alone, mirrored):
    """SGD, so that a gradient of twice the size would show."""
    assert (alone["replicas"], mirrored["replicas"]) == (1, 2)
    assert alone["names"].tolist() == mirrored["names"].tolist() == NAMES
    np.testing.assert_allclose(mirrored["step"], alone["step"], rtol=1e-5)
    np.testing.assert_allclose(mirrored["step_weights"], alone["step_weights"], atol=1e-6)


def test_gradients_of_two_replicas_are_clipped_as_those_of_one(alone, mirrored):
    """One step of SGD at a rate of 0.1: a gradient of length 1 moves the weights by 0.1.

    By somewhat more here: Keras takes the length before it sums what a token that stands in
    several places has.
    """
    lengths = {
        name: np.linalg.norm(alone[name] - alone["start"])
        for name in ("step_weights", "clipped_weights")
    }
    assert lengths["clipped_weights"] < 0.15 < 0.3 < lengths["step_weights"]
    np.testing.assert_allclose(mirrored["clipped_weights"], alone["clipped_weights"], atol=1e-6)


def test_an_overflow_on_any_replica_skips_the_step_on_all(alone, mirrored):
    """In the second replica's rows; the weight stays 1, and the scale of 8 is halved."""
    assert alone["overflow"].tolist() == mirrored["overflow"].tolist() == [1.0, 4.0]


def test_fit_over_replicas_is_fit(alone, mirrored):
    """Two batches; of the second, of one row, a replica gets nothing."""
    np.testing.assert_allclose(mirrored["epoch"], alone["epoch"], rtol=1e-5)
    np.testing.assert_allclose(mirrored["weights"], alone["weights"], atol=1e-6)


def test_losses_after_each_batch_are_those_of_the_global_batch(alone, mirrored):
    assert alone["batches"].shape == (2, len(NAMES))
    # Keras averages the replicas' accuracies, whatever they are over.
    np.testing.assert_allclose(mirrored["batches"][:, 1:], alone["batches"][:, 1:], rtol=1e-5)


def test_spans_of_two_replicas_are_those_of_one(alone, mirrored):
    """Loss and prediction, which are one here; and what a step of SGD made of the student."""
    assert alone["span_step"].shape == (2,)
    np.testing.assert_allclose(mirrored["span_step"], alone["span_step"], rtol=1e-5)
    np.testing.assert_allclose(mirrored["span_weights"], alone["span_weights"], atol=1e-6)


def test_a_task_model_learns_from_two_replicas_what_it_learns_from_one(alone, mirrored):
    """Of labels. The second batch has one row, which is to count as much as on one replica."""
    np.testing.assert_allclose(
        mirrored["classifier_weights"], alone["classifier_weights"], atol=1e-6
    )


def test_terms_and_loss_move_and_the_teacher_does_not(alone, mirrored):
    for results in (alone, mirrored):
        assert results["teacher_moved"] == 0.0
        assert np.abs(results["weights"] - results["step_weights"]).max() > 1e-3
        weights = {"attention": 0.5, "hidden": 2.0, "embedding": 3.0, "prediction": 0.25}
        figures = dict(zip(NAMES, results["step"], strict=True))
        total = sum(weight * figures[term] for term, weight in weights.items())
        assert figures["loss"] == pytest.approx(total, rel=1e-5)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def test_two_workers_learn_what_one_process_does(alone, tmp_path):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    outputs = [tmp_path / f"{index}.npz" for index in range(2)]
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    processes = [
        start("worker", output, TF_CONFIG=json.dumps({"cluster": cluster, "task": task}))
        for output, task in zip(outputs, tasks, strict=True)
    ]
    finish(processes, timeout=600)
    for results in map(np.load, outputs):
        assert results["replicas"] == 2
        assert results["names"].tolist() == NAMES
        np.testing.assert_allclose(
            results["batches"][:, 1:], alone["batches"][:, 1:], rtol=1e-5
        )
        np.testing.assert_allclose(results["epoch"], alone["epoch"], rtol=1e-5)
        for name in ("weights", "classifier_weights"):
            np.testing.assert_allclose(results[name], alone[name], atol=1e-6)
        assert results["teacher_moved"] == 0.0
