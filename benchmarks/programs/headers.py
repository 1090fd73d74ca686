"""Packet headers: as they lie in memory, and with their numbers in host order."""

from ctypes import BigEndianStructure, Structure, c_uint8, c_uint16, c_uint32

ETHERTYPE_AT = 12
IP_AT = 14

ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
ETH_P_8021Q = 0x8100
ETH_P_8021AD = 0x88A8


class Ipv4(Structure):
    """RFC 791; numbers of more than a byte are in network order."""

    _fields_ = (
        ("version_and_words", c_uint8),
        ("tos", c_uint8),
        ("length", c_uint16),
        ("id", c_uint16),
        ("fragment", c_uint16),
        ("ttl", c_uint8),
        ("protocol", c_uint8),
        ("checksum", c_uint16),
        ("source", c_uint32),
        ("destination", c_uint32),
    )


class Ethernet(BigEndianStructure):
    _fields_ = (("destination", c_uint8 * 6), ("source", c_uint8 * 6), ("type", c_uint16))


class Tag(BigEndianStructure):
    """IEEE 802.1Q."""

    _fields_ = (("control", c_uint16), ("type", c_uint16))


class HostIpv4(BigEndianStructure):
    """RFC 791, numbers in host order."""

    _fields_ = (
        ("version", c_uint8, 4),
        ("words", c_uint8, 4),
        ("tos", c_uint8),
        ("length", c_uint16),
        ("id", c_uint16),
        ("fragment", c_uint16),
        ("ttl", c_uint8),
        ("protocol", c_uint8),
        ("checksum", c_uint16),
        ("source", c_uint32),
        ("destination", c_uint32),
    )


class Ipv6(BigEndianStructure):
    """RFC 8200."""

    _fields_ = (
        ("flow", c_uint32),
        ("length", c_uint16),
        ("next", c_uint8),
        ("hops", c_uint8),
        ("source", c_uint8 * 16),
        ("destination", c_uint8 * 16),
    )


class Tcp(BigEndianStructure):
    """RFC 9293."""

    _fields_ = (
        ("source", c_uint16),
        ("destination", c_uint16),
        ("sequence", c_uint32),
        ("acknowledged", c_uint32),
        ("flags", c_uint16),
        ("window", c_uint16),
        ("checksum", c_uint16),
        ("urgent", c_uint16),
    )


class Udp(BigEndianStructure):
    """RFC 768."""

    _fields_ = (("source", c_uint16), ("destination", c_uint16), ("length", c_uint16), ("checksum", c_uint16))
