"""Pools: one of each map in the kernel or the embedded VM, which all programs of a process share; between runs the used
ones are brought back to where a sample begins."""

from __future__ import annotations

import ctypes
import functools
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import hooks
import tails
from compiled import Compiled, compile_for
from grammar import Program
from samples import EMPTY, FILLED, Sample, initial
from shared import GLOBALS, MAPS, OUTPUTS, QUEUES, Input, create_queue
from simulated import COMM

from py2bpf import Global, funcs, vm
from py2bpf.datastructures import ProgArray
from py2bpf.prog import Prog, load_spec
from py2bpf.spec import ProgramSpec

UNWRITTEN = 0xA5A5_5A5A_DEAD_BEEF
_GARBAGE = 480


def bytes_of(kind: Any, value: Any) -> bytes:
    if isinstance(value, tuple):
        return bytes(kind(*value))
    if isinstance(value, bytes):
        return value.ljust(ctypes.sizeof(kind), b"\0")
    return bytes(value) if isinstance(value, (ctypes.Structure, ctypes.Array)) else bytes(kind(value))


def _leave_garbage(ctx: Any) -> int:
    """A program that fills its stack, but for the compiler's own."""
    garbage = (ctypes.c_uint8 * _GARBAGE)()
    for i in range(_GARBAGE):
        garbage[i] = i | 0x80
    return garbage[funcs.get_smp_processor_id() & 255] & 1


_TAILS: dict[tuple[str, int], tuple[ProgramSpec, list[str | None]]] = {}


def _tail(pool: Pool, hook: str, index: int) -> tuple[ProgramSpec, list[str | None]]:
    """A tail's code, and the names of its maps; compiled once, whichever pool it is for."""
    found = _TAILS.get((hook, index))
    if found is None:
        compiled = Compiled(Program(tails.TAILS[index], hook, Counter()), pool)
        found = _TAILS[hook, index] = compiled.spec, compiled.captures
    return found


@functools.cache
def _garbage(hook: str) -> ProgramSpec:
    return compile_for(hook, _leave_garbage, None)[0]


_NAME: Final = Path("/proc/self/comm")


def name_thread() -> bytes:
    """Gives this process the name that CPython's runs find. Returns the one that it had."""
    former = _NAME.read_bytes().removesuffix(b"\n")
    _NAME.write_bytes(COMM)
    return former


class Pool:
    """The maps and queues of one world that keeps them in BPF's form. A context manager.

    Keeps its process on one CPU meanwhile: the one whose values count in per-CPU maps.
    """

    def __init__(self, world: vm.Name = "kernel") -> None:
        self.world: vm.Name = world
        self._name = name_thread()
        self._cpus = os.sched_getaffinity(0)
        self.cpu = sorted(self._cpus)[os.getpid() % len(self._cpus)]
        os.sched_setaffinity(0, {self.cpu})
        if world == "vm":
            self.cpu = 0
        with ExitStack() as stack, vm.backend(world):
            self.maps = {name: stack.enter_context(row.create()) for name, row in MAPS.items()}
            self.queues = {name: stack.enter_context(create_queue(name)) for name in QUEUES}
            self.globals = {name: stack.enter_context(Global(kind)) for name, kind in GLOBALS.items()}
            for each in self.objects.values():
                getattr(each, "lost_counter", None)  # is made once, and not by a test that must leave nothing open
            self.key_sizes = {name: held._keys.size for name, held in self.maps.items()}
            self.tails: dict[str, ProgArray] = {}
            self.dirt: dict[str, Prog] = {}
            for hook, hook_row in hooks.ROWS.items():
                if hook_row.in_kernel or world == "vm":
                    self._add_tails(hook, stack)
                    self.dirt[hook] = stack.enter_context(load_spec(_garbage(hook), _garbage(hook).captures))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        os.sched_setaffinity(0, self._cpus)
        _NAME.write_bytes(self._name)

    @property
    def objects(self) -> dict[str, Any]:
        return {**self.maps, **self.queues, **self.globals}

    def _add_tails(self, hook: str, stack: ExitStack) -> None:
        """Makes the programs that a tail call finds."""
        array = stack.enter_context(ProgArray(tails.ROOM))
        for index in tails.TAILS:
            spec, captures = _tail(self, hook, index)
            array[index] = stack.enter_context(load_spec(spec, [name and self.objects[name] for name in captures]))
        self.tails[hook] = array

    def objects_of(self, hook: str) -> dict[str, Any]:
        """What a hook's programs may use, by the names that it has there."""
        return {**self.objects, "J": self.tails.get(hook)}

    def dirty(self, hook: str, run: hooks.Given) -> None:
        """Leaves garbage on the stack that the next run of a program of this hook gets."""
        self.dirt[hook].test_run(run.packet, run.context)

    def begin(self, used: Iterable[str], sample: Sample) -> None:
        """Puts the sample into the used maps."""
        for name in used:
            if name in QUEUES:
                continue
            if name in GLOBALS:
                self.globals[name].value = initial(name, sample)
                continue
            m, row = self.maps[name], MAPS[name]
            if name == "IN":
                m[0] = Input(**sample.values)
            elif name == "OUT":
                m.update(dict.fromkeys(range(OUTPUTS), UNWRITTEN))
            else:
                if not row.is_array:
                    m.clear()
                if sample.filled:
                    m.update(FILLED[name])
                elif row.is_array:
                    m.update(EMPTY[name])

    def end(self, used: Iterable[str]) -> tuple[dict[str, dict[bytes, bytes]], dict[str, list[bytes]]]:
        """What the used maps and queues have now; takes the records out."""
        maps, events = {}, {}
        for name in used:
            if name in QUEUES:
                events[name] = [bytes_of(QUEUES[name], record) for record in self.queues[name].poll(0)]
            elif name in GLOBALS:
                maps[name] = {b"": bytes_of(GLOBALS[name], self.globals[name].value)}
            elif name != "IN":
                maps[name] = self._raw(name)
        return maps, events

    def _raw(self, name: str) -> dict[bytes, bytes]:
        """A map's entries as the bytes that lie there, also those that Python doesn't show: of this CPU."""
        row, found = MAPS[name], {}
        size, stored = ctypes.sizeof(row.value), self.maps[name]._storage.value_size
        key_size = self.key_sizes[name]
        begin = self.cpu * -(-size // 8) * 8 if row.per_cpu else 0
        for keys, values, count in self.maps[name]._storage.walk():
            for i in range(count):
                at = i * stored + begin
                found[bytes(keys[i * key_size : (i + 1) * key_size])] = bytes(values[at : at + size])
        return found
