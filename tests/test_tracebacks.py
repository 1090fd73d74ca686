"""A user's mistake shows the user's frames, and none of the library's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from ctypes import c_uint32, c_uint64
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from py2bpf import borders, sim, vm
from py2bpf.compiler import pipeline
from py2bpf.datastructures import BpfQueue, Global, HashMap
from py2bpf.exception import (
    ClosedError,
    DataTypeError,
    InternalCompilerError,
    KernelError,
    Py2BpfError,
    TranslationError,
)
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext, SocketFilter

PRELUDE = """\
from ctypes import *
from py2bpf import funcs, kprobe, sim, tc, tracepoint, xdp
from py2bpf.datastructures import *
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext, SocketFilter
m = HashMap(c_uint32, c_uint64, 2)
"""
MISTAKES = {
    "a context's field": "def fn(skb):\n    return skb.length\nSocketFilter(fn)",
    "a loop over a map": "def fn(skb):\n    for k in m:\n        return k\nSocketFilter(fn)",
    "create_prog": "create_prog(ProgType.XDP, xdp.XdpContext, lambda ctx: ctx.data / 2)",
    "xdp": "def fn(ctx):\n    return ctx.packet(c_uint32, 14).x\nxdp.XdpProgram(fn)",
    "tc": "def fn(skb):\n    return m.lookupp(1)\ntc.IngressFilter(fn)",
    "a probe": "@tracepoint.probe('sched:sched_switch')\ndef fn(e):\n    return m.x\nfn.load()",
    "an inlined function": "def g(x):\n    return x.y\ndef fn(skb):\n    return g(skb.len)\nSocketFilter(fn)",
    "what is called while compiling": (
        "import ipaddress\ndef fn(skb):\n    return skb.len == int(ipaddress.ip_address('10'))\nSocketFilter(fn)"),
    "a full map": "m.update({1: 1, 2: 2})\nm[3] = 3",
    "a key": "m['a'] = 1",
    "a missing key": "m[7]",
    "a closed map": "m.close()\nm.get(1)",
    "a map's size": "HashMap(c_uint32, c_uint64, -1)",
    "a queue's timeout": "BpfQueue(c_uint32).poll('x')",
    "a simulated program": "def fn(skb):\n    return m[1, 2]\nsim.run(fn, bytes(64), raise_errors=True)",
    "a test run": "SocketFilter(lambda skb: 1).prog.test_run(b'x')",
}  # fmt: skip


def run(path: Path, text: str, **environment: str) -> list[str]:
    path.write_text(PRELUDE + text)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True,
                          env={**os.environ, "PY2BPF_BACKEND": "vm", **environment})  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr.splitlines()


def frames(error: BaseException | None) -> list[str]:
    """The files of an error's frames."""
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__ if error else None)]


def error_of(action: Any) -> Py2BpfError:
    try:
        action()
    except Py2BpfError as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("text", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_typical_mistake_takes_few_lines(text: str, tmp_path: Path) -> None:
    lines = run(tmp_path / "mistake.py", text)
    assert len(lines) <= 12, "\n".join(lines)
    files = [line for line in lines if line.startswith('  File "')]
    assert files and all(line.startswith(f'  File "{tmp_path}/mistake.py"') for line in files), "\n".join(lines)


def test_verbose_shows_all_frames(tmp_path: Path) -> None:
    lines = run(tmp_path / "mistake.py", MISTAKES["a context's field"], PY2BPF_VERBOSE="1")
    files = [line for line in lines if line.startswith('  File "')]
    assert len(files) > 10 and any("py2bpf/compiler/pipeline.py" in line for line in files)


@pytest.mark.kernel
def test_the_kernels_refusal(tmp_path: Path) -> None:
    text = "m.close()\nHashMap(c_uint32 * 4, c_uint64 * 2**20, 2**31)"
    lines = run(tmp_path / "mistake.py", text, PY2BPF_BACKEND="kernel")
    assert "KernelError" in lines[-1] and len(lines) <= 12 and not any("py2bpf/kernel" in line for line in lines)


def test_a_bug_of_the_compiler_keeps_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(pipeline.Evaluator, "program", broken)
    error = error_of(lambda: compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: 0))
    assert isinstance(error, InternalCompilerError) and isinstance(error.__cause__, AssertionError)
    assert any(name.endswith("pipeline.py") for name in frames(error)) and frames(error.__cause__)


def test_other_errors_keep_their_frames() -> None:
    @borders.public
    def fails() -> None:
        json.loads("no")

    with pytest.raises(json.JSONDecodeError) as caught:
        fails()
    assert any("/json/" in name for name in frames(caught.value))


def test_a_traceback_of_thousands_of_frames() -> None:
    """As a RecursionError's, wherever it is shortened."""
    frame, trace, count = sys._getframe(), None, 20_000
    for line in range(count):
        trace = TracebackType(trace, frame, frame.f_lasti, line + 1)
    error = ValueError("deep").with_traceback(trace)
    borders.shorten(error)
    assert sum(1 for _ in traceback.walk_tb(error.__traceback__)) == count


def test_memory_that_ends_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pipeline._Compilation, "run", run)
    with pytest.raises(MemoryError):
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: 0)


def test_the_innermost_frame_is_the_users_for_pdb() -> None:
    with vm.backend():
        error = error_of(lambda: SocketFilter(lambda skb: skb.nope))
    assert frames(error) == [__file__] * 2


def test_a_function_that_fails_while_compiling_is_shown() -> None:
    def fails(number: int) -> int:
        return 5 // number

    error = error_of(lambda: compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: fails(0)))
    assert isinstance(error, TranslationError)
    assert isinstance(error.__cause__, ZeroDivisionError) and frames(error.__cause__) == [__file__]


def test_what_the_user_was_handling_stays() -> None:
    with vm.backend(), HashMap(c_uint32, c_uint64, 2) as m:
        m.close()
        try:
            raise LookupError("mine")
        except LookupError:
            error = error_of(lambda: m.get(1))
    assert isinstance(error.__context__, LookupError) and not error.__suppress_context__
    assert frames(error.__context__) == [__file__]


def test_frames_of_the_user_between_those_of_the_library_stay() -> None:
    with vm.backend(), HashMap(c_uint32, c_uint64, 2) as m:

        def program(skb: Any) -> int:
            return m["a"]

        error = error_of(lambda: sim.run(program, bytes(64), raise_errors=True))
    assert frames(error) == [__file__] * 3


def test_properties_and_classes_of_the_user() -> None:
    class Mine(HashMap):
        def first(self) -> Any:
            return self["a"]

    with vm.backend():
        mine, g = Mine(c_uint32, c_uint64, 2), Global(c_uint64)
        assert "__wrapped__" not in vars(Mine.first)
        assert frames(error_of(mine.first)) == [__file__] * 2
        mine.close()
        g.close()
        error = error_of(lambda: g.value)
        assert isinstance(error, ClosedError) and frames(error) == [__file__] * 2
        error = error_of(lambda: Mine(c_uint32, c_uint64, 2).fd)
        assert isinstance(error, KernelError) and frames(error) == [__file__] * 2


def test_errors_of_generators_come_through() -> None:
    """An iteration raises long after the border was passed: nothing of it may get lost."""
    with vm.backend(), BpfQueue(c_uint32) as queue:
        queue.close()
        with pytest.raises(ClosedError):
            queue.poll(0)
        assert list(queue) == []


def test_names_and_signatures_stay() -> None:
    assert HashMap.update.__name__ == "update" and "pairs (key, value)" in (HashMap.update.__doc__ or "")
    assert create_prog.__module__ == "py2bpf.prog" and DataTypeError.__name__ in (create_prog.__doc__ or "")
