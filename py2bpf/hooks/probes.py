"""Probes that are not attached yet: functions that are to run at a place in the kernel."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self

from ..backend import current
from ..borders import Public
from ..exception import DataTypeError, NotInVm
from ..given import shown
from ..prog import Prog
from ..spec import ContextSpec
from ..uapi.hooks import Hook
from .link import Link


class Unattached(Public, ABC):
    """A function that is to run at a place in the kernel. Calling the probe compiles, loads and attaches the function.
    ``fn`` is the function, ``hook`` the row of the hook.
    """

    hook: ClassVar[Hook]

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        if not callable(fn):
            raise DataTypeError(f"probe(...) decorates a function that takes the event, not {shown(fn)}")
        functools.update_wrapper(self, fn)
        self.fn = fn

    @abstractmethod
    def __call__(self) -> Link:
        """Compiles, loads and attaches the function."""

    @property
    @abstractmethod
    def context(self) -> ContextSpec:
        """The type of the function's argument."""

    @property
    def expected_context(self) -> ContextSpec:
        """The same, as far as it is known without asking the kernel."""
        return self.context

    @abstractmethod
    def load(self) -> Prog:
        """Compiles and loads the function without attaching it: for test_run(ctx=...) in the embedded VM."""

    def _need_kernel(self) -> None:
        if not current().can_attach:
            raise NotInVm(f"can't attach {self._name}: the embedded VM attaches to nothing",
                          f"run it by {self._name}.load().test_run(ctx=...)")

    @property
    def _name(self) -> str:
        return getattr(self.fn, "__name__", type(self.fn).__name__)

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """Gives the probe itself when it is read through a class or instance. Refuses a probe that was written as a
        method, since Python would not bind it."""
        if instance is not None and _takes_self(self.fn):
            raise DataTypeError(f"a probe can't be a method: {self._name}() would get the event as its first argument. "
                                f"Remove the decorator, and write probe(...)(obj.{self._name})")
        return self

    def __enter__(self) -> NoReturn:
        raise DataTypeError(f"{self._name} is a probe that isn't attached yet: calling it does, "
                            f"`with {self._name}() as attached:`")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None  # never reached: there is no way in


def _takes_self(fn: Callable[[Any], Any]) -> bool:
    """Whether a function has a parameter before the event. A probe's function takes exactly one argument."""
    try:
        inspect.signature(fn).bind(None)
    except TypeError:
        return True
    return False
