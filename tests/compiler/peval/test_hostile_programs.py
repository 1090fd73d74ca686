"""Programs that make no sense, and captured objects whose methods raise: each is refused at the user's line, with a
caret. Never by an internal error, a raw exception, or after minutes. ``_`` in a row stands for the captured object.
"""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
import re
import time
import warnings
from collections.abc import Iterator
from ctypes import c_char, c_uint8, c_uint16, c_uint32
from fractions import Fraction
from pathlib import Path
from typing import Any

import hostile_objects
import pytest
from hostile_rows import COMPILES, ENDS_THE_RUN, OF_OTHERS, OF_P, REFUSED, rows

from py2bpf import funcs, vm
from py2bpf.datastructures import Global, HashMap
from py2bpf.exception import TranslationError
from py2bpf.prog import ProgType, compile_prog
from py2bpf.socket_filter import SkBuffContext

LONGEST = 20
"""Seconds that a row may take, on a loaded machine."""

NAMES: dict[str, Any] = {
    **vars(hostile_objects), "funcs": funcs, "Fraction": Fraction, "ipaddress": ipaddress, "nan": float("nan"),
    "one": lambda: 1, "two": lambda: 2, "c_uint8": c_uint8, "c_uint16": c_uint16, "re": re,
    "collections": collections, "dataclasses": dataclasses,
}  # fmt: skip

@pytest.fixture(scope="module", autouse=True)
def _maps() -> Iterator[None]:
    with vm.backend("vm"), HashMap(c_uint32, c_uint32, 4) as hm, HashMap(c_uint32, c_char * 8, 4) as texts:
        g = Global(c_uint32)
        NAMES.update(hm=hm, texts=texts, g=g)
        yield
        g.close()


def source(row: str) -> str:
    body = row.replace("; ", "\n").replace("\n", "\n    ")
    return f"def prog(skb):\n    {body}\n"


def compiled(row: str, folder: Path, captured: Any = None) -> None:
    path = folder / "user_program.py"
    path.write_text(source(row))
    names = {**NAMES, "_": captured}
    exec(compile(source(row), str(path), "exec"), names)
    begin = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, names["prog"])
    finally:
        assert time.monotonic() - begin < LONGEST


def refusal(row: str, folder: Path, captured: Any = None) -> str:
    """The text of the error, which shows the user's line."""
    with pytest.raises(TranslationError) as caught:
        compiled(row, folder, captured)
    shown = str(caught.value)
    shown.encode()
    assert "user_program.py:" in shown and re.search(r"^\s*\|\s*\^+\s*$", shown, re.M), shown
    assert caught.value.hints and caught.value.span is not None
    return shown


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("row", rows(REFUSED))
def test_refused(row: str, tmp_path: Path) -> None:
    refusal(row, tmp_path)


@pytest.mark.parametrize("row", rows(OF_P))
def test_methods_that_raise(row: str, tmp_path: Path) -> None:
    refusal(row, tmp_path)


TOLD = (
    "return p.p", "return p + 1", "return -p", "if p: return 1", "for x in p: return 1", "return p[0]", "return len(p)",
    "return 1 in p", "return p == 1", "return repr(p)", "return hash(p)", "return inner()",
)  # fmt: skip


@pytest.mark.parametrize("row", TOLD)
def test_what_they_raise_is_told(row: str, tmp_path: Path) -> None:
    assert row in rows(OF_P) and "fails while compiling: ValueError: mine" in refusal(row, tmp_path)


@pytest.mark.parametrize("number", range(len(hostile_objects.errors)))
@pytest.mark.parametrize("row", rows(OF_OTHERS))
def test_methods_that_raise_errors_of_other_classes(row: str, number: int, tmp_path: Path) -> None:
    kind = type(hostile_objects.errors[number]).__name__
    captured = hostile_objects.q[number]
    if row in ENDS_THE_RUN.get(kind, ()):
        compiled(row, tmp_path, captured)
    else:
        refusal(row, tmp_path, captured)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("row", rows(COMPILES))
def test_what_compiles(row: str, tmp_path: Path) -> None:
    compiled(row, tmp_path)


def test_numpy_arrays(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    for row in ("if _: return 1", "return _ == skb.len", "return _[skb.len]", "return sum(_)", "return _ + skb.len",
                "while _: return 1", "return not _"):  # fmt: skip
        refusal(row, tmp_path, numpy.zeros(3))
    assert "truth value" in refusal("if _: return 1", tmp_path, numpy.zeros(3))
