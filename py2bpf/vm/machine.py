"""The process's machine, to which all maps, queues and programs of the VM belong."""

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
    """A machine with as many CPUs as this computer can have. Its programs run one at a time."""

    def __init__(self) -> None:
        self.n_cpus: Final = len(possible_cpus())
        self.handle: Final = machine_calls.machine_create(self.n_cpus)
        self._cpu = 0

    @property
    def cpu(self) -> int:
        """The CPU on which programs run."""
        return self._cpu

    def set_cpu(self, cpu: int) -> int:
        """Changes the CPU, and returns the previous one. Raises DataRangeError for a CPU that doesn't exist."""
        checked_int(cpu, 0, (1 << 32) - 1, "cpu")
        if cpu >= self.n_cpus:
            raise DataRangeError(f"the VM has the CPUs 0 to {self.n_cpus - 1}, not {cpu}")
        machine_calls.machine_set(self.handle, machine_calls.Setting.CPU, cpu)
        before, self._cpu = self._cpu, cpu
        return before


_making: Final = threading.Lock()
_machine: Machine | None = None


def machine() -> Machine:
    """The process's machine, made on first use. A forked child continues with its own copy."""
    global _machine
    if _machine is None:
        with _making:
            if _machine is None:
                _machine = _made()
    return _machine


def _made() -> Machine:
    """Makes the machine. Its lock is taken before each fork, since a child could never get a lock that another thread
    of the parent holds."""
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
    """Sets the CPU on which the VM's programs run from now on, for all threads. Returns the previous CPU, which is 0 at
    first. Raises DataTypeError, DataRangeError."""
    return machine().set_cpu(cpu)
