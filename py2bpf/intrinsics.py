"""Descriptions of the functions that exist in programs only: Helper, a kernel function, and Pseudo, which the compiler
expands.

Both are callable objects, so that they look like functions to users and editors. A call runs the simulation of the
function if Python runs the program (``py2bpf.sim``), and raises Py2BpfError otherwise.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .borders import mark, meant, shorten
from .exception import Py2BpfError
from .uapi.helpers import HelperInfo
from .worlds import CURRENT


class Intrinsic:
    """A function that exists in BPF programs only."""

    def __init__(self, name: str, doc: str) -> None:
        self.__name__ = name
        self.__doc__ = doc

    def __repr__(self) -> str:
        return f"<py2bpf.funcs.{self.__name__}>"

    @mark
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        world = CURRENT.get()
        try:
            if world is None:
                self._refuse()
            return world.call(self, args, kwargs)
        except Exception as error:
            if meant(error):
                shorten(error)
            raise

    def _refuse(self) -> NoReturn:
        raise Py2BpfError(
            f"{self.__name__}() runs inside BPF programs only; compile the function that calls it, "
            "with py2bpf.prog.create_prog or a hook, or let Python run it in a simulated kernel, with py2bpf.sim.run"
        )


class Helper(Intrinsic):
    """A BPF helper of the kernel; ``info`` is its row in the helper table. See bpf-helpers(7)."""

    def __init__(self, info: HelperInfo) -> None:
        super().__init__(info.name, info.doc)
        self.info = info


class Pseudo(Intrinsic):
    """A function that the compiler expands in place; ``params`` names its parameters, of which a call may leave out
    ``optional``."""

    def __init__(self, name: str, params: str, doc: str, optional: int = 0) -> None:
        self.signature = f"{name}({params})"
        most = params.count(",") + 1
        self.counts = range(most - optional, most + 1)
        """How many arguments a call may have."""
        super().__init__(name, f"{self.signature}\n\n{doc}")
