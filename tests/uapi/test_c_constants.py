"""The C core writes each of the kernel's numbers once, and as the tables of ``uapi`` have it."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import pytest

from py2bpf.uapi import contexts, map_types, tc, xdp
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.map_types import MapFlags, MapType, Update
from py2bpf.uapi.prog_types import ProgType
from py2bpf.uapi.ring_buffers import RingQuery

CORE = Path(__file__).resolve().parents[2] / "csrc"
SOURCES = {str(path.relative_to(CORE)): path.read_text(encoding="utf-8") for path in sorted(CORE.rglob("*.[ch]"))}
COMPILERS_OWN = {"loop": 181, "dynptr_read": 201, "user_ringbuf_drain": 209}
"""Helpers that programs call through what the compiler makes of loops and user ring buffers."""


def without_comments(source: str) -> str:
    return re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)


def enumerators(source: str) -> list[tuple[str, str]]:
    """Names and values of all enumerations, values as C has them. An enumerator without one counts from zero."""
    found: list[tuple[str, str]] = []
    for body in re.findall(r"\benum\b\s*\w*\s*\{([^}]*)\}", without_comments(source)):
        before = "-1"
        for name, value in re.findall(r"\b([A-Z]\w+)\b\s*(?:=\s*((?:[^,(]|\([^)]*\))+))?(?:,|$)", body.strip()):
            before = value.strip() or f"({before}) + 1"
            found.append((name, before))
    return found


def constants(*files: str) -> dict[str, int]:
    """The enumerators of these files that are numbers, or made of such."""
    known: dict[str, Any] = {}
    for name, value in (pair for file in files for pair in enumerators(SOURCES[file])):
        try:
            known[name] = eval(re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", value), {}, known)
        except (NameError, SyntaxError):
            continue
    return known


def offsets(struct: type[ctypes.Structure], prefix: str) -> dict[str, int]:
    found = {f"{prefix}{name.upper()}": getattr(struct, name).offset for name, _ in struct._fields_ if name[0] != "_"}
    return {**found, f"{prefix}SIZE": ctypes.sizeof(struct)}


def helper_rows() -> list[tuple[int, str]]:
    """Number and name of each helper: the comment's name, or the function's."""
    table = SOURCES["vm/helpers/rows.h"].partition("#define VM_HELPER_ROWS(_)")[2]
    rows = re.findall(r'_\((\d+), [^"]*"[^"]*", (?:vm_)?(\w+)\)(?:[ \t]*/\* (\w+))?', table)
    return [(int(number), comment or function) for number, function, comment in rows]


def test_no_constant_is_written_twice() -> None:
    places: dict[str, list[str]] = {}
    for file, source in SOURCES.items():
        for name in {name for name, _ in enumerators(source)}:
            places.setdefault(name, []).append(file)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


@pytest.mark.parametrize(("prefix", "struct"), [("SKB_", contexts.SkBuff), ("XDP_", contexts.XdpMd)])
def test_fields_of_contexts(prefix: str, struct: type[ctypes.Structure]) -> None:
    mine = {name: value for name, value in constants("vm/packet.h").items() if name.startswith(prefix)}
    assert mine == offsets(struct, prefix)


def test_types_of_programs() -> None:
    mine = {name.removeprefix("VM_"): value for name, value in constants("vm/prog_types.h").items()}
    mine["XDP"] = mine.pop("XDP_PROG")
    assert mine == {name: ProgType[name] for name in mine}


def test_kinds_and_flags_of_maps() -> None:
    kinds = re.findall(r"^\t_\((\w+), (\d+), ", SOURCES["vm/map/kinds.h"], flags=re.MULTILINE)
    assert {name: int(number) for name, number in kinds} == {name: MapType[name] for name, _ in kinds}
    mine = constants("vm/map/kinds.h", "vm/map/ops.h")
    flags = ("NO_PREALLOC", "NO_COMMON_LRU", "RDONLY_PROG", "MMAPABLE")
    assert [mine[f"VM_{name}"] for name in flags] == [MapFlags[name] for name in flags]
    assert [mine[f"VM_{name}"] for name in ("ANY", "NOEXIST", "EXIST", "F_LOCK")] == list(Update)
    limits = (map_types.MAX_KEY_SIZE, map_types.MAX_PER_CPU_VALUE_SIZE, map_types.MAX_PREFIX_BYTES)
    assert tuple(mine[f"VM_{name}"] for name in ("KEY_MAX", "PER_CPU_MAX", "PREFIX_MAX")) == limits


def test_what_rings_are_asked_for() -> None:
    names = re.search(r"enum { (AVAIL_DATA[\w, ]*) }", SOURCES["vm/map/ring.c"])
    assert names is not None and names[1].split(", ") == [query.name for query in RingQuery]


def test_numbers_of_helpers() -> None:
    rows = helper_rows()
    assert len(rows) > 90
    known = {helper.name: helper.id for helper in HELPERS.values()} | COMPILERS_OWN
    assert [(number, name) for number, name in rows if known.get(name) != number] == []
    tail_call = re.search(r"VM_TAIL_CALL = (\d+)", SOURCES["vm/isa.h"])
    assert tail_call is not None and int(tail_call[1]) == HELPERS["tail_call"].id


def test_results_of_helpers() -> None:
    assert constants("vm/helpers/skb_fields.c")["TC_ACT_SHOT"] == tc.TC_ACT_SHOT
    assert constants("vm/helpers/skb_fields.c")["TC_ACT_REDIRECT"] == tc.TC_ACT_REDIRECT
    assert constants("vm/helpers/xdp.c") == {name: getattr(xdp, name) for name in ("XDP_ABORTED", "XDP_REDIRECT")}
