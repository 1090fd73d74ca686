#!/bin/sh
# Builds the C core beside the ordinary build with slices of 5 instructions instead of 65536, so that programs of the
# embedded VM pause at nearly every instruction, and runs the VM's tests and random functions with it.
# PYTHON is an interpreter with the test packages. With a command as arguments the script runs that command instead:
#     PYTHON=.venv/bin/python sh .ci/short-slices.sh .venv/bin/python tests/differential/fuzz.py --only 4711
# The command runs in the project's folder, but `python -m` with a module there would find the ordinary build's package.
# FUNCTIONS is how many random functions there are, BUILD the folder to build in instead of .cache.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
top=$PWD out=${BUILD:-$(cd .cache && pwd -P)}/short-slices  # as Python will name it, also where .cache is a link
case $PYTHON in /*) ;; *) PYTHON=$top/$PYTHON ;; esac

rm -rf "$out"
CFLAGS=-DP2B_VM_SLICE=5 "$PYTHON" -W ignore setup.py --quiet build --build-base "$out/build" --build-lib "$out/lib"
# The package from there comes first on sys.path, also in the processes that tests start.
export PYTHONPATH="$out/lib" PYTHONDONTWRITEBYTECODE=1
"$PYTHON" -P -c 'import sys; from py2bpf._ffi import lib; sys.exit(lib.p2b_vm_slice() != 5)'
[ $# = 0 ] || exec "$@"

cd "$out/lib"
tests=$top/tests status=0

check() { # SECONDS COMMAND...: fails if the command fails or hangs
	seconds=$1
	shift
	timeout -k 5 "$seconds" "$@" || {
		code=$?
		[ $code = 124 ] || [ $code = 137 ] && echo "no end after $seconds s: $*" >&2
		status=1
	}
}

pytest="$PYTHON -m pytest -q -p no:cacheprovider -c $top/pyproject.toml --rootdir $top"
check 300 $pytest -m "not slow" "$tests/vm" "$tests/sim" "$tests/differential/test_long_programs.py"
check 200 $pytest -m "not slow" -k vm "$tests/datastructures"
check 300 "$PYTHON" "$tests/differential/fuzz.py" -n "${FUNCTIONS:-1000}" --out "$out/fuzz"
exit $status
