"""Faults that the campaign of mutants found: refusals must point at the user's line, and not be internal errors."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from py2bpf.exception import TypeMismatch
from py2bpf.prog import ProgType, compile_prog
from py2bpf.uapi.contexts import SK_BUFF

DEFAULTS: Any = defaultdict(int)
UNHASHABLE: Any = defaultdict(list)


def of_no_class(skb: Any) -> int:
    return isinstance(skb.len, 5)  # type: ignore[arg-type]


def of_no_classes(skb: Any) -> int:
    return isinstance(skb.len > 3, (int, "bool"))  # type: ignore[arg-type]


def an_unhashable_key(skb: Any) -> int:
    return DEFAULTS[UNHASHABLE] + skb.len


@pytest.mark.parametrize("function", [of_no_class, of_no_classes, an_unhashable_key])
def test_is_refused_as_python_would(function: Any) -> None:
    with pytest.raises(TypeMismatch, match="fails while compiling: TypeError: ") as caught:
        compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, function)
    assert caught.value.line == function.__code__.co_firstlineno + 1
