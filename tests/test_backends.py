"""The two backends: no other module asks which backend it uses, and objects of one backend aren't mixed with the
other's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from ctypes import c_uint32, c_uint64
from typing import Any

import pytest
from test_architecture import MODULES, within

from py2bpf import backend, vm
from py2bpf.datastructures import HashMap, ProgArray
from py2bpf.exception import ClosedError, NotInVm
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.uapi.map_types import KINDS, MapType

EXEMPT = ("py2bpf.backend", "py2bpf.kernel", "py2bpf.vm", "py2bpf.examples")
"""Those who are asked; tools ask as users do, by py2bpf.vm.current()."""
NAMES = {"kernel", "vm", "in the VM", "in the kernel"}
CLASSES = {"KernelMap", "VmMap", "VmProgram", "KernelBackend", "VmBackend"}


def questions(tree: ast.AST) -> Iterator[int]:
    """The lines that compare with a backend's name, or look at a class of one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(part, ast.Constant) and part.value in NAMES for side in sides for part in ast.walk(side)):
                yield node.lineno
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant) and node.value.value in NAMES:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from (node.lineno for alias in node.names if alias.name in CLASSES)
        elif isinstance(node, ast.Attribute) and node.attr in CLASSES:
            yield node.lineno


@pytest.mark.parametrize(
    "source",
    [
        "if current() == 'vm': pass",
        "x = storage.backend != 'kernel'",
        "x = state in ('vm', 'other')",
        "match current():\n    case 'vm': pass",
        "from .vm.vm_map import VmMap",
        "x = isinstance(storage, maps.KernelMap)",
    ],
)
def test_a_question_is_found(source: str) -> None:
    assert list(questions(ast.parse(source)))


@pytest.mark.parametrize("source", ["with backend('vm'): pass", "print('in the VM')", "if name == 'virtual': pass"])
def test_no_question_is_found(source: str) -> None:
    assert not list(questions(ast.parse(source)))


@pytest.mark.parametrize("module", [each for each in MODULES if not any(within(each, other) for other in EXEMPT)])
def test_nobody_asks_which_backend_it_is(module: str) -> None:
    assert list(questions(ast.parse(MODULES[module].read_text()))) == []


@pytest.mark.kernel
@pytest.mark.parametrize(("inner", "outer"), [("vm", "kernel"), ("kernel", "vm")])
def test_what_belongs_to_a_map_lives_where_the_map_does(inner: str, outer: str) -> None:
    with vm.backend(inner), HashMap(c_uint32, c_uint64, 1) as m, vm.backend(outer):
        counter = m.lost_counter
        assert counter._storage.backend is m._storage.backend is backend.named(inner)


@pytest.mark.kernel
def test_a_program_of_the_vm_in_an_array_of_the_kernel() -> None:
    def one(_skb: Any) -> int:
        return 1

    with ProgArray(1) as programs, vm.backend(), create_prog(ProgType.SOCKET_FILTER, SkBuffContext, one) as prog:
        with pytest.raises(NotInVm):
            programs[0] = prog
        prog.close()
        with pytest.raises(ClosedError):
            prog.__enter__()


def test_a_kind_of_map_that_the_vm_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    row = KINDS[MapType.HASH]._replace(not_in_vm="there are no keys")
    monkeypatch.setitem(KINDS, MapType.HASH, row)
    with vm.backend(), pytest.raises(NotInVm, match="has no map of the kind hash map: there are no keys"):
        HashMap(c_uint32, c_uint64, 1)
