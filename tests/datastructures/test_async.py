"""Queues in asyncio: several tasks, several loops, cancelling, closing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import c_uint64
from itertools import chain
from typing import Any

import pytest

from py2bpf.datastructures import BpfQueue, RingBuffer
from py2bpf.exception import ClosedError
from py2bpf.prog import ProgType, create_prog
from py2bpf.uapi.contexts import SK_BUFF

pytestmark = pytest.mark.kernel


@pytest.fixture(params=["ring", "perf"])
def queue(request: pytest.FixtureRequest, backend: str) -> Iterator[Any]:
    with RingBuffer(c_uint64, 1 << 16) if request.param == "ring" else BpfQueue(c_uint64, latency=0.02) as found:
        yield found


@pytest.fixture
def send(queue: Any) -> Iterator[Callable[[int], None]]:
    """Writes 64, 65, 66 ... from there on at the next call."""
    ring = isinstance(queue, RingBuffer)
    write = (lambda skb: queue.output(skb.len)) if ring else (lambda skb: queue.output(skb, skb.len))
    sent = 0
    with create_prog(ProgType.SCHED_CLS, SK_BUFF, write) as program:

        def some(count: int) -> None:
            nonlocal sent
            for _ in range(count):
                assert program.test_run(bytes(64 + sent)).retval == 0
                sent += 1

        yield some


Send = Callable[[int], None]


def test_getting_one_and_waiting_for_it(queue: Any, send: Send) -> None:
    async def main() -> None:
        send(2)
        assert await queue.get() == 64 and await queue.get() == 65
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        send(1)
        assert await asyncio.wait_for(waiting, 5) == 66

    asyncio.run(main())
    assert queue.poll(0) == []


def test_iteration_ends_with_close_and_gets_everything(queue: Any, send: Send) -> None:
    async def main() -> list[int]:
        got: list[int] = []

        async def read() -> None:
            async for number in queue:
                got.append(number)

        reading = asyncio.create_task(read())
        send(3)
        while len(got) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        send(2)
        queue.close()
        await asyncio.wait_for(reading, 5)
        with pytest.raises(ClosedError):
            await queue.get()
        with pytest.raises(ClosedError):
            await queue.get_batch()
        return got

    assert asyncio.run(main()) == [64, 65, 66, 67, 68]


def test_closing_from_another_thread(queue: Any) -> None:
    async def main() -> None:
        closing = threading.Timer(0.1, queue.close)
        closing.start()
        begin = time.monotonic()
        async for _ in queue:
            pytest.fail("nothing was sent")
        with pytest.raises(ClosedError):
            await queue.get()
        assert time.monotonic() - begin < 5
        closing.join()  # who reads may know of it before it is through

    asyncio.run(asyncio.wait_for(main(), 10))


def test_several_tasks_share_the_records(queue: Any, send: Send) -> None:
    async def main() -> None:
        got: list[list[int]] = [[], [], []]

        async def read(mine: list[int]) -> None:
            async for number in queue:
                mine.append(number)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(read(mine)) for mine in got]
        await asyncio.sleep(0.02)
        for _ in range(5):
            send(20)
            await asyncio.sleep(0.03)
        while sum(map(len, got)) < 100:
            await asyncio.sleep(0.01)
        queue.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert sorted(chain(*got)) == list(range(64, 164)) and all(got)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_cancelling_loses_nothing(queue: Any, send: Send) -> None:
    async def main() -> list[int]:
        got = []
        for turn in range(40):
            task = asyncio.create_task(queue.get())
            for _ in range(turn % 4):
                await asyncio.sleep(0.001)
            if turn % 2:
                send(1)
            await asyncio.sleep(0)
            task.cancel()
            try:
                got.append(await task)
            except asyncio.CancelledError:
                continue
        while len(got) < 20:
            got.append(await asyncio.wait_for(queue.get(), 5))
        return got

    assert asyncio.run(main()) == list(range(64, 84))
    assert queue.poll(0) == []


def test_time_outs_work_while_records_are_there_all_the_time(queue: Any, send: Send) -> None:
    async def main() -> int:
        got = 0

        async def read() -> None:
            nonlocal got
            async for _ in queue:
                got += 1

        async def write() -> None:
            while True:
                send(10) if got < 400 else None
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(), 0.2)
        writing.cancel()
        return got

    begin = time.monotonic()
    assert asyncio.run(main()) > 0 and time.monotonic() - begin < 5


def test_batches(queue: Any, send: Send) -> None:
    pytest.importorskip("numpy")

    async def main() -> None:
        send(5)
        assert (await queue.get_batch(2)).tolist() == [64, 65]
        assert await queue.get() == 66
        assert (await queue.get_batch()).tolist() == [67, 68]
        waiting = asyncio.create_task(queue.get_batch())
        await asyncio.sleep(0.03)
        assert not waiting.done()
        send(1)
        assert (await asyncio.wait_for(waiting, 5)).tolist() == [69]

    asyncio.run(main())


def test_one_loop_after_the_other_and_two_at_once(queue: Any, send: Send) -> None:
    async def one() -> int:
        number: int = await asyncio.wait_for(queue.get(), 10)
        return number

    for wanted in (64, 65):
        send(1)
        assert asyncio.run(one()) == wanted
    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(asyncio.run(one()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    send(2)
    for thread in threads:
        thread.join(15)
    assert sorted(got) == [66, 67]


def test_a_loop_that_died_is_forgotten(queue: Any, send: Send) -> None:
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(queue.get())
    loop.run_until_complete(asyncio.sleep(0.02))
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    assert queue._watches == {}
    send(1)
    assert asyncio.run(queue.get()) == 64


def test_nothing_of_a_closed_loop_keeps_descriptors(queue: Any) -> None:
    """Which the check around every test would see."""
    async def main() -> None:
        tasks = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0.02)
        queue.close()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, ClosedError)

    asyncio.run(main())
