"""Compiles programs for another target than the backend's."""

from __future__ import annotations

import pytest

from py2bpf.backend import Name, named
from py2bpf.spec import Target

BACKENDS: tuple[Name, ...] = ("kernel", "vm")


def compile_for(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """With any backend."""
    for name in BACKENDS:
        monkeypatch.setattr(type(named(name)), "target", lambda _backend: target)
