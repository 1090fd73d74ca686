"""scripts/needs.sh on bare machines that are made up: package managers, an interpreter and a compiler that are scripts.
.ci/bare.sh tries real Debians.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "needs.sh"

PACKAGES = {
    "apt-get": {"Python.h": "python3-dev", "ensurepip": "python3-venv", "cc": "gcc", "stdlib.h": "libc6-dev",
                "linux/bpf.h": "linux-libc-dev", "ip": "iproute2", "python3": "python3"},
    "dnf": {"Python.h": "python3-devel", "ensurepip": "python3", "cc": "gcc", "stdlib.h": "glibc-devel",
            "linux/bpf.h": "kernel-headers", "ip": "iproute", "python3": "python3"},
    "apk": {"Python.h": "python3-dev", "ensurepip": "python3", "cc": "gcc", "stdlib.h": "musl-dev",
            "linux/bpf.h": "linux-headers", "ip": "iproute2", "python3": "python3"},
    "zypper": {"Python.h": "python3-devel", "ensurepip": "python3", "cc": "gcc", "stdlib.h": "glibc-devel",
               "linux/bpf.h": "linux-glibc-devel", "ip": "iproute2", "python3": "python3"},
    "pacman": {"Python.h": "python", "ensurepip": "python", "cc": "gcc", "stdlib.h": "glibc",
               "linux/bpf.h": "linux-api-headers", "ip": "iproute2", "python3": "python"},
}  # fmt: skip
"""What each of them calls the things that can be missing."""
INSTALL = {
    "apt-get": "apt-get install -y --no-install-recommends",
    "dnf": "dnf install -y",
    "apk": "apk add --update-cache",
    "zypper": "zypper --non-interactive install",
    "pacman": "pacman -S --needed --noconfirm",
}
BUILD = ("Python.h", "ensurepip", "cc", "stdlib.h", "linux/bpf.h")

INTERPRETER = """#!/bin/sh
has() { [ -e "$STATE/$1" ]; }
case "$*" in
*version_info*) [ "$(cat "$STATE/${0##*/}.version")" -ge 11 ] ;;
*Python.h*) has Python.h ;;
*ensurepip*) has ensurepip ;;
*get_config_var*) echo "cc -pthread" ;;
*base_prefix*) [ -e "$STATE/elsewhere" ] ;;
--version) echo "Python 3.$(cat "$STATE/${0##*/}.version").1" ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""
COMPILER = """#!/bin/sh
[ "$1 $2" = "-pthread -E" ] || exit 99
read -r include
include=${include#*<}
[ "$include" = "stddef.h>" ] || [ -e "$STATE/$(echo "${include%>}" | tr / _)" ]
"""
MANAGER = """#!/bin/sh
echo "${0##*/} $*" >>"$STATE/log"
[ ! -e "$STATE/broken" ] || { echo "the mirror is down"; exit 100; }
[ ! -e "$STATE/useless" ] || exit 0
case "$*" in *install* | *add* | *-S\\ *) cp -rn "$STATE/mirror/." "$STATE/" ;; esac
"""


class Machine:
    """A machine with nothing but sh, coreutils, sed, and what is put on it."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.state = folder / "bin", folder / "state"
        for each in (self.bin, self.state, self.state / "mirror"):
            each.mkdir()
        for name in ("basename", "cat", "cp", "cut", "ls", "mktemp", "paste", "rm", "sed", "sh", "sort", "tr"):
            (self.bin / name).symlink_to(str(shutil.which(name)))

    def put(self, name: str, script: str = "#!/bin/sh\n") -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def python(self, name: str = "python3", version: int = 11) -> None:
        self.put(name, INTERPRETER)
        (self.state / f"{name}.version").write_text(str(version))

    def manager(self, name: str, gives: Iterable[str] = (*BUILD, "ip")) -> None:
        """A package manager whose packages bring these things."""
        self.put(name, MANAGER)
        for thing in gives:
            (self.state / "mirror" / thing.replace("/", "_")).touch()

    def has(self, *things: str) -> None:
        for thing in things:
            (self.state / thing.replace("/", "_")).touch()
        if "cc" in things:
            self.put("cc", COMPILER)
        if "ip" in things:
            self.put("ip")

    def run(self, *arguments: str, root: bool, **environment: str) -> subprocess.CompletedProcess[str]:
        self.put("id", f"#!/bin/sh\necho {0 if root else 1000}\n")
        if not (self.bin / "cc").exists():
            self.put("cc", f'#!/bin/sh\n[ -e "$STATE/cc" ] || exit 127\n{COMPILER}')
        return subprocess.run(
            [self.bin / "sh", SCRIPT, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
            env={"PATH": str(self.bin), "STATE": str(self.state), "TMPDIR": str(self.state), **environment},
        )  # fmt: skip

    @property
    def log(self) -> list[str]:
        """What package managers were called with."""
        log = self.state / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.python()
    return made


def words(manager: str, things: Iterable[str]) -> str:
    return " ".join(sorted({PACKAGES[manager][thing] for thing in things}))


@pytest.mark.parametrize("manager", PACKAGES)
def test_root_gets_all_that_is_missing_at_once(machine: Machine, manager: str) -> None:
    machine.manager(manager)
    done = machine.run(root=True)
    assert (done.returncode, done.stdout) == (0, f"{machine.bin}/python3\n"), done.stderr
    assert machine.log[-1] == f"{INSTALL[manager]} {words(manager, BUILD)}"
    assert machine.log[:-1] == {"apt-get": ["apt-get update"], "pacman": ["pacman -Sy"]}.get(manager, [])
    assert f"This runs as root, so {manager} installs it" in done.stderr and f"+ {machine.log[-1]}" in done.stderr


@pytest.mark.parametrize("manager", PACKAGES)
def test_others_get_the_one_command(machine: Machine, manager: str) -> None:
    machine.manager(manager)
    machine.put("sudo")
    done = machine.run(root=False)
    assert (done.returncode, done.stdout, machine.log) == (1, "", [])
    commands = [line for line in done.stderr.splitlines() if line.startswith("    ")]
    refresh = {"apt-get": "sudo apt-get update && ", "pacman": "sudo pacman -Sy && "}.get(manager, "")
    assert commands == [f"    {refresh}sudo {INSTALL[manager]} {words(manager, BUILD)}"]


def test_without_sudo_the_command_is_for_su(machine: Machine) -> None:
    machine.manager("dnf")
    assert f"\n    su -c 'dnf install -y {words('dnf', BUILD)}'\n" in machine.run(root=False).stderr


@pytest.mark.parametrize("present", BUILD)
def test_what_is_there_is_not_asked_for(machine: Machine, present: str) -> None:
    machine.manager("apt-get")
    machine.has(*{present, "cc"})
    machine.run(root=True)
    assert machine.log[-1].split(" ", 4)[4] == words("apt-get", set(BUILD) - {present, "cc"})


def test_a_complete_machine_is_left_alone(machine: Machine) -> None:
    machine.manager("apt-get")
    machine.has(*BUILD, "ip")
    for root in (False, True):
        done = machine.run("test", root=root)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{machine.bin}/python3\n", "")
    assert machine.log == []


def test_roots_tests_need_ip_too(machine: Machine) -> None:
    machine.manager("zypper")
    machine.has(*BUILD)
    assert machine.run(root=True).returncode == 0 and machine.log == []
    assert machine.run("test", root=False).returncode == 0, "others make no network namespaces"
    done = machine.run("test", root=True)
    assert machine.log == ["zypper --non-interactive install iproute2"]
    assert "still missing: ip (iproute2)" in done.stderr, "the made-up one gives no program"


def test_python_itself(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    machine.manager("apt-get")
    assert "Python 3.11 or later (not free-threaded), Python's headers" in machine.run(root=False).stderr
    machine.run(root=True)
    assert machine.log[-1].endswith(f" {words('apt-get', (*BUILD, 'python3'))}")


def test_a_later_python_beside_an_old_one_is_taken(machine: Machine) -> None:
    machine.python("python3", 9)
    machine.python("python3.12", 12)
    machine.has(*BUILD)
    assert machine.run(root=False).stdout == f"{machine.bin}/python3.12\n"


def test_a_free_threaded_python_is_passed_over(machine: Machine) -> None:
    """py2bpf refuses it. Here the interpreter of these tests pretends to be one."""
    pretend = "import sys; sys.abiflags = 't'; exec(sys.argv[1])"
    machine.put("python3", f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    machine.python("python3.13", 13)
    machine.has(*BUILD)
    assert machine.run(root=False).stdout == f"{machine.bin}/python3.13\n"
    (machine.bin / "python3.13").unlink()
    assert "Python 3.11 or later (not free-threaded)" in machine.run(root=False).stderr


@pytest.mark.parametrize(("manager", "names"), [
    ("apt-get", "gcc libc6-dev linux-libc-dev python3.12-dev python3.12-venv"),
    ("dnf", "gcc glibc-devel kernel-headers python3.12 python3.12-devel"),
    ("zypper", "gcc glibc-devel linux-glibc-devel python312 python312-devel"),
])  # fmt: skip
def test_a_later_python_has_packages_of_its_own(machine: Machine, manager: str, names: str) -> None:
    machine.python("python3", 9)
    machine.python("python3.12", 12)
    machine.manager(manager)
    assert machine.run(root=True).returncode == 0
    assert machine.log[-1] == f"{INSTALL[manager]} {names}"


@pytest.mark.parametrize(
    ("manager", "name"), [("apt-get", "python3.11"), ("dnf", "python3.12"), ("zypper", "python311")]
)
def test_where_python_is_too_old_a_later_one_is_asked_for(machine: Machine, manager: str, name: str) -> None:
    machine.python("python3", 9)
    machine.manager(manager)
    assert f" {name} " in machine.run(root=False).stderr


def test_the_python_that_was_named_is_taken_or_refused(machine: Machine) -> None:
    machine.python("python3.14", 14)
    machine.python("python3.9", 9)
    machine.has(*BUILD)
    assert machine.run(root=True, PYTHON="python3.14").stdout == f"{machine.bin}/python3.14\n"
    done = machine.run(root=True, PYTHON="python3.9")
    assert done.returncode == 1 and "PYTHON=python3.9 is Python 3.9.1" in done.stderr


def test_packages_cannot_complete_a_python_from_elsewhere(machine: Machine) -> None:
    machine.manager("apt-get")
    machine.has("elsewhere", *set(BUILD) - {"Python.h"})
    done = machine.run(root=True)
    assert done.returncode == 1 and "came another way" in done.stderr and machine.log == []


def test_such_a_python_may_lack_a_compiler(machine: Machine) -> None:
    machine.manager("apt-get")
    machine.has("elsewhere", "Python.h", "ensurepip")
    assert machine.run(root=True).returncode == 0
    assert machine.log[-1].endswith(" gcc libc6-dev linux-libc-dev")


def test_an_unknown_system_is_told_what_is_missing(machine: Machine) -> None:
    done = machine.run(root=True)
    assert done.returncode == 1
    assert "a C compiler" in done.stderr and "No package manager is here" in done.stderr and "pacman" in done.stderr


def test_what_the_package_manager_says_is_shown_when_it_fails(machine: Machine) -> None:
    machine.manager("apk")
    (machine.state / "broken").touch()
    done = machine.run(root=True)
    assert done.returncode == 1 and "the mirror is down" in done.stderr and "apk failed" in done.stderr


def test_lists_of_packages_that_can_not_be_fetched_are_no_end(machine: Machine) -> None:
    machine.manager("apt-get")
    machine.put("apt-get", f'#!/bin/sh\n[ "$1" = install ] || exit 100\n{MANAGER}')
    done = machine.run(root=True)
    assert done.returncode == 0 and "Going on" in done.stderr


def test_packages_that_do_not_help_are_no_endless_loop(machine: Machine) -> None:
    machine.manager("dnf")
    (machine.state / "useless").touch()
    done = machine.run(root=True)
    assert done.returncode == 1 and "dnf has installed its packages, and still missing: Python's headers" in done.stderr
    assert len(machine.log) == 1


def test_this_machine_has_it_all() -> None:
    """It has built what is tested here."""
    done = subprocess.run(["sh", SCRIPT], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(done.stdout.rstrip("\n"), os.X_OK)
