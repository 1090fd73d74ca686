"""Everything that works with hooks supports each hook's row, and the row agrees with the kernel, the VM and the
simulation.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import py2bpf
from py2bpf import asm, sim, vm
from py2bpf.btf import Btf
from py2bpf.core.handles import Handle
from py2bpf.datastructures import ArrayMap, SpinLock
from py2bpf.exception import NotSupported
from py2bpf.kernel import features, prog_load
from py2bpf.kernel.kernel_program import load
from py2bpf.prog import compile_prog, create_prog
from py2bpf.programs import encode
from py2bpf.spec import ContextSpec, ProgramSpec
from py2bpf.uapi import hooks
from py2bpf.uapi.contexts import pt_regs
from py2bpf.uapi.hooks import HOOKS, Hook, Setup, Trait, row_of

ROOT = Path(__file__).resolve().parents[2]
PACKET = bytes(64)

each = pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
kernel = pytest.mark.kernel


class Event(ctypes.Structure):
    """What stands for contexts that differ from place to place."""

    _fields_ = [("common", ctypes.c_uint64), ("value", ctypes.c_uint64)]


def context_of(hook: Hook) -> ContextSpec:
    return hook.context.spec or (pt_regs() if hook.context.structs else ContextSpec(Event))


def nothing(ctx: Any) -> None:
    pass


def test_names_and_places_are_each_ones_own() -> None:
    names = [name for hook in HOOKS for name in (hook.name, hook.alias) if name]
    assert len(names) == len(set(names)) and all(re.fullmatch(r"[a-z_0-9]+", name) for name in names)
    places = [(hook.prog_type, hook.attach_type) for hook in HOOKS]
    assert len(places) == len(set(places))
    assert len({hook.section for hook in HOOKS}) == len(HOOKS)


@each
def test_a_program_leads_to_its_row(hook: Hook) -> None:
    spec = compile_prog(hook.prog_type, context_of(hook), nothing, hook=hook.spec)
    assert row_of(spec.hook) is hook
    assert spec.hook.name == hook.name
    assert (spec.hook.default, spec.hook.fallback) == (hook.results.default, hook.results.fallback)


@each
def test_the_row_agrees_with_itself(hook: Hook) -> None:
    assert (hook.packet is None) == (hook.setup is Setup.PLAIN)
    assert Trait.CAPTURES not in hook.traits or (hook.packet is not None and hook.context.spec is not None)
    assert not (hook.packet and hook.packet.stores) or (hook.packet and hook.packet.access)
    assert (hook.attach is None) == (hook.module == "")
    low, high = hook.results.bounds or (0, 1 << 32)
    assert all(low <= number & 0xFFFFFFFF <= high for number in (hook.results.default, hook.results.fallback))
    known = {name for name, _ctype in (hook.context.spec.struct._fields_ if hook.context.spec else ())}
    assert set(hook.packet.fields if hook.packet else ()) <= known


@each
def test_a_feature_tells_whether_the_kernel_has_it(hook: Hook) -> None:
    row = features.PROBES[features.of_program(hook.prog_type)]
    assert row.title.endswith(" programs") and re.fullmatch(r"\d+\.\d+", row.since)


@each
def test_the_kernel_knows_the_context_by_its_name(hook: Hook) -> None:
    if hook.context.btf:
        assert Btf.kernel().struct(hook.context.btf)


# Runs


def classes_of_the_vm() -> dict[int, str]:
    """What the C core's class_of() answers, by program type."""
    source = (ROOT / "csrc" / "vm/load.c").read_text(encoding="utf-8")
    body = source[source.index("class_of(uint32_t type)") :]
    header = (ROOT / "csrc" / "vm/prog_types.h").read_text(encoding="utf-8")
    numbers = {name: int(number) for name, number in re.findall(r"\b(VM_\w+) = (\d+),", header)}
    found: dict[int, str] = {}
    for cases, answer in re.findall(r"((?:\tcase VM_\w+:\n)+)\t\treturn VM_(\w+);", body[: body.index("\n}")]):
        found |= {numbers[name]: answer for name in re.findall(r"VM_\w+", cases)}
    return found


@each
def test_the_vm_sets_up_what_the_row_says(hook: Hook) -> None:
    assert classes_of_the_vm().get(int(hook.prog_type), "PLAIN") == hook.setup.name, "see class_of() of csrc/vm/load.c"


@each
def test_no_result_is_the_rows_in_the_vm_and_in_a_simulation(hook: Hook) -> None:
    given = (PACKET, None) if hook.packet is not None else (b"", bytes(context_of(hook).struct()))
    with vm.backend(), create_prog(hook.prog_type, context_of(hook), nothing, hook=hook.spec) as prog:
        assert prog.test_run(*given).retval == hook.results.default & 0xFFFFFFFF
    ran = sim.run(nothing, PACKET if hook.packet is not None else context_of(hook).struct(), hook=hook.name)
    assert ran.retval == hook.results.default & 0xFFFFFFFF


@kernel
@each
def test_the_kernel_makes_test_runs_where_the_row_says_so(hook: Hook) -> None:
    with create_prog(hook.prog_type, context_of(hook), nothing, hook=hook.spec) as prog:
        if Trait.TEST_RUN in hook.traits:
            given = (PACKET, None) if hook.packet is not None else (b"", bytes(context_of(hook).struct()))
            assert prog.test_run(*given).retval == hook.results.default & 0xFFFFFFFF
        else:
            with pytest.raises(NotSupported, match=f"test runs of {hook.name} programs"):
                prog.test_run(PACKET)


class Locked(ctypes.Structure):
    _fields_ = [("lock", SpinLock), ("value", ctypes.c_uint64)]


@kernel
@each
def test_the_kernel_lets_them_use_locks_where_the_row_says_so(hook: Hook) -> None:
    with ArrayMap(Locked, 1) as locked:
        code = (asm.ld_map(1, 0), asm.mov_imm(0, 1), asm.exit_())
        spec = ProgramSpec("locking", hook.spec, code, (None,) * len(code), (locked.map_spec,))
        code_of = prog_load.Code(encode(spec).slots, [locked._storage.handle])
        with Handle("a program") as made:
            loaded = prog_load.prog_load(made, prog_load.Purpose(hook.prog_type), code_of, "GPL", "locking")
    assert (loaded.result >= 0) == (Trait.LOCKS in hook.traits), f"Trait.LOCKS in the row is wrong: {loaded.log}"
    assert loaded.result >= 0 or -loaded.result == errno.EINVAL


@kernel
@each
def test_the_kernel_takes_the_results_within_the_bounds_alone(hook: Hook) -> None:
    low, high = hook.results.bounds or (-5, 1 << 30)
    for number in (low, high):
        load(returning(hook, number)).close()
    if hook.results.bounds is not None:
        with pytest.raises(py2bpf.exception.VerifierError):
            load(returning(hook, 1 << 20)).close()


def returning(hook: Hook, number: int) -> ProgramSpec:
    code = (asm.mov_imm(0, number), asm.exit_())
    return ProgramSpec("returning", hook.spec, code, (None,) * len(code), ())


# What people see


@each
def test_the_page_of_hooks_has_the_row(hook: Hook) -> None:
    names = ", ".join(f"`{name}`" for name in (hook.name, hook.alias) if name)
    module = f"`py2bpf.{hook.module}` " if hook.module else ""
    row = f"| {names} | `{hook.section}` | `ProgType.{hook.prog_type.name}` | {hook.since} | {module}|"
    assert row in (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8"), row


@each
def test_its_module_is_public_and_has_a_page(hook: Hook) -> None:
    if hook.module:
        assert importlib.import_module(f"py2bpf.{hook.module}") is getattr(py2bpf, hook.module)
        assert hook.module in py2bpf.__all__
        assert (ROOT / "docs" / "hooks" / f"{hook.module}.md").exists()


@each
def test_the_command_line_knows_it(hook: Hook) -> None:
    from py2bpf import cli

    assert (hook.name in cli._COMPILED) == (hook.context.spec is not None)
    assert ((hook.alias or hook.name) in cli._REPLAYED) == (Trait.CAPTURES in hook.traits)


def test_the_names_of_results_are_the_kernels() -> None:
    for name, numbers in (("xdp_action", hooks.BY_NAME["xdp"].results.names),):
        enum = {value: each.partition("_")[2] for each, value in Btf.kernel().enum(name).items()}
        assert enum == dict(numbers)
