"""Programs over memory: loaded and run once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from py2bpf.prog import Prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import KEEP_PACKET, ProgType

MASK = (1 << 32) - 1


def load(prog: Any) -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog)


def run(loaded: Prog) -> int:
    return loaded.test_run(bytes(64)).retval


def in_cpython(body: Callable[..., Any], *args: Any) -> int:
    """The result that the kernel must give: the hook's fallback result if Python raises."""
    try:
        return int(body(*args)) & MASK
    except (IndexError, TypeError, AttributeError, ZeroDivisionError):
        return KEEP_PACKET
