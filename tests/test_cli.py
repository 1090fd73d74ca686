"""The command line: python -m py2bpf dis FILE:FUNCTION."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from test_pcap import pcap

from py2bpf.cli import main
from py2bpf.kernel import bpf_call

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
    for option in ("--type=xdp", "--type=XDP", "--hook=xdp"):
        assert main(["dis", option, f"{source}:on_packet"]) == 0
        assert "*(u32 *)(r1 + 16)" in capsys.readouterr().out


def test_tc_is_the_word_for_traffic_control(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = set()
    for word in ("tc", "sched_cls", "SCHED_CLS"):
        assert main(["dis", "--hook", word, f"{source}:short"]) == 0
        shown.add(capsys.readouterr().out)
    assert len(shown) == 1


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
        ("--type=nonsense {source}:short", "unknown hook 'nonsense'"),
        ("--hook=nonsense {source}:short", "known are socket_filter, tc, xdp, "),
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


@pytest.mark.parametrize("command", [["dis", "{}:f"], ["replay", "{}:f", "{}"]])
def test_a_file_that_is_no_python(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """The user's line, and none of ours."""
    path = tmp_path / "broken.py"
    path.write_text("def f(skb):\n    return skb.len +\n")
    capture = tmp_path / "empty.pcap"
    capture.write_bytes(pcap(frames=[]))
    assert main([command[0], command[1].format(path), *(str(capture) for _ in command[2:])]) == 1
    err = capsys.readouterr().err
    assert f'File "{path}", line 2\n    return skb.len +\n' in err
    assert err.splitlines()[-1].startswith("SyntaxError: invalid syntax") and "Traceback" not in err
    assert "cli.py" not in err


MAPPED = """
from ctypes import c_uint32, c_uint64
from py2bpf.datastructures import HashMap
seen = HashMap(c_uint32, c_uint64, 16)
def count(skb):
    seen[skb.len] += 1
    return 0
"""


def test_without_privileges_the_vm_has_the_maps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mapped.py"
    path.write_text(MAPPED)
    monkeypatch.delenv("PY2BPF_BACKEND", raising=False)
    monkeypatch.setattr(bpf_call, "bpf_make", lambda *_: -errno.EPERM)
    assert main(["dis", f"{path}:count"]) == 0
    shown = capsys.readouterr()
    assert "seen[skb.len] += 1" in shown.out and "call map_lookup_elem" in shown.out
    assert shown.err.startswith("cannot create a map (type") and "embedded VM" in shown.err


def test_methods_and_what_the_file_itself_defines(tmp_path: Path) -> None:
    source = tmp_path / "meth.py"
    source.write_text(
        "from socket import htons\nclass Filter:\n    def first(self, skb):\n        return skb.len\n"
        "filter_ = Filter()\n"
    )
    command = [sys.executable, "-m", "py2bpf", "dis"]
    done = subprocess.run([*command, f"{source}:filter_.first"], capture_output=True, text=True)
    assert done.returncode == 0 and "exit" in done.stdout, done.stderr
    done = subprocess.run([*command, f"{source}:missing"], capture_output=True, text=True)
    assert done.returncode != 0 and "has no 'missing'; it has Filter" in done.stderr and "htons" not in done.stderr
    done = subprocess.run([*command, f"{source}:filter_.second"], capture_output=True, text=True)
    assert done.returncode != 0 and "has no 'filter_.second'" in done.stderr


ATTACHING = """
from ctypes import c_uint32, c_uint64
import py2bpf

counts = py2bpf.datastructures.HashMap(c_uint32, c_uint64, 4)

@py2bpf.tracepoint.probe("sched:sched_switch")
def on_switch(event):
    return 0

handle = on_switch()
"""


def test_a_file_that_attaches_when_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Says what to do instead, and where; without privileges the file's maps are the VM's."""
    path = tmp_path / "tool.py"
    path.write_text(ATTACHING)
    monkeypatch.setattr(bpf_call, "bpf_make", lambda *_: -errno.EPERM)
    assert main(["dis", f"{path}:on_switch"]) == 1
    told = capsys.readouterr().err
    assert "can't attach on_switch: the embedded VM attaches to nothing" in told and f"({path}, line 11)" in told
    assert "Put code that attaches programs and reads queues under `if __name__ == '__main__':`" in told


@pytest.mark.parametrize("end", ["KeyboardInterrupt", "SystemExit(0)"])
def test_a_file_that_goes_on_when_it_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], end: str) -> None:
    """As one that attaches and reads, until Ctrl-C or its own end."""
    path = tmp_path / "tool.py"
    path.write_text(f"def count(skb):\n    return 1\n\nraise {end}\n")
    assert main(["dis", f"{path}:count"]) == 1
    told = capsys.readouterr().err
    assert f"{end.split('(')[0]}: " in told and f"({path}, line 4)" in told and "if __name__ == '__main__'" in told
    assert "Traceback" not in told


def test_a_file_that_the_kernel_refuses_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tool.py"
    path.write_text("import py2bpf\nfrom py2bpf.exception import KernelError\nraise KernelError(22, 'no such thing')\n")
    assert main(["dis", f"{path}:on_switch"]) == 1
    told = capsys.readouterr().err
    assert "no such thing" in told and f"({path}, line 3)" in told and "if __name__ == '__main__'" in told


@pytest.mark.parametrize("command", [["dis", "{}.py:conut"], ["replay", "{}.py:conut", "{}.pcap"]])
def test_no_library_is_opened_in_the_search_for_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """ctypes.cdll has every attribute: it opens the library of that name."""
    path = tmp_path / "all_of_ctypes"
    path.with_suffix(".pcap").write_bytes(pcap())
    path.with_suffix(".py").write_text(
        "from ctypes import *\nfrom py2bpf import kprobe\ndef count(skb):\n    return skb.len\n"
        "@kprobe.probe('sys_close')\ndef on_close(regs):\n    return 0\n"
    )
    with pytest.raises(SystemExit) as caught:
        main([each.format(path) for each in command])
    assert caught.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith("has no 'conut'; it has count, on_close")


@pytest.mark.parametrize("command", [["dis", "{}.py:cdll"], ["replay", "{}.py:cdll", "{}.pcap"]])
def test_what_is_no_function(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    path = tmp_path / "all_of_ctypes"
    path.with_suffix(".pcap").write_bytes(pcap())
    path.with_suffix(".py").write_text("from ctypes import *\n")
    assert main([each.format(path) for each in command]) == 1
    assert "a Python function is needed, not <ctypes.LibraryLoader" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["dis", "replay"])
@pytest.mark.parametrize(("where", "told"), [
    (">/dev/full", "cannot write to standard output: No space left on device"), (">&-", "standard output is closed"),
    ("| true", ""),
])  # fmt: skip
def test_an_output_that_takes_nothing(tmp_path: Path, command: str, where: str, told: str) -> None:
    """In a line, not by a traceback. That nobody reads any more is no error."""
    (tmp_path / "short.py").write_text("def short(skb):\n    return skb.len\n")
    (tmp_path / "one.pcap").write_bytes(pcap())
    rest = "one.pcap" if command == "replay" else "--all"
    line = f"{sys.executable} -m py2bpf {command} short.py:short {rest} {where}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.strip() == told
