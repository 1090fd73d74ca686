"""The ring buffer as a kind of map, below any class: what programs write comes out in order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from ctypes import c_uint64

import pytest

from py2bpf import asm, vm
from py2bpf.asm import FRAME, Alu
from py2bpf.codec import codec_for
from py2bpf.core.queue_records import Records
from py2bpf.exception import ClosedError, KernelError
from py2bpf.spec import HookSpec, MapSpec, ProgramSpec
from py2bpf.uapi.map_types import MapType
from py2bpf.vm.machine import machine
from py2bpf.vm.queues import ring_source
from py2bpf.vm.vm_map import VmMap
from py2bpf.vm.vm_program import VmProgram, load

OUTPUT = 130
"""bpf_ringbuf_output."""

SIZE = 4096
FIT = SIZE // 16 - 1
"""Records of 8 bytes and their header; the ring is never quite full."""


@pytest.fixture
def ring() -> Iterator[VmMap]:
    with vm.backend():
        storage = VmMap(MapSpec(int(MapType.RINGBUF), None, None, SIZE), 0, 0)
    yield storage
    storage.close()


def writer(ring: VmMap) -> VmProgram:
    """Each run writes the packet's length as 8 bytes, and gives what the helper gives."""
    code = (
        asm.load(4, 6, 1, 0), asm.store(8, FRAME, -8, 6),
        asm.ld_map(1, 0), asm.mov(2, FRAME), asm.alu_imm(Alu.ADD, 2, -8), asm.mov_imm(3, 8), asm.mov_imm(4, 0),
        asm.call(OUTPUT), asm.exit_(),
    )  # fmt: skip
    spec = ProgramSpec("writer", HookSpec(prog_type=3, name="tc"), code, (None,) * len(code), (ring._spec,))
    return load(spec, [ring], machine().handle)


def read(source: Records) -> list[int]:
    numbers = array("Q", bytes(SIZE))
    batch = source.batch(numbers, SIZE // 8)
    source.take(batch)
    return numbers[: batch.n].tolist()


def test_records_come_in_order(ring: VmMap) -> None:
    source = ring_source(ring.handle, SIZE, codec_for(c_uint64))
    with writer(ring) as program:
        assert [program.test_run(bytes(20 + i)).retval for i in range(3)] == [0, 0, 0]
        assert read(source) == [20, 21, 22] and read(source) == []
        for _ in range(3):  # round the ring
            results = [program.test_run(bytes(64)).retval for _ in range(FIT + 5)]
            assert results.count(0) == FIT and set(results[FIT:]) == {(1 << 32) - 11}
            assert read(source) == [64] * FIT
        assert source.lost() == 15
    source.close()
    with pytest.raises(ClosedError):
        read(source)


def test_a_ring_has_no_elements(ring: VmMap) -> None:
    for use in (lambda: ring.lookup(b""), lambda: ring.update(b"", b""), lambda: ring.next_key(None),
                lambda: list(ring.walk())):
        with pytest.raises(KernelError):
            use()


@pytest.mark.parametrize("size", [0, 100, 4097, 3 * 4096])
def test_sizes_are_pages_and_powers_of_two(size: int) -> None:
    with pytest.raises(KernelError, match="Invalid argument"):
        VmMap(MapSpec(int(MapType.RINGBUF), None, None, size), 0, 0)
