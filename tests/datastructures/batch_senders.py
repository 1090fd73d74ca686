"""Queues of both kinds, and programs that send numbers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sample_programs import tc

from py2bpf.datastructures import BpfQueue, RingBuffer

PACKET = bytes(64)


@contextmanager
def queue_and_sender(kind: str, data_type: Any, **options: Any) -> Iterator[tuple[Any, Callable[[int], None]]]:
    """A queue, and a function that makes a program write the numbers 0, 1, 2 ... to it, in the type's first field."""
    with ExitStack() as stack:
        if kind == "ring":
            queue: Any = stack.enter_context(RingBuffer(data_type, 1 << 20, **options))
            program = stack.enter_context(tc(lambda skb: queue.output(data_type(skb.len))))
        else:
            queue = stack.enter_context(BpfQueue(data_type, 64, **options))
            program = stack.enter_context(tc(lambda skb: queue.output(skb, data_type(skb.len))))

        def send(count: int) -> None:
            for number in range(count):
                assert program.test_run(bytes(64 + number)).retval == 0

        yield queue, send


BOTH = pytest.mark.parametrize("kind", ["ring", "perf"])
