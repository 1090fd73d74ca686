#!/bin/bash
# Run tests under every supported Python:   .ci/pythons.sh [pytest arguments]      (default: tests/compiler)
#
# PYTHONS="3.12 3.14" selects versions. Interpreters are searched on PATH and among pyenv's; for missing ones a
# Debian sid tree with 3.13 and later is built once (34 s, 0.6 GB; needs root and mmdebstrap) under .cache/pythons,
# which may be deleted at any time. A version with a t is the free-threaded build, which py2bpf refuses: under that
# tests/test_interpreters.py sees how. Debian has none, so it must be on this machine. Prints a line per version and
# fails when a test fails or a version is missing.
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=.ci/chroot.sh
. "$repo/.ci/chroot.sh"
cache=$repo/.cache/pythons
tree=$cache/sid
supported=()
for file in "$repo"/py2bpf/compiler/bytecode/v3*.py; do
    version=${file##*/v3}
    supported+=("3.${version%.py}")
done
in_tree=" ${supported[*]} "
in_tree=${in_tree/ 3.11 3.12/}
packages="pytest hypothesis cffi"
read -ra versions <<<"${PYTHONS:-${supported[*]}}"
[ $# -gt 0 ] || set -- -q tests/compiler

host_python() { # VERSION: prints the path of an interpreter of this machine
    local candidate number=${1%t} is
    is="import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] + 't' * ('t' in sys.abiflags) != '$1')"
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$number".*/bin/"python$1" "$(type -P "python$1" || true)"; do
        if [ -x "$candidate" ] && "$candidate" -c "$is" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

build_tree() {
    [ ! -e "$tree/.complete" ] || return 0
    local include=ca-certificates,gcc,libc6-dev,libffi-dev version
    for version in $in_tree; do include+=,python$version-dev,python$version-venv; done
    make_tree sid "$tree" "$include" && touch "$tree/.complete"
}

# The interpreter and pytest run from the repository itself: nothing of the project is installed or built here.
run() { # VERSION PYTEST-ARGUMENTS...
    local version=$1 python enter=() venv packages=$packages
    shift
    if [[ $version == *t ]]; then
        packages=pytest  # cffi doesn't have wheels for all versions
        set -- -q --noconftest -c /dev/null --rootdir . tests/test_interpreters.py
    fi
    if python=$(host_python "$version"); then
        venv=$cache/venv-$version
    elif [[ $in_tree == *" $version "* ]]; then
        build_tree || return
        python=/usr/bin/python$version venv=$cache/sid-venv-$version enter=(enter_tree "$tree" "$repo")
    else
        echo "pythons.sh: no Python $version on this machine" >&2
        return 1
    fi
    if [ ! -e "$venv/.complete" ]; then
        # shellcheck disable=SC2086
        "${enter[@]}" "$python" -m venv --clear "$venv" &&
            "${enter[@]}" "$venv/bin/python" -m pip install -qq $packages &&
            touch "$venv/.complete" || return
    fi
    "${enter[@]}" env -C "$repo" PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m pytest -p no:cacheprovider "$@"
}

mkdir -p "$cache"
summary=() status=0
for version in "${versions[@]}"; do
    log=$cache/$version.log
    echo "--- Python $version"
    if run "$version" "$@" 2>&1 | tee "$log"; then outcome=passed; else outcome=FAILED status=1; fi
    summary+=("$(printf 'Python %-5s %-7s %s' "$version" "$outcome" "$(tail -1 "$log" | tr -d '=' | xargs -0 echo)")")
done
printf '%s\n' "${summary[@]}"
exit $status
