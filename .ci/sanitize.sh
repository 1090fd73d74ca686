#!/bin/sh
# Builds the C core with the address and undefined-behaviour sanitizers beside the ordinary build and runs its tests.
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
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1
"$PYTHON" -c 'import sys, py2bpf._core as core; sys.exit(not core.__file__.startswith(sys.argv[1]))' "$out"
exec "$PYTHON" -m pytest -q -p no:cacheprovider -c "$top/pyproject.toml" --rootdir "$top" \
	-m "not slow and not vm" "$top/tests/kernel" "$top/tests/datastructures" "$top/tests/vm" "$top/tests/qemu"
