"""Longest-prefix-match tries: routes, blacklists, and other maps whose keys are networks."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..codec import Buffer, Codec, key_codec_for
from ..exception import DataRangeError, DataTypeError
from ..given import checked_int, shown
from ..uapi.map_types import MAX_PREFIX_BYTES, MapFlags, MapType, Update
from ..worlds import in_programs
from . import columns
from .base import Map

if TYPE_CHECKING:
    from .columns import Array

_IP_VERSIONS: Final = {4: 4, 16: 6}
_NETWORKS: Final[dict[int, Any]] = {4: ipaddress.IPv4Network, 6: ipaddress.IPv6Network}
_PREFIX: Final = struct.Struct("=I")


class PrefixCodec(Codec):
    """The kernel's key: a u32 prefix length in host order, then the address, with its first bit first.

    If the address has 4 or 16 bytes, takes ``'10.0.0.0/8'``, ``'10.1.2.3'``, and ipaddress's networks, interfaces and
    addresses. For any size, takes a tuple (address, prefix length), with an address of the address type or of
    ipaddress. Bits after the prefix must be zero, as in ipaddress. Decodes to ipaddress networks, or for other sizes to
    such a tuple.
    """

    def __init__(self, address_type: Any) -> None:
        self.address = key_codec_for(address_type)
        if self.address.size > MAX_PREFIX_BYTES:
            raise DataRangeError(f"an LPM trie's address has at most {MAX_PREFIX_BYTES} bytes, "
                                 f"{self.address.name} has {self.address.size}")
        super().__init__(address_type)
        self.size = 4 + self.address.size
        self.bits = 8 * self.address.size
        self.version = _IP_VERSIONS.get(self.address.size)

    @property
    def dtype(self) -> Any:
        return {"names": ["prefixlen", "address"], "formats": ["=u4", self.address.dtype], "offsets": [0, 4],
                "itemsize": self.size}

    def encode(self, value: Any) -> bytes:
        if isinstance(value, tuple):
            return self._encode_pair(value)
        network = self._network(value)
        packed: bytes = network.network_address.packed
        return _PREFIX.pack(network.prefixlen) + packed

    def _encode_pair(self, value: tuple[Any, ...]) -> bytes:
        if len(value) != 2:
            raise DataTypeError(f"a prefix is (address, prefix length), not {shown(value)}")
        length = checked_int(value[1], 0, self.bits, "prefix length")
        raw = self._address(value[0])
        host_bits = (1 << self.bits - length) - 1
        if int.from_bytes(raw, "big") & host_bits:
            raise DataRangeError(f"{shown(value)} has bits set behind its prefix of {length} bits")
        return _PREFIX.pack(length) + raw

    def _address(self, value: Any) -> bytes:
        """The bytes of an address, given as a value of the address type or as an address of ipaddress."""
        if self.version is None or not isinstance(value, (str, ipaddress.IPv4Address, ipaddress.IPv6Address)):
            return self.address.encode(value)
        try:
            address = ipaddress.ip_address(value)
        except ValueError as error:
            raise DataRangeError(f"{shown(value)} is no address: {error}") from None
        if address.version != self.version:
            raise DataTypeError(f"{shown(value)} is IPv{address.version}, and {self.name} holds IPv{self.version}")
        return address.packed

    def _network(self, value: Any) -> Any:
        if self.version is None or isinstance(value, (bool, int, bytes, float)) or value is None:
            raise self._refuse(value, self._forms())
        try:
            network = ipaddress.ip_network(value)
        except ValueError as error:
            if isinstance(value, str):
                raise DataRangeError(f"{shown(value)} is no network: {error}") from None
            raise self._refuse(value, self._forms()) from None
        if network.version != self.version:
            raise DataTypeError(f"{shown(value)} is IPv{network.version}, and {self.name} holds IPv{self.version}")
        return network

    def _forms(self) -> str:
        if self.version is None:
            return "a tuple (address, prefix length)"
        example = "10.0.0.0/8" if self.version == 4 else "2001:db8::/32"
        return f"a network such as {example!r}, an ipaddress network or address, or (address, prefix length)"

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        length = _PREFIX.unpack_from(data, offset)[0]
        if self.version is None:
            return self.address.decode(data, offset + 4), length
        number = int.from_bytes(data[offset + 4 : offset + self.size], "big")
        return _NETWORKS[self.version]((number, length), strict=False)


def is_address(key: Any) -> bool:
    """Whether a key is a single address, to be looked up by the longest prefix, and no network."""
    if isinstance(key, str):
        return "/" not in key
    return isinstance(key, (ipaddress.IPv4Address, ipaddress.IPv6Address)) and not hasattr(key, "network")


class LpmTrieMap(Map):
    """``LpmTrieMap(address_type, value_type, max_entries, default=None, *, name="")``: BPF_MAP_TYPE_LPM_TRIE.

    ``address_type`` holds an address in network byte order, as loads from packets give it: c_uint32 for IPv4, a 16-byte
    array or structure for IPv6. Other sizes work with tuples (address, prefix length).

    In user space keys are networks, ``'10.0.0.0/8'`` or ``ipaddress.ip_network(...)``, and iteration gives networks of
    ipaddress. A network as a key means exactly this entry. Reading a single address (``m[k]``, get, in, with
    ``'10.1.2.3'`` or ``ipaddress.ip_address(...)``) gives the entry with the longest prefix that covers the address, as
    in programs. Storing and deleting an address means its /32 (/128) entry. An address with bits after its prefix
    (``'10.1.2.3/8'``) raises DataRangeError.
    """

    kind: ClassVar[MapType] = MapType.LPM_TRIE
    _flags: ClassVar[int] = int(MapFlags.NO_PREALLOC)

    def _make_key_codec(self, key_type: Any) -> Codec:
        self._prefixes = PrefixCodec(key_type)
        return self._prefixes

    def _check_pop(self) -> None:
        raise DataTypeError(f"{self!r} has no pop_all(): the kernel can't read and delete a trie's entry in one step; "
                            "take items(), and delete what is no longer wanted")

    def _pack_keys(self, keys: Any) -> Buffer:
        """The bytes of the keys. An array must have a prefix length and an address in each row, like those of
        arrays()."""
        if not columns.is_array(keys) or keys.dtype.names != ("prefixlen", "address"):
            return super()._pack_keys(keys)
        rows = columns.numpy_for("storing arrays").array(keys)
        if rows.dtype != self._keys.dtype or not _well_formed(self._prefixes, rows):
            return super()._pack_keys([(address, length) for length, address in keys.tolist()])
        return columns.as_bytes(rows)

    def _arrow_keys(self, arrow: Any, keys: Array) -> Any:
        """IP networks as text, others as structures."""
        if self._prefixes.version is None:
            return super()._arrow_keys(arrow, keys)
        networks = self._keys.decode_many(keys.tobytes(), len(keys))
        return arrow.array([str(network) for network in networks], type=arrow.string())

    def _find(self, key: Any) -> bytes | None:
        raw = self._key(key)
        data = self._storage.lookup(raw)
        return data if data is None or is_address(key) or self._has_entry(raw) else None

    def _has_entry(self, raw: bytes) -> bool:
        """Whether there is an entry with exactly this prefix; the kernel's lookup also finds shorter prefixes.

        For the key after a missing prefix, the kernel gives the first key of all, which comes after no other key.
        """
        if not self._storage.tells_absent_prefixes:
            size = self._keys.size
            return any(raw == keys[at : at + size] for keys, _, n in self._storage.walk()
                       for at in range(0, n * size, size))
        first = self._storage.next_key(None)
        return first == raw or self._storage.next_key(raw) != first

    @in_programs
    def add(self, key: Any, value: Any) -> bool:
        raw, data = self._key(key), self._value(value)
        if self._storage.lookup(raw) is not None and self._has_entry(raw):
            return False  # kernels before 6.13 would replace it
        return self._storage.update(raw, data, Update.NOEXIST)


def _well_formed(codec: PrefixCodec, rows: Any) -> bool:
    """Whether no row has bits after its prefix: byte i of an address may use length - 8 * i bits, from 0 to 8."""
    address = rows.view("u1").reshape(len(rows), codec.size)[:, 4:]
    lengths = rows["prefixlen"].astype("i8")
    behind = 8 - (lengths[:, None] - [8 * i for i in range(codec.size - 4)]).clip(0, 8)
    return bool((lengths <= codec.bits).all() and not (address & (1 << behind) - 1).any())
