"""Warnings of the compiler name the user's line, and obey the ordinary filters."""

from __future__ import annotations

import ctypes
import warnings
from typing import Any

import pytest
from case_files import PureMap

from py2bpf.compiler import pipeline
from py2bpf.exception import PossiblyNone
from py2bpf.spec import MapSpec, ProgramSpec
from py2bpf.uapi import contexts
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType


class Stat(ctypes.Structure):
    _fields_ = (("packets", ctypes.c_uint64), ("size", ctypes.c_uint32))


STATS: Any = PureMap(MapSpec(MapType.HASH, ctypes.c_uint32, Stat, 8))


def untested(skb: Any) -> Any:
    return STATS[skb.len].packets


def compiled(fn: Any) -> ProgramSpec:
    return pipeline.compile_function(fn, contexts.SK_BUFF, SPECS[ProgType.SOCKET_FILTER])


def test_the_place_is_the_users() -> None:
    with pytest.warns(PossiblyNone) as caught:
        compiled(untested)
    (warning,) = caught
    line = untested.__code__.co_firstlineno + 1
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert str(warning.message).splitlines() == [
        f"{__file__}:{line}: this may be None, which has no attributes: the program would end here",
        f"{line:5} |     return STATS[skb.len].packets",
        "      |            ^^^^^^^^^^^^^^^^^^^^^^",
        "  help: test it first, as by `if x is None: return 0`",
        "  help: m.setdefault(key, value) makes the entry of a hash where it is missing",
    ]


def test_as_an_error() -> None:
    with pytest.raises(PossiblyNone, match="STATS"):  # what pyproject.toml says for all warnings
        compiled(untested)


@pytest.mark.parametrize("filter", [{"module": __name__}, {"category": PossiblyNone}, {"message": ".*may be None"}])
def test_filters(filter: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", **filter)
        assert [site.error for site in compiled(untested).errors] == ["AttributeError"]


def test_once_by_default() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        compiled(untested)
        compiled(untested)
    assert len(caught) == 1


def test_what_surely_is_none_only_counts() -> None:
    nothing: Any = None

    def prog(skb: Any) -> Any:
        return nothing.packets if skb.len else 5

    assert [site.error for site in compiled(prog).errors] == ["AttributeError"]


NUMBERS: Any = PureMap(MapSpec(MapType.HASH, ctypes.c_uint32, ctypes.c_int64, 8))


def product_before(skb: Any) -> int:
    total = 0
    for key in (0, 5, 13, 70000):
        found = NUMBERS.get(key)
        total = total * 3 + (found if found is not None else 7)
    return total


def field_before(skb: Any) -> int:
    total = 1
    for key in (0, 5):
        found = NUMBERS.get(key)
        total = total * skb.len + skb.mark + (7 if found is None else found)
    return total


def one_or_the_other(skb: Any) -> int:
    total = 1
    for key in (0, 5):
        one, other = NUMBERS.get(key), NUMBERS.get(key + 1)
        total = total * 5 + (one if one is not None else other if other is not None else 4)
    return total


@pytest.mark.parametrize("fn", [product_before, field_before, one_or_the_other])
def test_what_a_choice_has_tested(fn: Any) -> None:
    """Whatever is computed between the number and its test."""
    assert compiled(fn).errors == ()


def the_wrong_way(skb: Any) -> int:
    found = NUMBERS.get(skb.len)
    return skb.len * 3 + (7 if found is not None else found)


def test_what_a_choice_has_tested_the_wrong_way() -> None:
    with pytest.raises(PossiblyNone):
        compiled(the_wrong_way)
