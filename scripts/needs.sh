#!/bin/sh
# Finds everything of the system that building py2bpf needs, and with the argument `test` also what its tests need.
#
#     [PYTHON=python3.12] sh scripts/needs.sh [test]
#
# As root it installs what is missing through the system's package manager, and says so; otherwise it prints the command
# that does so, and fails. At the end it prints the interpreter for the virtual environment: PYTHON; or if that isn't
# set, python3; or a later one if python3 is too old or free-threaded. All other output goes to stderr.
set -u

# For what (build or test) | thing | the function that finds it | packages of apt | dnf | apk | zypper | pacman. A % is
# the version as the system's packages have it in their names: 3, or 3.12.
needs() {
	cat <<-'END'
		build|Python 3.11 or later (not free-threaded)|has_python|python%|python%|python3|python%|python
		build|Python's headers (Python.h)|has_python_h|python%-dev|python%-devel|python3-dev|python%-devel|python
		build|Python's venv module with pip (ensurepip)|has_venv|python%-venv|python%|python3|python%|python
		build|a C compiler|has_compiler|gcc|gcc|gcc|gcc|gcc
		build|the C library's headers|has_libc|libc6-dev|glibc-devel|musl-dev|glibc-devel|glibc
		build|the kernel's headers (linux/bpf.h)|has_bpf_h|linux-libc-dev|kernel-headers|linux-headers|linux-glibc-devel|linux-api-headers
		test|ip (iproute2)|has_ip|iproute2|iproute|iproute2|iproute2|iproute2
	END
}

# Package managers, in the order of those columns: what installs with them; the Python to ask for where python3 is too old.
managers() {
	cat <<-'END'
		apt-get|apt-get install -y --no-install-recommends|3.11
		dnf|dnf install -y|3.12
		apk|apk add --update-cache|3
		zypper|zypper --non-interactive install|3.11
		pacman|pacman -S --needed --noconfirm|3
	END
}

refreshing() { # the command that fetches absent or old lists of packages; other managers do so by themselves
	case $manager in
	apt-get) echo "apt-get update" ;;
	pacman) ls /var/lib/pacman/sync/*.db >/dev/null 2>&1 || echo "pacman -Sy" ;;
	esac
}

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# What is there

pythons() { # the names of the interpreters that have a module of bytecode, the newest first
	found=
	for file in "${0%/*}"/../py2bpf/compiler/bytecode/v3*.py; do
		minor=${file##*/v3}
		found="python3.${minor%.py} $found"
	done
	echo "$found"
}

find_python() { # sets python; empty if no interpreter is recent enough
	python=
	for candidate in ${PYTHON:-python3 $(pythons)}; do
		if have "$candidate" && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11) or "t" in sys.abiflags)' 2>/dev/null; then
			python=$candidate
			return
		fi
	done
}

asks() { [ -n "$python" ] && "$python" -c "$1" 2>/dev/null; }

includes() { # HEADER: whether the compiler that Python builds with finds it
	compiler=${CC:-$(asks 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")' || echo cc)}
	# shellcheck disable=SC2086  # it may come with options
	echo "#include <$1>" | $compiler -E -x c - >/dev/null 2>&1
}

has_python() { [ -n "$python" ]; }
has_python_h() { asks 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))'; }
has_venv() { asks 'import ensurepip, venv'; }
has_compiler() { includes stddef.h; } # a header of its own
has_libc() { includes stdlib.h; }
has_bpf_h() { includes linux/bpf.h; }
has_ip() { [ "$(id -u)" != 0 ] || have ip; } # only root's tests make network namespaces

find_missing() { # sets missing: what isn't there, each with its packages
	find_python
	missing=$(needs | while IFS='|' read -r who what found packages; do
		case $who in build | "$purpose") "$found" || echo "$what|$packages" ;; esac
	done)
}

# What to do about it

find_manager() { # sets manager, installing, newer, column; manager is empty if none is known
	column=1
	while IFS='|' read -r manager installing newer; do
		column=$((column + 1))
		! have "$manager" || return
	done <<-END
		$(managers)
	END
	manager=
}

version() { # the % of the table
	case ${python:-${PYTHON:-}} in
	"") if have python3; then echo "$newer"; else echo 3; fi ;;
	*python3*) basename "${python:-$PYTHON}" | sed 's/^python//' ;;
	*) echo 3 ;;
	esac
}

packages() { # the manager's names of the missing things, each once
	version=$(version)
	[ "$manager" != zypper ] || version=$(echo "$version" | tr -d .)
	echo "$missing" | cut -d '|' -f "$column" | sed "s/%/$version/" | sort -u | paste -s -d ' ' -
}

fail() {
	say "$*"
	exit 1
}

quietly() { # COMMAND...: shows the output only if it fails
	say "+ $*"
	log=$(mktemp)
	DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null
	status=$?
	[ $status = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $status
}

install() {
	say "This runs as root, so $manager installs it; that may take a minute:"
	refresh=$(refreshing)
	# shellcheck disable=SC2086  # words of a command
	[ -z "$refresh" ] || quietly $refresh || say "Going on with the lists of packages that are there."
	# shellcheck disable=SC2046,SC2086
	quietly $installing $(packages) || fail "$manager failed."
	find_missing
	[ -z "$missing" ] || fail "$manager has installed its packages, and still missing: $(in_words). Please install it in another way."
}

advise() {
	refresh=$(refreshing)
	say "This installs all of it; then run make again:"
	say ""
	if have sudo; then
		say "    ${refresh:+sudo $refresh && }sudo $installing $(packages)"
	else
		say "    su -c '${refresh:+$refresh && }$installing $(packages)'"
	fi
	exit 1
}

in_words() { echo "$missing" | cut -d '|' -f 1 | paste -s -d ',' - | sed 's/,/, /g'; }

from_elsewhere() { # whether the interpreter isn't from the system's packages, which can't complete it then
	[ -n "$python" ] && asks 'import sys; sys.exit(sys.base_prefix == "/usr")' && ! { has_python_h && has_venv; }
}

purpose=${1:-build}
find_missing
if [ -n "$missing" ]; then
	say "py2bpf needs what is missing here: $(in_words)."
	find_manager
	if from_elsewhere; then
		fail "The system's packages can't complete $(command -v "$python"), which came another way. Name another one: make PYTHON=..."
	elif [ -n "${PYTHON:-}" ] && [ -z "$python" ] && have "$PYTHON"; then
		fail "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1). Name another one, or none: make finds a later one by itself."
	elif [ -z "$manager" ]; then
		fail "Please install it. No package manager is here that this script knows: $(managers | cut -d '|' -f 1 | paste -s -d ' ' -)."
	elif [ "$(id -u)" = 0 ]; then
		install
	else
		advise
	fi
fi
command -v "$python"
