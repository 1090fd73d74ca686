"""Stack traces that programs take with bpf_get_stackid()."""

from __future__ import annotations

import errno
import operator
from ctypes import c_uint32, c_uint64
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ..codec import ArrayCodec, Buffer, Codec, codec_for
from ..exception import DataTypeError
from ..given import checked_int
from ..uapi.map_types import MAX_STACK_DEPTH, MapType
from .base import Map

if TYPE_CHECKING:
    from .columns import Array


class NoStackError(KeyError):
    """A negative stack id: the program got an error instead of a stack."""

    def __init__(self, stack_id: int) -> None:
        super().__init__(stack_id)

    def __str__(self) -> str:
        return f"{self.args[0]} is the error -{_error_name(-self.args[0])} of get_stackid(), no stack"


def _error_name(number: int) -> str:
    return errno.errorcode.get(number, str(number))


class StackCodec(ArrayCodec):
    """A list of addresses, innermost first. The kernel fills the rest of the array with zeros."""

    def __init__(self, depth: int) -> None:
        super().__init__(c_uint64 * depth, codec_for(c_uint64))

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        addresses = list(super().decode(data, offset))
        return addresses[: addresses.index(0)] if 0 in addresses else addresses


class StackTraceMap(Map):
    """``StackTraceMap(max_entries, *, max_depth=127, name="")``: BPF_MAP_TYPE_STACK_TRACE.

    ``m[stack_id]`` is a list of addresses, innermost first. A negative id is the error that bpf_get_stackid()
    gave the program and raises KeyError, which names it. Entries come from programs alone: storing raises
    DataTypeError. ``max_depth`` can't be above the sysctl kernel.perf_event_max_stack.
    """

    kind: ClassVar[MapType] = MapType.STACK_TRACE
    _absent = (NoStackError,)

    def __init__(self, max_entries: int, *, max_depth: int = MAX_STACK_DEPTH, name: str = "") -> None:
        depth = checked_int(max_depth, 1, 1 << 16, "max_depth")
        super().__init__(c_uint32, c_uint64 * depth, max_entries, name=name)

    def _make_value_codec(self, element: Codec) -> Codec:
        return StackCodec(element.ctype._length_)

    def _arrow_values(self, arrow: Any, values: Array) -> Any:
        """Lists as long as the stacks."""
        stacks = self._values.decode_many(values.tobytes(), len(values))
        return arrow.array(stacks, type=arrow.list_(arrow.uint64()))

    def _key(self, key: Any) -> bytes:
        try:
            stack_id = operator.index(key)
        except TypeError:
            return super()._key(key)
        if stack_id < 0:
            raise NoStackError(stack_id)
        return super()._key(stack_id)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._read_only()

    def add(self, key: Any, value: Any) -> bool:
        self._read_only()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._read_only()

    def update(self, other: Any = (), values: Any = (), /, **more: Any) -> None:
        self._read_only()

    def _read_only(self) -> NoReturn:
        raise DataTypeError(f"{self!r} is filled by programs alone, with get_stackid()")
