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
def trace_lines() -> Iterator[Callable[..., list[str]]]:
    """``traced(action)``: what this thread's programs print by trace_printk while ``action()`` runs.

    An instance of its own, so that no other reader takes the lines and nobody else's settings matter.
    """
    instance = f"{TRACEFS}/instances/py2bpf-{os.getpid()}"
    pipes: list[int] = []

    def traced(action: Callable[[], object]) -> list[str]:
        if not pipes:
            pipes.append(_open_instance(instance))
        action()
        mine = f"-{threading.get_native_id()} "
        return [line.split("bpf_trace_printk: ", 1)[1] for line in _drain(pipes[0], patience=0.5).splitlines()
                if mine in line.split("[", 1)[0] + " " and "bpf_trace_printk: " in line]  # fmt: skip

    yield traced
    for pipe in pipes:
        os.close(pipe)
        os.rmdir(instance)


def _open_instance(instance: str) -> int:
    if not os.path.exists(f"{TRACEFS}/trace_pipe"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
    os.mkdir(instance)
    with open(f"{instance}/events/bpf_trace/bpf_trace_printk/enable", "w") as switch:
        switch.write("1")
    return os.open(f"{instance}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)


def _drain(pipe: int, patience: float = 0.0) -> str:
    """Everything that is there now; waits up to ``patience`` seconds for the first line."""
    found = b""
    end = time.monotonic() + patience
    while True:
        try:
            found += os.read(pipe, 65536)
        except BlockingIOError:
            if found or time.monotonic() >= end:
                return found.decode()
            time.sleep(0.01)
