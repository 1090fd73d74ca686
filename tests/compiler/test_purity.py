"""Compiling creates nothing, needs no privileges, and gives the same result for the same function."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from ctypes import c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest
from confined import FORBIDDEN

import py2bpf
from py2bpf import vm
from py2bpf.datastructures import HashMap
from py2bpf.prog import ProgType, compile_prog, load_spec
from py2bpf.spec import LossMap
from py2bpf.uapi.contexts import SK_BUFF

needs_seccomp = pytest.mark.skipif(platform.machine() not in FORBIDDEN, reason="system calls of other machines")


def compile_all(*options: str, **environment: str) -> str:
    here = Path(__file__).parent
    package = Path(py2bpf.__file__).parents[1]  # in a checkout it need not be installed
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{here.parent}", **environment}
    run = subprocess.run([sys.executable, "-B", str(here / "compile_all.py"), *options], capture_output=True, text=True,
                         env=environment)  # fmt: skip
    assert run.returncode == 0, f"{options} ended with {run.returncode}: {run.stderr}"
    return run.stdout


@needs_seccomp
def test_the_golden_programs_compile_as_nobody_and_make_nothing() -> None:
    assert compile_all("--confined").count("ProgramSpec(") >= 140


@needs_seccomp
@pytest.mark.kernel
def test_programs_over_maps_of_the_kernel_compile_as_nobody_and_make_nothing() -> None:
    assert "\nPerCpuHashMap: ProgramSpec(" in compile_all("--maps", "--confined")


def test_equal_programs_are_equal_in_every_process() -> None:
    """Whatever the order of sets, addresses, and what was compiled before."""
    first = compile_all(PYTHONHASHSEED="1")
    assert compile_all("--backwards", PYTHONHASHSEED="2") == first


def test_equal_programs_are_equal_in_one_process() -> None:
    with vm.backend(), HashMap(c_uint32, c_uint64, 1) as m:

        def fn(skb: Any) -> int:
            m[skb.len] = 1
            return 5 // skb.mark

        specs = [compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) for _ in range(2)]
        assert specs[0] == specs[1] and specs[0].captures == (m, None, None)
        assert specs[0].loss_maps == (LossMap(counter=1, of=0),) and specs[0].error_map == 2


def test_the_loader_gives_all_programs_one_counter() -> None:
    with vm.backend(), HashMap(c_uint32, c_uint64, 1) as m:
        m[0] = 0

        def fn(skb: Any) -> int:
            m[skb.len] = 1
            return m.lost

        spec = compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)
        assert m._counter is None
        with load_spec(spec, spec.captures) as one, load_spec(spec, spec.captures) as other:
            found = [prog.test_run(bytes(64)).retval for prog in (one, other, one)]
        assert found == [1, 2, 3] and m.lost == 3


def test_a_map_that_nobody_asks_for_its_losses() -> None:
    """Something else with a map_spec: the program alone holds the counter."""
    with vm.backend(), HashMap(c_uint32, c_uint64, 1) as m:
        m[0] = 0

        class Foreign:
            map_spec = m.map_spec
            _storage = m._storage

        foreign: Any = Foreign()

        def fn(skb: Any) -> int:
            foreign[skb.len] = 1
            return foreign.lost

        spec = compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn)
        with load_spec(spec, spec.captures) as prog:
            assert [prog.test_run(bytes(64)).retval for _ in range(2)] == [1, 2]
        assert m.lost == 0
