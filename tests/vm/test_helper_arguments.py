"""Helpers called with arguments of the wrong kind: the kernel's verifier refuses the program, the VM ends it."""

from __future__ import annotations

from typing import Any

import pytest
from vm_programs import CTX, SAVED, Held, array_of, call, in_kernel, in_vm, refused_helpers, spec_of

from py2bpf import asm
from py2bpf.exception import VerifierError, VmFault
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.helpers import HELPERS, Arg
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls, map_calls, vm_program

TYPES = (ProgType.SCHED_CLS, ProgType.XDP, ProgType.RAW_TRACEPOINT, ProgType.KPROBE)
"""One of each class of contexts, and the only one that is offered override_return()."""
NO_CONTEXT = "not the program's context"
WITH_CONTEXT = [name for name, info in HELPERS.items() if Arg.CTX in info.args]
UNKNOWN = [name for name in WITH_CONTEXT if name in refused_helpers()]
"""Of those what the VM doesn't have."""
OF_THE_TASK = "get_cgroup_classid"
"""Without a packet the kernel's function of this name has no argument."""
OTHERS = {"the stack": ("stack", -16), "null": 0, "a number": 1 << 40}


def calling(name: str, first: Any, prog_type: ProgType) -> ProgramSpec:
    """A call with such a first argument; the others are zeros, as sizes and flags may be."""
    rest = (0,) * (len(HELPERS[name].args) - 1)
    return spec_of([SAVED, *call(name, first, *rest), asm.mov_imm(0, 0), asm.exit_()], prog_type)


def fault_of(spec: ProgramSpec) -> str:
    """Why the VM doesn't take the program, or ends it."""
    try:
        in_vm(spec, b"" if spec.hook.prog_type in TYPES[2:] else bytes(64))
    except VmFault as fault:
        return fault.reason
    return ""


def is_refused_anyway(reason: str) -> bool:
    return "programs of this type can't call" in reason or "has no such helper" in reason


def test_contexts_come_first() -> None:
    assert all(info.args.index(Arg.CTX) == 0 for info in map(HELPERS.__getitem__, WITH_CONTEXT))


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", WITH_CONTEXT)
def test_nothing_else_is_the_context(name: str, other: str) -> None:
    reasons = [fault_of(calling(name, OTHERS[other], prog_type)) for prog_type in TYPES]
    may_be_null = other == "null" and 0 in HELPERS[name].nullable
    wanted = "" if may_be_null else NO_CONTEXT
    reasons = reasons[:1] if name == OF_THE_TASK else reasons
    assert all(wanted in reason for reason in reasons if not is_refused_anyway(reason))
    assert all(is_refused_anyway(reason) for reason in reasons) == (name in UNKNOWN)


@pytest.mark.parametrize("name", [name for name in WITH_CONTEXT if name not in UNKNOWN])
def test_the_context_is(name: str) -> None:
    assert not any(NO_CONTEXT in fault_of(calling(name, CTX, prog_type)) for prog_type in TYPES)


@pytest.mark.kernel
@pytest.mark.parametrize("name", WITH_CONTEXT)
def test_nothing_else_is_the_context_in_the_kernel(name: str) -> None:
    for prog_type in TYPES[: 1 if name == OF_THE_TASK else None]:
        with pytest.raises(VerifierError) as caught:
            in_kernel(calling(name, ("stack", -16), prog_type), bytes(64))
        log = str(caught.value.log)
        assert "R1 type=fp expected=ctx" in log or "helper" in log or "unknown func" in log or "GPL" in log


PLACES: dict[str, tuple[Any, ...]] = {
    "get_stack": (CTX, 0, 8, 0),
    "get_stackid": (CTX, ("stack", -16), 0),
    "perf_event_read": (("stack", -16), 0),
    "probe_write_user": (1 << 20, 0, 8),
}
"""Calls for whose answer the VM needs no other arguments, with one that is none."""


@pytest.mark.parametrize("name", PLACES)
def test_arguments_without_a_use_must_be_right_too(name: str) -> None:
    code = [SAVED, *call(name, *PLACES[name]), asm.exit_()]
    reason = fault_of(spec_of(code, ProgType.RAW_TRACEPOINT))
    assert ("no map" if "event" in name or "id" in name else "null pointer") in reason


@pytest.mark.kernel
@pytest.mark.parametrize("name", PLACES)
def test_arguments_without_a_use_must_be_right_in_the_kernel(name: str) -> None:
    code = [SAVED, *call(name, *PLACES[name]), asm.exit_()]
    with pytest.raises(VerifierError, match=r"expected=|cannot use helper"):
        in_kernel(spec_of(code, ProgType.RAW_TRACEPOINT), b"")


@pytest.mark.parametrize("run", [in_vm, pytest.param(in_kernel, marks=pytest.mark.kernel)])
def test_iterators_lie_on_the_stack(run: Any) -> None:
    code = [SAVED, asm.mov_imm(2, 0), asm.mov_imm(3, 9), asm.call_kfunc(0), asm.mov_imm(0, 0), asm.exit_()]
    spec = spec_of(code, ProgType.SCHED_CLS, ("bpf_iter_num_new",))
    with pytest.raises((VerifierError, VmFault), match=r"iterator that is not on the stack|arg#0|arg#1"):
        run(spec, bytes(64))


@pytest.mark.parametrize("name", ["get_stackid", "perf_event_read"])
def test_maps_of_other_kinds(name: str) -> None:
    machine = machine_calls.machine_create(1)
    held: Any = Held(map_calls.map_create(machine, MapType.ARRAY, 4, 16, 1, 0, 1))
    code = [SAVED, asm.mov(1, 6), asm.mov_imm(2, 0), asm.mov_imm(3, 0)]
    code += [asm.ld_map(2 if name == "get_stackid" else 1, 0), asm.call(HELPERS[name].id), asm.exit_()]
    spec = spec_of(code, ProgType.RAW_TRACEPOINT, maps=(array_of(16),))
    with vm_program.load(spec, [held], machine) as loaded, pytest.raises(VmFault, match="this kind of map has no such"):
        loaded.test_run(b"")
