"""Untrusted text on a terminal."""

from __future__ import annotations

import ctypes
import json
import unicodedata
from pathlib import Path

import pytest

from py2bpf import report
from py2bpf.examples import common, endings
from py2bpf.terminal import printable

HOSTILE = {
    "a title": b"\x1b]0;pwned\x07", "a colour": b"\x1b[31m", "C1 in UTF-8": b"\xc2\x9b31m", "C1 alone": b"\x9b31m",
    "backspaces": b"rm\b\bls", "a new line": b"a\nroot", "a line of Unicode's": "a\u2028b".encode(),
    "right to left": "exe\u202egpj.txt".encode(), "nothing to see": "a\u200bb".encode(), "delete": b"a\x7f",
}  # fmt: skip
every_text = pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)


def is_harmless(text: str) -> bool:
    return all(unicodedata.category(letter) not in ("Cc", "Cf", "Zl", "Zp") for letter in text)


@every_text
def test_tables_show_escapes_and_json_what_is_there(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    common.Printer(False, {"comm": 16}).show(comm=common.text(data))
    shown = capsys.readouterr().out.splitlines()[1]
    assert is_harmless(shown) and "\\" in shown
    common.Printer(True, {"comm": 16}).show(comm=common.text(data))
    assert json.loads(capsys.readouterr().out) == {"comm": data.decode("utf-8", "backslashreplace")}


@every_text
def test_what_is_told_beside_the_output(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """As the name of a device, which others choose."""
    name = data.decode("utf-8", "backslashreplace").replace("\n", " ")
    endings.tell(f"no device eth0: there is {name}\na second line")
    told = capsys.readouterr().err
    assert is_harmless(told.replace("\n", "")) and told.count("\n") == 2


@every_text
def test_what_a_replay_found(data: bytes) -> None:
    class Seen(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char * 32), ("size", ctypes.c_uint32)]

    for value in (Seen(data, 5), data):
        assert is_harmless(report.brief(value))
    assert report.plain(Seen(data, 5))["name"] == data.decode("utf-8", "backslashreplace")


def test_every_control_character_and_no_other() -> None:
    everything = "".join(map(chr, range(0x3000)))
    controls = [each for each in everything if unicodedata.category(each) in ("Cc", "Zl", "Zp")]
    assert is_harmless(printable("".join(controls)))
    harmless = "".join(each for each in everything if is_harmless(each))
    assert printable(harmless) == harmless


def test_tools_print_no_text_of_others_by_themselves() -> None:
    """What they show goes through Printer, the views or printable()."""
    for path in (Path(common.__file__).parent).glob("*.py"):
        source = path.read_text(encoding="utf-8")
        lines = [line for line in source.splitlines() if "print(" in line and "text(" in line]
        assert all("printable(" in line for line in lines), (path, lines)
