"""Each kind of map and helper is in every table about them, or is left out there on purpose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from py2bpf import datastructures
from py2bpf.kernel import features
from py2bpf.sim import helpers as sim_helpers
from py2bpf.uapi.helpers import HELPERS, INTERNAL
from py2bpf.uapi.map_types import KINDS, MapType

ROOT = Path(__file__).resolve().parents[2]


def c_source(name: str) -> str:
    return (ROOT / "csrc" / name).read_text(encoding="utf-8")


def numbers(prefix: str, header: str) -> dict[str, int]:
    """The constants of an enumeration of the C core."""
    found = re.findall(rf"\b{prefix}(\w+) = (\d+),", c_source(header))
    return {name: int(number) for name, number in found}


def test_the_vm_has_each_kind_of_map() -> None:
    rows = re.findall(r"^\t_\(\w+, (\d+), ([01]), ", c_source("vm/map/kinds.h"), flags=re.MULTILINE)
    found = {int(number): bool(int(per_cpu)) for number, per_cpu in rows}
    assert {int(kind): row.per_cpu for kind, row in KINDS.items() if not row.not_in_vm}.items() <= found.items()
    assert not {int(kind) for kind, row in KINDS.items() if row.not_in_vm} & found.keys()
    assert all(found[kind] is False for kind in found if MapType(kind) not in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_of_map_has_its_class_and_its_place_in_the_docs(kind: MapType) -> None:
    row = KINDS[kind]
    cls = getattr(datastructures, row.made_by)
    assert cls.__doc__ and getattr(cls, "kind", kind) == kind and row.made_by in datastructures.__all__
    assert f"`{row.made_by}" in (ROOT / "docs" / "maps-and-queues.md").read_text(encoding="utf-8")
    assert features.PROBES[features.of_map(kind)].since == row.since


def test_what_the_rows_of_maps_say_of_each_other() -> None:
    for row in KINDS.values():
        assert row.keyed or not (row.indexed or row.lockable or row.forgets)
        assert not (row.records and row.keyed)
        assert not row.lockable or not row.per_cpu  # the verifier takes no locks in per-CPU values


def test_each_helper_is_simulated_or_says_why_not() -> None:
    assert set(sim_helpers.HANDLERS) | set(sim_helpers.NOT_SIMULATED) == set(HELPERS)
    assert not set(sim_helpers.HANDLERS) & set(sim_helpers.NOT_SIMULATED)
    assert all(sim_helpers.NOT_SIMULATED.values())


def test_the_vm_has_helpers_that_the_table_has() -> None:
    found = {int(number) for number in re.findall(r"^\t_\((\d+), ", c_source("vm/helpers/rows.h"), re.M)}
    internal = {info.id for info in INTERNAL.values()}
    assert found - internal <= {info.id for info in HELPERS.values()} and found > internal
