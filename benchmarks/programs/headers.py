"""Packet headers as they lie in memory: numbers of more than a byte are in network order."""

from ctypes import Structure, c_uint8, c_uint16, c_uint32

ETHERTYPE_AT = 12
IP_AT = 14


class Ipv4(Structure):
    """RFC 791."""

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
