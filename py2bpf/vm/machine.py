"""The process's machine: what all maps, queues and programs of the VM belong to."""

from __future__ import annotations

import gc
import os
import threading
from typing import Any, Final

from ..borders import public
from ..cpus import possible_cpus
from ..exception import DataRangeError
from ..given import checked_int
from . import machine_calls


class Machine:
    """A machine with as many CPUs as this computer could have. Its programs run one at a time."""

    def __init__(self) -> None:
        self.n_cpus: Final = len(possible_cpus())
        self.handle: Final = machine_calls.machine_create(self.n_cpus)
        self._cpu = 0

    @property
    def cpu(self) -> int:
        """The CPU that programs run on."""
        return self._cpu

    def set_cpu(self, cpu: int) -> int:
        """Changes it, and gives the one before. Raises DataRangeError for a CPU that there isn't."""
        checked_int(cpu, 0, (1 << 32) - 1, "cpu")
        if cpu >= self.n_cpus:
            raise DataRangeError(f"the VM has the CPUs 0 to {self.n_cpus - 1}, not {cpu}")
        machine_calls.machine_set(self.handle, machine_calls.Setting.CPU, cpu)
        before, self._cpu = self._cpu, cpu
        return before


_making: Final = threading.Lock()
_machine: Machine | None = None


def machine() -> Machine:
    """The process's machine, made when it is first asked for. A forked child goes on with its own copy."""
    global _machine
    if _machine is None:
        with _making:
            if _machine is None:
                _machine = _made()
    return _machine


def _made() -> Machine:
    """Nobody may hold the machine's lock while the process forks: the child would wait for ever."""
    made = Machine()
    handle: Any = made.handle
    collecting = []

    def pause() -> None:
        collecting.append(gc.isenabled())
        gc.disable()  # freeing a map needs the lock
        machine_calls.machine_lock(handle)

    def resume() -> None:
        machine_calls.machine_unlock(handle)
        collect()

    def begin() -> None:
        machine_calls.machine_forked(handle)
        collect()

    def collect() -> None:
        if collecting.pop():
            gc.enable()

    os.register_at_fork(before=pause, after_in_parent=resume, after_in_child=begin)
    return made


@public
def set_cpu(cpu: int) -> int:
    """The CPU that the VM's programs run on from now on, for all threads; gives the one before, 0 at first."""
    return machine().set_cpu(cpu)
