"""What can be called, and is no constant."""

from __future__ import annotations

from typing import Final

from ..kind import Hidden, Kinds, Object
from ..values import Bound, CellRef, Closure, ExceptionOf, GeneratorOf, Method

KINDS: Final[Kinds] = {
    Bound: Object(),
    CellRef: Hidden(),
    Closure: Object(),
    ExceptionOf: Object(),
    GeneratorOf: Object(),
    Method: Object(),
}
