#!/bin/sh
# Builds the C core with the address and undefined-behaviour sanitizers beside the ordinary build, and runs with it the
# tests in C and those tests in Python that go through the core. Tests that can't are marked `unsanitized`.
# PYTHON is an interpreter with the test packages.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
top=$PWD out=$(cd .cache && pwd -P)/sanitized  # as Python will name it, also where .cache is a link
case $PYTHON in /*) ;; *) PYTHON=$top/$PYTHON ;; esac

flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1"
rm -rf "$out"
CFLAGS=$flags LDFLAGS=$flags "$PYTHON" -W ignore setup.py --quiet build --build-base "$out/build" --build-lib "$out/lib"

# From there the sanitized package comes first on sys.path; the interpreter itself isn't instrumented.
cd "$out/lib"
export PYTHONDONTWRITEBYTECODE=1
tests=$top/tests status=0

check() { # SECONDS TESTS...: fails when they do, and when they hang; tells then which test it was
	seconds=$1
	shift
	timeout -k 5 "$seconds" "$PYTHON" -m pytest -q -p no:cacheprovider -c "$top/pyproject.toml" --rootdir "$top" \
		-o faulthandler_timeout=$((seconds / 2)) -m "not slow and not vm and not unsanitized" "$@" || {
		code=$?
		[ $code = 124 ] || [ $code = 137 ] && echo "no end after $seconds s: $*" >&2
		status=1
	}
}

# The tests in C are a program of their own; it need not be compiled by a compiler with the sanitizer's allocator.
check 200 "$tests/core/test_sanitized.py" -k "not optimised"

export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc
"$PYTHON" -c 'import sys, py2bpf._core as core; sys.exit(not core.__file__.startswith(sys.argv[1]))' "$out"
check 120 "$tests/core/test_core_encode.py" "$tests/btf" "$tests/test_pcap.py"
check 200 "$tests/kernel" "$tests/qemu"
check 240 "$tests/datastructures"
check 300 "$tests/vm" "$tests/sim"
exit $status
