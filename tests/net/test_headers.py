"""Header classes beside scapy's: the same values in the same bytes."""

from __future__ import annotations

import copy
import ctypes
import ipaddress
import pickle
import random
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scapy")
from scapy.contrib.geneve import GENEVE
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN

from py2bpf import net, vm
from py2bpf.datastructures import HashMap
from py2bpf.exception import DataRangeError

ROWS: dict[Any, tuple[Any, int, dict[str, str]]] = {
    net.Ethernet: (Ether, 14, {"destination": "dst", "source": "src", "type": "type"}),
    net.VlanTag: (Dot1Q, 4, {"priority": "prio", "vlan": "vlan", "type": "type"}),
    net.Arp: (ARP, 28, {
        "hardware_type": "hwtype", "operation": "op", "sender_hardware": "hwsrc", "sender": "psrc",
        "target_hardware": "hwdst", "target": "pdst",
    }),
    net.Ipv4: (IP, 20, {
        "version": "version", "ihl": "ihl", "total_length": "len", "identification": "id", "time_to_live": "ttl",
        "fragment_offset": "frag", "protocol": "proto", "header_checksum": "chksum", "source": "src",
        "destination": "dst",
    }),
    net.Ipv6: (IPv6, 40, {
        "version": "version", "traffic_class": "tc", "flow_label": "fl", "payload_length": "plen",
        "next_header": "nh", "hop_limit": "hlim", "source": "src", "destination": "dst",
    }),
    net.Ipv6Fragment: (IPv6ExtHdrFragment, 8, {
        "next_header": "nh", "reserved": "res1", "fragment_offset": "offset", "reserved_bits": "res2",
        "more_fragments": "m", "identification": "id",
    }),
    net.Authentication: (AH, 12, {
        "next_header": "nh", "payload_length": "payloadlen", "security_parameters_index": "spi",
        "sequence_number": "seq",
    }),
    net.Tcp: (TCP, 20, {
        "source_port": "sport", "destination_port": "dport", "sequence_number": "seq",
        "acknowledgment_number": "ack", "data_offset": "dataofs", "window": "window", "checksum": "chksum",
        "urgent_pointer": "urgptr",
    }),
    net.Udp: (UDP, 8, {
        "source_port": "sport", "destination_port": "dport", "length": "len", "checksum": "chksum",
    }),
    net.Icmp: (ICMP, 8, {
        "type": "type", "code": "code", "checksum": "chksum", "identifier": "id", "sequence_number": "seq",
    }),
    net.Icmpv6: (ICMPv6EchoRequest, 8, {
        "type": "type", "code": "code", "checksum": "cksum", "identifier": "id", "sequence_number": "seq",
    }),
    net.Sctp: (SCTP, 12, {
        "source_port": "sport", "destination_port": "dport", "verification_tag": "tag", "checksum": "chksum",
    }),
    net.Gre: (GRE, 4, {
        "checksum_present": "chksum_present", "routing_present": "routing_present", "key_present": "key_present",
        "sequence_number_present": "seqnum_present", "version": "version", "protocol_type": "proto",
    }),
    net.Vxlan: (VXLAN, 8, {"vni": "vni"}),
    net.Geneve: (GENEVE, 8, {
        "version": "version", "option_length": "optionlen", "control": "oam", "critical": "critical",
        "protocol_type": "proto", "vni": "vni",
    }),
    net.Dns: (DNS, 12, {
        "id": "id", "qr": "qr", "opcode": "opcode", "aa": "aa", "tc": "tc", "rd": "rd", "ra": "ra", "z": "z",
        "ad": "ad", "cd": "cd", "rcode": "rcode", "qdcount": "qdcount", "ancount": "ancount", "nscount": "nscount",
        "arcount": "arcount",
    }),
}  # fmt: skip
"""Of each class scapy's, its size in bytes, and scapy's names of its fields."""

FIXED: dict[Any, tuple[int, bytes]] = {
    net.Ethernet: (12, b"\x08"), net.Arp: (0, b"\x00\x01\x08\x00\x06\x04"), net.Ipv4: (0, b"\x45"),
    net.Icmp: (0, b"\x08"), net.Icmpv6: (0, b"\x80"), net.Vxlan: (0, b"\x08"), net.Dns: (4, bytes(8)),
}  # fmt: skip
"""Bytes without which scapy sees another header: where they begin, and what they are."""
TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
IP_FLAGS = ("more_fragments", "dont_fragment", "reserved")

SHORT = {net.Ipv6Options: 2, net.Ports: 4}
"""How others begin."""


def test_every_header_is_here() -> None:
    headers = {each for each in vars(net).values() if isinstance(each, type) and each.__module__ == net.Tcp.__module__}
    assert headers == {*ROWS, *SHORT}


@pytest.mark.parametrize("header", [*ROWS, *SHORT], ids=lambda each: each.__name__)
def test_size(header: Any) -> None:
    assert ctypes.sizeof(header) == (SHORT.get(header) or ROWS[header][1])


@pytest.mark.parametrize("header", ROWS, ids=lambda each: each.__name__)
def test_fields_are_where_scapy_has_them(header: Any) -> None:
    scapys, size, names = ROWS[header]
    pick = random.Random(size)
    for _ in range(50):
        data = bytearray(pick.randbytes(size))
        at, fixed = FIXED.get(header, (0, b""))
        data[at : at + len(fixed)] = fixed
        ours, theirs = header.from_buffer_copy(data), scapys(bytes(data) + bytes(80))
        found = {name: str(getattr(ours, name)) for name in names}
        assert found == {name: str(theirs.getfieldval(named)) for name, named in names.items()}


def test_flags_are_where_scapy_has_them() -> None:
    for number, name in enumerate(TCP_FLAGS):
        header = net.Tcp.from_buffer_copy(bytes(TCP(flags=1 << number)))
        assert [flag for flag in TCP_FLAGS if getattr(header, flag)] == [name]
    for number, name in enumerate(IP_FLAGS):
        header = net.Ipv4.from_buffer_copy(bytes(IP(flags=1 << number)))
        assert [flag for flag in IP_FLAGS if getattr(header, flag)] == [name]
    assert net.Vxlan.from_buffer_copy(bytes(VXLAN(flags=8))).vni_present == 1
    header = net.Ipv4.from_buffer_copy(bytes(IP(tos=0b101110_01)))
    assert (header.dscp, header.ecn) == (0b101110, 1)


@pytest.mark.parametrize(
    ("kind", "text", "packed"),
    [
        (net.MacAddress, "02:00:5e:10:00:ff", bytes.fromhex("02005e1000ff")),
        (net.Ipv4Address, "192.0.2.1", ipaddress.ip_address("192.0.2.1").packed),
        (net.Ipv6Address, "2001:db8::5:1", ipaddress.ip_address("2001:db8::5:1").packed),
    ],
)
def test_addresses(kind: Any, text: str, packed: bytes) -> None:
    assert bytes(kind.of(text)) == packed
    assert str(kind.from_buffer_copy(packed)) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (net.MacAddress, "02:00:5e:10:00"), (net.MacAddress, "02:00:5e:10:00:100"), (net.MacAddress, "-1:0:0:0:0:0"),
        (net.MacAddress, "a:b:c:d:e:g"), (net.MacAddress, ""), (net.MacAddress, " 2:0:0:0:0:1"),
        (net.MacAddress, 1), (net.MacAddress, b"......"), (net.Ipv4Address, None), (net.Ipv4Address, "192.0.2"),
        (net.Ipv4Address, "::1"), (net.Ipv6Address, "192.0.2.1"), (net.Ipv6Address, "::g"),
    ],
)  # fmt: skip
def test_what_is_no_address(kind: Any, text: Any) -> None:
    with pytest.raises(DataRangeError, match=f"^{re.escape(repr(text))} is no "):
        kind.of(text)


def test_addresses_have_no_zone() -> None:
    with pytest.raises(DataRangeError, match="'fe80::1%eth0' has a zone, which no packet has: leave %eth0 out"):
        net.Ipv6Address.of("fe80::1%eth0")


@pytest.mark.parametrize("address", [
    net.MacAddress.of("02:00:5e:10:00:ff"), net.Ipv4Address.of("192.0.2.1"), net.Ipv6Address.of("2001:db8::1"),
])  # fmt: skip
def test_addresses_are_values(address: Any) -> None:
    """Keys, texts, and what copies and pickles have."""
    again = type(address).of(str(address))
    assert {address: 5}[again] == 5 and f"{address:>40}" == str(address).rjust(40)
    assert repr(address) == f"{type(address).__name__}.of({str(address)!r})"
    for copied in (copy.copy(address), copy.deepcopy(address), pickle.loads(pickle.dumps(address))):
        assert copied == address and copied is not address
    header = net.Arp(operation=1) if isinstance(address, net.MacAddress) else net.Ipv6(hop_limit=5)
    assert pickle.loads(pickle.dumps(header)) == copy.deepcopy(header) == header


def test_addresses_of_a_map_are_keys() -> None:
    with vm.backend(), HashMap(net.Ipv4Address, ctypes.c_uint64, 4) as counts:
        counts[net.Ipv4Address.of("192.0.2.1")] = 7
        assert {str(address): count for address, count in dict(counts.items()).items()} == {"192.0.2.1": 7}


ROOT = Path(__file__).resolve().parents[2]
CLASSES = [each for each in vars(net).values() if isinstance(each, type) and issubclass(each, ctypes.Structure)]
COPY = re.compile(rf"^class ({'|'.join(each.__name__ for each in CLASSES)})\(", re.M)


def test_tests_and_benchmarks_have_no_headers_of_their_own() -> None:
    files = [path for folder in ("tests", "benchmarks", "py2bpf/examples")
             for kind in ("*.py", "*.case") for path in (ROOT / folder).rglob(kind)]  # fmt: skip
    assert len(files) > 400
    assert not {str(path): found for path in files if (found := COPY.findall(path.read_text()))}
