"""Links: one object for each way to keep a program at its place."""

import errno
import importlib
import os
import socket
import subprocess
import sys
from ctypes import c_uint64
from pathlib import Path

import pytest

from py2bpf import funcs, socket_filter, tc, tracepoint, vm, xdp
from py2bpf.datastructures import ArrayMap, ProgArray
from py2bpf.exception import ClosedError, DataTypeError, KernelError, NotInVm, NotSupported
from py2bpf.hooks.link import Link
from py2bpf.kernel import pins, syscalls
from py2bpf.prog import ProgType, create_prog
from py2bpf.uapi.hooks import HOOKS
from py2bpf.uapi.prog_types import LinkType
from py2bpf.util import ensure_resources

pytestmark = pytest.mark.kernel


def counting(counts, at, result):
    def count(_ctx):
        counts[at] += 1
        return result

    return count


@pytest.fixture
def counts():
    with ArrayMap(c_uint64, 4) as made:
        yield made


@pytest.fixture(params=["link", "netlink"])
def way(request, monkeypatch):
    """Without links, as before Linux 5.9, XDP programs are attached by netlink."""
    if request.param == "netlink":
        def refuse(*_args, **_options):
            raise KernelError(errno.EINVAL, "no links")

        monkeypatch.setattr(syscalls, "link_create", refuse)
    return request.param


def seen(counts, at):
    """Whether program ``at`` counts what goes over the loopback device."""
    before = counts[at]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", 9))
    return counts[at] > before


def test_a_program_on_a_device_is_replaced(counts, way):
    with (
        xdp.XdpProgram(counting(counts, 0, xdp.XDP_PASS)) as first,
        xdp.XdpProgram(counting(counts, 1, xdp.XDP_PASS)) as second,
    ):
        link = first.attach("lo")
        assert isinstance(link, Link) and link.prog is first.prog and link.target == "device lo"
        assert seen(counts, 0) and not seen(counts, 1)
        link.update(second.prog)
        assert link.prog is second.prog
        assert seen(counts, 1) and not seen(counts, 0)
        assert link.detach() and link.closed and link.is_gone
        assert not seen(counts, 1) and first.devices == []
        assert not link.detach()


def test_a_program_that_took_anothers_place_may_be_closed_before_the_link(counts, way):
    with xdp.XdpProgram(counting(counts, 0, xdp.XDP_PASS)) as first:
        with xdp.XdpProgram(counting(counts, 1, xdp.XDP_PASS)) as second:
            first.attach("lo").update(second.prog)
        assert seen(counts, 1) and first.devices == ["lo"]
        assert first.detach() and not seen(counts, 1)


def test_a_link_takes_the_program_off_at_the_end(counts, way):
    with xdp.XdpProgram(counting(counts, 0, xdp.XDP_PASS)) as program:
        with program.attach("lo") as link:
            assert seen(counts, 0) and link.missed == 0
        assert link.closed and not seen(counts, 0)
        with program.attach("lo"):
            assert program.devices == ["lo"]
        with pytest.raises(ClosedError):
            link.update(program.prog)
        with pytest.raises(ClosedError):
            link.info


def test_what_the_kernel_tells_of_a_link(counts):
    with xdp.XdpProgram(counting(counts, 0, xdp.XDP_PASS)) as program:
        info, device = program.attach("lo").info, socket.if_nametoindex("lo")
        assert (info.kind, info.prog_id, info.device) == (LinkType.XDP, program.prog.info.id, device)
    assert info.id > 0


def test_a_program_of_another_kind_is_refused(counts, way):
    passing = counting(counts, 0, xdp.XDP_PASS)
    with xdp.XdpProgram(passing) as program, socket_filter.SocketFilter(lambda skb: 0) as other:
        link = program.attach("lo")
        with pytest.raises(KernelError) as caught:
            link.update(other.prog)
        assert caught.value.errno == errno.EINVAL
        assert link.prog is program.prog and seen(counts, 0)
        with pytest.raises(DataTypeError, match="what takes the program's place is a Prog, not"):
            link.update(program)
        with vm.backend(), create_prog(ProgType.XDP, xdp.XdpContext, lambda ctx: 0) as in_vm, pytest.raises(NotInVm):
            link.update(in_vm)


def test_a_socket_has_another_filter(counts):
    with (
        socket_filter.SocketFilter(counting(counts, 0, 0)) as first,
        socket_filter.SocketFilter(counting(counts, 1, 100)) as second,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        link = first.attach(receiver)
        sender.sendto(b"dropped", receiver.getsockname())
        link.update(second.prog)
        sender.sendto(b"kept", receiver.getsockname())
        assert receiver.recv(100) == b"kept" and (counts[0], counts[1]) == (1, 1)
        link.close()
        sender.sendto(b"free", receiver.getsockname())
        assert receiver.recv(100) == b"free" and counts[1] == 1
        for wanted in (lambda: link.info, lambda: link.pin("/sys/fs/bpf/x")):
            with pytest.raises(ClosedError):
                wanted()


def test_a_filter_stays_when_its_link_is_dropped(counts):
    with socket_filter.SocketFilter(counting(counts, 0, 0)) as made, socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        made.attach(receiver)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", receiver.getsockname())
        assert counts[0] == 1
        link = made.attach(receiver)
    assert link.is_gone
    link.close()  # the socket is closed, and has no filter


def test_places_without_a_link_have_no_pins(counts):
    with socket_filter.SocketFilter(counting(counts, 0, 0)) as made, socket.socket(type=socket.SOCK_DGRAM) as sock:
        with made.attach(sock) as link:
            with pytest.raises(NotSupported, match="pinning at this place, which has no link"):
                link.pin("/sys/fs/bpf/x")
            with pytest.raises(NotSupported, match="information about this place"):
                link.info


def test_an_attached_probe_is_a_link(counts):
    with tracepoint.probe("syscalls:sys_enter_getpgid")(counting(counts, 0, 0))() as link:
        assert isinstance(link, Link) and link.target == "the tracepoint syscalls:sys_enter_getpgid"
        os.getpgid(0)
        assert counts[0] >= 1 and not link.is_gone
        assert link.info.kind == LinkType.PERF_EVENT
        prog = link.prog
        other = tracepoint.probe("syscalls:sys_enter_getpgid")(counting(counts, 1, 0)).load()
        with other, pytest.raises(KernelError) as caught:
            link.update(other)
        assert caught.value.errno == errno.EOPNOTSUPP
        assert link.detach()
    assert prog.closed
    before = counts[0]
    os.getpgid(0)
    assert counts[0] == before


@pytest.mark.parametrize("mechanism", ["tcx", "clsact"])
def test_what_is_installed_is_taken_off_by_its_link(counts, mechanism):
    with tc.IngressProgram(counting(counts, 0, tc.TC_ACT_OK)) as program:
        with program.install("lo", mechanism=mechanism) as link:
            assert isinstance(link, Link) and seen(counts, 0) and not link.is_gone
        assert link.is_gone and not seen(counts, 0) and program.devices == []
        link = program.install("lo", mechanism=mechanism)
        assert program.remove("lo") and link.is_gone
        assert not link.detach()
        program.install("lo", mechanism=mechanism)
        assert seen(counts, 0)  # dropping a link takes nothing off
        assert program.remove()


PINNING = """
from py2bpf import xdp
def fn(ctx):
    return xdp.XDP_PASS
program = xdp.XdpProgram(fn)
program.attach("lo").pin({path!r})
"""


def test_a_pinned_link_outlives_its_process():
    ensure_resources()
    path = f"/sys/fs/bpf/py2bpf_link_{os.getpid()}"
    subprocess.run([sys.executable, "-c", PINNING.format(path=path)], check=True)
    try:
        with syscalls.obj_get(path) as link, xdp.XdpProgram(lambda ctx: 2) as other:
            with pytest.raises(KernelError, match="has an XDP program already"):
                other.attach("lo")
            syscalls.link_detach(link)
            other.attach("lo")
    finally:
        assert pins.unpin(path)


def test_a_pinned_link_keeps_the_program_arrays(counts):
    ensure_resources()
    path = f"/sys/fs/bpf/py2bpf_arrays_{os.getpid()}"
    with ProgArray(2) as steps:
        def dispatch(ctx):
            funcs.tail_call(ctx, steps, 1)
            return xdp.XDP_PASS

        with xdp.XdpProgram(dispatch) as program:
            link = program.attach("lo")
            link.pin(path)
            try:
                folder, name = Path(path).parent, Path(path).name
                assert sorted(each.name for each in folder.glob(f"{name}*")) == [name, f"{name}_array0"]
                link.detach()  # also where it is pinned
                assert program.attach("lo") is not None
            finally:
                pins.unpin(path)


def test_each_way_to_attach_has_its_function():
    for hook in HOOKS:
        if hook.attach is not None:
            module, _, name = hook.attach.value.partition(".")
            assert callable(getattr(importlib.import_module(f"py2bpf.hooks.{module}"), name)), hook
