"""What functions under test capture: objects whose methods raise, give nonsense, or never end."""

from __future__ import annotations

import collections
import dataclasses
import enum
import weakref
from ctypes import Structure, Union, c_uint8, c_uint32
from typing import Any

HOW = ("add radd sub neg abs bool iter getitem setitem delitem contains len index int call enter exit repr str format "
       "eq lt hash reversed next iadd").split()  # fmt: skip


def raising(error: BaseException, *left_out: str) -> Any:
    """An object each of whose methods raises that error, and so does its property ``p`` and any attribute."""

    def fail(*_arguments: object, **_more: object) -> Any:
        raise error

    methods: dict[str, Any] = {f"__{name}__": fail for name in HOW if name not in left_out}
    methods |= {"p": property(fail), "m": fail, "__getattr__": fail}
    return type("P", (), methods)()


class Attributes(dict):  # type: ignore[type-arg]
    """Everybody's AttrDict."""

    __getattr__ = dict.__getitem__


class Meta(type):
    def __instancecheck__(cls, obj: object) -> bool:
        raise ValueError("instancecheck")

    def __call__(cls, *arguments: object) -> Any:
        raise ValueError("metacall")

    def __len__(cls) -> int:
        raise ValueError("metalen")

    def __getattr__(cls, name: str) -> Any:
        raise ValueError("metagetattr")


class OfMeta(metaclass=Meta):
    pass


class NoClass:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise ValueError("class")


class Nonsense:
    """Returns values that Python refuses."""

    def __len__(self) -> int:
        return -1

    def __bool__(self) -> Any:
        return 5

    def __index__(self) -> Any:
        return "x"

    def __iter__(self) -> Any:
        return 5

    def __hash__(self) -> Any:
        return "h"

    def __repr__(self) -> Any:
        return 5


class Endless:
    """Calls itself."""

    def __repr__(self) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return self == other

    def __getattr__(self, name: str) -> Any:
        return getattr(self, name)

    def __len__(self) -> int:
        return len(self)

    def __bool__(self) -> bool:
        return bool(self)

    __hash__ = None  # type: ignore[assignment]


class Nothing:
    """Disables operations that every object has."""

    locals().update(dict.fromkeys(f"__{name}__" for name in "iter contains getitem bool len eq hash add call".split()))


class BadStr(Exception):
    def __str__(self) -> str:
        raise ValueError("str of the error")


class RaisingText(str):
    def __eq__(self, other: object) -> bool:
        raise ValueError("text eq")

    __hash__ = str.__hash__


class RaisingList(list):  # type: ignore[type-arg]
    def __getitem__(self, index: Any) -> Any:
        raise ValueError("list getitem")

    def __iter__(self) -> Any:
        raise ValueError("list iter")

    def __len__(self) -> int:
        raise ValueError("list len")


class RaisesLater:
    def __iter__(self) -> Any:
        yield 1
        raise ValueError("later")


class Descriptor:
    def __get__(self, obj: object, kind: type) -> Any:
        raise ValueError("descriptor")


class WithDescriptor:
    d = Descriptor()


class Missing(dict):  # type: ignore[type-arg]
    def __missing__(self, key: object) -> Any:
        raise ValueError("missing")


class Hidden(Structure):
    """A field whose descriptor was overwritten."""

    _fields_ = [("x", c_uint32), ("y", c_uint32)]


Hidden.x = property(lambda self: 5)  # type: ignore[assignment]


class HiddenArray(Structure):
    _fields_ = [("x", c_uint32), ("v", c_uint32 * 2)]


HiddenArray.v = None  # type: ignore[assignment]


class Deleted(Structure):
    _fields_ = [("x", c_uint32), ("v", c_uint32 * 2)]


del Deleted.x


class RaisingInit(Structure):
    _fields_ = [("x", c_uint32)]

    def __init__(self, *values: object) -> None:
        raise ValueError("init")


class Either(Union):
    _fields_ = [("x", c_uint32), ("y", c_uint8)]


class RaisingPair(collections.namedtuple("RaisingPair", "a b")):
    @property
    def a(self) -> Any:
        raise ValueError("pair a")


@dataclasses.dataclass
class RaisingData:
    x: int = 1

    def __post_init__(self) -> None:
        raise ValueError("post init")


class Colour(enum.IntEnum):
    RED = 1

    @property
    def shade(self) -> int:
        raise ValueError("shade")


class Slots:
    __slots__ = ("x",)


def again(n: Any) -> Any:
    return again(n + 1)


def later() -> Any:
    yield 1
    raise ValueError("later")


def inner() -> Any:
    def innermost() -> Any:
        return p.p

    return innermost()


p = raising(ValueError("mine"))
errors = [
    RecursionError("r"), MemoryError(), KeyError("k"), AttributeError("a"), SyntaxError("s"), AssertionError(),
    NotImplementedError(), TimeoutError(), UnicodeDecodeError("utf8", b"a", 0, 1, "u"), BadStr(), Exception(),
]  # fmt: skip
q = [raising(error) for error in errors]
attributes = Attributes(x=3)
no_class, nonsense, endless, nothing = NoClass(), Nonsense(), Endless(), Nothing()
text, values, raises_later = RaisingText("abc"), RaisingList([1, 2]), RaisesLater()
described, missing, pair, slots = WithDescriptor(), Missing(), RaisingPair(1, 2), Slots()
recursive: list[Any] = []
recursive.append(recursive)
released = memoryview(b"abc")
released.release()
closed = open("/dev/null")
closed.close()
gone = weakref.proxy(WithDescriptor())
fails_by_default = collections.defaultdict(lambda: 1 // 0)
deep: Any = 1
for _ in range(3000):
    deep = (deep,)
several = tuple(range(340))
items = [1, 2, 3]
