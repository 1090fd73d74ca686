"""XDP programs on a pair of devices in network namespaces."""

import errno
import subprocess
import sys
from ctypes import c_uint8, c_uint16, c_uint64
from pathlib import Path

import pytest

from py2bpf import net, xdp
from py2bpf.datastructures import ArrayMap
from py2bpf.exception import ClosedError, DataTypeError, KernelError
from py2bpf.kernel import links, netlink, syscalls, xdp_netlink

pytestmark = pytest.mark.kernel

PAYLOAD = 14 + 20 + 8


def drop_b(ctx):
    """Datagrams whose text begins with b."""
    kind, ip, first = ctx.packet(c_uint16.__ctype_be__, 12), ctx.packet(net.Ipv4, 14), ctx.packet(c_uint8, PAYLOAD)
    if kind == net.EtherType.IPV4 and ip and ip.protocol == net.Protocol.UDP and first == ord("b"):
        return xdp.XDP_DROP
    return xdp.XDP_PASS


def let_pass(ctx):
    pass


def attached(node):
    return "xdp" in node.shell("ip", "link", "show", node.device)


@pytest.mark.parametrize("mode", ["native", "generic", "skb", xdp.XdpMode.NATIVE, None])
def test_it_drops_what_it_says(wire, traffic, mode):
    _left, right = wire
    with right.inside(), xdp.XdpProgram(drop_b) as program:
        program.attach(right.device, mode)
        assert traffic.is_dropped(b"bad") and traffic.passes(b"good")
        shown = right.shell("ip", "link", "show", right.device)
        assert ("xdpgeneric" in shown) is (mode in ("generic", "skb"))
        assert program.detach(right.device) and not program.detach(right.device)
        assert traffic.passes(b"bad")
        program.attach(right.device, mode)
        assert traffic.is_dropped(b"bad")
    assert not attached(right) and traffic.passes(b"bad")


def test_the_end_of_the_process_takes_it_off(wire, traffic):
    _left, right = wire
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import os, test_xdp\n"
        f"program = test_xdp.xdp.XdpProgram(test_xdp.drop_b); program.attach({right.device!r}); os._exit(7)"
    )
    with right.inside():
        assert subprocess.run([sys.executable, "-c", code]).returncode == 7
    assert not attached(right) and traffic.passes(b"bad")


def test_by_netlink_where_the_kernel_has_no_links(wire, traffic, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise KernelError(errno.EINVAL, "no links")

    monkeypatch.setattr(syscalls, "link_create", refuse)
    _left, right = wire
    with right.inside():
        with xdp.XdpProgram(drop_b) as program:
            program.attach(right.device, "generic")
            assert traffic.is_dropped(b"bad") and traffic.passes(b"good")
        assert traffic.passes(b"bad")
        with xdp.XdpProgram(let_pass) as mine, xdp.XdpProgram(drop_b) as other:
            mine.attach(right.device)
            with pytest.raises(KernelError, match="has an XDP program already"):
                other.attach(right.device)
            xdp_netlink.detach(links_index(right), mine.prog.handle, 0)
            other.attach(right.device)
            assert mine.detach()  # what is there now is not its own
            assert traffic.is_dropped(b"bad")


def links_index(node):
    from py2bpf.kernel.netdev import ifindex

    return ifindex(node.device)


def test_nobody_elses_program_is_replaced(wire, traffic):
    _left, right = wire
    with right.inside(), xdp.XdpProgram(drop_b) as first, xdp.XdpProgram(let_pass) as second:
        first.attach(right.device)
        with pytest.raises(KernelError, match=f"device {right.device} has an XDP program already") as caught:
            second.attach(right.device)
        assert caught.value.errno in (errno.EBUSY, errno.EEXIST)
        with pytest.raises(KernelError, match="already: detach"):
            first.attach(right.device)
        second.close()
        assert traffic.is_dropped(b"bad")


def test_what_the_device_refuses(wire):
    _left, right = wire
    with right.inside(), xdp.XdpProgram(let_pass) as program:
        with pytest.raises(KernelError) as caught:
            program.attach(right.device, "offload")
        assert caught.value.errno in (errno.EINVAL, errno.EOPNOTSUPP)
        with pytest.raises(KernelError, match="no network device 'p2bz'"):
            program.attach("p2bz")
        for wrong in ("fast", 3):
            with pytest.raises(DataTypeError, match="'native', 'generic', 'offload', or None"):
                program.attach(right.device, wrong)
    with right.inside(), pytest.raises(ClosedError):
        program.attach(right.device)
    assert not program.detach()


def test_a_native_program_needs_room_in_a_packets_page(wire):
    left, right = wire
    left.shell("ip", "link", "set", left.device, "mtu", "9000")
    with right.inside(), xdp.XdpProgram(let_pass) as program:
        with pytest.raises(KernelError, match="MTU"):
            program.attach(right.device, "native")
        program.attach(right.device, "generic")


def test_several_devices(wire, traffic):
    _left, right = wire
    with right.inside(), xdp.XdpProgram(drop_b) as program:
        program.attach(right.device)
        program.attach("lo", "generic")
        assert "xdp" in right.shell("ip", "link", "show", "lo")
        assert program.detach()
        assert not attached(right) and "xdp" not in right.shell("ip", "link", "show", "lo")


def has_xdp(node, device):
    return "xdp" in node.shell("ip", "link", "show", device)


def test_devices_of_several_namespaces_with_one_number(wire):
    left, right = wire
    with xdp.XdpProgram(let_pass) as program:
        with left.inside():
            program.attach("lo", "generic")
        with right.inside():
            assert not program.detach("lo")
            assert has_xdp(left, "lo")
            program.attach("lo", "generic")
            assert program.detach("lo") and not program.detach("lo")
        assert has_xdp(left, "lo") and not has_xdp(right, "lo")
        with right.inside():
            assert program.detach()  # wherever it is
        assert not has_xdp(left, "lo")


def test_a_device_that_has_the_number_of_one_that_is_gone(wire):
    _left, right = wire
    make = ("ip", "link", "add", "p2bx", "index", "7700", "type", "veth", "peer", "p2by")
    with right.inside(), xdp.XdpProgram(let_pass) as program:
        for _ in range(2):
            right.shell(*make)
            program.attach("p2bx", "generic")
            assert has_xdp(right, "p2bx") and program.devices == ["p2bx"]
            with pytest.raises(KernelError, match="is on device p2bx already"):
                program.attach("p2bx", "generic")
            right.shell("ip", "link", "del", "p2bx")
        right.shell(*make)
        assert program.devices == [] and not has_xdp(right, "p2bx")
        assert program.detach() is False


def test_counting_and_rewriting(wire, traffic):
    _left, right = wire
    with ArrayMap(c_uint64, 256) as counts:

        def count(ctx):
            ip = ctx.packet(net.Ipv4, 14)
            if ip and ctx.packet(c_uint16.__ctype_be__, 12) == net.EtherType.IPV4:
                counts[ip.protocol] += 1

        with right.inside(), xdp.XdpProgram(count) as program:
            program.attach(right.device)
            assert all(traffic.passes() for _ in range(3))
            assert counts[net.Protocol.UDP] >= 3
            before = program.prog.spec.name
            assert before == "count" and program.test_run(bytes(40)).retval == xdp.XDP_PASS


def test_the_kernels_reason_is_read_from_its_answer():
    message = b"a reason\0"
    attribute = (13).to_bytes(2, "little") + b"\1\0" + message + bytes(3)
    answer = (52).to_bytes(4, "little") + b"\2\0\0\2" + bytes(8) + (-22).to_bytes(4, "little", signed=True) + bytes(16)
    if sys.byteorder == "little":
        assert [netlink.read_result(netlink.Message(2, 0x300, 0, each)) for each in (answer + attribute, answer)] == [
            (22, "a reason"), (22, "")]  # fmt: skip


def test_links_close_once(wire):
    _left, right = wire
    with right.inside():
        program = xdp.XdpProgram(let_pass)
        program.attach(right.device)
        program.close()
        program.close()
        assert program.closed and isinstance(program, links.Resources)
    assert not attached(right)
