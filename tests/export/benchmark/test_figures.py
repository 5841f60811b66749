"""What is made of the times."""

import numpy as np
import pytest

from tinybert_tf.export.benchmark import figures


def test_percentiles_are_over_all_rounds():
    random = np.random.default_rng(0)
    times = [random.gamma(2.0, 1e-3, count) for count in (40, 60, 50)]
    answers = [
        {
            "seconds": list(t),
            "import_seconds": 0.5 * i,
            "load_seconds": 0.01 * i,
            "first_seconds": 0.03 - 0.01 * i,
            "cpu_seconds": 1.0 - 0.1 * i,
            "runtime_bytes": 1e7,
            "peak_bytes": (3 + i) * 1e7,
        }
        for i, t in enumerate(times)
    ]
    row = figures.summarize(answers)
    assert row["calls"] == 150
    together = 1e3 * np.concatenate(times)
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        assert row["milliseconds"][name] == pytest.approx(np.percentile(together, percent))
    assert row["milliseconds"]["mean"] == pytest.approx(together.mean())
    assert [r["p50"] for r in row["rounds"]] == pytest.approx(
        [1e3 * np.median(t) for t in times]
    )
    assert [r["mean"] for r in row["rounds"]] == pytest.approx([1e3 * t.mean() for t in times])
    # Load and first call belong together: their sum is 30 ms in every round.
    assert row["start_milliseconds"] == pytest.approx(30)
    assert row["load_milliseconds"] == pytest.approx(10)
    assert row["first_milliseconds"] == pytest.approx(20)
    assert row["import_milliseconds"] == pytest.approx(500)
    assert row["cores_busy"] == pytest.approx(0.9)
    assert row["peak_megabytes"] == pytest.approx(40)
    assert row["model_megabytes"] == pytest.approx(30)


def test_without_proc_there_is_no_memory():
    answer = dict.fromkeys(
        ("import_seconds", "load_seconds", "first_seconds", "cpu_seconds"), 0.1
    )
    answer |= {"seconds": [0.1], "runtime_bytes": None, "peak_bytes": None}
    row = figures.summarize([answer])
    assert row["peak_megabytes"] is None and row["model_megabytes"] is None


def test_a_ratio_is_the_median_of_the_rounds():
    """4, 2 and 5 times as fast; the ratio of the medians over all rounds would be 5."""
    ours = {"rounds": [{"p50": p, "mean": 2 * p} for p in (1.0, 5.0, 2.0)]}
    theirs = {"rounds": [{"p50": p, "mean": 3 * p} for p in (4.0, 10.0, 10.0)]}
    assert figures.times_as_fast(ours, theirs, 128) == pytest.approx(4.0)
    # Of real texts by the time of all.
    assert figures.times_as_fast(ours, theirs, None) == pytest.approx(4.0 * 1.5)


def test_agreement_is_of_labels_or_correlation():
    expected = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    outputs = np.array([[0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    assert figures.compare_outputs(outputs, expected) == {
        "texts": 4,
        "max_difference": pytest.approx(0.2),
        "agreement": 0.75,
    }
    scores = np.array([[1.0], [2.0], [4.0]])
    assert figures.compare_outputs(3 - scores, scores)["agreement"] == pytest.approx(-1.0)
