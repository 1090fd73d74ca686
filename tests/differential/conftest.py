"""The worlds in which programs are compared. Every program of these tests is checked by the IR checker after every
pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fuzz import worlds
from pools import Pool

from py2bpf.compiler import pipeline
from py2bpf.compiler.peval import subprograms
from py2bpf.kernel import features
from py2bpf.kernel.features import Feature
from py2bpf.spec import Target


@pytest.fixture(autouse=True, scope="module")
def _checked_ir() -> object:
    before, pipeline.checking = pipeline.checking, True
    yield
    pipeline.checking = before


@pytest.fixture(scope="module")
def pools() -> Iterator[list[Pool]]:
    """The maps of each world."""
    with worlds() as made:
        yield made


@pytest.fixture
def all_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every function is large enough to become a subprogram."""
    monkeypatch.setattr(subprograms, "SUBPROGRAM_INSTRUCTIONS", 1)


@pytest.fixture
def no_iterators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiles as for Linux 5.17 to 6.3, where bpf_loop is all there is; before that such loops are refused."""
    target = Target(iterators=False, bpf_loop=features.probe(Feature.HELPER_LOOP))
    monkeypatch.setattr(features, "target", lambda: target)
