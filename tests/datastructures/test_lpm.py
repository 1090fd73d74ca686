"""LPM tries: keys in all their forms, exact networks, longest prefixes."""

from __future__ import annotations

import ipaddress
import socket
import struct
from ctypes import Structure, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_programs import LOOKUP, PACKET, loaded

from py2bpf import asm
from py2bpf.asm import FRAME, Alu, Jump
from py2bpf.datastructures import LpmTrieMap
from py2bpf.datastructures.lpm import PrefixCodec
from py2bpf.exception import DataRangeError, DataTypeError
from py2bpf.uapi.map_types import MapFlags

network, address, interface = ipaddress.ip_network, ipaddress.ip_address, ipaddress.ip_interface


class Address6(Structure):
    _fields_ = [("words", c_uint32 * 4)]


@pytest.mark.parametrize(("ctype", "key", "raw"), [
    (c_uint32, "10.0.0.0/8", struct.pack("=I4B", 8, 10, 0, 0, 0)),
    (c_uint32, "10.1.2.3", struct.pack("=I4B", 32, 10, 1, 2, 3)),
    (c_uint32, "0.0.0.0/0", bytes(8)),
    (c_uint32, network("10.1.0.0/16"), struct.pack("=I4B", 16, 10, 1, 0, 0)),
    (c_uint32, address("10.1.2.3"), struct.pack("=I4B", 32, 10, 1, 2, 3)),
    (c_uint32, (struct.unpack("=I", bytes([10, 0, 0, 0]))[0], 8), struct.pack("=I4B", 8, 10, 0, 0, 0)),
    (c_uint32, ("10.0.0.0", 8), struct.pack("=I4B", 8, 10, 0, 0, 0)),
    (c_uint8 * 4, (address("10.0.0.0"), 8), struct.pack("=I4B", 8, 10, 0, 0, 0)),
    (c_uint8 * 16, ("2001:db8::", 32), struct.pack("=I", 32) + bytes.fromhex("20010db8") + bytes(12)),
    (c_uint8 * 4, (b"\x0a\0\0\0", 8), struct.pack("=I4B", 8, 10, 0, 0, 0)),
    (c_uint8 * 16, "2001:db8::/32", struct.pack("=I", 32) + bytes.fromhex("20010db8") + bytes(12)),
    (Address6, "2001:db8::1", struct.pack("=I", 128) + bytes.fromhex("20010db8") + bytes(11) + b"\1"),
    (c_uint64, (0xFF, 8), struct.pack("=IQ", 8, 0xFF)),
])
def test_keys(ctype: Any, key: Any, raw: bytes) -> None:
    assert PrefixCodec(ctype).encode(key) == raw


@given(st.ip_addresses(), st.integers(0, 128), st.sampled_from([c_uint8 * 16, c_uint32 * 4, Address6]))
def test_networks_round_trip(ip: Any, length: int, sixteen: Any) -> None:
    net = ipaddress.ip_network((ip, min(length, ip.max_prefixlen)), strict=False)
    codec = PrefixCodec(c_uint32 if ip.version == 4 else sixteen)
    assert codec.decode(b"?" + codec.encode(net), 1) == net
    assert codec.encode(str(net)) == codec.encode(net)


def test_other_sizes_come_back_as_tuples() -> None:
    codec = PrefixCodec(c_uint16)
    assert codec.decode(codec.encode((0x00FF, 8))) == (0x00FF, 8)


@pytest.mark.parametrize(("ctype", "key", "error", "says"), [
    (c_uint32, "10.1.2.3/8", DataRangeError, "has host bits set"),
    (c_uint32, "eth0", DataRangeError, "'eth0' is no network"),
    (c_uint32, "10.0.0.0/33", DataRangeError, "is no network"),
    (c_uint32, "2001:db8::/32", DataTypeError, "is IPv6, and c_uint32 holds IPv4"),
    (c_uint8 * 16, "10.0.0.0/8", DataTypeError, "is IPv4, and c_uint8 * 16 holds IPv6"),
    (c_uint32, 0x0A000001, DataTypeError, "a network such as '10.0.0.0/8'"),
    (c_uint32, b"\x0a\0\0\1", DataTypeError, "a network such as"),
    (c_uint32, None, DataTypeError, "not None"),
    (c_uint32, (0, 33), DataRangeError, "33 doesn't fit prefix length: it holds 0 to 32"),
    (c_uint32, (1 << 31, 8), DataRangeError, "bits set behind its prefix of 8 bits"),
    (c_uint32, ("10.0.0", 8), DataRangeError, "'10.0.0' is no address"),
    (c_uint32, ("::1", 32), DataTypeError, "is IPv6"),
    (c_uint32, ("10.0.0.1", 8), DataRangeError, "bits set behind its prefix of 8 bits"),
    (c_uint32, (1, 2, 3), DataTypeError, "(address, prefix length)"),
    (c_uint64, "10.0.0.0/8", DataTypeError, "a tuple (address, prefix length)"),
])
def test_refused_keys(ctype: Any, key: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        PrefixCodec(ctype).encode(key)
    assert says in str(caught.value)


@pytest.mark.any_kernel
@pytest.mark.kernel
def test_longest_prefixes() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 16) as m:
        assert m.map_spec.key_type is c_uint32 and m.map_spec.flags == MapFlags.NO_PREALLOC
        m["10.0.0.0/8"] = 8
        m["10.1.0.0/16"] = 16
        m[address("10.1.2.3")] = 32
        assert m["10.1.2.3"] == 32 and m["10.1.2.4"] == 16 and m["10.9.9.9"] == 8
        assert "10.1.2.4" in m and "11.0.0.0" not in m and m.get("11.0.0.0") is None
        assert m[address("10.1.9.9")] == 16
        with pytest.raises(KeyError):
            m["11.0.0.0"]
        assert dict(m) == {network("10.0.0.0/8"): 8, network("10.1.0.0/16"): 16, network("10.1.2.3/32"): 32}
        assert len(m) == 3
        del m["10.1.0.0/16"]
        assert m["10.1.2.4"] == 8
        assert m.pop("10.1.2.3") == 32 and m["10.1.2.3"] == 8
        with pytest.raises(KeyError):
            del m["10.1.2.3"]
        m.clear()
        assert len(m) == 0 and "10.9.9.9" not in m


@pytest.mark.any_kernel
@pytest.mark.kernel
def test_a_network_means_exactly_that_entry() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 16) as m:
        assert "0.0.0.0/0" not in m
        m["10.0.0.0/8"] = 8
        assert "10.0.0.0/8" in m and "10.1.0.0/16" not in m and "10.1.0.0/32" not in m and "10.1.0.0" in m
        assert m.get("10.1.0.0/16") is None and m.pop("10.1.0.0/16", None) is None and len(m) == 1
        assert interface("10.1.0.0/16").network not in m
        with pytest.raises(KeyError):
            m[network("10.1.2.3/32")]


@pytest.mark.any_kernel
@pytest.mark.kernel
def test_setdefault_inserts_under_a_shorter_prefix() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 16) as m:
        m["10.0.0.0/8"] = 8
        assert m.setdefault("10.1.0.0/16", 16) == 16 and m["10.1.0.0/16"] == 16 and m["10.0.0.0/8"] == 8
        assert m.setdefault("10.1.0.0/16", 17) == 16
        assert not m.add("10.1.0.0/16", 17) and m.add("10.2.0.0/16", 18)


networks = st.builds(lambda bits, length: ipaddress.ip_network((bits << 24, length), strict=False),
                     st.integers(0, 7), st.integers(4, 9))


@pytest.mark.any_kernel
@pytest.mark.kernel
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(networks, max_size=12), st.lists(networks, max_size=12), st.integers(0, (8 << 24) - 1))
def test_exactness_and_longest_match_against_a_model(stored: set[Any], asked: list[Any], ip: int) -> None:
    with LpmTrieMap(c_uint32, c_uint32, 64) as m:
        for i, net in enumerate(stored):
            m[net] = i
        assert set(m) == stored and len(m) == len(stored)
        for net in asked:
            assert (net in m) == (net in stored)
        covering = [net for net in stored if address(ip) in net]
        if covering:
            best = max(covering, key=lambda net: net.prefixlen)
            assert m[address(ip)] == m[best]
        else:
            assert address(ip) not in m


@pytest.mark.kernel_only
@pytest.mark.kernel
def test_exact_prefixes_on_kernels_that_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("py2bpf.kernel.kernel_map._tells_absent_prefixes", lambda: False)
    with LpmTrieMap(c_uint32, c_uint32, 16) as m:
        m.update({"0.0.0.0/4": 4, "2.0.0.0/7": 7})
        assert "0.0.0.0/7" not in m and m["2.0.0.0/7"] == 7 and "0.0.0.0/4" in m and "0.0.0.1" in m


@pytest.mark.kernel
def test_programs_look_addresses_up_as_packets_hold_them() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 16) as m:
        m["10.1.0.0/16"] = 77
        ip = struct.unpack("=i", socket.inet_aton("10.1.2.3"))[0]
        with loaded([
            asm.store_imm(4, FRAME, -8, 32), asm.store_imm(4, FRAME, -4, ip),
            asm.ld_map(1, 0), asm.mov(2, FRAME), asm.alu_imm(Alu.ADD, 2, -8), asm.call(LOOKUP),
            asm.branch_imm(Jump.JEQ, 0, 0, 1), asm.load(4, 0, 0, 0),
            asm.label(1), asm.exit_(),
        ], m) as program:  # fmt: skip
            assert program.test_run(PACKET).retval == 77


@pytest.mark.kernel
def test_ipv6_and_numpy() -> None:
    with LpmTrieMap(c_uint8 * 16, c_uint32, 16) as m:
        m["2001:db8::/32"] = 1
        assert m["2001:db8::1"] == 1 and list(m) == [network("2001:db8::/32")]
        keys, values = m.arrays()
        assert keys["prefixlen"].tolist() == [32] and bytes(keys["address"][0][:4]).hex() == "20010db8"
        assert values.tolist() == [1]
