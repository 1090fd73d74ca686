"""Fixtures for tests of programs; pytest finds them wherever py2bpf is installed.

``vm_backend``   maps, queues and programs made in the test live in the embedded VM: no privileges needed
``packets``      the module py2bpf.testing.packets
``sim_context``  makes contexts for py2bpf.sim.run: of a probe, a structure, or registers

Nothing is imported until a test uses one of the fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from . import sim


@pytest.fixture
def vm_backend() -> Iterator[Any]:
    """Makes the test's maps, queues and programs live in the embedded VM. Gives the py2bpf.vm.backend()."""
    from . import vm

    with vm.backend() as backend:
        yield backend


@pytest.fixture
def packets() -> ModuleType:
    """The module py2bpf.testing.packets, which builds packets."""
    from .testing import packets

    return packets


@pytest.fixture
def sim_context() -> Callable[..., sim.Context]:
    """Makes contexts: ``sim_context(probe, dfd=3)`` is py2bpf.sim.context, ``sim_context(args=(1, 2))`` registers()."""

    def make(of: Any = None, /, **fields: Any) -> sim.Context:
        from . import sim

        return sim.registers(**fields) if of is None else sim.context(of, **fields)

    return make
