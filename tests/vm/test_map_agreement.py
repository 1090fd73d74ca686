"""The same operations on a map of the kernel and on one of the VM give the same answers and the same errors."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from ctypes import c_uint8, c_uint32
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from py2bpf import vm
from py2bpf.backend import MapStorage, current
from py2bpf.cpus import possible_cpus
from py2bpf.exception import KernelError
from py2bpf.spec import MapSpec
from py2bpf.uapi.map_types import KINDS, MapFlags, MapType

pytestmark = pytest.mark.kernel
CPUS = len(possible_cpus())


class Shape(NamedTuple):
    kind: MapType
    entries: int
    keys: tuple[bytes, ...]
    value_size: int = 4
    flags: int = 0

    @property
    def stored_size(self) -> int:
        """What user space reads and writes."""
        return CPUS * (self.value_size + 7 & ~7) if KINDS[self.kind].per_cpu else self.value_size


NUMBERS = tuple(struct.pack("=I", number) for number in range(6))
FAR = (*NUMBERS, b"\xff\xff\xff\xff")
PREFIXES = tuple(struct.pack("=IB", length, byte) for length, byte in (
    (0, 0), (1, 0x80), (2, 0x80), (4, 0xA0), (8, 0xA5), (8, 0xA4), (8, 0x01), (9, 0)))  # fmt: skip

SHAPES = [
    Shape(MapType.HASH, 4, NUMBERS),
    Shape(MapType.HASH, 4, NUMBERS, 13, MapFlags.NO_PREALLOC),
    Shape(MapType.PERCPU_HASH, 4, NUMBERS),
    Shape(MapType.PERCPU_HASH, 4, NUMBERS, 12),
    Shape(MapType.ARRAY, 4, FAR, 5),
    Shape(MapType.PERCPU_ARRAY, 4, FAR, 9),
    Shape(MapType.LRU_HASH, 1024, NUMBERS),  # far from full: eviction is approximate in the kernel
    Shape(MapType.LRU_PERCPU_HASH, 1024, NUMBERS),
    Shape(MapType.LPM_TRIE, 4, PREFIXES, 4, MapFlags.NO_PREALLOC),
    Shape(MapType.STACK_TRACE, 4, FAR, 16),
]


def answer(call: Callable[[], Any]) -> Any:
    """What a call gives, or its error number."""
    try:
        return call()
    except KernelError as error:
        return errno.errorcode[error.errno or 0]


def make_machine(shape: Shape) -> type[RuleBasedStateMachine]:
    keys = st.sampled_from(shape.keys)
    values = st.binary(min_size=shape.value_size, max_size=shape.value_size)
    flags = st.sampled_from((0, 1, 2, 3))

    def stored(value: bytes) -> bytes:
        """Padding is zero, as Python's codecs leave it."""
        size = shape.stored_size // CPUS if KINDS[shape.kind].per_cpu else shape.value_size
        return value.ljust(size, b"\0") * (shape.stored_size // size)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            key_type: Any = c_uint8 if shape.kind == MapType.LPM_TRIE else c_uint32
            spec = MapSpec(int(shape.kind), key_type, c_uint8 * shape.value_size, shape.entries, int(shape.flags),
                           per_cpu=KINDS[shape.kind].per_cpu)
            self.maps: list[MapStorage] = []
            for where in ("kernel", "vm"):
                with vm.backend(where):
                    self.maps.append(current().create_map(spec, len(shape.keys[0]), shape.stored_size))

        def both(self, call: Callable[[MapStorage], Any]) -> None:
            kernel, ours = (answer(lambda storage=storage: call(storage)) for storage in self.maps)
            assert ours == kernel

        @rule(key=keys)
        def lookup(self, key: bytes) -> None:
            self.both(lambda m: m.lookup(key))

        @rule(key=keys, value=values, flag=flags)
        def update(self, key: bytes, value: bytes, flag: int) -> None:
            self.both(lambda m: m.update(key, stored(value), flag))

        @rule(some=st.lists(st.tuples(keys, values), min_size=1, max_size=6))
        def update_many(self, some: list[tuple[bytes, bytes]]) -> None:
            together = b"".join(key for key, _ in some), b"".join(stored(value) for _, value in some)
            self.both(lambda m: m.update_many(*together, len(some)))

        @rule(key=keys)
        def delete(self, key: bytes) -> None:
            self.both(lambda m: m.delete(key))

        @rule(key=keys)
        def take(self, key: bytes) -> None:
            self.both(lambda m: m.take(key))

        @rule()
        def clear(self) -> None:
            if not KINDS[shape.kind].indexed:
                self.both(lambda m: entries(m, delete=True))

        @rule(key=keys)
        def after(self, key: bytes) -> None:
            """Whether there is a next key, of a key that is there; the orders are their own."""
            if KINDS[shape.kind].indexed:
                self.both(lambda m: m.next_key(key))
            else:
                self.both(lambda m: m.next_key(None) is None)

        @invariant()
        def same_contents(self) -> None:
            kernel, ours = (entries(m) for m in self.maps)
            assert ours == kernel

        def teardown(self) -> None:
            for storage in self.maps:
                storage.close()

    def entries(m: MapStorage, delete: bool = False) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        size, step = len(shape.keys[0]), shape.stored_size
        for keys_of, values_of, n in m.walk(delete=delete):
            found.extend((bytes(keys_of[i * size : (i + 1) * size]), bytes(values_of[i * step : (i + 1) * step]))
                         for i in range(n))
        return sorted(found)

    return Machine


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.kind.name.lower()}-{shape.value_size}")
def test_kernel_and_vm_agree(shape: Shape) -> None:
    run_state_machine_as_test(make_machine(shape), settings=settings(
        max_examples=40, stateful_step_count=30, derandomize=True,
        suppress_health_check=list(HealthCheck)))
