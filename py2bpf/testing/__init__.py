"""Packets for tests of programs; py2bpf.sim and py2bpf.vm run the programs."""

from __future__ import annotations

from . import packets

__all__ = ["packets"]
