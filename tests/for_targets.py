"""Has programs compiled for another target than that of the backend that loads them."""

from __future__ import annotations

import pytest

from py2bpf.backend import Name, named
from py2bpf.spec import Target

BACKENDS: tuple[Name, ...] = ("kernel", "vm")


def compile_for(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """Whichever backend is chosen."""
    for name in BACKENDS:
        monkeypatch.setattr(type(named(name)), "target", lambda _backend: target)
