"""The types of BTF as plain data, after Documentation/bpf/btf.rst. Types refer to others by number; 0 is void."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """The kind of a type (BTF_KIND_*)."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


class Scalar(NamedTuple):
    """An integer (INT), floating point number (FLOAT) or void (VOID); sizes are in bytes.

    ``bits`` is below 8 * ``size`` only in old BTF's bit fields.
    """

    kind: Kind
    name: str
    size: int
    signed: bool = False
    is_bool: bool = False
    bits: int = 0


class Ref(NamedTuple):
    """A type made of one other: PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, FUNC, VAR, DECL_TAG.

    ``info`` is the linkage of FUNC and VAR, the member's index of DECL_TAG (-1: the type itself).
    """

    kind: Kind
    name: str
    target: int
    info: int = 0


class Array(NamedTuple):
    """``length`` elements of type ``element``."""

    kind: Kind
    name: str
    element: int
    length: int


class Member(NamedTuple):
    """A member of a structure or union; ``bit_size`` is 0 unless the member is a bit field."""

    name: str
    type: int
    bit_offset: int
    bit_size: int


class Struct(NamedTuple):
    """A structure or union of ``size`` bytes."""

    kind: Kind
    name: str
    size: int
    members: tuple[Member, ...]


class Enum(NamedTuple):
    """An enumeration, ENUM or ENUM64."""

    kind: Kind
    name: str
    size: int
    signed: bool
    values: dict[str, int]


class Fwd(NamedTuple):
    """A structure or union known by name only."""

    kind: Kind
    name: str
    is_union: bool


class Param(NamedTuple):
    """A parameter of a function; the last one of a variadic function has no name and type 0."""

    name: str
    type: int


class FuncProto(NamedTuple):
    """A function's signature; ``result`` is the type it returns."""

    kind: Kind
    name: str
    result: int
    params: tuple[Param, ...]


class DataSec(NamedTuple):
    """A section of variables, each with its (type, offset, size); sizes are in bytes."""

    kind: Kind
    name: str
    size: int
    variables: tuple[tuple[int, int, int], ...]


Type = Scalar | Ref | Array | Struct | Enum | Fwd | FuncProto | DataSec
