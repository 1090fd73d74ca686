"""The BTF reader against bpftool, and against BTF made by hand in both byte orders."""

import contextlib
import json
import random
import shutil
import struct
import subprocess
import sys

import pytest

from py2bpf.btf import Btf, BtfError, KernelTypes, Kind, writer
from py2bpf.btf.reader import VMLINUX
from py2bpf.btf.types import Array, DataSec, Enum, FuncProto, Fwd, Ref, Scalar, Struct

BPFTOOL = shutil.which("bpftool")
STEP = 97
"""Every so manieth type is compared: some 1300, of all kinds."""


@pytest.fixture(scope="module")
def dump(missing, peer_output):
    if BPFTOOL is None:
        missing("needs bpftool")
    return json.loads(peer_output([BPFTOOL, "-j", "btf", "dump", "file", str(VMLINUX)]))["types"]


def unsigned(value, size):
    return value & (1 << 8 * size) - 1


def same(mine, theirs):
    """One type of ours against bpftool's JSON."""
    assert mine.kind.name == theirs["kind"]
    assert mine.name == theirs["name"].replace("(anon)", "")
    match mine:
        case Scalar(kind=Kind.INT):
            assert (mine.size, mine.bits) == (theirs["size"], theirs["nr_bits"])
            assert mine.signed == ("SIGNED" in theirs["encoding"])
            assert mine.is_bool == ("BOOL" in theirs["encoding"])
        case Scalar():
            assert mine.size == theirs["size"]
        case Struct():
            assert mine.size == theirs["size"]
            ours = [(m.name, m.type, m.bit_offset, m.bit_size) for m in mine.members]
            assert ours == [
                (m["name"].replace("(anon)", ""), m["type_id"], m["bits_offset"], m.get("bitfield_size", 0))
                for m in theirs["members"]
            ]
        case Enum():
            assert mine.size == theirs["size"]
            assert {name: unsigned(value, mine.size) for name, value in mine.values.items()} == {
                value["name"]: unsigned(value["val"], mine.size) for value in theirs["values"]
            }
        case FuncProto():
            assert mine.result == theirs["ret_type_id"]
            assert [(p.name or "(anon)", p.type) for p in mine.params] == [
                (p["name"], p["type_id"]) for p in theirs["params"]
            ]
        case Array():
            assert (mine.element, mine.length) == (theirs["type_id"], theirs["nr_elems"])
        case Fwd():
            assert mine.is_union == (theirs["fwd_kind"] == "union")
        case DataSec():
            assert mine.size == theirs["size"]
            assert list(mine.variables) == [(v["type_id"], v["offset"], v["size"]) for v in theirs["vars"]]
        case Ref():
            assert mine.target == theirs["type_id"]
            if mine.kind is Kind.DECL_TAG:
                assert mine.info == theirs["component_idx"]
        case _:
            raise AssertionError(mine)


def test_agrees_with_bpftool(dump):
    btf = Btf.kernel()
    assert len(btf) == len(dump) + 1
    for theirs in dump[::STEP]:
        same(btf.type(theirs["id"]), theirs)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.VOID])
def test_agrees_with_bpftool_for_each_kind(dump, kind):
    examples = [entry for entry in dump if entry["kind"] == kind.name][:5]
    if not examples:
        pytest.skip(f"this kernel's BTF has no {kind.name}")
    for theirs in examples:
        same(Btf.kernel().type(theirs["id"]), theirs)


def test_sizes_agree_with_known_ones():
    btf = Btf.kernel()
    sizes = {"u8": 1, "__be16": 2, "u32": 4, "u64": 8, "size_t": 8}
    numbers = {name: btf.number(Kind.TYPEDEF, name) for name in sizes}
    assert {name: btf.size(number) for name, number in numbers.items()} == sizes


def test_find_gives_the_kind_asked_for():
    btf = Btf.kernel()
    assert btf.find(Kind.STRUCT, "task_struct").kind is Kind.STRUCT
    assert btf.find(Kind.FUNC, "task_struct") is None
    assert btf.find(Kind.STRUCT, "no such name in any kernel") is None
    assert btf.find(Kind.STRUCT, "") is None


def test_layout_shows_members_of_anonymous_unions():
    member = Btf.kernel().layout("__sk_buff")["sk"]
    assert member.bit_offset == 168 * 8


def test_bit_fields_have_sizes():
    fields = Btf.kernel().layout("iphdr")
    assert (fields["ihl"].bit_offset, fields["ihl"].bit_size) == (0, 4)
    assert (fields["version"].bit_offset, fields["version"].bit_size) == (4, 4)


def test_names_lists_functions():
    assert "do_exit" in set(Btf.kernel().names(Kind.FUNC))


@pytest.mark.parametrize("look_up", [Btf.struct, Btf.enum, Btf.func])
def test_missing_names_are_named(look_up):
    with pytest.raises(LookupError, match="'nonesuch'"):
        look_up(Btf.kernel(), "nonesuch")


def test_numbers_out_of_range_are_refused():
    with pytest.raises(BtfError, match="no type number"):
        Btf.kernel().type(len(Btf.kernel()))


def blob(order, types, strings=b"\0"):
    header = struct.pack(order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders(order):
    strings = b"\0int\0e\0A\0B\0"
    types = struct.pack(order + "IIII", 1, Kind.INT << 24, 4, 1 << 24 | 32)
    types += struct.pack(order + "IIIIiIi", 5, Kind.ENUM << 24 | 1 << 31 | 2, 4, 7, -1, 9, 2)
    types += struct.pack(order + "IIIIIi", 5, Kind.ENUM64 << 24 | 1 << 31 | 1, 8, 7, 5, -2)
    btf = Btf(blob(order, types, strings))
    assert btf.type(1) == Scalar(Kind.INT, "int", 4, True, False, 32)
    assert btf.enum("e") == {"A": -1, "B": 2}
    assert btf.type(3).values == {"A": (-2 << 32) + 5}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no room for its header"),
        (b"\x7fELF" + bytes(40), "not BTF"),
        (blob("<", b"")[:24], "ends before"),
        (blob("<", struct.pack("<III", 0, 31 << 24, 0)), "unknown kind 31"),
    ],
)
def test_bad_data_is_refused(data, message):
    with pytest.raises(BtfError, match=message):
        len(Btf(data))


def small_btf():
    """Types of most kinds, which refer to each other."""
    w = writer.Writer()
    u32, signed = w.integer("unsigned int", 4), w.integer("long", 8, signed=True)
    pointer, array = w.pointer(u32), w.array(u32, u32, 7)
    record = w.struct("pair", 48, [("a", u32, 0), ("b", pointer, 64), ("c", array, 128)])
    w.struct("outer", 56, [("", record, 0), ("d", signed, 384)])
    w.function("work", signed, [("x", u32), ("y", pointer)], 0)
    return w.blob()


def look_at_all(blob):
    """Everything that a user may ask of BTF."""
    types = KernelTypes(Btf(blob))
    btf = types.btf
    for number in range(len(btf)):
        for ask in (btf.type, btf.resolve, btf.size, types.shape):
            with contextlib.suppress(BtfError):
                ask(number)
    for kind in Kind:
        for name in list(btf.names(kind)):
            for ask in (btf.layout, btf.enum, btf.func, types.record):
                with contextlib.suppress(BtfError, LookupError):
                    ask(name)
    with contextlib.suppress(BtfError):
        btf.enumerators


def test_damaged_data_ends_in_its_own_error():
    pick, blob = random.Random(1), small_btf()
    look_at_all(blob)
    refused = 0
    for _ in range(3000):
        mutant = bytearray(blob)
        for _ in range(pick.randint(1, 4)):
            at = pick.randrange(8, len(mutant))
            mutant[at] = pick.choice((0, 1, 2, 0x7F, 0x80, 0xFF, pick.randrange(256), mutant[at] ^ 1))
        try:
            look_at_all(bytes(mutant[: pick.choice((len(mutant), pick.randrange(len(mutant))))]))
        except BtfError:
            refused += 1
    assert 0 < refused < 3000


@pytest.mark.parametrize("order", "<>")
def test_types_in_a_circle(order):
    """A typedef of itself, an array of itself, and a structure that holds itself without a name."""
    word = struct.Struct(order + "3I").pack
    typedef, array = word(1, Kind.TYPEDEF << 24, 1), word(0, Kind.ARRAY << 24, 0) + word(2, 2, 3)
    held = word(1, Kind.STRUCT << 24 | 1, 4) + word(0, 3, 0)
    types, names = typedef + array + held, b"\0a\0"
    head = struct.pack(order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(names))
    btf = Btf(head + types + names)
    for ask in (lambda: btf.resolve(1), lambda: btf.size(1), lambda: btf.size(2), lambda: btf.layout("a")):
        with pytest.raises(BtfError, match="made of itself"):
            ask()


def test_importing_reads_nothing():
    code = "import py2bpf.btf.reader as r; assert r.Btf.kernel.cache_info().misses == 0"
    subprocess.run([sys.executable, "-c", code], check=True)
