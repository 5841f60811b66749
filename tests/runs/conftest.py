"""Runs without tracing: that would take most of the time of these tests."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def eagerly(running_eagerly):
    """That of `tests/conftest.py`, for runs that a module's tests share, too.

    Processes that a test starts trace, and so does the finished run of `test_span_run.py`.
    """
    with running_eagerly():
        yield
