"""System calls that fail: each one in the life of an owner, with each errno for missing resources and privileges.

A forked child lives a life under a seccomp filter that asks this process about each system call (seccomp_unotify(2)).
One call fails without being made; the child ends with an error that has a message, or copes. Then nothing may be left:
no descriptor, nothing attached, and the same life must succeed, with the features that the kernel had before.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import gc
import importlib
import json
import mmap
import os
import pkgutil
import platform
import random
import select
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, Final

import namespaces
from campaigns import Outcome, Round
from owners import HOOKS, OWNERS, Owner, nothing

import py2bpf
from py2bpf import tc, vm, xdp
from py2bpf.exception import ClosedError, Py2BpfError
from py2bpf.kernel import features

ERRORS: Final = (errno.EPERM, errno.ENOMEM, errno.EMFILE, errno.EINTR, errno.EAGAIN, errno.ENOSPC, errno.EBADF)

_NUMBERS: Final = {
    "x86_64": {
        "seccomp": 317, "pidfd_getfd": 438, "read": 0, "close": 3, "munmap": 11, "brk": 12, "rt_sigprocmask": 14,
        "rt_sigreturn": 15, "sched_yield": 24, "madvise": 28, "clone": 56, "exit": 60, "wait4": 61, "futex": 202,
        "exit_group": 231, "set_robust_list": 273, "rseq": 334, "clone3": 435,
    },
    "aarch64": {
        "seccomp": 277, "pidfd_getfd": 438, "read": 63, "close": 57, "munmap": 215, "brk": 214, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "sched_yield": 124, "madvise": 233, "clone": 220, "exit": 93, "wait4": 260, "futex": 98,
        "exit_group": 94, "set_robust_list": 99, "rseq": 293, "clone3": 435,
    },
}
"""By processor."""
SPARED: Final = ("close", "munmap", "brk", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "madvise", "clone", "exit",
                 "wait4", "futex", "exit_group", "set_robust_list", "rseq", "clone3")  # fmt: skip
"""What gives back and can't fail, what tells of failures in its own way, and what threads are made of."""

PATIENCE: Final = 20
"""Seconds that a life may take."""
ROOM: Final = 1 << 16

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_NO_NEW_PRIVS, _MODE_FILTER, _NEW_LISTENER = 38, 1, 8
_NOTIFICATION, _RESPONSE = struct.Struct("=QII iIQ6Q"), struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.c_void_p))


class Life:
    """What happens in a child, and what must not exist any more afterwards."""

    def __init__(self, where: vm.Backend, owner: Owner, left: Callable[[], object] = lambda: None) -> None:
        self.where, self.owner, self.left = where, owner, left

    def live(self) -> None:
        with vm.backend(self.where), self.owner.make() as made:
            self.owner.use(made)


class _Installed:
    """Attaches a program to the loopback device, in any of the ways."""

    def __init__(self, put: Callable[[], tuple[Any, Callable[[], object]]]) -> None:
        self.made, self.take_off = put()

    def __enter__(self) -> Any:
        return self.made

    def __exit__(self, *exc: object) -> None:
        try:
            self.take_off()
        finally:
            self.made.close()


def _filter(mechanism: str) -> Callable[[], tuple[Any, Callable[[], object]]]:
    def put() -> tuple[Any, Callable[[], object]]:
        made = tc.IngressFilter(nothing)
        try:
            made.install("lo", mechanism=mechanism)  # type: ignore[arg-type]
        except BaseException:
            made.close()
            raise
        return made, lambda: made.remove("lo")

    return put


def _xdp() -> tuple[Any, Callable[[], object]]:
    made = xdp.XdpProgram(lambda ctx: xdp.XDP_PASS)
    try:
        made.attach("lo", "generic")
    except BaseException:
        made.close()
        raise
    return made, lambda: made.detach("lo")


def _no_filter() -> None:
    """Checks that no program of ours is left, unless a failed call prevented its removal and the error said so."""
    tc.clear_ingress_filter("lo")


ATTACHED = {
    "filter on lo by tcx": Owner(lambda: _Installed(_filter("tcx")), lambda f: f.prog.info),
    "XDP program on lo": Owner(lambda: _Installed(_xdp), lambda f: f.prog.info),
}

LIVES: Final = {
    **{f"{kind}, {where}": Life(where, owner) for kind, owner in OWNERS.items() for where in ("kernel", "vm")},
    **{kind: Life("kernel", owner) for kind, owner in HOOKS.items()},
    **{kind: Life("kernel", owner, _no_filter) for kind, owner in ATTACHED.items()},
}  # type: ignore[arg-type]


# In the child


def _install(numbers: dict[str, int]) -> int:
    """Installs the filter; returns the descriptor for its questions."""
    insns = [struct.pack("=HBBI", _LOAD, 0, 0, 0)]
    for name in SPARED:
        insns += [struct.pack("=HBBI", _EQUAL, 0, 1, numbers[name]), struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW)]
    insns.append(struct.pack("=HBBI", _RETURN, 0, 0, _ASK))
    code = ctypes.create_string_buffer(b"".join(insns))
    program = _Program(len(insns), ctypes.addressof(code))
    _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener: int = _libc.syscall(numbers["seccomp"], _MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
    return listener


class Shared:
    """Memory that child and supervisor have both: neither makes a system call to look at it."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, ROOM)
        self.words = memoryview(self.memory)[:16].cast("i")

    listener = property(lambda self: self.words[0], lambda self, value: self.words.__setitem__(0, value))
    taken = property(lambda self: self.words[1], lambda self, value: self.words.__setitem__(1, value))
    over = property(lambda self: self.words[2], lambda self, value: self.words.__setitem__(2, value))
    ended = property(lambda self: self.words[3], lambda self, value: self.words.__setitem__(3, value))

    def tell(self, text: str) -> None:
        data = text.encode()[: ROOM - 100]
        self.memory[20 : 20 + len(data)] = data
        self.memory[16:20] = struct.pack("=I", len(data))

    @property
    def told(self) -> str:
        (size,) = struct.unpack("=I", self.memory[16:20])
        return self.memory[20 : 20 + size].decode(errors="replace")


def _descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return {name: what for name, what in found.items() if not what.endswith("/fd")}


def _child(shared: Shared, life: Life, warm: bool, numbers: dict[str, int]) -> str:
    """Describes what is wrong; "" if nothing is."""
    found: list[str] = []
    sys.unraisablehook = lambda about: found.extend(_unraisable(about))
    if warm:
        life.live()
    expected = _facts() if warm else ""
    gc.collect()
    before = _descriptors()
    listener = _install(numbers)
    if listener < 0:
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    shared.listener = listener
    while not shared.taken:
        pass
    error: BaseException | None = None
    try:
        life.live()
    except BaseException as caught:  # noqa: BLE001 - it is looked at below
        error = caught
    shared.over = 1
    if error is not None:
        found += _complaints(error)
        traceback.clear_frames(error.__traceback__)
        error = None
    found += _remains(life, before, warm, listener)
    if expected and _facts() != expected:
        found.append(f"the features have become {_facts()}, and were {expected}")
    return "\n".join(found)


def _unraisable(about: Any) -> list[str]:
    """What a finalizer of ours raised; pyroute2's loops have their own."""
    text = "".join(traceback.format_exception(about.exc_type, about.exc_value, about.exc_traceback))
    return [f"unraisable in {about.object!r}: {text}"] if "py2bpf" in f"{text}{about.object!r}" else []


def _complaints(error: BaseException) -> list[str]:
    """Describes failures that aren't reported correctly."""
    proper = isinstance(error, (Py2BpfError, OSError, MemoryError)) and not isinstance(error, ClosedError)
    if proper and (str(error) or isinstance(error, MemoryError)):
        return []
    return ["".join(traceback.format_exception(error))]


def _remains(life: Life, before: dict[str, str], warm: bool, listener: int) -> list[str]:
    """What a life has left behind. A cold one has made what the process keeps, which another must not make again."""
    found = []
    try:
        life.left()
        life.live()
    except BaseException as error:  # noqa: BLE001 - told
        found.append(f"afterwards it fails: {''.join(traceback.format_exception(error))}")
    gc.collect()
    if warm:
        left = {fd: what for fd, what in _descriptors().items() if before.get(fd) != what and int(fd) != listener}
        if left:
            found.append(f"descriptors are left: {left}")
    return found


def _facts() -> str:
    return json.dumps({feature: str(found.outcome) for feature, found in features._cache.items()}, sort_keys=True)


# In the supervisor


class Answers:
    """Answers the questions of one child: its call number ``fails`` gets the error ``code``. Counts the calls."""

    def __init__(self, listener: int, shared: Shared, fails: int, code: int) -> None:
        self.listener, self.shared, self.fails, self.code = listener, shared, fails, code
        self.calls, self.failed = 0, -1

    def answer(self) -> None:
        question = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, question)
        except OSError:
            return  # the child is gone, or a signal came
        ident, _pid, _flags, number, *_rest = _NOTIFICATION.unpack(question)
        response = _RESPONSE.pack(ident, 0, 0, _CONTINUE)
        if not self.shared.over:
            if self.calls == self.fails:
                self.failed = number
                response = _RESPONSE.pack(ident, 0, -self._error(number), 0)
            self.calls += 1
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.listener, _SEND, bytearray(response))

    def _error(self, number: int) -> int:
        """Files that wait, as all of ours do, aren't read with EAGAIN: CPython has no answer to that."""
        reads = number == _NUMBERS[platform.machine()]["read"]
        return errno.EIO if reads and self.code == errno.EAGAIN else self.code


def _supervised(life: Life, warm: bool, fails: int, code: int) -> tuple[Answers | None, str]:
    """Lives a life in a child; gives what happened, and what is wrong."""
    numbers = _NUMBERS[platform.machine()]
    shared = Shared()
    pid = os.fork()
    if pid == 0:
        try:
            shared.tell(_child(shared, life, warm, numbers))
            shared.ended = 1
        except BaseException:  # noqa: BLE001 - told
            shared.tell(traceback.format_exc())
        os._exit(0)
    process = os.pidfd_open(pid)
    answers = None
    end = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            if answers is None and shared.listener:
                listener: int = _libc.syscall(numbers["pidfd_getfd"], process, shared.listener, 0)
                if listener < 0:
                    break
                answers = Answers(listener, shared, fails, code)
                shared.taken = 1
            watched = [process] if answers is None else [process, answers.listener]
            ready = select.select(watched, [], [], 0.0005 if answers is None else 1)[0]
            if process in ready:
                break
            if answers is not None and answers.listener in ready:
                answers.answer()
        else:
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(process)
        if answers is not None:
            os.close(answers.listener)
    wrong = shared.told
    if status or not shared.ended:
        wrong = f"the child ended with {status}, or hung\n{wrong}"
    return answers, wrong


def _import_all() -> None:
    """Imports everything before a life begins, since Python itself handles failed imports."""
    for module in pkgutil.walk_packages(py2bpf.__path__, "py2bpf."):
        if "examples" not in module.name and module.name != "py2bpf.__main__":
            importlib.import_module(module.name)
    for other in ("numpy", "pyroute2.netlink.exceptions", "pyroute2.iproute.linux"):
        with contextlib.suppress(ImportError):
            importlib.import_module(other)


def begin() -> Round:
    """Seeds go through the lives. Half of the children have never made anything before."""
    namespaces.leave_ours()
    warnings.simplefilter("ignore")
    _import_all()
    if platform.machine() not in _NUMBERS:
        raise NotImplementedError(f"the numbers of system calls on {platform.machine()} are missing here")
    lengths: dict[tuple[str, bool], int] = {}

    def play(seed: int) -> Outcome:
        choose = random.Random(seed)
        name, warm = [*LIVES][seed % len(LIVES)], choose.random() < 0.5
        if (name, warm) not in lengths:
            answers, wrong = _supervised(LIVES[name], warm, -1, 0)
            if answers is None or wrong:
                return Outcome("lives that fail by themselves", f"{name}: {wrong}")
            lengths[name, warm] = answers.calls
        fails, code = choose.randrange(max(lengths[name, warm], 1)), choose.choice(ERRORS)
        answers, wrong = _supervised(LIVES[name], warm, fails, code)
        if wrong:
            number = None if answers is None else answers.failed
            about = f"{name}, {'warm' if warm else 'cold'}: call {fails} of {lengths[name, warm]}, number {number}"
            return Outcome("wrong", f"{about}, fails with {errno.errorcode[code]}\n{wrong}")
        if answers is not None and answers.failed >= 0:
            return Outcome("told, or coped with")
        return Outcome("calls that weren't made")

    return play
