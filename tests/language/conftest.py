"""Fixtures for tests of the language: the worlds in which a program must do the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from py2bpf import vm


@pytest.fixture(params=["vm", pytest.param("kernel", marks=pytest.mark.kernel)])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where maps are made and programs run."""
    with vm.backend(request.param):
        yield request.param
