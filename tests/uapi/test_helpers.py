"""The helper table against the running kernel's BTF and libbpf's header."""

import re
from pathlib import Path

import pytest

from py2bpf.btf import Btf
from py2bpf.uapi.helpers import HELPERS, INTERNAL, LEFT_OUT, Arg, Ret

HEADER = Path("/usr/include/bpf/bpf_helper_defs.h")
DECLARATION = re.compile(
    r"^static (?P<ret>[\w ]+[ *])\(\*bpf_(?P<name>\w+)\)\((?P<args>.*?)\) = \(void \*\) (?P<id>\d+);", re.M
)
LAST = 211


def header():
    if not HEADER.exists():
        pytest.skip("needs libbpf-dev")
    return {found["name"]: found for found in DECLARATION.finditer(HEADER.read_text())}


def left_out():
    return [name for _reason, names in LEFT_OUT for name in names]


def test_every_kernel_helper_is_in_one_table():
    values = Btf.kernel().enum("bpf_func_id")
    kernel = {name.removeprefix("BPF_FUNC_"): value for name, value in values.items() if 0 < value <= LAST}
    assert sorted([*HELPERS, *left_out()]) == sorted(kernel)


@pytest.mark.parametrize("name", [*HELPERS, *INTERNAL])
def test_id(name):
    assert Btf.kernel().enum("bpf_func_id")[f"BPF_FUNC_{name}"] == {**HELPERS, **INTERNAL}[name].id


def test_no_program_calls_what_the_compiler_calls_by_itself():
    assert INTERNAL.keys() <= set(left_out())


@pytest.mark.parametrize("name", HELPERS)
def test_signature_against_libbpf(name):
    info, declared = HELPERS[name], header()[name]
    args = [] if declared["args"] == "void" else declared["args"].split(", ")
    fixed = [arg for arg in args if arg != "..."]
    assert int(declared["id"]) == info.id
    assert len(fixed) == len(info.args) - info.optional
    assert (args[-1:] == ["..."]) == (info.optional > 0)
    for kind, arg in zip(info.args, fixed, strict=False):
        assert ("*" in arg) == (kind not in (Arg.SIZE, Arg.INT)), (kind, arg)
        if kind in (Arg.MEM, Arg.VALUE, Arg.KEY, Arg.OUT):
            assert not (kind is Arg.OUT and "const " in arg), arg


@pytest.mark.parametrize("name", HELPERS)
def test_result_against_libbpf(name):
    kinds = {
        "long": {Ret.I64},
        "int": {Ret.I64},
        "__s64": {Ret.I64},
        "__u64": {Ret.U64},
        "__u32": {Ret.U32},
        "void": {Ret.VOID},
        "void *": {Ret.MAP_VALUE, Ret.MEM},
        "struct task_struct *": {Ret.PTR},
    }
    declared = header()[name]["ret"].strip()
    if name in ("spin_lock", "spin_unlock", "tail_call"):
        declared = "void"  # the header says long, but the kernel's bpf_func_proto RET_VOID
    assert HELPERS[name].ret in kinds[declared]


@pytest.mark.parametrize("name", HELPERS)
def test_annotations_fit_the_arguments(name):
    info = HELPERS[name]
    sized = (Arg.MEM, Arg.OUT, Arg.FMT)
    assert len(info.args) <= 5
    assert all(info.args[n - 1] in sized for n, kind in enumerate(info.args) if kind is Arg.SIZE)
    assert all(kind is Arg.INT for kind in info.args[len(info.args) - info.optional :])
    assert all(info.args[n] in (Arg.CTX, Arg.MEM, Arg.OUT) for n in info.nullable)
    assert all(info.args[n] is Arg.OUT for n in info.reads)
    assert all(info.args[n] is Arg.INT for n in info.constant)
    assert all(info.args[n] is Arg.FMT for n in info.rodata)
    assert info.doc.endswith(".")
