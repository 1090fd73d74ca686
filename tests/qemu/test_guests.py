"""Tests that need another kernel than this machine's: one boot for each kernel, see conftest.py.

Marked ``vm``: leave them out with ``-m "not vm"``.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from guest import search_path
from guests import GUESTS


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.parametrize("name", GUESTS)
def test_kernel(name: str, guests: Any) -> None:
    outcome = guests.outcome(name)
    told = f"Linux {name} in QEMU: exit {outcome.status}, {outcome.passed} passed\n{outcome.output}"
    assert outcome.status == 0, told
    assert outcome.passed > 0, told
    assert outcome.failed == outcome.skipped == 0, told


def test_this_venv_comes_first_in_the_guests_path() -> None:
    assert search_path().split(os.pathsep)[0] == os.path.dirname(sys.executable)
