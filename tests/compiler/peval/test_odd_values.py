"""Values in unexpected places: each is refused with its line and a caret, as in Python, or compiles.

Mutants of functions led to them: see tests/torture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ctypes import c_char, c_uint32
from typing import Any

import pytest
from kernel_btf import KERNEL

from py2bpf.datastructures import HashMap
from py2bpf.exception import TranslationError
from py2bpf.prog import ProgType, compile_prog
from py2bpf.uapi.contexts import SK_BUFF


class Odd:
    """Its __index__ raises."""

    def __index__(self) -> int:
        raise OSError("no number")


ODD = Odd()


def one() -> int:
    return 1


def two() -> int:
    return 2


def called_by_choice(skb: Any) -> int:
    """The loop keeps Pythons from copying what follows the choice into both of its paths."""
    number = (one if skb.len else two)()
    for i in range(skb.len):
        number += i
    return number


def called_by_a_known_choice(skb: Any) -> int:
    return (one if one else two)()


def keywords_by_choice(skb: Any) -> int:
    number = int(**({"x": 1} if skb.len else {"x": 2}))
    for i in range(skb.len):
        number += i
    return number


def array_read(skb: Any) -> Any:
    return (c_uint32 * 8)()["x":6]  # type: ignore[misc]


def array_written(skb: Any) -> int:
    numbers = (c_uint32 * 8)()
    numbers[:"x"] = 1, 2  # type: ignore[misc]
    return 1


def text_of_array(skb: Any) -> int:
    return len((c_char * 8)()[1.5:])  # type: ignore[misc]


def array_with_step_zero(skb: Any) -> int:
    return (c_uint32 * 8)()[::0][0]


def list_read(skb: Any) -> Any:
    return [skb.len, 2][ODD:]


def list_with_step_zero(skb: Any) -> Any:
    return [skb.len, 2][::0]


def list_written(skb: Any) -> int:
    items = [1, 2, skb.len]
    items[::(1, 2)] = [9]  # type: ignore[misc]
    return items[0]


def tuple_read(skb: Any) -> Any:
    return (skb.len, 2)[: ODD]


def kernel_array(skb: Any) -> int:
    return len(KERNEL.thing(skb.len).table["x":])


def kernel_array_with_odd_step(skb: Any) -> int:
    return len(KERNEL.thing(skb.len).table[0:4:ODD])


def kernel_array_of_unknown_length(skb: Any) -> int:
    return len(KERNEL.bag(skb.len).rest[:"x"])


def map_of_no_type(skb: Any) -> int:
    return HashMap(len, c_uint32, 8)[skb.len]  # type: ignore[arg-type]


def fewer_than_no_items(skb: Any) -> int:
    return len((skb.len, 1) * -(10**40))


def ends_of_giants(skb: Any) -> int:
    up, down = range(3, 2**62, 7), range(2**62, -(2**62), -(2**61))
    assert (min(up), max(up), any(up), all(up)) == (3, up[-1], True, True)
    assert (min(down), max(down), all(down), sum(down)) == (-(2**61), 2**62, False, 2**62)
    assert any(range(0, 2**50)) and not any(range(1)) and not all(range(-(2**40), 2**40))
    assert sum(range(2**40)) == 2**39 * (2**40 - 1)
    return 7


REFUSED: dict[Callable[[Any], Any], str] = {
    called_by_choice: "which function is called here depends on the path",
    keywords_by_choice: "no single value",
    array_read: "TypeError: slice indices must be integers",
    array_written: "TypeError: slice indices must be integers",
    text_of_array: "TypeError: slice indices must be integers",
    array_with_step_zero: "ValueError: slice step cannot be zero",
    list_read: "OSError: no number",
    list_with_step_zero: "ValueError: slice step cannot be zero",
    list_written: "TypeError: slice indices must be integers",
    tuple_read: "OSError: no number",
    map_of_no_type: "a program can't make a map",
    kernel_array: "TypeError: slice indices must be integers",
    kernel_array_with_odd_step: "step 1",
    kernel_array_of_unknown_length: "TypeError: 'str' object",
}


@pytest.mark.parametrize("fn", REFUSED, ids=lambda fn: fn.__name__)
def test_refused_with_its_line(fn: Callable[[Any], Any]) -> None:
    with pytest.raises(TranslationError) as caught:
        compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)
    assert REFUSED[fn] in str(caught.value)
    assert re.search(r"test_odd_values\.py:\d+: .*\n +\d+ \| .*\n +\| +\^+", str(caught.value))


COMPILED = [called_by_a_known_choice, fewer_than_no_items, ends_of_giants]


@pytest.mark.parametrize("fn", COMPILED, ids=lambda fn: fn.__name__)
def test_compiles(fn: Callable[[Any], Any]) -> None:
    assert compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn).code
