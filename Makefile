# make demo       train, evaluate and draw on the built-in sample, in an environment of its own
# make test       the tests that take five minutes, in the same environment
# make test-all   all tests
# `make help` lists the rest.

# The first of these that runs and is new enough; `make PYTHON=... demo` takes another.
candidates := python3.11 python3 python3.12 python3.13
new_enough := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(candidates); do $$p -c '$(new_enough)' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

RUNS ?= runs
DEMO_ARGS ?=
# Processes that share the tests, file by file; each takes up to 8 GB
JOBS ?= 2
# Of `make chaos`: how many kills, and what draws them
ROUNDS ?= 100
SEED ?= 0

export TF_CPP_MIN_LOG_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DELETE_ON_ERROR:
.PHONY: help install demo demo-fast wheel docs test test-all test-jax test-torchvision chaos audit mutants notebooks lint format lock clean

help:
	@echo "make demo       train, evaluate and draw on the built-in sample; results in $(RUNS)/demo"
	@echo "make demo-fast  the same job in a few steps; results in $(RUNS)/demo-fast"
	@echo "make wheel      build the wheel and use it where there is nothing else of the project"
	@echo "make test       the tests that are not slow, in two processes, five minutes (ARGS='-k nms' picks some, JOBS=1)"
	@echo "make test-all   these and the slow ones: parity, notebooks, benchmarks, whole runs; not those that need a GPU"
	@echo "make chaos      kill trainings, fill disks, damage weight files and datasets, and see what is left (ROUNDS=100 SEED=0): an hour"
	@echo "make test-jax   the tests of the model, its training and the edge loss on JAX: some ten minutes"
	@echo "make test-torchvision  compare with torchvision, which gets an environment of its own (5 GB): some ten minutes"
	@echo "make mutants    plant the faults of tests/mutants.md, and see whether their tests fail"
	@echo "make audit      compare requirements.lock with known vulnerabilities; needs the network"
	@echo "make docs       the documentation site, in build/docs; warnings and dead links are errors"
	@echo "make notebooks  run the notebooks of samples/ and keep their outputs: some minutes"
	@echo "make lint       ruff and mypy"
	@echo "make format     let ruff format the code and sort the imports"
	@echo "make install    only the environment, in $(VENV)"
	@echo "make lock       resolve requirements.lock anew"
	@echo "make clean      remove the environment and all caches; $(RUNS) stays"

install: $(STAMP)

$(STAMP): requirements.lock requirements-imgaug.lock pyproject.toml setup.py
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed, and none of '$(candidates)' is;" \
	    "name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c '$(new_enough)' || { echo "error: Python 3.11 or newer is needed, and $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	@echo "Installing into $(VENV): about 3 GB, one minute on a fast network"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-imgaug.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	rm -rf $(RUNS)/demo
	$(BIN)/mrcnn demo --out $(RUNS)/demo $(DEMO_ARGS)

demo-fast: $(STAMP)
	rm -rf $(RUNS)/demo-fast
	$(BIN)/mrcnn demo --fast --out $(RUNS)/demo-fast $(DEMO_ARGS)

# Not in this environment: what is missing in the wheel would be found in the checkout.
wheel: $(STAMP)
	.ci/wheel $(BIN)/python

test: $(STAMP)
	$(BIN)/python -m pytest -m "not gpu and not slow" -n $(JOBS) --dist loadfile $(ARGS)

test-all: $(STAMP)
	$(BIN)/python -m pytest -m "not gpu" -n $(JOBS) --dist loadfile $(ARGS)

chaos: $(STAMP)
	$(BIN)/python -m tests.chaos.kills --rounds $(ROUNDS) --seed $(SEED)
	$(BIN)/python -m tests.chaos.disks --rounds $$(($(ROUNDS) / 2)) --seed $(SEED)
	$(BIN)/python -m tests.chaos.weights --rounds $$(($(ROUNDS) * 10)) --seed $(SEED)
	$(BIN)/python -m tests.chaos.datasets --rounds $$(($(ROUNDS) * 10)) --seed $(SEED)

# What tests compile again comes from the cache, and XLA's costly passes are left out: a quarter less time.
# Slow tests start JAX themselves where they need it.
test-jax: $(STAMP)
	KERAS_BACKEND=jax JAX_PLATFORMS=cpu \
	    XLA_FLAGS="--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true" \
	    JAX_COMPILATION_CACHE_DIR=$(abspath $(VENV))/jax JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.3 \
	    $(BIN)/python -m pytest -m "not gpu and not slow" -n $(JOBS) --dist loadfile \
	    tests/edge_agreement tests/mrcnn/backend tests/mrcnn/modeling tests/mrcnn/training $(ARGS)

# Beside the project's environment, since PyTorch takes more room than all of that.
test-torchvision: $(STAMP)
	$(PYTHON) -m venv --clear .venv-torchvision
	.venv-torchvision/bin/python -m pip install --quiet -r requirements-torchvision.lock
	MRCNN_TORCHVISION_PYTHON=$(abspath .venv-torchvision/bin/python) \
	    $(BIN)/python -m pytest tests/mrcnn/parity/test_torchvision.py $(ARGS)
	rm -rf .venv-torchvision

# In an environment of its own, since it is no part of the project. --strict: what could not be asked is no pass.
audit:
	$(PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock
	rm -rf .venv-audit

docs: $(STAMP)
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet --fresh-env docs build/docs
	@echo "build/docs/index.html"

mutants: $(STAMP)
	$(BIN)/python tests/mutants.py $(ARGS)

notebooks: $(STAMP)
	$(BIN)/python samples/notebooks.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 \
	    --extra dev --extra docs --no-emit-index-url --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-lock .venv-audit build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
