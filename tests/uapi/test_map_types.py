"""The table of map types against the running kernel's BTF."""

from __future__ import annotations

import re
from pathlib import Path

from py2bpf import datastructures
from py2bpf.btf import Btf
from py2bpf.datastructures import Map
from py2bpf.uapi.map_types import KINDS, MapFlags, MapType, Update
from py2bpf.uapi.ring_buffers import HEADER, RingFlags, RingQuery

RENAMED = {"CGROUP_STORAGE_DEPRECATED": "CGROUP_STORAGE", "PERCPU_CGROUP_STORAGE_DEPRECATED": "PERCPU_CGROUP_STORAGE"}


def test_map_types_are_the_kernels() -> None:
    kernel = {name.removeprefix("BPF_MAP_TYPE_"): value for name, value in Btf.kernel().enum("bpf_map_type").items()}
    for old, new in RENAMED.items():
        if old in kernel:
            kernel[new] = kernel.pop(old)
    assert {kind.name: kind.value for kind in MapType}.items() <= kernel.items()


def test_flags_are_the_headers() -> None:
    text = Path("/usr/include/linux/bpf.h").read_text()
    header = {name: 1 << int(bit) for name, bit in re.findall(r"BPF_F_(\w+)\s*=\s*\(1U << (\d+)\)", text)}
    assert {flag.name: flag.value for flag in MapFlags}.items() <= header.items()
    updates = dict(re.findall(r"BPF_(?:F_)?(ANY|NOEXIST|EXIST|LOCK)\s*=\s*(\d)", text))
    assert {flag.name: str(flag.value) for flag in Update} == updates


def test_ring_buffers_are_the_headers() -> None:
    text = Path("/usr/include/linux/bpf.h").read_text()
    flags = {name: 1 << int(bit) for name, bit in re.findall(r"BPF_RB_(\w+)\s*=\s*\(1ULL << (\d+)\)", text)}
    assert {flag.name: flag.value for flag in RingFlags} == flags
    asked = {name: int(value) for name, value in re.findall(r"BPF_RB_(\w+)\s*=\s*(\d+),", text)}
    assert {query.name: query.value for query in RingQuery}.items() <= asked.items()
    assert re.search(rf"BPF_RINGBUF_HDR_SZ\s*=\s*{HEADER},", text)


def test_every_class_has_a_row() -> None:
    found = {thing for thing in vars(datastructures).values() if isinstance(thing, type)}  # some have two names
    classes = {thing for thing in found if issubclass(thing, Map) and thing is not Map}
    assert len(classes) >= 9 and all(KINDS[cls.kind].made_by == cls.__name__ for cls in classes)
    assert {kind.made_by for kind in KINDS.values()} <= {cls.__name__ for cls in found}
    assert len({cls.kind for cls in classes}) == len(classes)
