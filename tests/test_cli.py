"""The command line: python -m py2bpf dis FILE:FUNCTION."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from py2bpf.cli import main

SOURCE = """
import py2bpf

LIMIT = 10

def short(skb):
    return skb.len if skb.len > LIMIT else 0

def on_packet(xdp):
    return xdp.rx_queue_index

def broken(skb):
    return skb.lenx

@py2bpf.kprobe.probe("no_such_function", exit_probe=True)
def on_return(pt_regs):
    return pt_regs.ret
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "programs.py"
    path.write_text(SOURCE)
    return str(path)


def test_shows_instructions_after_their_lines(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dis", f"{source}:short"]) == 0
    out = capsys.readouterr().out
    assert "; 7: return skb.len if skb.len > LIMIT else 0" in out
    assert "if r0 s<= 10 goto L0" in out


def test_shows_every_stage(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dis", "--all", f"{source}:short"]) == 0
    out = capsys.readouterr().out
    for stage in ("bytecode", "peval", "lower", "asm"):
        assert f"== {stage}\n" in out
    assert "COMPARE >" in out and "gt i64" in out and "sgt i64" in out


def test_compiles_for_the_type_asked_for(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dis", "--type", "xdp", f"{source}:on_packet"]) == 0
    assert "*(u32 *)(r1 + 16)" in capsys.readouterr().out


def test_takes_a_probe_with_its_own_context(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dis", f"{source}:on_return"]) == 0
    assert "return pt_regs.ret" in capsys.readouterr().out


def test_translation_errors_exit_1_and_point_at_the_line(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dis", f"{source}:broken"]) == 1
    err = capsys.readouterr().err
    assert "programs.py:13" in err and "did you mean len?" in err


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("programs.py", "not of the form FILE:FUNCTION"),
        ("{source}:missing", "has no 'missing'; it has"),
        ("/nowhere/at/all.py:f", "can't read /nowhere/at/all.py"),
        ("--type=nonsense {source}:short", "unknown type 'nonsense'"),
    ],
)
def test_wrong_arguments(source: str, capsys: pytest.CaptureFixture[str], target: str, message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dis", *target.format(source=source).split()])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_runs_as_a_module(source: str) -> None:
    command = [sys.executable, "-m", "py2bpf", "dis", f"{source}:short"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "exit" in done.stdout
