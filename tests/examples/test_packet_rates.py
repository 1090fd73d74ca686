"""How snapshots of counters that forget become counts and rates."""

from __future__ import annotations

from collections import Counter, OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from py2bpf.examples.packet_rates import NOTHING, Count, Entry, Ledger, Snapshot, Standing, report

A, B, C = b"a", b"b", b"c"


def snapshot(time: float, total: tuple[int, int], **flows: tuple[int, int, int]) -> Snapshot:
    """Flows as (since, packets, bytes)."""
    return Snapshot(time, Count(*total), {name.encode(): entry for name, entry in flows.items()}, Count(*total))


def test_what_is_read_is_what_was_counted() -> None:
    standing = Ledger(10).add(snapshot(1, (3, 300), a=(5, 2, 250), b=(6, 1, 50)))
    assert standing == Standing(1, Count(3, 300), NOTHING, {A: Count(2, 250), B: Count(1, 50)})


def test_a_flow_that_was_forgotten_goes_on() -> None:
    ledger = Ledger(10)
    ledger.add(snapshot(1, (10, 100), a=(5, 10, 100)))
    standing = ledger.add(snapshot(2, (13, 130), a=(8, 3, 30)))
    assert standing.flows == {A: Count(13, 130)} and standing.unattributed == NOTHING
    assert ledger.add(snapshot(3, (14, 140), a=(8, 4, 40))).flows == {A: Count(14, 140)}


def test_a_flow_that_came_back_with_more_packets_than_before() -> None:
    """Only the time of its entry tells that the count isn't the old one, grown."""
    ledger = Ledger(10)
    ledger.add(snapshot(1, (2, 20), a=(5, 2, 20)))
    assert ledger.add(snapshot(2, (9, 90), a=(8, 7, 70))).flows == {A: Count(9, 90)}


def test_what_nobody_read_is_told() -> None:
    ledger = Ledger(10)
    ledger.add(snapshot(1, (10, 100), a=(5, 10, 100)))
    standing = ledger.add(snapshot(2, (20, 190), b=(8, 6, 60)))
    assert standing.unattributed == Count(4, 30)
    assert standing.flows == {A: Count(10, 100), B: Count(6, 60)}


def test_packets_that_come_while_it_is_read_are_no_loss() -> None:
    ledger = Ledger(10)
    early = Snapshot(1, Count(5, 50), {A: (1, 8, 80)}, Count(9, 90))
    standing = ledger.add(early)
    assert standing.unattributed == NOTHING and standing.total == Count(9, 90)
    result = report(Standing(), standing, 5)
    assert (result.other.packets, result.other.bytes) == (1, 10)


def test_a_loss_stays_told() -> None:
    ledger = Ledger(10)
    ledger.add(snapshot(1, (10, 100), a=(1, 7, 70)))
    later = Snapshot(2, Count(10, 100), {A: (1, 9, 90)}, Count(12, 120))
    assert ledger.add(later).unattributed == Count(3, 30)


def test_what_was_not_counted_is_handed_on() -> None:
    now = Ledger(2).add(Snapshot(1, NOTHING, {}, NOTHING, 5))
    assert report(Standing(), now, 1).missed == now.missed == 5


def test_memory_is_bounded() -> None:
    ledger = Ledger(2)
    for turn in range(50):
        flows = {f"flow {turn}": (turn, 1, 60), f"other {turn}": (turn, 1, 60)}
        standing = ledger.add(snapshot(turn, (2 * turn + 2, 120 * turn + 120), **flows))
        assert len(standing.flows) <= 4
        assert {name.encode() for name in flows} <= standing.flows.keys()
    assert standing.unattributed == NOTHING and standing.total == Count(100, 6000)


def test_rates() -> None:
    before = Standing(10.0, Count(100, 5000), NOTHING, {A: Count(60, 3000), B: Count(40, 2000)})
    now = Standing(12.0, Count(140, 9000), NOTHING, {A: Count(70, 3400), B: Count(60, 4600), C: Count(10, 1000)})
    result = report(before, now, 2)
    assert result.seconds == 2.0 and result.n_flows == 3
    assert [row.flow for row in result.top] == [B, C], "what came in the interval decides, not what was before"
    assert result.top[0].row == (60, 4600, 10.0, 1300.0)
    assert result.top[1].row == (10, 1000, 5.0, 500.0)
    assert result.total == (140, 9000, 20.0, 2000.0)
    assert result.other == (70, 3400, 5.0, 200.0)


def test_an_interval_of_no_length_has_no_rates() -> None:
    result = report(Standing(), Standing(0.0, Count(1, 60), NOTHING, {A: Count(1, 60)}), 3)
    assert result.total == (1, 60, 0.0, 0.0)


def test_when_nothing_comes_the_largest_are_shown() -> None:
    quiet = {A: Count(1, 60), B: Count(9, 900), C: Count(2, 100)}
    standing = Standing(1, Count(12, 1060), NOTHING, quiet)
    assert [row.flow for row in report(standing, Standing(2, *_rest(standing)), 2).top] == [B, C]


def _rest(standing: Standing) -> tuple[Count, Count, dict[bytes, Count]]:
    return standing.total, standing.unattributed, standing.flows


def test_a_flow_that_the_ledger_forgot_in_between_has_no_negative_rate() -> None:
    """Somebody else who asks, Prometheus say, may have it forget between the two standings of an interval."""
    before = Standing(1, Count(100, 1000), NOTHING, {A: Count(100, 1000)})
    now = Standing(2, Count(105, 1050), NOTHING, {A: Count(5, 50)})
    result = report(before, now, 1)
    assert result.top[0].row == (5, 50, 5.0, 50.0)
    assert result.other == (100, 1000, 0.0, 0.0)


class Lru:
    """A map that forgets what was unused for longest, as the kernel's."""

    def __init__(self, room: int) -> None:
        self._room, self._clock = room, 0
        self.entries: OrderedDict[bytes, Entry] = OrderedDict()

    def count(self, key: bytes, size: int) -> None:
        self._clock += 1
        since, packets, total = self.entries.pop(key, (self._clock, 0, 0))
        if len(self.entries) == self._room:
            self.entries.popitem(last=False)
        self.entries[key] = (since, packets + 1, total + size)


@given(
    room=st.integers(1, 4),
    turns=st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(60, 1500)), max_size=20), max_size=12),
)
def test_nothing_is_lost_nor_invented(room: int, turns: list[list[tuple[str, int]]]) -> None:
    """Every packet is counted for its flow, or as unattributed; counts and rates never shrink."""
    ledger, lru, total, sent = Ledger(6), Lru(room), NOTHING, Counter[bytes]()
    before = Standing()
    for time, packets in enumerate(turns, 1):
        for name, size in packets:
            lru.count(name.encode(), size)
            sent[name.encode()] += 1
            total = total.plus(Count(1, size))
        now = ledger.add(Snapshot(time, total, dict(lru.entries), total))
        attributed = [sum(numbers) for numbers in zip(*now.flows.values(), strict=True)] or [0, 0]
        assert Count(*attributed).plus(now.unattributed) == total
        assert all(count.packets <= sent[key] for key, count in now.flows.items())
        result = report(before, now, 3)
        rows = [*(row for _, row in result.top), result.total, result.other]
        assert all(number >= 0 for row in rows for number in row)
        assert result.total.packets_per_second == len(packets)
        before = now
