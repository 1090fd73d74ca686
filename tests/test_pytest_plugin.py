"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[1]


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    pytester.makeini("[pytest]\nfilterwarnings = error")
    return pytester.runpytest_subprocess("-p", "py2bpf.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def _find_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_packets_and_contexts(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from py2bpf import kprobe, sim

        def test_packets(packets):
            assert sim.run(lambda skb: skb.len, packets.udp(payload=b"12345")).retval == 33

        @kprobe.probe("sys_close")
        def on_close(regs):
            return regs.args[0]

        def test_registers(sim_context):
            assert sim.run(on_close, sim_context(on_close, args=(7,))).retval == 7
            assert sim.run(lambda regs: regs.ret, sim_context(ret=5), hook="kprobe").retval == 5
        """,
    )
    result.assert_outcomes(passed=2)


def test_the_vm_backend(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from ctypes import c_uint32, c_uint64
        from py2bpf import sim
        from py2bpf.datastructures import HashMap
        from py2bpf.socket_filter import SocketFilter

        def test_it(vm_backend, packets):
            counts = HashMap(c_uint32, c_uint64, 8)

            def count(skb):
                counts[skb.len] += 1
                return 7

            frame = packets.udp()
            assert SocketFilter(count).prog.in_vm
            assert SocketFilter(count).prog.test_run(frame).retval == sim.run(count, frame).retval == 7
            assert dict(counts) == {28: 2}
        """,
    )
    result.assert_outcomes(passed=1)


def test_an_assertion_in_a_program_is_counted(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from py2bpf import sim

        def program(skb):
            assert skb.len > 1000, "too small"
            return 1

        def test_it(packets):
            assert sim.run(program, packets.udp()).errors == {}
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError*"])


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, py2bpf.pytest_plugin; print(*[m for m in sys.modules if m.startswith(('py2bpf', '_cffi'))])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(loaded.split()) == {"py2bpf", "py2bpf.interpreters", "py2bpf.pytest_plugin"}


def test_the_entry_point_names_it() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"py2bpf": "py2bpf.pytest_plugin"}
