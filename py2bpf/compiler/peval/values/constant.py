"""Python objects that are known when compiling."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any, Final

from ..naming import short
from .base import Abstract


@dataclass(slots=True, eq=False)
class Const(Abstract):
    """A Python object known when compiling."""

    obj: Any

    def describe(self) -> str:
        if self.obj is None:
            return "None"
        if isinstance(self.obj, type):
            return f"the type {self.obj.__name__}"
        if isinstance(self.obj, types.ModuleType):
            return f"the module {self.obj.__name__}"
        if isinstance(self.obj, types.FunctionType):
            return f"the function {self.obj.__name__}()"
        if " at 0x" in short(self.obj):  # says nothing to users
            return f"a captured {type(self.obj).__name__}"
        return f"the {type(self.obj).__name__} {short(self.obj)}"


NONE: Final = Const(None)


TRUE: Final = Const(True)


FALSE: Final = Const(False)
