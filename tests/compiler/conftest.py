"""What tests of compiled programs share."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

TRACEFS = "/sys/kernel/tracing"


@pytest.fixture
def trace_lines(request: pytest.FixtureRequest) -> Iterator[Callable[..., list[str]]]:
    """``traced(action)``: what this thread's programs print by trace_printk while ``action()`` runs."""
    opened: list[int] = []

    def traced(action: Callable[[], object]) -> list[str]:
        if not os.path.exists(f"{TRACEFS}/trace_pipe"):
            subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
        pipe = os.open(f"{TRACEFS}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        opened.append(pipe)
        _drain(pipe)
        action()
        text = _drain(pipe, patience=0.5)
        mine = f"-{threading.get_native_id()} "
        return [line.split("bpf_trace_printk: ", 1)[1] for line in text.splitlines()
                if mine in line.split("[", 1)[0] + " " and "bpf_trace_printk: " in line]  # fmt: skip

    yield traced
    for fd in opened:
        os.close(fd)


def _drain(pipe: int, patience: float = 0.0) -> str:
    """All that is there now; waits up to ``patience`` seconds for the first of it."""
    found = b""
    end = time.monotonic() + patience
    while True:
        try:
            found += os.read(pipe, 65536)
        except BlockingIOError:
            if found or time.monotonic() >= end:
                return found.decode()
            time.sleep(0.01)
