"""A small kernel for tests: BTF made by hand, with one of each thing that types are made of.

enum state : int { IDLE = -1, BUSY = 7 };
struct point { s16 x, y; };
struct missing;                                   // declared only
typedef struct thing thing_t;
struct thing {
    int id;                                       //   0
    u32 count;                                    //   4
    u64 mask;                                     //   8
    char name[16];                                //  16
    const struct thing *parent;                   //  32
    union { u32 port; u8 bytes[4]; };             //  40
    u32 low : 3, high : 5; int small : 4;         //  44, bits 352, 355, 360
    u64 wide : 40;                                //  48, bits 388 to 428: it begins in the middle of a byte
    bool alive;                                   //  56
    bool ready : 1;                               //  57, bit 457
    struct point points[3];                       //  58
    void *where;                                  //  72
    struct thing __user *away;                    //  80
    struct missing *secret;                       //  88
    enum state state;                             //  96
    double ratio;                                 // 104
    struct point *others[2];                      // 112
    u32 table[64];                                // 128
    char text[200];                               // 384
    struct thing *tail[];                         // 584
};
union word { u32 whole; u16 half[2]; };
struct bag { u32 size; u8 rest[]; };
"""

from __future__ import annotations

import struct

from py2bpf.btf import Btf, KernelTypes, Kind
from py2bpf.btf.writer import Writer

_TRIPLE = struct.Struct("=3I")
_BIT_FIELDS = 1 << 31
_BOOL = 4 << 24


def _record(writer: Writer, kind: Kind, name: str, size: int, members: list[tuple[str, int, int, int]]) -> int:
    """A member is its name, type, offset and width in bits."""
    body = b"".join(_TRIPLE.pack(writer.string(text), of, width << 24 | at) for text, of, at, width in members)
    flag = _BIT_FIELDS if any(width for *_, width in members) else 0
    return writer.add(kind, name, size, body, len(members) | flag)


def blob() -> bytes:
    """The whole of it."""
    w = Writer()
    thing = 1  # a structure refers to itself: its number must be known before it is made
    numbers = range(thing + 1, 1000)
    made: list[int] = []

    def keep(number: int) -> int:
        assert number == numbers[len(made)], "types are numbered as they are made"
        made.append(number)
        return number

    w.add(Kind.TYPEDEF, "thing_t", 0)  # number 1; its target is put in below
    s16, s32 = keep(w.integer("short", 2, True)), keep(w.integer("int", 4, True))
    u8, u16, u32 = (keep(w.integer(f"u{8 * size}", size)) for size in (1, 2, 4))
    u64 = keep(w.integer("u64", 8))
    char = keep(w.integer("char", 1, True))
    boolean = keep(w.add(Kind.INT, "bool", 1, struct.pack("=I", _BOOL | 8)))
    ratio = keep(w.add(Kind.FLOAT, "double", 8))
    rows = [(w.string("IDLE"), -1), (w.string("BUSY"), 7)]
    state = keep(w.add(Kind.ENUM, "state", 4, b"".join(struct.pack("=Ii", *row) for row in rows), 2 | _BIT_FIELDS))
    point = keep(_record(w, Kind.STRUCT, "point", 4, [("x", s16, 0, 0), ("y", s16, 16, 0)]))
    missing = keep(w.add(Kind.FWD, "missing", 0))

    def array(of: int, length: int) -> int:
        return keep(w.array(of, u32, length))

    def pointer(to: int) -> int:
        return keep(w.pointer(to))

    constant = keep(w.add(Kind.CONST, "", thing))
    to_thing = pointer(constant)
    nowhere, user = pointer(0), keep(w.add(Kind.TYPE_TAG, "user", thing))
    away, secret, to_point = pointer(user), pointer(missing), pointer(point)
    port = keep(_record(w, Kind.UNION, "", 4, [("port", u32, 0, 0), ("bytes", array(u8, 4), 0, 0)]))
    halves = array(u16, 2)
    keep(_record(w, Kind.UNION, "word", 4, [("whole", u32, 0, 0), ("half", halves, 0, 0)]))
    keep(_record(w, Kind.STRUCT, "bag", 4, [("size", u32, 0, 0), ("rest", array(u8, 0), 32, 0)]))
    members = [
        ("id", s32, 0, 0), ("count", u32, 32, 0), ("mask", u64, 64, 0), ("name", array(char, 16), 128, 0),
        ("parent", to_thing, 256, 0), ("", port, 320, 0), ("low", u32, 352, 3), ("high", u32, 355, 5),
        ("small", s32, 360, 4), ("wide", u64, 388, 40), ("alive", boolean, 448, 0), ("ready", boolean, 457, 1),
        ("points", array(point, 3), 464, 0), ("where", nowhere, 576, 0), ("away", away, 640, 0),
        ("secret", secret, 704, 0), ("state", state, 768, 0), ("ratio", ratio, 832, 0),
        ("others", array(to_point, 2), 896, 0), ("table", array(u32, 64), 1024, 0), ("text", array(char, 200), 3072, 0),
        ("tail", array(to_thing, 0), 4672, 0),
    ]  # fmt: skip
    whole = keep(_record(w, Kind.STRUCT, "thing", 584, members))
    data = bytearray(w.blob())
    struct.pack_into("=I", data, 24 + 8, whole)  # behind the header and the typedef's first two words
    return bytes(data)


KERNEL = KernelTypes(Btf(blob()))
"""Its types."""
