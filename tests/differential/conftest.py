"""Every program of these tests is checked by the IR checker after every pass."""

from __future__ import annotations

import pytest

from py2bpf.compiler import pipeline


@pytest.fixture(autouse=True, scope="module")
def _checked_ir() -> object:
    before, pipeline.checking = pipeline.checking, True
    yield
    pipeline.checking = before
