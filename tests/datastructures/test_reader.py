"""The reader interface over a fake source, without the kernel."""

from __future__ import annotations

import threading
import time
from array import array
from ctypes import c_int32
from typing import Any

import pytest
from sample_programs import PAUSE

from py2bpf.codec import codec_for
from py2bpf.core.batches import Batch, copy_bytes
from py2bpf.datastructures.reader import Reader
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, ShortRecordError


class Source:
    """Batches of numbers, given out one read at a time."""

    def __init__(self, *batches: Any) -> None:
        self.batches = list(batches)
        self.cancelled = threading.Event()
        self.closed = 0
        self.forked = False
        self.codec = codec_for(c_int32)
        self.most = 100
        self.turn = threading.RLock()

    def check(self) -> None:
        if self.closed:
            raise ClosedError("source")

    def batch(self, out: Any, count: int, sizes: Any = None) -> Batch:
        return Batch(out, 4, count)

    def take(self, batch: Batch) -> None:
        self.check()
        numbers = self.batches.pop(0) if self.batches else []
        refused = [number for number in numbers if number < 0]
        good = array("i", [number for number in numbers if number >= 0])
        copy_bytes(batch.out, 0, good.tobytes())
        batch.struct.n, batch.struct.refused = len(good), len(refused)

    def wait(self, seconds: float) -> None:
        self.cancelled.wait(min(seconds, 0.01))

    def fileno(self) -> int:
        return 7

    def keep(self) -> None:
        """Nothing is open."""

    def lost(self) -> int:
        if self.closed:
            raise ClosedError("source")
        return 3

    def lost_by_cpu(self, n_cpus: int) -> dict[int, int]:
        return {}

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed += 1


def test_poll_takes_what_is_there() -> None:
    reader = Reader(Source([1, 2], [], [3]))
    assert reader.poll(0) == [1, 2]
    assert reader.poll(0) == []
    assert reader.poll() == [3]
    assert reader.fileno() == 7 and reader.lost == 3


def test_a_forked_child_delivers_nothing_of_its_parents() -> None:
    source = Source([1, 2, 3], [4])
    reader = Reader(source)
    assert next(iter(reader)) == 1
    source.forked = True
    assert reader.poll(0) == [4], "the source says what the child gets, not what was pending"
    reader.close()
    assert source.closed == 1 and reader.lost == 0


def test_leaving_a_loop_early_loses_nothing() -> None:
    reader = Reader(Source([1, 2, 3], [4]))
    for record in reader:
        if record == 2:
            break
    assert reader.poll(0) == [3] and reader.poll(0) == [4]


@pytest.mark.parametrize("timeout", [0, 0.05, 0.2])
def test_time_outs(timeout: float) -> None:
    begin = time.monotonic()
    assert Reader(Source()).poll(timeout) == []
    assert timeout <= time.monotonic() - begin < timeout + PAUSE


@pytest.mark.parametrize(("timeout", "error"), [
    (-1, DataRangeError), (float("nan"), DataRangeError), ("1", DataTypeError), (True, DataTypeError)])
def test_refused_time_outs(timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout"):
        Reader(Source()).poll(timeout)


def test_close_ends_an_iteration_and_delivers_the_rest() -> None:
    source = Source([1])
    reader = Reader(source)
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.extend(reader))
    thread.start()
    time.sleep(0.05)
    source.batches.append([2])
    source.batches.append([3])
    reader.close()
    thread.join(5)
    assert not thread.is_alive() and got[:2] == [1, 2]
    reader.close()
    assert source.closed == 1 and reader.closed and reader.lost == 3


def test_a_closed_reader() -> None:
    reader = Reader(Source([1], [2]))
    reader.close()
    assert reader.poll(0) == [1]
    with pytest.raises(ClosedError):
        reader.poll(0)
    with pytest.raises(ClosedError), reader:
        pass
    assert list(reader) == []


def test_good_records_survive_a_bad_one() -> None:
    reader = Reader(Source([1, -1, 2], [3]))
    with pytest.raises(ShortRecordError, match="c_int32, which has 4 bytes; 1 such records were dropped"):
        reader.poll(0)
    assert reader.poll(0) == [1, 2, 3]
    reader = Reader(Source([1, -1, 2], [3]))
    numbers = array("i", [0] * 5)
    with pytest.raises(ShortRecordError):
        reader.read_into(numbers)
    assert reader.read_into(numbers) == 2 and numbers.tolist()[:2] == [1, 2]


def test_closing_inside_a_loop_over_the_reader() -> None:
    reader = Reader(Source([1, 2]))
    got = []
    for record in reader:
        got.append(record)
        reader.close()
    assert got == [1, 2]
