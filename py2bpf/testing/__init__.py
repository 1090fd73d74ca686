"""What tests of programs need beside ``py2bpf.sim`` and ``py2bpf.vm``: packets."""

from __future__ import annotations

from . import packets

__all__ = ["packets"]
