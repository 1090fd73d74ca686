"""The tools' programs over packets of every shape: verdicts, and flows."""

from __future__ import annotations

import random
from ctypes import c_uint32
from typing import Any

import packet_shapes as shapes
import pytest
from packet_shapes import Expected

from py2bpf import net, vm
from py2bpf.datastructures import ArrayMap, HashMap, LpmTrieMap
from py2bpf.examples import blacklist_ingress_ips, flows, packets, xdp_ports
from py2bpf.tc import TC_ACT_SHOT, IngressFilter
from py2bpf.xdp import XDP_DROP, XDP_PASS, XdpProgram

DEPTHS = [pytest.param("kernel", 3, marks=pytest.mark.kernel), ("vm", 4)]
TELNET = net.Protocol.TCP << 16 | shapes.PORTS[1]


def looked_at(shape: tuple[str, ...], offsets: list[int], length: int) -> list[Expected]:
    """What is to be found in the packets that a filter looks at: the outermost, and those in so many tunnels."""
    return shapes.walked(shapes.levels(shape, offsets), length, 1 + packets.TUNNELS)


def service(found: Expected) -> int:
    return found.protocol << 16 | found.ports[1] if found.transport and found.protocol in net.WITH_PORTS else 0


def verdict(found: list[Expected], otherwise: int) -> int:
    for each in found:
        if each.problem:
            return otherwise
        if service(each) == TELNET:
            return XDP_DROP
    return XDP_PASS


@pytest.mark.parametrize(("world", "depth"), DEPTHS)
def test_closed_ports(world: vm.Name, depth: int) -> None:
    """No shape hides a port, and each packet is counted in one place."""
    pick, seen = random.Random(depth), dict.fromkeys((XDP_DROP, XDP_PASS), 0)
    with (
        vm.backend(world), HashMap(c_uint32, packets.Traffic, 8) as dropped,
        HashMap(c_uint32, packets.Traffic, 4096) as passed, ArrayMap(packets.Traffic, 4) as unparsed,
        XdpProgram(xdp_ports.filter_ports(dropped, passed, unparsed, XDP_DROP)) as program,
    ):  # fmt: skip
        dropped[TELNET] = packets.Traffic()
        problems = 0
        for shape in shapes.shapes(depth):
            packet, offsets = shapes.build(shape)
            for length in (len(packet), pick.randrange(14, len(packet))):
                found = looked_at(shape, offsets, length)
                wanted = verdict(found, XDP_DROP)
                assert program.test_run(packet[:length]).retval == wanted, (shape, length, found)
                seen[wanted] += 1
                problems += any(each.problem for each in found)
        told = sum(traffic.packets for traffic in unparsed.values())
        assert (dropped[TELNET].packets + told, told) == (seen[XDP_DROP], problems)
        assert all(seen.values())


@pytest.mark.parametrize(("world", "depth"), DEPTHS)
def test_flows(world: vm.Name, depth: int) -> None:
    """Every shape makes the flow of its outermost packet."""
    with vm.backend(world), ArrayMap(flows.Flow, 1) as out:

        def program(ctx: Any) -> int:
            flow = flows.Flow()
            has_ports = flows.find(flow, ctx)
            out[0] = flow
            return 1 if has_ports else 0

        with XdpProgram(program) as loaded:
            for shape in shapes.shapes(depth):
                packet, offsets = shapes.build(shape)
                expected = shapes.expected(shapes.levels(shape, offsets)[0], len(packet))
                has_ports = loaded.test_run(packet).retval
                flow = out[0]
                assert has_ports == (service(expected) > 0), shape
                known = flow.ethertype, flow.protocol, flow.problem
                assert known == (expected.ethertype, expected.protocol, 0), shape
                ends = (flow.source, flow.ports.source), (flow.destination, flow.ports.destination)
                found = [flows.end(flow, *end) for end in ends]
                assert found == shown(expected, bool(has_ports)), shape


def shown(expected: Expected, has_ports: bool) -> list[str]:
    v4, v6 = (shapes.SOURCE, shapes.DESTINATION), (shapes.SOURCE6, shapes.DESTINATION6)
    addresses = {0x0800: v4, 0x86DD: v6}.get(expected.ethertype, ("", ""))
    if expected.protocol not in net.WITH_PORTS or not addresses[0]:
        return list(addresses)
    bracket = "[{}]:{}" if expected.ethertype == 0x86DD else "{}:{}"
    return [bracket.format(*end) for end in zip(addresses, expected.ports, strict=True)]


@pytest.mark.parametrize(("world", "depth"), DEPTHS)
def test_blacklisted_addresses(world: vm.Name, depth: int) -> None:
    """An address is found in every shape, also in tunnels; those that aren't listed pass."""
    with (
        vm.backend(world), LpmTrieMap(blacklist_ingress_ips.Ipv4, packets.Traffic, 8) as v4,
        LpmTrieMap(blacklist_ingress_ips.Ipv6, packets.Traffic, 8) as v6,
        ArrayMap(packets.Traffic, 4) as unparsed,
        IngressFilter(blacklist_ingress_ips.blacklist(v4, v6, unparsed, True)) as program,
    ):  # fmt: skip
        v6[shapes.SOURCE6 + "/128"] = packets.Traffic()
        for shape in shapes.shapes(depth):
            packet, offsets = shapes.build(shape)
            found = looked_at(shape, offsets, len(packet))
            listed = any(each.ethertype == 0x86DD for each in found)
            assert (program.prog.test_run(packet).retval == TC_ACT_SHOT) == listed, (shape, found)
        assert not any(each.packets for each in unparsed.values())
