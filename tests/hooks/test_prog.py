"""What create_prog and compile_prog are given."""

from __future__ import annotations

import ctypes
import errno
import re
import warnings
from typing import Any

import pytest

from py2bpf import Global, prog, socket_filter, tc, vm
from py2bpf.datastructures import ProgArray
from py2bpf.exception import DataTypeError, KernelError, PossiblyNone, Py2BpfError, VerifierError
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SocketFilter
from py2bpf.spec import ProgramSpec, Target
from py2bpf.uapi.contexts import SK_BUFF


@pytest.mark.parametrize("make", [compile_prog, create_prog])
@pytest.mark.parametrize("ctx_type", [None, ctypes.c_uint32, 5, "SkBuffContext", SK_BUFF.struct()])
def test_what_is_no_context(make: Any, ctx_type: Any) -> None:
    with pytest.raises(TypeError, match="ctx_type is the type of the program's argument"):
        make(ProgType.SOCKET_FILTER, ctx_type, lambda skb: 0)


def gives_up(monkeypatch: pytest.MonkeyPatch, *, gave_up: bool, always: bool = False) -> list[ProgramSpec]:
    """Has the verifier refuse programs with iterators, or all; gives what was loaded."""
    seen: list[ProgramSpec] = []

    def load(spec: ProgramSpec, maps: Any) -> Any:
        seen.append(spec)
        if spec.kfuncs or always:
            raise VerifierError(errno.E2BIG, f"no {len(seen)}", "", gave_up=gave_up)
        return spec

    monkeypatch.setattr(prog, "load_spec", load)
    monkeypatch.setattr(prog, "_target", Target)
    return seen


def loop(skb: Any) -> Any:
    total = 0
    for k in range(skb.len):
        total += skb.priority ^ k
    return total


def test_where_the_verifier_gives_up_at_iterators_loops_are_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = gives_up(monkeypatch, gave_up=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PossiblyNone)
        create_prog(ProgType.SOCKET_FILTER, socket_filter.SkBuffContext, loop)
    first, second = seen
    assert first.kfuncs and not second.kfuncs
    assert [function.name for function in second.functions]


@pytest.mark.parametrize(("gave_up", "always", "loads"), [(False, False, 1), (True, True, 2)])
def test_what_the_verifier_says_first_counts(
    monkeypatch: pytest.MonkeyPatch, gave_up: bool, always: bool, loads: int
) -> None:
    seen = gives_up(monkeypatch, gave_up=gave_up, always=always)
    with pytest.raises(VerifierError, match="no 1"):
        create_prog(ProgType.SOCKET_FILTER, socket_filter.SkBuffContext, loop)
    assert len(seen) == loads


def test_where_the_verifier_gives_up_at_branches_arithmetic_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = gives_up(monkeypatch, gave_up=True, always=True)
    with vm.backend(), Global(ctypes.c_uint64) as times:
        for fn, jumps in ((lambda skb: (times.value > 5) << 2, [True, False]), (lambda skb: skb.len + 1, [False])):
            with pytest.raises(VerifierError, match="no 1"):
                create_prog(ProgType.SOCKET_FILTER, socket_filter.SkBuffContext, fn)
            assert [any(str(insn).startswith("if") for insn in spec.code) for spec in seen] == jumps
            seen.clear()


def test_warns_once_of_what_is_compiled_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubtful(skb: Any) -> Any:
        return loop(skb) + skb.packet(ctypes.c_uint32, 0)

    gives_up(monkeypatch, gave_up=True)
    with pytest.warns(PossiblyNone) as caught:
        create_prog(ProgType.SCHED_CLS, tc.SkBuffContext, doubtful)
    assert len(caught) == 1


@pytest.mark.kernel
@pytest.mark.parametrize(("packet", "context", "says"), [
    (bytes(12) + b"\x08\x00\x45", None, "15 bytes of data .its EtherType says IPv4"),
    (bytes(12) + b"\x86\xdd" + bytes(39), None, "53 bytes of data .its EtherType says IPv6"),
    (bytes(64), b"x", "a context of 1 bytes"),
])  # fmt: skip
def test_refused_test_runs_say_what_the_kernel_minds(packet: bytes, context: bytes | None, says: str) -> None:
    with create_prog(ProgType.SCHED_CLS, tc.SkBuffContext, lambda skb: 0) as prog:
        try:
            prog.test_run(packet, context)
        except KernelError as error:
            assert re.search(says, str(error))
        else:  # older kernels run it
            assert context is None


def test_a_program_type_without_a_hook_says_what_to_pass() -> None:
    with pytest.raises(Py2BpfError, match=r"hook=py2bpf.spec.HookSpec\(ProgType.LSM, 'lsm'\); see docs/hooks.md"):
        compile_prog(ProgType.LSM, SK_BUFF, lambda ctx: 0)


@pytest.mark.kernel
@pytest.mark.parametrize("where", ["kernel", "vm"])
def test_a_hooks_object_says_where_its_program_is(where: str) -> None:
    with vm.backend(where), SocketFilter(lambda skb: skb.len) as filter, ProgArray(2) as programs:
        for name in ("test_run", "errors", "pretty", "info", "fd"):
            with pytest.raises(AttributeError, match=rf"no attribute '{name}'; its program has: \.prog\.{name}"):
                getattr(filter, name)
        with pytest.raises(AttributeError, match=r"no attribute 'errorss'$"):
            _ = filter.errorss
        with pytest.raises(DataTypeError, match=r"not <SocketFilter of .*>, whose \.prog is one$"):
            programs[0] = filter
        programs[0] = filter.prog
