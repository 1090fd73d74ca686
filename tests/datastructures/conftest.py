"""Tests of maps and queues run twice, in the kernel and in the embedded VM, which must behave the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from py2bpf import vm

HERE = Path(__file__).parent


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests marked ``kernel`` are repeated in the VM, unless they are about the kernel itself (``kernel_only``)."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    if metafunc.definition.path.parent == HERE and "kernel" in marks and "kernel_only" not in marks:
        metafunc.parametrize("backend", ["kernel", "vm"], indirect=True)


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's maps are made."""
    name = getattr(request, "param", "kernel")
    with vm.backend(name):
        yield name
