# `make help` lists what there is. Everything runs in a virtual environment that is made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
INSTALLED := $(VENV)/.installed
# Python keeps compiled modules, also where the environment forbids it: each of many processes would compile them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install repro sample lambda-grid seeds systems test test-full test-faults lint format docs

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## Create the environment with the pinned versions

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

repro: $(INSTALLED) ## Reproduce the whole pipeline; on a fresh clone, on the embedded demo data
	dvc repro

sample: $(INSTALLED) ## Run the protocol `sample` on the real images below $FAKEFORENSICS_SAMPLE
	@test -d "$(FAKEFORENSICS_SAMPLE)" || { echo 'set FAKEFORENSICS_SAMPLE to the folder: docs/data.md, "The real sample"' >&2; exit 1; }
	dvc exp run \
	  -S 'protocols=[sample]' \
	  -S '+sources.sample_dffd={layout: dffd, root: $$FAKEFORENSICS_SAMPLE/DFFD, options: {subset: true}}' \
	  -S '+sources.sample_photoshop={layout: folder, root: $$FAKEFORENSICS_SAMPLE/photoshop, options: {method: photoshop}}' \
	  -S '+sources.sample_celeb_df={layout: celeb_df, root: $$FAKEFORENSICS_SAMPLE/Celeb-DF-v2, options: {subset: true}}'

LAMBDAS ?= 0.001,0.01,0.1,1
SEEDS ?= 0
PROTOCOL ?= demo
# Experiments at the same time; on a machine with several GPUs each has one of its own (docs/scaling.md).
JOBS ?= 1
EXPERIMENTS = python -m fakeforensics.spread experiments --jobs $(JOBS) -S 'protocols=[$(PROTOCOL)]'

lambda-grid: $(INSTALLED) ## Train PROTOCOL with each of LAMBDAS and SEEDS, JOBS at a time, then write which lambda validation picks
	$(EXPERIMENTS) --vary 'lambda=$(LAMBDAS)' --vary 'seed=$(SEEDS)'
	python -m fakeforensics.lambda_grid --protocol '$(PROTOCOL)' --lambdas '$(LAMBDAS)' --seeds '$(SEEDS)'

SYSTEMS := bce,sad,joint,deep_sad,deep_svdd,oc_svm,svdd,svdd_fakes,oc_cnn,doc,spectrum,autogan
SYSTEMS := $(SYSTEMS),ddt,dp_vae,mml_vae,forensic_transfer,forensic_transfer_resnet,cnndetection

seeds systems: SEEDS = 0,1,2
seeds: $(INSTALLED) ## Train PROTOCOL with each of SEEDS, JOBS at a time, then rank its detectors with the scatter of seeds
	$(EXPERIMENTS) --vary 'seed=$(SEEDS)' $(EXTRA)
	python -m fakeforensics.seeds --protocol $(PROTOCOL)

systems: EXTRA = -S 'detectors=[$(SYSTEMS)]' -S 'evaluate.corruptions=[]'
systems: seeds ## The same for all detectors that this project has, without corrupted images

# A file's tests share what they make, so they run in one process. Whoever starts one test by hand needs no xdist.
TEST_PROCESSES ?= 2
PYTEST := pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test: $(INSTALLED) lint ## Run the linters and the quick tests
	$(PYTEST)

# Other files are not imported. The longest begin first, so that no process is left with one at the end.
LONGEST := $(addprefix tests/pipeline/,test_replicas.py test_repro.py test_documented_commands.py)
LONGEST += tests/unit/training/test_distributed.py
SLOW = $(LONGEST) $(filter-out $(LONGEST),$(sort $(shell grep -rl --include='*.py' 'mark\.slow' tests)))

test-full: $(INSTALLED) ## Run what is slow: the whole pipeline, replicas of every data set, kill tests
	$(PYTEST) -m slow $(SLOW)

SEED ?= 0
KILLS ?= 14
REPRO_KILLS ?= 3
DAMAGES ?= 40
FULL_DISKS ?= 1
FUZZ_SECONDS ?= 10
test-faults: $(INSTALLED) ## Kill stages KILLS and dvc repro REPRO_KILLS times, damage DAMAGES files (0: each in each way), fill disks, fuzz
	SEED=$(SEED) KILLS=$(KILLS) REPRO_KILLS=$(REPRO_KILLS) DAMAGES=$(DAMAGES) FULL_DISKS=$(FULL_DISKS) \
	  FUZZ_SECONDS=$(FUZZ_SECONDS) pytest -m faults -s tests/faults

lint: $(INSTALLED) ## Check style and types
	ruff check .
	ruff format --check .
	mypy --num-workers $(TEST_PROCESSES)

format: $(INSTALLED) ## Rewrite the code in the house style
	ruff check --fix .
	ruff format .

# Zensical prints griffe's warnings without counting them.
docs: $(INSTALLED) ## Build the documentation site into site/, with warnings as errors
	@mkdir -p .scratch
	@zensical build --strict --clean >.scratch/docs.log 2>&1 || { cat .scratch/docs.log; exit 1; }
	@if grep '^griffe' .scratch/docs.log; then exit 1; fi
	@echo 'python -m http.server --directory site shows it at http://localhost:8000'
