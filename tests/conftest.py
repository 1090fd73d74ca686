"""Which tests run where."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``qemu`` run in a guest only; tests/qemu/test_guests.py starts them there."""
    if os.environ.get("PY2BPF_GUEST") == "1":
        return
    for_guests = [item for item in items if item.get_closest_marker("qemu")]
    if for_guests:
        config.hook.pytest_deselected(items=for_guests)
        items[:] = [item for item in items if not item.get_closest_marker("qemu")]
