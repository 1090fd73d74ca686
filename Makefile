# make demo | test | test-quick | fuzz | mutants | torture | lint | asan | tsan | short-slices | bench | clean
# Everything happens in .venv; PYTHON is the interpreter to make it from. Nothing is done twice: stamps in .venv record
# what is installed, and a change in csrc/ rebuilds the C core. scripts/needs.sh finds what is missing of the system,
# and installs it as root.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := setup.py pyproject.toml $(wildcard csrc/*.* csrc/*/*.[ch] csrc/*/*/*.[ch])
PYTEST_ARGS ?=
# For make fuzz: how many functions, in how many processes, starting at which seed.
N ?= 10000
JOBS ?= $(shell nproc)
SEED ?= 0
# For make mutants: one of how many mutants, in the sample that SEED selects; 1 is all of them.
ONE_IN ?= 60
# For make torture: for how long each campaign runs, and which ones (all).
SECONDS ?= 60
CAMPAIGNS ?=

.PHONY: demo test test-quick test-kernels fuzz mutants torture lint asan tsan short-slices bench venv clean
.DELETE_ON_ERROR:

demo: $(VENV)/.examples
	$(BIN)/python -m py2bpf.examples.demo

test test-quick test-kernels fuzz torture asan tsan: NEEDS := test
test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Without tests that take minutes or need other kernels.
test-quick: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow and not vm" $(PYTEST_ARGS)

# Only the tests in QEMU; tests/qemu/guest.py says what they need.
test-kernels: $(VENV)/.test $(VENV)/.guests
	$(BIN)/python -m pytest -m vm $(PYTEST_ARGS)

# Random functions in CPython, the embedded VM and the kernel; failures go to .cache/fuzz. CONTRIBUTING.md tells more.
# Every second process runs them in a VM that yields every 5 instructions.
fuzz: $(VENV)/.test
	PYTHON="$(BIN)/python" sh .ci/short-slices.sh true
	$(BIN)/python tests/differential/fuzz.py -n $(N) --jobs $(JOBS) --seed $(SEED) --short .cache/short-slices/lib

# Breaks the compiler, the VM and the encoder in small ways, and lists which ones no test notices.
mutants: $(VENV)/.test
	$(BIN)/python tests/mutants/mutate.py --one-in $(ONE_IN) --seed $(SEED)

# Mutants of functions, failing system calls, signals, threads, damaged files, hostile programs; faults go to .cache/torture.
torture: $(VENV)/.test
	$(BIN)/python tests/torture/torture.py --seconds $(SECONDS) --jobs $(JOBS) --seed $(SEED) $(CAMPAIGNS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/mypy --strict py2bpf

# The C core's tests under the address and undefined-behaviour sanitizers.
asan: $(VENV)/.test
	PYTHON="$(BIN)/python" sh .ci/sanitize.sh address

# Tests with several threads, under the thread sanitizer.
tsan: $(VENV)/.test
	PYTHON="$(BIN)/python" sh .ci/sanitize.sh thread

# The tests of the embedded VM, and 1000 random functions, with programs that yield every 5 instructions.
short-slices: $(VENV)/.test
	PYTHON="$(BIN)/python" FUNCTIONS=1000 sh .ci/short-slices.sh

bench: $(VENV)/.examples
	set -e; for each in benchmarks/bench_*.py; do $(BIN)/python $$each; done

venv: $(VENV)/.test $(VENV)/.lint

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.venv:
	@python=$$(PYTHON='$(PYTHON)' sh scripts/needs.sh $(NEEDS)) && \
		echo "Making $(VENV) from $$python." && "$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.examples: $(VENV)/.venv $(CORE)
	@echo "Building py2bpf into $(VENV), and installing what its examples use."
	@$(PIP) install --quiet -e '.[examples]'
	@touch $@

$(VENV)/.test: $(VENV)/.venv $(CORE)
	@PYTHON=$(BIN)/python sh scripts/needs.sh test >/dev/null
	@echo "Building py2bpf into $(VENV), and installing what its tests use: this takes a minute or two."
	@$(PIP) install --quiet -e '.[examples,test]'
	@touch $@ $(VENV)/.examples

$(VENV)/.lint: $(VENV)/.venv
	$(PIP) install --quiet 'ruff>=0.8' 'mypy>=1.13'
	@touch $@

$(VENV)/.guests: $(VENV)/.venv
	$(PIP) install --quiet 'virtme-ng>=1.30'
	@touch $@
