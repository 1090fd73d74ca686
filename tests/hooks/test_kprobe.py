"""Kernel probes, without a kernel that has them: names, errors, and which attempts are made in which order."""

import ctypes
import errno
import platform
import subprocess
import sys

import pytest

from py2bpf import kprobe, tracepoint
from py2bpf.exception import KernelError, NotSupported
from py2bpf.hooks import targets
from py2bpf.kernel import perf_event, signatures
from py2bpf.kernel.signatures import Signature
from py2bpf.kernel.symbols import Symbols
from py2bpf.uapi import contexts

SYMBOLS = Symbols(
    functions=frozenset({"vfs_read", "__x64_sys_close", "__arm64_sys_close", "twice", "notify_die", "vfs_open.isra.0"}),
    blacklist=frozenset({"notify_die"}),
    shared=frozenset({"twice"}),
)


class Kernel:
    """Stands in for a kernel with kprobes: opens known symbols, and notes what was tried."""

    def __init__(self, refusals=None):
        self.tried = []
        self.refusals = refusals or {}

    def open(self, symbol, offset, is_return):
        self.tried.append((symbol, offset, is_return))
        if offset == 3:
            raise KernelError(errno.EILSEQ, f"probing {symbol}")
        if symbol in self.refusals:
            raise KernelError(self.refusals[symbol], f"probing {symbol}")
        if symbol not in SYMBOLS.functions:
            raise KernelError(errno.ENOENT, f"probing {symbol}")
        return "an open event"


@pytest.fixture
def kernel(monkeypatch):
    made = Kernel({"twice": errno.EADDRNOTAVAIL, "notify_die": errno.EINVAL})
    monkeypatch.setattr(targets, "KprobeEvent", made.open)
    monkeypatch.setattr(targets, "have_kprobes", lambda: True)
    monkeypatch.setattr(Symbols, "of_kernel", staticmethod(lambda: SYMBOLS))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return made


def test_a_system_call_is_found_under_its_wrapper(kernel):
    assert targets.open_first(["sys_close"], False) == ("an open event", "__x64_sys_close")
    assert [symbol for symbol, *_ in kernel.tried] == ["sys_close", "SyS_close", "__x64_sys_close"]


def test_other_architectures_wrappers(kernel, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert targets.open_first(["sys_close"], False)[1] == "__arm64_sys_close"


def test_names_are_tried_in_order(kernel):
    assert targets.open_first(["nonesuch", "twice", "vfs_read"], True)[1] == "vfs_read"
    assert kernel.tried == [("nonesuch", 0, True), ("twice", 0, True), ("vfs_read", 0, True)]


def test_offsets(kernel):
    targets.open_first(["vfs_read+0x10"], False)
    targets.open_first(["vfs_read+16"], False)
    assert kernel.tried == [("vfs_read", 16, False)] * 2


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (
            ["vfs_raed"],
            errno.ENOENT,
            "can't probe vfs_raed: this kernel has no function vfs_raed.*nearest are vfs_read",
        ),
        (["sys_clos"], errno.ENOENT, "nearest are sys_close"),
        (["vfs_open"], errno.ENOENT, r"kept of vfs_open only vfs_open\.isra\.0"),
        (["notify_die"], errno.EINVAL, "notify_die is on the kernel's kprobe blacklist"),
        (["vfs_read+3"], errno.EINVAL, "vfs_read is there, but 0x3 bytes from its begin is no instruction"),
        (["twice"], errno.EADDRNOTAVAIL, "several functions are called twice"),
        (["vfs_raed", "notify_die"], errno.EINVAL, "can't probe vfs_raed, notify_die: .*vfs_read.*; .*blacklist"),
    ],
)
def test_refusals_are_explained(kernel, names, error, message):
    with pytest.raises(KernelError, match=message) as caught:
        targets.open_first(names, False)
    assert caught.value.errno == error


def test_other_errors_end_the_search(kernel):
    kernel.refusals["vfs_read"] = errno.EPERM
    with pytest.raises(KernelError) as caught:
        targets.open_first(["vfs_read", "__x64_sys_close"], False)
    assert caught.value.errno == errno.EPERM
    assert len(kernel.tried) == 1


def test_contexts():
    x86, arm = contexts.syscall_regs("x86_64"), contexts.syscall_regs("aarch64")
    assert x86.fields["args"][0].through_pointer == "rdi"
    assert arm.fields["args"][0].through_pointer == "x0"


def test_the_context_fits_the_symbol(kernel, monkeypatch):
    known = {
        "__x64_sys_close": Signature((ctypes.c_uint32,), ctypes.c_int64),
        "vfs_read": Signature((ctypes.c_uint64, None, ctypes.c_int32), ctypes.c_int16),
    }
    monkeypatch.setattr(signatures, "of_symbol", known.__getitem__)
    assert kprobe._context("__x64_sys_close", False) == contexts.syscall_regs("x86_64", types=(ctypes.c_uint32,))
    assert kprobe._context("__x64_sys_close", True) == contexts.pt_regs(
        "x86_64", entry=False, result=ctypes.c_int64
    )
    found = kprobe._context("vfs_read", False)
    assert [field.ctype for field in found.fields["args"]] == [ctypes.c_uint64, None, ctypes.c_int32, None, None, None]
    assert found.fields["ip"].ctype is None
    assert kprobe._context("vfs_read", False, inside=True) == contexts.pt_regs("x86_64", exit=False)


def test_inside_of_a_function_nothing_is_known_of_registers():
    assert targets.is_inside(["nonesuch", "vfs_read+4"], "vfs_read")
    assert not targets.is_inside(["f+4", "vfs_read"], "vfs_read")
    inside = kprobe.probe("vfs_read+4")(lambda pt_regs: 0).expected_context
    assert [field.ctype for field in inside.fields["args"]] == [None] * 6


@pytest.mark.parametrize("name", ["", "a b", "f+", "f+x", "a;b", "f-1"])
def test_no_names(name):
    with pytest.raises(ValueError, match="is no function of the kernel"):
        kprobe.probe(["fine", name])


def test_exit_probes_take_no_offset():
    with pytest.raises(ValueError, match="an exit probe takes no offset"):
        kprobe.probe("vfs_read+4", exit_probe=True)


def test_no_name_at_all():
    with pytest.raises(ValueError, match="at least one"):
        kprobe.probe([])


def test_the_decorated_function_keeps_its_name():
    @kprobe.probe("sys_close")
    def on_close(pt_regs):
        """Says what it is for."""

    assert (on_close.__name__, on_close.__doc__) == ("on_close", "Says what it is for.")


def test_the_context_has_a_public_name():
    assert {"args", "ret", "ip", "sp"} <= set(kprobe.PtRegsContext.fields)
    with pytest.raises(AttributeError, match="nonesuch"):
        kprobe.nonesuch


@pytest.mark.kernel
def test_a_kernel_without_kprobes_says_so(monkeypatch):
    if perf_event.have_kprobes():  # tests/hooks/test_kprobe_live.py is for such a one: here it shall be without
        for module in (targets, perf_event):
            monkeypatch.setattr(module, "have_kprobes", lambda: False)
    with pytest.raises(NotSupported, match="does not support kprobes: it was built without them"):
        kprobe.probe("sys_close")(lambda pt_regs: 0)()


@pytest.mark.parametrize("make", [kprobe.probe, tracepoint.probe])
@pytest.mark.parametrize("given", [lambda event: 0, None, 5, b"sched:sched_switch"])
def test_the_place_is_missing(make, given):
    with pytest.raises(TypeError, match=r"give the .*: @(kprobe|tracepoint)\.probe\('"):
        make(given)


def test_a_list_of_what_are_no_names():
    with pytest.raises(TypeError, match="list of names"):
        kprobe.probe(["vfs_read", 5])


@pytest.fixture(params=[kprobe.probe("vfs_read"), tracepoint.probe("sched:sched_switch")])
def decorate(request):
    return request.param


def test_a_probe_is_called_before_it_is_entered(decorate):
    @decorate
    def on_event(event):
        return 0

    with pytest.raises(TypeError, match=r"`with on_event\(\) as attached:`"), on_event:
        pass


def test_a_probe_is_no_method(decorate):
    class Tool:
        @decorate
        def on_event(self, event):
            return 0

        plain = decorate(abs)
        other = decorate(lambda event: 0)

    with pytest.raises(TypeError, match=r"write probe\(\.\.\.\)\(obj\.on_event\)"):
        Tool().on_event()
    assert Tool().other is Tool.other and Tool().plain is Tool.plain


def test_a_probe_of_something_else_than_a_function(decorate):
    with pytest.raises(TypeError, match="decorates a function that takes the event, not 5"):
        decorate(5)


AS_NOBODY = """
import os, sys
from py2bpf import kprobe, prog
from py2bpf.compiler import pipeline
from py2bpf.exception import KernelError
from py2bpf.kernel import features
os.setgid(65534), os.setuid(65534)

@kprobe.probe("sys_close")
def fn(regs):
    return 0

try:
    fn()
except KernelError as error:
    print(error)
"""


@pytest.mark.kernel
def test_without_privileges_the_error_names_what_is_missing() -> None:
    run = subprocess.run([sys.executable, "-B", "-c", AS_NOBODY], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    text = run.stdout
    assert ("close" in text and "root" in text) or "does not support kprobes" in text, text
