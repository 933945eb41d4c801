# Expunge: `make demo` runs the main job on the embedded lab, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARITY := .venv-parity
LOWEST := .venv-lowest
# glibc gives large blocks back to the system after each training step; keeping them halves the system time.
export MALLOC_MMAP_THRESHOLD_ := 1073741824
export MALLOC_TRIM_THRESHOLD_ := 1073741824
# Idle threads sleep instead of spinning: on shared cores spinning can cost ten times the work.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test test-shuffled fuzz coverage test-slow test-parity test-lowest check lint types layers docs lab labs benchmarks clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else "Expunge needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed  ## erase five people from the embedded lab, start to report
	$(BIN)/expunge demo --output build/demo --overwrite

# Two processes of one thread each do more on two cores than one of two; files keep their order and their process.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not parity"
test: $(VENV)/.installed  ## the tests that need no network, no GPU and no downloaded model
	$(TEST)

SEED ?= random
test-shuffled: $(VENV)/.installed  ## the same in another order; SEED=... gives an order again
	$(TEST) --shuffle $(SEED)

FUZZ ?= --count 10000
fuzz: $(VENV)/.installed  ## mutated inputs for every reader; FUZZ='--seed 7' draws others
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(FUZZ)

$(VENV)/.coverage: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pytest-cov
	touch $@

# Each package by the tests of its own folder; the share of lines and branches below which the target fails.
COVER = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not parity" --cov-branch --cov-report=term:skip-covered
coverage: $(VENV)/.coverage  ## lines and branches that the tests of each package run
	$(COVER) --cov=policies --cov-fail-under=90 tests/policies
	$(COVER) --cov=detectors --cov-fail-under=90 tests/detectors
	$(COVER) --cov=dictionaries --cov-fail-under=85 tests/dictionaries
	$(COVER) --cov=editor --cov-fail-under=85 tests/editor

test-slow: $(VENV)/.installed  ## the long checks
	$(BIN)/python -m pytest -m slow

# dictionary-learning asks for much that only its training uses; its dictionaries need torch and einops.
$(PARITY)/.installed: constraints.txt
	$(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(PARITY)/bin/python -m pip install --quiet --constraint constraints.txt sae-lens==6.54.12 pytest jaxtyping
	$(PARITY)/bin/python -m pip install --quiet --no-deps dictionary-learning==0.1.0 knowledge-neurons==0.0.2
	touch $@

test-parity: $(PARITY)/.installed  ## our dictionaries against the packages whose formats they have, in an environment of its own
	PYTHONPATH=. $(PARITY)/bin/python -m pytest -m parity tests/dictionaries/formats/test_parity.py

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "The lowest releases need Python 3.11: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable '.[encrypt,parquet,sign]' jsonschema pytest xmlschema
	touch $@

# Old releases call newer ones below them by deprecated names. Two guarantees are kept by the pinned releases alone: the memory that
# reading takes, and an effect on a random model whose 24 passes of least squares amplify rounding.
test-lowest: $(LOWEST)/.installed  ## with the lowest releases that pyproject.toml allows, in an environment of its own
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -m "not slow and not parity" -W ignore::DeprecationWarning \
		--ignore tests/dictionaries/formats/test_memory.py \
		--deselect tests/editor/methods/features/test_residual_dictionaries.py::test_several_passes_erase_on_a_tiny_llama_and_the_revert_is_exact \
		tests/test_packaging.py tests/policies tests/detectors tests/dictionaries \
		$(addprefix tests/editor/,test_cli.py cli model report edits measuring artefacts methods locators tuning)
	$(LOWEST)/bin/expunge demo --output build/demo-lowest --overwrite --quiet

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed
	$(BIN)/mypy

layers: $(VENV)/.installed
	$(BIN)/lint-imports

check: lint types layers test  ## everything

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs  ## the documentation site in build/site; a link that leads nowhere fails it
	$(BIN)/mkdocs build --strict

lab: $(VENV)/.installed  ## rebuild examples/rivermouth from its seed
	$(BIN)/python -m examples.rivermouth.build

LABS ?= --grid small
labs: $(VENV)/.installed  ## erase people from labs of many shapes, built if missing; LABS='--group development' for fewer
	$(BIN)/python -m examples.labs $(LABS)

benchmarks: $(VENV)/.installed $(PARITY)/.installed  ## ratios against plain implementations and other packages, in one run each
	$(BIN)/python -m tests.benchmarks
	PYTHONPATH=. $(PARITY)/bin/python -m tests.benchmarks.dictionaries 1000
	PYTHONPATH=. $(PARITY)/bin/python -m tests.benchmarks.neurons

clean:
	rm -rf build $(VENV) $(PARITY) $(LOWEST) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
