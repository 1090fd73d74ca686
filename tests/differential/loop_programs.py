"""Functions with loops as socket filters."""

from __future__ import annotations

from typing import Any

from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext


def program(fn: Any) -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
