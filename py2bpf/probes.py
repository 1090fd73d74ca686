"""What the decorators of kprobe and tracepoint make of a function, before it is attached."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn, Self

from .exception import DataTypeError, NotInVm
from .kernel.links import Resources
from .prog import Prog
from .spec import ContextSpec
from .vm.choice import current


class Unattached(ABC):
    """A function that is to run at a place in the kernel. Calling it compiles, loads and attaches; ``fn`` is the
    function.
    """

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        if not callable(fn):
            raise DataTypeError(f"probe(...) decorates a function that takes the event, not {fn!r}")
        functools.update_wrapper(self, fn)
        self.fn = fn

    @abstractmethod
    def __call__(self) -> Resources:
        """Attaches it."""

    @property
    @abstractmethod
    def context(self) -> ContextSpec:
        """The type of the function's argument."""

    @abstractmethod
    def load(self) -> Prog:
        """Compiles and loads the function, and attaches it to nothing: for test_run(ctx=...) in the embedded VM."""

    def _need_kernel(self) -> None:
        if current() == "vm":
            raise NotInVm(f"can't attach {self._name}: the embedded VM attaches to nothing",
                          f"run it by {self._name}.load().test_run(ctx=...)")

    @property
    def _name(self) -> str:
        return getattr(self.fn, "__name__", type(self.fn).__name__)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """What a class holds stays what it is, unless it was meant as a method: Python would not bind it."""
        if instance is not None and _takes_self(self.fn):
            raise DataTypeError(f"a probe can't be a method: {self._name}() would get the event as its first argument. "
                                f"Leave the decorator away, and write probe(...)(obj.{self._name})")
        return self

    def __enter__(self) -> NoReturn:
        raise DataTypeError(f"{self._name} is a probe that isn't attached yet: calling it does, "
                            f"`with {self._name}() as attached:`")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None  # never reached: there is no way in


def _takes_self(fn: Callable[[Any], Any]) -> bool:
    """Whether a function wants something before the event. A probe's function has one argument."""
    try:
        inspect.signature(fn).bind(None)
    except TypeError:
        return True
    return False
