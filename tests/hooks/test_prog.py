"""What create_prog and compile_prog are given."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF


@pytest.mark.parametrize("make", [compile_prog, create_prog])
@pytest.mark.parametrize("ctx_type", [None, ctypes.c_uint32, 5, "SkBuffContext", SK_BUFF.struct()])
def test_what_is_no_context(make: Any, ctx_type: Any) -> None:
    with pytest.raises(TypeError, match="ctx_type is the type of the program's argument"):
        make(ProgType.SOCKET_FILTER, ctx_type, lambda skb: 0)
