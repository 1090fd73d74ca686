"""The carets of PossiblyNone: under the value that may be None, if the bytecode has its place."""

from __future__ import annotations

from ctypes import Structure, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import vm
from py2bpf.datastructures import HashMap
from py2bpf.exception import PossiblyNone
from py2bpf.prog import ProgType, compile_prog
from py2bpf.uapi.contexts import SK_BUFF


class S(Structure):
    _fields_ = [("a", c_uint64)]


def pointed_at(fn: Any) -> list[str]:
    """The source text over each warning's carets."""
    with pytest.warns(PossiblyNone) as found:
        compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)
    shown = [str(each.message).splitlines()[1:3] for each in found]
    return [line[carets.index("^") : carets.rindex("^") + 1] for line, carets in shown]


def test_the_value_and_not_the_target() -> None:
    with vm.backend(), HashMap(c_uint32, S, 4) as m:

        def swap(skb: Any) -> int:
            m[1], m[2] = m[2], m[3]
            return 0

        def one(skb: Any) -> int:
            m[1] = m[2]
            return 0

        assert pointed_at(swap) == ["m[2]", "m[3]"]
        assert pointed_at(one) == ["m[2]"]


def test_the_use_where_the_value_is_within_it_or_elsewhere() -> None:
    with vm.backend(), HashMap(c_uint32, S, 4) as m:

        def uses(skb: Any) -> int:
            entry = m[1]
            entry.a += 1
            return m[2].a

        assert pointed_at(uses) == ["entry.a", "m[2].a"]
