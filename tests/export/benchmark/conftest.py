"""Bundles of the tiny classifier, and measurements without processes."""

import json
import runpy

import pytest

from tinybert_tf.export.benchmark import measure, read_bundles


@pytest.fixture(scope="session")
def exported(make_bundle):
    """The folder of bundles for 12 tokens, and for 6 and 12, by profile; not to be changed."""
    make_bundle("dynamic_int8")
    return make_bundle("float32").parent


@pytest.fixture(scope="session")
def float32(exported):
    """The bundle of profile float32, read."""
    return read_bundles([exported / "float32"])


@pytest.fixture(scope="session")
def both(exported):
    """The bundles of profiles float32 and dynamic_int8."""
    return read_bundles([exported / "float32", exported / "dynamic_int8"])


@pytest.fixture
def in_process(monkeypatch):
    """Runs workers in the process of the test: what they compute and answer, but the memory."""

    def run_script(doing, script, request):
        worker = runpy.run_path(str(script))
        return json.dumps(worker["measure"](**json.loads(request)))

    monkeypatch.setattr(measure, "run_script", run_script)


@pytest.fixture
def recorded(monkeypatch):
    """Replaces the processes; the list has every row in the order in which it was measured.

    A call takes as many milliseconds as the text has tokens, of real texts 5; a multi-length
    file half of it; the second time everything takes 1 ms longer.
    """
    rows = []

    def answer(row, texts, seconds, outputs=None):
        rows.append((row.subject.name, row.length, row.threads, seconds))
        took = float(row.length or 5) * (0.5 if "multi" in row.subject.name else 1.0)
        took += float(rows.count(rows[-1]) - 1)
        return {
            "import_seconds": 0.1,
            "load_seconds": 0.02,
            "first_seconds": 0.003,
            "seconds": [1e-3 * took, 3e-3 * took, 1e-3 * took],
            "cpu_seconds": 0.9,
            "runtime_bytes": 30_000_000,
            "peak_bytes": 50_000_000,
        }

    monkeypatch.setattr(measure, "_ask_worker", answer)
    return rows
