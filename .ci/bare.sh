#!/bin/bash
# `make demo` and `make test` on bare machines:   .ci/bare.sh [SUITE...]      (default: bookworm trixie)
#
# Each is a Debian tree with git, make and python3 only, a clone of this repository, and this machine's kernel. Other
# users than root must get one command that installs everything missing; for root it must be installed; both commands
# must work then. The tests that run there take a minute: the compiler, the hooks, the demo, README and the setup. Needs
# root and mmdebstrap. Takes about three minutes a suite, and 1.5 GB under .cache/bare, which it removes.
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=.ci/chroot.sh
. "$repo/.ci/chroot.sh"
cache=$repo/.cache/bare
tests="tests/compiler tests/hooks tests/examples/test_demo.py tests/test_needs.py tests/test_readme.py tests/test_seed.py"
packages="gcc libc6-dev linux-libc-dev python3-dev python3-venv"
[ $# -gt 0 ] || set -- bookworm trixie

expect() { # WHAT COMMAND...: says whether it holds
    local what=$1
    shift
    if "$@"; then echo "bare.sh: $what"; else
        echo "bare.sh: NOT: $what" >&2
        return 1
    fi
}

try() { # SUITE
    local tree=$cache/$1 work=$cache/work log=$cache/$1.log
    local inside=(enter_tree "$tree" "$work" env -C "$work/py2bpf")
    make_tree "$1" "$tree" ca-certificates,git,make,python3 || return
    rm -rf "$work" && git clone -q "$repo" "$work/py2bpf" || return

    "${inside[@]}" setpriv --reuid=65534 --regid=65534 --clear-groups make test >"$log" 2>&1 &&
        { echo "bare.sh: make test ends well for nobody, without a compiler" >&2; return 1; }
    expect "others than root get one command" test "$(grep -c '^    .*install' "$log")" = 1 || return
    expect "it names all that is missing" grep -q "install .* $packages'\$" "$log" || return

    "${inside[@]}" timeout 600 make demo 2>&1 | tee "$log" || return
    expect "root got it installed" grep -q "^+ apt-get install .*$packages\$" "$log" || return
    expect "the demo ran in the kernel" grep -qE "Linux .* runs this Python" "$log" || return
    "${inside[@]}" timeout 1200 make test PYTEST_ARGS="-q -m 'not slow and not vm' $tests" 2>&1 | tee "$log" || return
    expect "the tests passed" grep -qE '^[0-9]+ passed' "$log"
}

mkdir -p "$cache"
trap 'rm -rf "$cache"' EXIT
summary=() status=0
for suite in "$@"; do
    echo "--- Debian $suite, bare"
    begin=$SECONDS outcome=passed
    try "$suite" || outcome=FAILED status=1
    summary+=("Debian $suite, bare: $outcome after $((SECONDS - begin)) s")
done
printf '%s\n' "${summary[@]}"
exit $status
