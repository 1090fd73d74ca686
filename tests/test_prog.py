"""The arguments of create_prog and compile_prog."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from for_targets import compile_for

from py2bpf import Global, disasm, prog, socket_filter, tc, vm, xdp
from py2bpf.datastructures import ArrayMap, HashMap, LruHashMap, ProgArray, RingBuffer, create_map
from py2bpf.exception import DataTypeError, KernelError, PossiblyNone, Py2BpfError, UnsupportedSyntax, VerifierError
from py2bpf.kernel import prog_load
from py2bpf.prog import ProgType, compile_prog, create_prog, load_spec
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
    compile_for(monkeypatch, Target())
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
            assert [any(disasm.text(insn).startswith("if") for insn in spec.code) for spec in seen] == jumps
            seen.clear()


@pytest.mark.parametrize("make", [HashMap, create_map, Global])
def test_a_map_made_in_a_program_is_refused(make: Any) -> None:
    def program(skb: Any) -> None:
        make(ctypes.c_uint32)

    with pytest.raises(UnsupportedSyntax, match=rf"a program can't make a map: call {make.__name__}\(\) outside"):
        compile_prog(ProgType.SOCKET_FILTER, socket_filter.SkBuffContext, program)


BUG = """\
101: (85) call bpf_map_update_elem#2          ; R0=scalar() refs=6
102: (15) if r0 == 0x0 goto pc+4
verifier bug: backtracking call unexpected regs 3c2
processed 592 insns (limit 1000000) max_states_per_insn 4 total_states 39 peak_states 40 mark_read 0
"""
"""What Linux 6.16 to 6.18 write of some loops that their iterators run; older kernels, "BUG regs 3c2"."""


@pytest.mark.kernel
def test_a_mistake_of_the_verifier_is_gone_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or told as what it is."""
    real, refused = prog_load.prog_load, [True, False]

    def load(made: Any, purpose: Any, code: Any, *others: Any) -> Any:
        bad = refused[0] if code.kfuncs else refused[1]
        return prog_load.LoadResult(-errno.EFAULT, BUG, False) if bad else real(made, purpose, code, *others)

    monkeypatch.setattr(prog_load, "prog_load", load)
    with create_prog(ProgType.SOCKET_FILTER, socket_filter.SkBuffContext, loop) as made:
        assert made.spec.functions and not made.spec.kfuncs
    refused[1] = True
    with pytest.raises(VerifierError, match=r"unexpected regs 3c2\. This is a mistake of the kernel's verifier: write"):
        create_prog(ProgType.SOCKET_FILTER, socket_filter.SkBuffContext, loop)


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


@pytest.mark.kernel
def test_a_packet_of_more_pages_than_xdp_takes() -> None:
    with create_prog(ProgType.XDP, xdp.XdpContext, lambda ctx: 2) as prog:
        with pytest.raises(KernelError, match=r"on 131072 bytes of data .XDP programs take at most \d+ pages|Invalid"):
            prog.test_run(bytes(1 << 17))


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


class Unrepresentable:
    """Of which messages can show nothing."""

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(("change", "told"), [
    ({"hook": 5}, "hook is a py2bpf.spec.HookSpec, not 5"),
    ({"target": 5}, "target is a py2bpf.spec.Target, not 5"),
    ({"fn": Unrepresentable()}, r"a Python function is needed, not an object of type Unrepresentable"),
    ({"prog_type": Unrepresentable()}, "prog_type is one of py2bpf.prog.ProgType"),
    ({"prog_type": 1.0}, "prog_type is one of py2bpf.prog.ProgType, such as ProgType.XDP, not 1.0"),
])  # fmt: skip
def test_what_is_no_argument(change: dict[str, Any], told: str) -> None:
    given = {"prog_type": ProgType.SOCKET_FILTER, "ctx_type": SK_BUFF, "fn": lambda skb: 0, **change}
    with pytest.raises(Py2BpfError, match=told):
        compile_prog(**given)


OTHERS: dict[str, tuple[Callable[[], Any], str]] = {
    "another size of keys": (lambda: HashMap(ctypes.c_uint64, ctypes.c_uint32, 4), "another size of keys .*: 8, not 4"),
    "another size of values": (lambda: HashMap(ctypes.c_uint32, ctypes.c_uint8, 4), "size of values .*: 1, not 4"),
    "another kind": (lambda: RingBuffer(ctypes.c_uint32), r"maps\[0\] is a HashMap, not a RingBuffer"),
    "an LRU map": (lambda: LruHashMap(ctypes.c_uint32, ctypes.c_uint32, 4), "is a HashMap, not a LruHashMap"),
    "a text": (lambda: contextlib.nullcontext("x"), r"maps\[0\] is a HashMap, not 'x'"),
    "nothing": (contextlib.nullcontext, r"maps\[0\] is a HashMap, not None"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("where", [pytest.param("kernel", marks=pytest.mark.kernel), "vm"])
def test_maps_that_are_no_substitutes(where: str, name: str) -> None:
    make, told = OTHERS[name]
    with vm.backend(where), HashMap(ctypes.c_uint32, ctypes.c_uint32, 4) as own:
        spec = compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, lambda skb: own[skb.len])
        with make() as other, pytest.raises(DataTypeError, match=told):
            load_spec(spec, [other, *[None] * (len(spec.maps) - 1)])
        for maps in ([], [own, own, own], 5, None):
            with pytest.raises(DataTypeError, match=f"maps is a sequence of {len(spec.maps)}"):
                load_spec(spec, maps)
        with HashMap(ctypes.c_uint32, ctypes.c_uint32, 9) as larger:
            larger[50] = 7
            with load_spec(spec, [larger, *[None] * (len(spec.maps) - 1)]) as loaded:
                assert loaded.test_run(bytes(64)).retval == 7


def test_an_array_has_as_many_entries() -> None:
    """Which the compiler has compared indices with."""
    with vm.backend("vm"), ArrayMap(ctypes.c_uint32, 8) as own, ArrayMap(ctypes.c_uint32, 4) as other:
        spec = compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, lambda skb: own[skb.len & 7])
        with pytest.raises(DataTypeError, match=r"another number of entries .*: 4, not 8"):
            load_spec(spec, [other, *[None] * (len(spec.maps) - 1)])
        with pytest.raises(DataTypeError, match=r"what is loaded is a ProgramSpec of compile_prog\(\), not None"):
            load_spec(None, [])  # type: ignore[arg-type]
