"""Map elements through the C core, one, many and all of them, while others change the map."""

from __future__ import annotations

import errno
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from py2bpf.core.handles import Handle
from py2bpf.cpus import possible_cpus
from py2bpf.exception import ClosedError, KernelError
from py2bpf.kernel import map_commands, syscalls
from py2bpf.uapi.map_types import MapFlags, MapType, Update

pytestmark = [pytest.mark.kernel, pytest.mark.any_kernel]

Make = Callable[..., Handle]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes maps of u32 to u64 unless told otherwise."""
    with ExitStack() as stack:

        def create(
            kind: MapType = MapType.HASH, entries: int = 64, key: int = 4, value: int = 8, flags: int = 0
        ) -> Handle:
            return stack.enter_context(syscalls.map_create(kind, key, value, entries, flags))

        yield create


def u32(*values: int) -> bytes:
    return struct.pack(f"={len(values)}I", *values)


def u64(*values: int) -> bytes:
    return struct.pack(f"={len(values)}Q", *values)


def fill(map: Handle, count: int, begin: int = 0) -> None:
    keys = range(begin, begin + count)
    map_commands.map_update_many(map, u32(*keys), 4, u64(*(3 * k for k in keys)), 8, count)


def walk(map: Handle, entries: int, cap: int = 16, **how: bool) -> Iterator[tuple[int, int]]:
    source = map_commands.Walk(map, 4, 8, entries, **how)
    while (found := source.next(cap)).n:
        yield from zip(
            struct.unpack(f"={found.n}I", found.keys), struct.unpack(f"={found.n}Q", found.values), strict=True
        )


BOTH_WAYS = pytest.mark.parametrize("by_keys", [False, True], ids=["batches", "keys"])


def test_one_element(make: Make) -> None:
    map = make()
    assert map_commands.map_lookup(map, u32(1), 8) is None
    map_commands.map_update(map, u32(1), u64(10))
    assert map_commands.map_lookup(map, u32(1), 8) == u64(10)
    assert map_commands.map_delete(map, u32(1)) is True
    assert map_commands.map_delete(map, u32(1)) is False
    assert map_commands.map_lookup(map, u32(1), 8) is None


def test_update_flags(make: Make) -> None:
    map = make()
    with pytest.raises(KernelError) as caught:
        map_commands.map_update(map, u32(1), u64(1), Update.EXIST)
    assert caught.value.errno == errno.ENOENT
    map_commands.map_update(map, u32(1), u64(1), Update.NOEXIST)
    with pytest.raises(KernelError) as caught:
        map_commands.map_update(map, u32(1), u64(1), Update.NOEXIST)
    assert caught.value.errno == errno.EEXIST


def test_a_full_map(make: Make) -> None:
    map = make(entries=4)
    fill(map, 4)
    with pytest.raises(KernelError, match="more entries") as caught:
        map_commands.map_update(map, u32(9), u64(1))
    assert caught.value.errno == errno.E2BIG
    with pytest.raises(KernelError, match="2 are set"):
        map_commands.map_update_many(map, u32(0, 1, 9), 4, u64(0, 3, 5), 8, 3)


def test_keys_one_after_the_other(make: Make) -> None:
    map = make()
    assert map_commands.map_next_key(map, None, 4) is None
    fill(map, 3)
    seen, key = set(), map_commands.map_next_key(map, None, 4)
    while key is not None:
        seen.add(key)
        key = map_commands.map_next_key(map, key, 4)
    assert seen == {u32(0), u32(1), u32(2)}


def test_taking_an_element_out(make: Make) -> None:
    map = make()
    try:
        assert map_commands.map_lookup_and_delete(map, u32(1), 8) is None
    except KernelError as error:  # hash maps know the command since Linux 5.14
        assert error.errno in (errno.EINVAL, errno.EOPNOTSUPP)
        return
    map_commands.map_update(map, u32(1), u64(10))
    assert map_commands.map_lookup_and_delete(map, u32(1), 8) == u64(10)
    assert map_commands.map_lookup(map, u32(1), 8) is None


def test_deleting_many_passes_over_missing_keys(make: Make) -> None:
    map = make()
    fill(map, 10)
    keys = [0, 99, 1, 2, 98, 97, 9, 96]
    map_commands.map_delete_many(map, u32(*keys), 4, len(keys))
    assert sorted(walk(map, 64)) == [(k, 3 * k) for k in range(3, 9)]


def test_deleting_from_an_array(make: Make) -> None:
    with pytest.raises(KernelError) as caught:
        map_commands.map_delete_many(make(MapType.ARRAY), u32(0), 4, 1)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("call", [map_commands.map_update_many, None])
def test_buffers_that_are_too_short(make: Make, call: object) -> None:
    map = make()
    with pytest.raises(ValueError, match="2"):
        if call:
            map_commands.map_update_many(map, u32(1, 2), 4, u64(1), 8, 2)
        else:
            map_commands.map_delete_many(map, u32(1), 4, 2)


@BOTH_WAYS
@pytest.mark.parametrize("cap", [1, 7, 500, 5000])
@pytest.mark.parametrize("kind", [MapType.HASH, MapType.LRU_HASH, MapType.ARRAY])
def test_walking(make: Make, kind: MapType, cap: int, by_keys: bool) -> None:
    map = make(kind, entries=500)
    count = 500 if kind is MapType.ARRAY else 300
    fill(map, count)
    assert sorted(walk(map, 500, cap, by_keys=by_keys)) == [(k, 3 * k) for k in range(count)]


@BOTH_WAYS
def test_walking_an_empty_map(make: Make, by_keys: bool) -> None:
    assert list(walk(make(), 64, by_keys=by_keys)) == []


@BOTH_WAYS
def test_walking_out(make: Make, by_keys: bool) -> None:
    map = make(entries=500)
    fill(map, 300)
    assert sorted(walk(map, 500, 13, by_keys=by_keys, delete=True)) == [(k, 3 * k) for k in range(300)]
    assert map_commands.map_next_key(map, None, 4) is None


@BOTH_WAYS
def test_a_per_cpu_map(make: Make, by_keys: bool) -> None:
    cpus = len(possible_cpus())
    map = make(MapType.PERCPU_HASH)
    map_commands.map_update(map, u32(5), u64(*range(cpus)))
    source = map_commands.Walk(map, 4, 8 * cpus, 64, by_keys=by_keys)
    assert source.next(64) == (u32(5), u64(*range(cpus)), 1)
    assert source.next(64).n == 0


def test_keys_that_are_deleted_while_walking(make: Make) -> None:
    """A walk by keys starts over when its place is gone, and hands out nothing twice all the same."""
    map = make(entries=1000)
    fill(map, 1000)
    seen = []
    for key, _ in walk(map, 1000, 10, by_keys=True):
        seen.append(key)
        if key % 2:
            map_commands.map_delete(map, u32(key))
        if len(seen) % 10 == 0:  # all around the place where the walk stands
            for other in range(1, 1000, 98):
                map_commands.map_delete(map, u32(other))
    assert len(seen) == len(set(seen))
    assert set(seen) >= set(range(0, 1000, 2))


def test_an_lpm_trie_that_shrinks_while_walking(make: Make) -> None:
    map = make(MapType.LPM_TRIE, entries=256, key=8, flags=MapFlags.NO_PREALLOC)
    prefixes = [struct.pack("=I4B", 32, 10, 0, 0, i) for i in range(200)]
    for i, prefix in enumerate(prefixes):
        map_commands.map_update(map, prefix, u64(i))
    source = map_commands.Walk(map, 8, 8, 256, by_keys=True)
    seen: list[int] = []
    while (found := source.next(7)).n:
        values = struct.unpack(f"={found.n}Q", found.values)
        seen += values
        for value in values:
            if value % 3 == 0:
                map_commands.map_delete(map, prefixes[value])
        map_commands.map_delete(map, prefixes[(values[-1] + 3) // 3 * 3 % 198])
    assert len(seen) == len(set(seen))
    assert set(seen) >= {i for i in range(200) if i % 3}


@BOTH_WAYS
def test_what_stays_comes_once_whatever_changes(make: Make, by_keys: bool) -> None:
    map = make(entries=3000)
    fill(map, 1000)
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            fill(map, 500, begin=10_000)
            map_commands.map_delete_many(map, u32(*range(10_000, 10_500)), 4, 500)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(10):
            try:
                seen = [key for key, _ in walk(map, 3000, 64, by_keys=by_keys)]
            except KernelError as error:
                assert by_keys and error.errno == errno.EBUSY  # said so rather than left something out
                continue
            assert len(seen) == len(set(seen))
            assert set(seen) >= set(range(1000))
    finally:
        stop.set()
        thread.join()


def test_a_chunk_smaller_than_a_bucket_grows(make: Make) -> None:
    """Two buckets and 60 keys: the kernel hands out buckets whole."""
    map = make(entries=2)
    map_many = make(entries=60, flags=MapFlags.NO_PREALLOC)
    fill(map, 2)
    fill(map_many, 60)
    assert sorted(walk(map, 2, 1)) == [(0, 0), (1, 3)]
    assert sorted(walk(map_many, 60, 1)) == [(k, 3 * k) for k in range(60)]


def test_walking_a_closed_map(make: Make) -> None:
    closed = make()
    closed.close()
    with pytest.raises(ClosedError, match="a map is closed"):
        map_commands.Walk(closed, 4, 8, 10).next(4)


def test_creating_what_cannot_be() -> None:
    with pytest.raises(KernelError, match=r"cannot create the map 'm'.*0-byte keys") as caught:
        syscalls.map_create(MapType.HASH, 0, 8, 1, name="m")
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(KernelError) as caught:
        syscalls.map_create(MapType.ARRAY, 4, 1 << 30, 1 << 31)
    assert caught.value.errno in (errno.E2BIG, errno.ENOMEM)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("short", b"short"),
        ("a.b_c", b"a.b_c"),
        ("very long name indeed", b"very_long_name_"),
        ("föö", b"f__"),
        ("", b""),
    ],
)
def test_names(name: str, stored: bytes) -> None:
    assert syscalls.object_name(name) == stored
    with syscalls.map_create(MapType.ARRAY, 4, 4, 1, name=name) as made:
        info = syscalls.get_info(made, 40)
    assert info[24:40].rstrip(b"\0") == stored
