#!/bin/sh
# Builds the C core under sanitizers beside the ordinary build, and runs with it the tests in C and tests in Python:
#
#     PYTHON=.venv/bin/python sh .ci/sanitize.sh address    addresses and undefined behaviour; what goes through the core
#     PYTHON=.venv/bin/python sh .ci/sanitize.sh thread     data races; what runs several threads (tests/threaded.py)
#
# The interpreter itself isn't instrumented. The thread sanitizer sees its locks nevertheless, including the GIL: code
# that runs under the GIL is no race for it, and it sees races of code that runs without. Tests that can't run there are
# marked `unsanitized`, or `unsynchronized` where they race on purpose. PYTHON is an interpreter with the test packages.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
kind=${1:?address or thread}
top=$PWD out=$(cd .cache && pwd -P)/sanitized-$kind  # as Python will name it, also where .cache is a link
tests=$top/tests status=0 still= marks="not slow and not vm and not unsanitized"
case $PYTHON in /*) ;; *) PYTHON=$top/$PYTHON ;; esac

case $kind in
address)
	flags="-fsanitize=address,undefined -fno-sanitize-recover=all"
	libraries="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
	;;
thread)
	# The thread sanitizer doesn't support fences (-Wtsan). Ours are for the kernel, which it doesn't see either.
	flags="-fsanitize=thread -Wno-tsan"
	libraries=$(gcc -print-file-name=libtsan.so)
	marks="$marks and threads and not unsynchronized"
	# With many random bits in addresses, old versions find no room for their tables.
	! setarch -R true 2>/dev/null || still="setarch -R"
	;;
*)
	echo "sanitize.sh: address or thread, not $kind" >&2
	exit 2
	;;
esac

flags="$flags -fno-omit-frame-pointer -g -O1"
rm -rf "$out"
CFLAGS=$flags LDFLAGS=$flags "$PYTHON" -W ignore setup.py --quiet build --build-base "$out/build" --build-lib "$out/lib"

# From there the sanitized package comes first on sys.path, also in the processes that tests start.
cd "$out/lib"
export PYTHONPATH="$out/lib" PYTHONDONTWRITEBYTECODE=1

check() { # SECONDS TESTS...: fails if the tests fail or hang; prints which test hung
	# pytest leaves descriptor 2 alone, so that a sanitizer's report is seen although it ends the interpreter.
	seconds=$1
	shift
	timeout -k 5 "$seconds" $still "$PYTHON" -m pytest -q --capture=sys -p no:cacheprovider -c "$top/pyproject.toml" \
		--rootdir "$top" -o faulthandler_timeout=$((seconds / 2)) -m "$marks" "$@" || {
		code=$?
		[ $code = 124 ] || [ $code = 137 ] && echo "no end after $seconds s: $*" >&2
		status=1
	}
}

planted() { # whether the sanitizer reports a race in the core: two threads use a ring that is made for one
	code=0
	TSAN_OPTIONS="$TSAN_OPTIONS halt_on_error=1" $still "$PYTHON" "$tests/core/planted_race.py" >"$out/planted" 2>&1 || code=$?
	[ $code = 66 ] && grep -q "WARNING: ThreadSanitizer: data race" "$out/planted" && return
	cat "$out/planted" >&2
	echo "sanitize.sh: the thread sanitizer doesn't see a race that is there (status $code)" >&2
	return 1
}

# The tests in C are a program of their own; it need not be compiled by a compiler with the sanitizer's allocator.
marks_of_python=$marks
marks="not slow"
check 200 "$tests/core/test_sanitized.py" -k "$kind"
marks=$marks_of_python

export LD_PRELOAD="$libraries" PYTHONMALLOC=malloc
export ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS="suppressions=$top/.ci/races.supp"
"$PYTHON" -c 'import sys, py2bpf._core as core; sys.exit(not core.__file__.startswith(sys.argv[1]))' "$out"
if [ "$kind" = thread ]; then
	planted
	check 120 "$tests/ownership"
	check 240 "$tests/datastructures" "$tests/vm" "$tests/kernel" "$tests/language/test_counted_errors.py"
else
	check 120 "$tests/core/test_core_encode.py" "$tests/btf" "$tests/test_pcap.py"
	check 200 "$tests/kernel" "$tests/qemu"
	check 120 "$tests/ownership" -k all_closed
	check 240 "$tests/datastructures"
	check 400 "$tests/vm" "$tests/sim"
	check 120 "$tests/torture"
fi
exit $status
