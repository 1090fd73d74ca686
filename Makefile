# make demo | test | test-quick | fuzz | lint | asan | bench | clean
# Everything happens in .venv; PYTHON is the interpreter to make it from. Nothing is done twice: stamps in .venv
# tell what is installed, and a change in csrc/ rebuilds the C core.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := setup.py pyproject.toml $(wildcard csrc/*)
PYTEST_ARGS ?=
# Of make fuzz: how many functions, in how many processes, from which seed on.
N ?= 10000
JOBS ?= $(shell nproc)
SEED ?= 0

.PHONY: demo test test-quick test-kernels fuzz lint asan bench venv clean
.DELETE_ON_ERROR:

demo: $(VENV)/.examples
	$(BIN)/python -m py2bpf.examples.demo

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# What needs neither minutes nor other kernels.
test-quick: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow and not vm" $(PYTEST_ARGS)

# Only the tests in QEMU; tests/qemu/guest.py says what they need.
test-kernels: $(VENV)/.test $(VENV)/.guests
	$(BIN)/python -m pytest -m vm $(PYTEST_ARGS)

# Random functions in CPython, the embedded VM and the kernel; failures go to .cache/fuzz. CONTRIBUTING.md tells more.
fuzz: $(VENV)/.test
	$(BIN)/python tests/differential/fuzz.py -n $(N) --jobs $(JOBS) --seed $(SEED)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/mypy --strict py2bpf

# The C core's tests under the address and undefined-behaviour sanitizers.
asan: $(VENV)/.test
	PYTHON="$(BIN)/python" sh .ci/sanitize.sh

bench: $(VENV)/.examples
	$(BIN)/python benchmarks/bench_compile.py
	$(BIN)/python benchmarks/bench_program.py
	$(BIN)/python benchmarks/bench_map_batch.py
	$(BIN)/python benchmarks/bench_packets.py
	$(BIN)/python benchmarks/bench_ringbuf.py
	$(BIN)/python benchmarks/bench_perfbuf.py

venv: $(VENV)/.test $(VENV)/.lint

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "py2bpf needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || \
		{ echo "Python.h is missing, which the C core is built with: apt-get install python3-dev" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.examples: $(VENV)/.venv $(CORE)
	$(PIP) install --quiet -e '.[examples]'
	@touch $@

$(VENV)/.test: $(VENV)/.venv $(CORE)
	$(PIP) install --quiet -e '.[examples,test]'
	@touch $@ $(VENV)/.examples

$(VENV)/.lint: $(VENV)/.venv
	$(PIP) install --quiet 'ruff>=0.8' 'mypy>=1.13'
	@touch $@

$(VENV)/.guests: $(VENV)/.venv
	$(PIP) install --quiet 'virtme-ng>=1.30'
	@touch $@
