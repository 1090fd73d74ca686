"""The abstract values of partial evaluation: what a local variable or stack slot may hold at compile time.

A Const is any Python object; a RuntimeInt is an integer known at run time only; a Ref is a place in the program's
memory with a ctypes type, the compile-time image of a ctypes instance. Most others exist only at compile time, and are
errors with the user's line where a run-time value is needed.
"""

from .absent import NULL, UNASSIGNED, Mixed, NoValue, Null
from .augmented import AugmentedAttr, AugmentedItem, Update
from .base import Abstract, CellId
from .constant import FALSE, NONE, TRUE, Const, is_none
from .context import Context, ContextFields, PacketEdge
from .function import Bound, CellRef, Closure, ExceptionOf, GeneratorOf, Method
from .integer import NumberClass, OptionalInt, RuntimeInt
from .iterators import Counter, Ended, Items, IteratorRef, Numbered, RangeOf, Walk, Zipped
from .kernel import KernelRef
from .mapping import DictRef, DictView
from .memory import Ref, Stored, Variable
from .sequence import ListRef, SliceOf, TupleOf
from .shared import GLOBAL_HINT, Lock, Map, Unlock
from .text import OneOf, Text
from .wrap import map_spec_of, wrap

__all__ = [
    "FALSE", "GLOBAL_HINT", "NONE", "NULL", "TRUE", "UNASSIGNED", "Abstract", "AugmentedAttr", "AugmentedItem",
    "Bound", "CellId", "CellRef", "Closure", "Const", "Context", "ContextFields", "Counter", "DictRef", "DictView",
    "Ended", "ExceptionOf", "GeneratorOf", "Items", "IteratorRef", "KernelRef", "ListRef", "Lock", "Map", "Method",
    "Mixed", "NoValue", "Null", "NumberClass", "Numbered", "OneOf", "OptionalInt", "PacketEdge", "RangeOf", "Ref",
    "RuntimeInt", "SliceOf", "Stored", "Text", "TupleOf", "Unlock", "Update", "Variable", "Walk", "Zipped",
    "is_none", "map_spec_of", "wrap",
]  # fmt: skip
