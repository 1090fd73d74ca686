"""Headers as structures, for programs and for Python.

Fields have their names from the RFCs. Reading a field gives its number in host order; in memory the number is in
network order. ``Ipv4.from_buffer_copy(data, offset)`` reads a header in Python.
"""

from __future__ import annotations

from ctypes import c_uint8, c_uint16, c_uint32
from typing import Annotated

from ..records import Struct
from .addresses import Ipv4Address, Ipv6Address, MacAddress


class Ethernet(Struct, big_endian=True):
    """IEEE 802.3, 14 bytes. ``type`` is an EtherType, or a length below 0x600."""

    destination: MacAddress
    source: MacAddress
    type: Annotated[int, c_uint16]


class VlanTag(Struct, big_endian=True):
    """IEEE 802.1Q: what follows the EtherType of a tag, 4 bytes."""

    priority: Annotated[int, c_uint16, 3]
    drop_eligible: Annotated[int, c_uint16, 1]
    vlan: Annotated[int, c_uint16, 12]
    type: Annotated[int, c_uint16]


class Arp(Struct, big_endian=True, packed=True):
    """RFC 826, for IPv4 over Ethernet, 28 bytes."""

    hardware_type: Annotated[int, c_uint16]
    protocol_type: Annotated[int, c_uint16]
    hardware_length: Annotated[int, c_uint8]
    protocol_length: Annotated[int, c_uint8]
    operation: Annotated[int, c_uint16]
    sender_hardware: MacAddress
    sender: Ipv4Address
    target_hardware: MacAddress
    target: Ipv4Address


class Ipv4(Struct, big_endian=True):
    """RFC 791 and 2474, 20 bytes; the whole header has ``4 * ihl`` bytes. ``fragment_offset`` is in units of 8
    bytes."""

    version: Annotated[int, c_uint8, 4]
    ihl: Annotated[int, c_uint8, 4]
    dscp: Annotated[int, c_uint8, 6]
    ecn: Annotated[int, c_uint8, 2]
    total_length: Annotated[int, c_uint16]
    identification: Annotated[int, c_uint16]
    reserved: Annotated[int, c_uint16, 1]
    dont_fragment: Annotated[int, c_uint16, 1]
    more_fragments: Annotated[int, c_uint16, 1]
    fragment_offset: Annotated[int, c_uint16, 13]
    time_to_live: Annotated[int, c_uint8]
    protocol: Annotated[int, c_uint8]
    header_checksum: Annotated[int, c_uint16]
    source: Ipv4Address
    destination: Ipv4Address


class Ipv6(Struct, big_endian=True):
    """RFC 8200, 40 bytes."""

    version: Annotated[int, c_uint32, 4]
    traffic_class: Annotated[int, c_uint32, 8]
    flow_label: Annotated[int, c_uint32, 20]
    payload_length: Annotated[int, c_uint16]
    next_header: Annotated[int, c_uint8]
    hop_limit: Annotated[int, c_uint8]
    source: Ipv6Address
    destination: Ipv6Address


class Ipv6Options(Struct, big_endian=True):
    """The start of hop-by-hop and destination options, routing and mobility headers, RFC 8200: 2 bytes of
    ``8 * (length + 1)``."""

    next_header: Annotated[int, c_uint8]
    length: Annotated[int, c_uint8]


class Ipv6Fragment(Struct, big_endian=True):
    """RFC 8200, 8 bytes. ``fragment_offset`` is in units of 8 bytes."""

    next_header: Annotated[int, c_uint8]
    reserved: Annotated[int, c_uint8]
    fragment_offset: Annotated[int, c_uint16, 13]
    reserved_bits: Annotated[int, c_uint16, 2]
    more_fragments: Annotated[int, c_uint16, 1]
    identification: Annotated[int, c_uint32]


class Authentication(Struct, big_endian=True):
    """RFC 4302: 12 bytes of ``4 * (payload_length + 2)``."""

    next_header: Annotated[int, c_uint8]
    payload_length: Annotated[int, c_uint8]
    reserved: Annotated[int, c_uint16]
    security_parameters_index: Annotated[int, c_uint32]
    sequence_number: Annotated[int, c_uint32]


class Ports(Struct, big_endian=True):
    """The start of the headers of TCP, UDP, SCTP, DCCP and UDP-Lite, 4 bytes."""

    source: Annotated[int, c_uint16]
    destination: Annotated[int, c_uint16]


class Tcp(Struct, big_endian=True):
    """RFC 9293, 20 bytes of ``4 * data_offset``."""

    source_port: Annotated[int, c_uint16]
    destination_port: Annotated[int, c_uint16]
    sequence_number: Annotated[int, c_uint32]
    acknowledgment_number: Annotated[int, c_uint32]
    data_offset: Annotated[int, c_uint8, 4]
    reserved: Annotated[int, c_uint8, 4]
    cwr: Annotated[int, c_uint8, 1]
    ece: Annotated[int, c_uint8, 1]
    urg: Annotated[int, c_uint8, 1]
    ack: Annotated[int, c_uint8, 1]
    psh: Annotated[int, c_uint8, 1]
    rst: Annotated[int, c_uint8, 1]
    syn: Annotated[int, c_uint8, 1]
    fin: Annotated[int, c_uint8, 1]
    window: Annotated[int, c_uint16]
    checksum: Annotated[int, c_uint16]
    urgent_pointer: Annotated[int, c_uint16]


class Udp(Struct, big_endian=True):
    """RFC 768, 8 bytes. ``length`` is the length of header and data together."""

    source_port: Annotated[int, c_uint16]
    destination_port: Annotated[int, c_uint16]
    length: Annotated[int, c_uint16]
    checksum: Annotated[int, c_uint16]


class Icmp(Struct, big_endian=True):
    """RFC 792, 8 bytes; ``identifier`` and ``sequence_number`` are those of echoes."""

    type: Annotated[int, c_uint8]
    code: Annotated[int, c_uint8]
    checksum: Annotated[int, c_uint16]
    identifier: Annotated[int, c_uint16]
    sequence_number: Annotated[int, c_uint16]


class Icmpv6(Struct, big_endian=True):
    """RFC 4443, 8 bytes; ``identifier`` and ``sequence_number`` are those of echoes."""

    type: Annotated[int, c_uint8]
    code: Annotated[int, c_uint8]
    checksum: Annotated[int, c_uint16]
    identifier: Annotated[int, c_uint16]
    sequence_number: Annotated[int, c_uint16]


class Sctp(Struct, big_endian=True):
    """RFC 9260, the common header, 12 bytes."""

    source_port: Annotated[int, c_uint16]
    destination_port: Annotated[int, c_uint16]
    verification_tag: Annotated[int, c_uint32]
    checksum: Annotated[int, c_uint32]


class Gre(Struct, big_endian=True):
    """RFC 2784 and 2890, 4 bytes; checksum, key and sequence number add 4 bytes each if they are present."""

    checksum_present: Annotated[int, c_uint16, 1]
    routing_present: Annotated[int, c_uint16, 1]
    key_present: Annotated[int, c_uint16, 1]
    sequence_number_present: Annotated[int, c_uint16, 1]
    reserved: Annotated[int, c_uint16, 9]
    version: Annotated[int, c_uint16, 3]
    protocol_type: Annotated[int, c_uint16]


class Vxlan(Struct, big_endian=True):
    """RFC 7348, 8 bytes."""

    reserved_flags: Annotated[int, c_uint8, 4]
    vni_present: Annotated[int, c_uint8, 1]
    more_reserved_flags: Annotated[int, c_uint8, 3]
    reserved: Annotated[int, c_uint8]
    more_reserved: Annotated[int, c_uint16]
    vni: Annotated[int, c_uint32, 24]
    last_reserved: Annotated[int, c_uint32, 8]


class Geneve(Struct, big_endian=True):
    """RFC 8926, 8 bytes; ``4 * option_length`` bytes of options follow."""

    version: Annotated[int, c_uint8, 2]
    option_length: Annotated[int, c_uint8, 6]
    control: Annotated[int, c_uint8, 1]
    critical: Annotated[int, c_uint8, 1]
    reserved: Annotated[int, c_uint8, 6]
    protocol_type: Annotated[int, c_uint16]
    vni: Annotated[int, c_uint32, 24]
    more_reserved: Annotated[int, c_uint32, 8]


class Dns(Struct, big_endian=True):
    """RFC 1035 and 4035, the header, 12 bytes. It counts questions, answers, authorities and additional records."""

    id: Annotated[int, c_uint16]
    qr: Annotated[int, c_uint8, 1]
    opcode: Annotated[int, c_uint8, 4]
    aa: Annotated[int, c_uint8, 1]
    tc: Annotated[int, c_uint8, 1]
    rd: Annotated[int, c_uint8, 1]
    ra: Annotated[int, c_uint8, 1]
    z: Annotated[int, c_uint8, 1]
    ad: Annotated[int, c_uint8, 1]
    cd: Annotated[int, c_uint8, 1]
    rcode: Annotated[int, c_uint8, 4]
    qdcount: Annotated[int, c_uint16]
    ancount: Annotated[int, c_uint16]
    nscount: Annotated[int, c_uint16]
    arcount: Annotated[int, c_uint16]
