"""The least capabilities for each operation: with exactly those it works, and without one of them the error names it.

Each call is made in a forked child that has given up all other capabilities, and is nobody where files' modes count.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from ctypes import c_uint32, c_uint64
from pathlib import Path
from typing import Any, NamedTuple

import privileged_calls
import pytest
from mutants.child_limits import keep_only
from privileged_calls import ROWS, Made, Row, drop_short, keep

from py2bpf import asm, tc, tracepoint, util, xdp
from py2bpf.core import failures, privileges
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    HashMap,
)
from py2bpf.exception import KernelError
from py2bpf.prog import ProgType, compile_prog, create_prog, load_spec
from py2bpf.socket_filter import SkBuffContext, SocketFilter
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.operations import MEANINGS, NEEDS, POWERFUL, Capability, Operation, loading

pytestmark = pytest.mark.kernel

C, O = Capability, Operation
NOBODY = 65534


UNPROVEN = {
    O.WRITE_TRACEFS: "only kernels without the kprobe PMU, before Linux 4.17, need it",
}


def test_all_operations_are_proven() -> None:
    proven = {operation for row in ROWS.values() for operation in row.operations}
    assert set(Operation) - proven == UNPROVEN.keys() and NEEDS.keys() == set(Operation)


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    util.ensure_resources()
    device = f"pr{os.getpid()}"
    with ExitStack() as stack:
        subprocess.run(["ip", "link", "add", device, "type", "veth", "peer", "name", f"{device}p"], check=True)
        stack.callback(subprocess.run, ["ip", "link", "del", device], check=True)
        privileged_calls.COUNTS = stack.enter_context(ArrayMap(c_uint64, 4))
        privileged_calls.EVENT = tracepoint.probe("sched:sched_switch")(keep).context
        yield Made(
            stack.enter_context(HashMap(c_uint32, c_uint64, 16)),
            stack.enter_context(create_prog(ProgType.SOCKET_FILTER, SkBuffContext, keep)),
            stack.enter_context(tc.IngressFilter(keep)), stack.enter_context(xdp.XdpProgram(drop_short)), device,
        )  # fmt: skip


class Outcome(NamedTuple):
    """What became of a call in a child: the error's class and text, "" where there was none."""

    kind: str
    text: str
    number: int


def attempt(call: Callable[[], object], capabilities: set[Capability], as_nobody: bool) -> Outcome:
    """Makes the call in a forked child with these capabilities and no others."""
    end, begin = os.pipe()
    child = os.fork()
    if not child:
        outcome = Outcome("", "", 0)
        try:
            os.close(end)
            if as_nobody:
                become_nobody()
            keep_only(capabilities)
            call()
        except BaseException as error:  # noqa: BLE001 - told to the parent
            outcome = Outcome(type(error).__name__, str(error), getattr(error, "errno", 0) or 0)
        with suppress(BaseException):
            os.write(begin, json.dumps(outcome).encode())
        os._exit(0)
    os.close(begin)
    with open(end, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return Outcome(*json.loads(told))


def become_nobody() -> None:
    """Another user, who keeps root's capabilities for now."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(8, 1, 0, 0, 0) == 0  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    raise_permitted(libc)
    libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/self is the process's own again


def raise_permitted(libc: Any) -> None:
    """What is permitted becomes effective: it went with the user."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    sets[0], sets[3] = sets[1], sets[4]
    assert libc.capset(header, sets) == 0


def least(row: Row) -> set[Capability]:
    return {each for operation in row.operations for each in NEEDS[operation].capabilities}


@pytest.mark.parametrize("name", ROWS)
def test_the_least_capabilities_are_enough(name: str, made: Made) -> None:
    row = ROWS[name]
    outcome = attempt(lambda: row.call(made), least(row), row.as_nobody)
    assert outcome == Outcome("", "", 0)


WITHOUT = [(name, each) for name, row in ROWS.items() for each in sorted(least(row))
           if C.SYS_ADMIN not in least(row) or each is C.SYS_ADMIN]  # fmt: skip
"""CAP_SYS_ADMIN stands for the others, in kernels since 6.9 for CAP_NET_ADMIN too."""


@pytest.mark.parametrize(("name", "taken"), WITHOUT)
def test_an_error_names_the_one_that_is_missing(name: str, taken: Capability, made: Made) -> None:
    row = ROWS[name]
    outcome = attempt(lambda: row.call(made), least(row) - {taken}, row.as_nobody)
    if name == "mount":  # which unshares first: what that says is the test's own
        outcome = attempt(lambda: util.mount("tmpfs", Path("/mnt")), set(), row.as_nobody)
    assert outcome.kind in ("KernelError", "VerifierError"), outcome
    lacking = re.search(r"this process lacks ((?:CAP_\w+(?: and )?)+)", outcome.text, re.I)
    assert lacking is not None, outcome.text
    assert lacking[1].rstrip().split(" and ") == [str(taken)], outcome.text
    if outcome.kind == "KernelError":
        assert ("Run it as root, with sudo for example" if row.as_nobody else f"--cap-add {taken.name}") in outcome.text
        assert "RLIMIT_MEMLOCK" not in outcome.text or privileges.charges_memlock(os.uname().release)


@pytest.mark.parametrize("capability", [C.BPF, C.PERFMON])
def test_cap_sys_admin_stands_for_those_that_came_from_it(capability: Capability, made: Made) -> None:
    for name in ("queue", "tracepoint as root", "printing"):
        outcome = attempt(lambda name=name: ROWS[name].call(made), {C.SYS_ADMIN}, False)
        assert outcome == Outcome("", "", 0)


def test_a_queue_of_many_pages_takes_memory_that_is_locked(made: Made) -> None:
    """CAP_IPC_LOCK, or fewer pages: perf's own limit is another one than RLIMIT_MEMLOCK."""
    pages = 4096
    outcome = attempt(lambda: BpfQueue(c_uint64, pages).close(), {C.BPF, C.PERFMON}, True)
    assert outcome.kind == "KernelError" and "kernel.perf_event_mlock_kb" in outcome.text, outcome
    assert "CAP_IPC_LOCK" in outcome.text and "fewer num_pages" in outcome.text
    assert attempt(lambda: BpfQueue(c_uint64, pages).close(), {C.BPF, C.PERFMON, C.IPC_LOCK}, True).kind == ""


def test_a_locked_socket_is_no_want_of_privileges(made: Made) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, SocketFilter(keep) as filter:
        filter.attach(sock)
        sock.setsockopt(socket.SOL_SOCKET, 44, 1)  # SO_LOCK_FILTER
        with pytest.raises(KernelError, match="the socket's filter is locked") as caught:
            filter.attach(sock)
        assert caught.value.errno == errno.EPERM


def test_the_kernels_list_of_powerful_helpers(made: Made) -> None:
    """Each of them that the type of program has is refused without CAP_PERFMON."""
    def load(name: str) -> None:
        arguments = [asm.mov_imm(register, 0) for register in range(1, 6)]
        code = [*arguments, asm.call(HELPERS[name].id), asm.mov_imm(0, 0), asm.exit_()]
        spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, keep)
        load_spec(dataclasses.replace(spec, code=code, lines=[None] * len(code)), ())

    for name in sorted(POWERFUL & HELPERS.keys()):
        outcome = attempt(lambda name=name: load(name), {C.BPF}, True)
        assert "This process lacks CAP_PERFMON" in outcome.text, (name, outcome)


# What can't be made here: other kernels, containers


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the files that privileges.py looks at say something else."""

    def pretend(**files: str) -> None:
        real = privileges._read
        told = {getattr(privileges, f"_{name.upper()}"): text.encode() for name, text in files.items()}
        monkeypatch.setattr(privileges, "_read", lambda path: told.get(path, real(path)))

    return pretend


ALL = "CapEff:\t000001ffffffffff\nSeccomp:\t0\n"


def said(operation: Operation | None = O.MAKE_MAP, error: int = errno.EPERM) -> str:
    return str(failures.failure(error, "cannot do it", operation))


def test_kernels_before_5_8_ask_for_cap_sys_admin(machine: Callable[..., None]) -> None:
    machine(last="37\n", status="CapEff:\t0000000000001000\n")
    assert "this needs CAP_SYS_ADMIN, and this process lacks CAP_SYS_ADMIN" in said(O.READ_QUEUE)
    assert "CAP_SYS_ADMIN and CAP_NET_ADMIN, and this process lacks CAP_SYS_ADMIN" in said(O.LOAD_NETWORK)


def test_capabilities_of_a_user_namespace_are_no_good(machine: Callable[..., None]) -> None:
    machine(status=ALL, uid_map="         0       1000          1\n")
    assert "in a user namespace only" in said()


def test_seccomp_and_lockdown(machine: Callable[..., None]) -> None:
    machine(status=ALL.replace("Seccomp:\t0", "Seccomp:\t2"))
    assert "a seccomp filter is on this process" in said()
    machine(status=ALL, lockdown="none integrity [confidentiality]\n")
    assert "locked down (confidentiality" in said() and "seccomp" not in said()
    machine(status=ALL, lockdown="[none] integrity confidentiality\n")
    assert "a container, a security module or a read-only object forbids it" in said()


def test_nothing_to_read(machine: Callable[..., None]) -> None:
    """Without /proc nobody can tell what is missing."""
    machine(status="", uid_map="", last="", unprivileged="", lockdown="")
    assert said().startswith("cannot do it: Operation not permitted: ")


def test_every_meaning_is_told_once() -> None:
    for (operation, error), meaning in MEANINGS.items():
        failure = failures.failure(error, "cannot do it", operation)
        assert str(failure) == f"cannot do it: {meaning}" and failure.errno == error


@pytest.mark.parametrize("kind", ProgType)
def test_all_types_of_programs_have_a_row(kind: ProgType) -> None:
    assert loading(kind) in NEEDS


# The page

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md").read_text()


def test_the_page_has_this_table() -> None:
    rows = [f"| {need.title} | {', '.join(map(str, need.capabilities)) or 'none'} |" for need in NEEDS.values()]
    assert "\n".join(rows) in PAGE, "\n".join(rows)


def test_tools_say_the_same(made: Made) -> None:
    """What less than root suffices for, no tool asks root for."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    for tool, *options in (["packet_counter", "-i", "lo"], ["count_by_protocol"], ["opensnoop"]):
        done = subprocess.run([*command, sys.executable, "-m", f"py2bpf.examples.{tool}", "-d", "1", *options],
                              capture_output=True, text=True)  # fmt: skip
        if "No module named" in done.stderr or "PermissionError" in done.stderr:
            pytest.skip("nobody can't read the sources")
        assert done.returncode == 1 and "this process lacks CAP_" in done.stderr, done.stderr
        assert done.stderr.count("Run it as root") == 1
