#!/bin/bash
# Run tests under every supported Python:   .ci/pythons.sh [pytest arguments]      (default: tests/compiler)
#
# PYTHONS="3.12 3.14" selects versions. An interpreter is looked for on PATH and among pyenv's; for what is missing a
# Debian sid tree with 3.13 to 3.15 is built once (34 s, 0.6 GB; needs root and mmdebstrap) under .cache/pythons,
# which may be deleted at any time. Prints a line per version and fails when a test fails or a version is missing.
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
cache=$repo/.cache/pythons
tree=$cache/sid
in_tree=" 3.13 3.14 3.15 "
packages="pytest hypothesis cffi"
read -ra versions <<<"${PYTHONS:-3.11 3.12 3.13 3.14 3.15}"
[ $# -gt 0 ] || set -- -q tests/compiler

host_python() { # VERSION: prints the path of an interpreter of this machine
    local candidate
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/"python$1" "$(type -P "python$1" || true)"; do
        if [ -x "$candidate" ] && "$candidate" -c "import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

build_tree() {
    [ ! -e "$tree/.complete" ] || return 0
    [ "$(id -u)" = 0 ] || { echo "pythons.sh: building a Debian tree for Python needs root" >&2; return 1; }
    command -v mmdebstrap >/dev/null || { echo "pythons.sh: no mmdebstrap; apt-get install mmdebstrap" >&2; return 1; }
    local mirror include=ca-certificates,gcc,libc6-dev,libffi-dev version
    for version in $in_tree; do include+=,python$version-dev,python$version-venv; done
    mirror=$(grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1)
    rm -rf "$tree"
    # A mirror's snapshot or a machine's clock may be weeks off: the signature still holds.
    mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$include" \
        sid "$tree" "${mirror:-http://deb.debian.org/debian}" && touch "$tree/.complete"
}

enter_tree() { # COMMAND...: runs it inside the tree, in the repository, with a mount namespace of its own
    mkdir -p "$tree$repo" &&
        cp -L /etc/resolv.conf "$tree/etc/resolv.conf" &&
        cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt" || return
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -c '
        tree=$1 repo=$2; shift 2
        mount -t proc proc "$tree/proc" && mount --rbind /sys "$tree/sys" && mount --rbind /dev "$tree/dev" &&
            mount --bind "$repo" "$tree$repo" || exit 1
        exec chroot "$tree" env -u PIP_FIND_LINKS -u PIP_CONFIG_FILE "$@"' - "$tree" "$repo" "$@"
}

# The interpreter and pytest run from the repository itself: nothing of the project is installed or built here.
run() { # VERSION PYTEST-ARGUMENTS...
    local version=$1 python enter=() venv
    shift
    if python=$(host_python "$version"); then
        venv=$cache/venv-$version
    elif [[ $in_tree == *" $version "* ]]; then
        build_tree || return
        python=/usr/bin/python$version venv=$cache/sid-venv-$version enter=(enter_tree)
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
