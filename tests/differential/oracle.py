"""The expected results of compiled functions: runs the same source in CPython, over integers with a 64-bit type.

An ``Int`` computes as Python's int does and follows the language's typing: loads of narrower fields and of signed
ones are i64, of 64-bit unsigned ones u64, and u64 with anything is u64 (a right shift keeps its left operand's
type). A result that does not fit its type raises LeavesType: there the language promises nothing, and the sample
is no test.
"""

from __future__ import annotations

import ast
import ctypes
import operator
import types
from collections.abc import Callable, Iterable
from typing import Any

SIGNED = (-(1 << 63), (1 << 63) - 1)
UNSIGNED = (0, (1 << 64) - 1)
MASK = (1 << 64) - 1
MAX_SHIFT = 4096
"""Larger shift counts make numbers that no machine holds; they leave any type."""


class LeavesType(Exception):
    """An integer was computed that its type can't hold."""


class Int(int):
    """An integer with its run-time type."""

    signed: bool

    def __new__(cls, value: int, signed: bool) -> Int:
        low, high = SIGNED if signed else UNSIGNED
        if not low <= value <= high:
            raise LeavesType(f"{value} is no {'i64' if signed else 'u64'}")
        self = int.__new__(cls, value)
        self.signed = signed
        return self

    def __repr__(self) -> str:
        return f"{int(self)}{'i' if self.signed else 'u'}"

    __str__ = __repr__

    def __neg__(self) -> Int:
        return Int(-int(self), self.signed)

    def __pos__(self) -> Int:
        return self

    def __abs__(self) -> Int:
        return Int(abs(int(self)), self.signed)

    def __invert__(self) -> Int:
        return Int(~int(self), self.signed)

    def __hash__(self) -> int:
        return hash(int(self))

    def __divmod__(self, other: int) -> tuple[Int, Int]:
        return self // other, self % other

    def __rdivmod__(self, other: int) -> tuple[Int, Int]:
        return typed(other) // self, typed(other) % self

    def __pow__(self, exponent: int, modulus: int | None = None) -> Int:
        power = _power(self, exponent)
        return power if modulus is None else power % modulus

    def __rpow__(self, base: int, modulus: int | None = None) -> Int:
        return _power(typed(base), self)


def typed(number: int) -> Int:
    """A constant as the program sees it: i64, unless only u64 can hold it."""
    return number if isinstance(number, Int) else Int(int(number), number < 1 << 63)


class Truth(Int):
    """A truth value as a number. As no class is derived from bool, its operators are asked before any class's."""


def lifted(value: Any) -> Any:
    """A truth value as the number that arithmetic takes it for; bool's own operators would forget the type."""
    return Truth(value, True) if isinstance(value, bool) else value


class _TypedConstants(ast.NodeTransformer):
    """Gives the integers of a source their type: where paths meet, a constant becomes a number at run time.

    Operations on constants alone are made while compiling, at any width; only their result is typed.
    """

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.pattern):  # they take literals only, and compare
            return node
        if isinstance(node, (ast.Constant, ast.UnaryOp, ast.BinOp)):
            value = _value(node)
            if isinstance(value, int) and not isinstance(value, bool):
                return _call("_typed", node)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            operand = ast.BinOp(ast.copy_location(ast.Name(node.target.id, ast.Load()), node), node.op, node.value)
            return self.visit(ast.copy_location(ast.Assign([node.target], ast.copy_location(operand, node)), node))
        addressed = _addressed(node) if isinstance(node, (ast.Expr, ast.Assign)) else []
        if isinstance(node, ast.Call) and _is_addrof(node):
            node.args = [_place(node.args[0])]
        self.generic_visit(node)
        if addressed:
            return [node, *(_assigned(name, node) for name in addressed)]
        if isinstance(node, ast.BinOp) and not isinstance(node.left, (ast.Constant, ast.BinOp)):
            node.left = _call("_lifted", node.left)
        return node


def _value(node: ast.expr) -> Any:
    """The value of an expression of constants; None for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if not _is_constant(node):
        return None
    try:
        return eval(compile(ast.Expression(node), "<constant>", "eval"), {"__builtins__": {}})
    except (NameError, TypeError, ArithmeticError, ValueError):
        return None


def _is_constant(node: ast.AST) -> bool:
    """Whether there are no names in an expression."""
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    if isinstance(node, (ast.Name, ast.Call, ast.Attribute, ast.Subscript)):
        return False
    return all(map(_is_constant, ast.iter_child_nodes(node)))


def _is_addrof(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "addrof"


def _addressed(statement: ast.AST) -> list[ast.Name]:
    """The variables whose address a statement takes."""
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call) and _is_addrof(node)]
    return [call.args[0] for call in calls if isinstance(call.args[0], ast.Name)]


def _place(node: ast.expr) -> ast.expr:
    """What addrof() is asked for: a field's or an item's place, or a variable's, which the variable is meanwhile."""
    if isinstance(node, ast.Attribute):
        return _call("_field_place", node.value, ast.copy_location(ast.Constant(node.attr), node))
    if isinstance(node, ast.Subscript):
        return _call("_item_place", node.value, node.slice)
    if isinstance(node, ast.Name):
        target = ast.copy_location(ast.Name(node.id, ast.Store()), node)
        return ast.copy_location(ast.NamedExpr(target, _call("_variable_place", node)), node)
    return node


def _assigned(name: ast.Name, statement: ast.stmt) -> ast.stmt:
    """The variable is its number again, once the statement is over."""
    target = ast.copy_location(ast.Name(name.id, ast.Store()), statement)
    value = _call("_placed", ast.copy_location(ast.Name(name.id, ast.Load()), statement))
    return ast.copy_location(ast.Assign([target], value), statement)


def _call(function: str, node: ast.expr, *more: ast.expr) -> ast.expr:
    name = ast.copy_location(ast.Name(function, ast.Load()), node)
    return ast.copy_location(ast.Call(name, [node, *more], []), node)


def typed_source(source: str, filename: str) -> types.CodeType:
    """The source's code for CPython, with typed constants."""
    return compile(_TypedConstants().visit(ast.parse(source, filename)), filename, "exec")


def joined(a: int, b: int) -> bool:
    """Whether the type of an operation on the two is signed."""
    return typed(a).signed and typed(b).signed


def _power(base: Int, exponent: int) -> Int:
    if exponent < 0:
        raise ValueError("a negative power is a float")
    if exponent > 64 and abs(base) > 1:
        raise LeavesType("a power beyond 64 bits")
    return Int(int(base) ** int(exponent), base.signed)


def _arithmetic(name: str, operation: Callable[[int, int], int]) -> None:
    def forward(self: Int, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        signed = self.signed and (other.signed if isinstance(other, Int) else typed(other).signed)
        return Int(operation(int(self), int(other)), signed)

    def reflected(self: Int, other: Any) -> Any:  # also asked by ``[...] * 2``
        return Int(operation(int(other), int(self)), joined(self, other)) if isinstance(other, int) else NotImplemented

    setattr(Int, f"__{name}__", forward)
    setattr(Int, f"__r{name}__", reflected)


def _left_shift(left: int, count: int) -> Int:
    if count > MAX_SHIFT and left:
        raise LeavesType("a shift beyond 64 bits")
    shifted = int(left) << int(count) if left or count < 0 else 0
    return Int(shifted, joined(left, count))


def _right_shift(left: int, count: int) -> Int:
    return Int(int(left) >> int(count), typed(left).signed)


for _name, _operation in {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv, "mod": operator.mod,
    "and": operator.and_, "or": operator.or_, "xor": operator.xor,
}.items():  # fmt: skip
    _arithmetic(_name, _operation)
for _name, _shift in {"lshift": _left_shift, "rshift": _right_shift}.items():
    setattr(Int, f"__{_name}__", lambda self, other, _shift=_shift: _shift(self, other))
    setattr(Int, f"__r{_name}__", lambda self, other, _shift=_shift: _shift(other, self))


def _extreme(choose: Callable[..., int]) -> Callable[..., int]:
    def function(*args: Any, key: Callable[[Any], Any] | None = None) -> Any:
        items = list(args[0] if len(args) == 1 else args)
        best: Any = choose(items, key=key)
        if best is None or isinstance(best, tuple):  # which of them it is is known while compiling
            return best
        return Int(int(best), all(typed(item).signed for item in items if item is not None))

    return function


class _AnyInt(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, int)


class _Int(Int, metaclass=_AnyInt):
    """int, which keeps an integer's type, and can be derived from: then operators ask the derived class first."""

    def __new__(cls, value: Any = 0) -> Any:
        if cls is _Int:
            return value if isinstance(value, Int) else int(value)
        return super().__new__(cls, int(value), typed(value).signed)


class _Range:
    """range(), whose ``in`` would walk through all numbers to look for one of a subclass of int."""

    def __init__(self, *args: int) -> None:
        self.numbers = range(*map(int, args))

    def __iter__(self) -> Any:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def __reversed__(self) -> Any:
        return reversed(self.numbers)

    def __getitem__(self, index: int) -> int:
        return self.numbers[index]

    def __contains__(self, number: int) -> bool:
        return int(number) in self.numbers


BUILTINS: dict[str, Any] = {
    "_typed": typed, "_lifted": lifted, "min": _extreme(min), "max": _extreme(max), "int": _Int, "range": _Range,
}  # fmt: skip
"""Stand-ins for built-ins that forget the type of an integer, or are slow with it."""


def is_signed(field_type: Any) -> bool:
    """Whether a load of the ctypes integer is i64: of anything but 64 unsigned bits."""
    return ctypes.sizeof(field_type) < 8 or field_type(-1).value < 0


def number(value: Any, field_type: Any) -> int:
    """What is read from a place of that type: a bool of a c_bool, else an integer that has its type."""
    return bool(value) if field_type is ctypes.c_bool else Int(value, is_signed(field_type))


class SimulatedArray:
    """An array of integers within a struct."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __getitem__(self, index: int) -> Int:
        return Int(self.raw[int(index)], is_signed(self.raw._type_))

    def __setitem__(self, index: int, value: int) -> None:
        self.raw[int(index)] = self.raw._type_(int(value)).value


def simulated_struct(struct: type[ctypes.Structure]) -> type:
    """A class as the ctypes structure, whose fields read as typed integers."""
    types = {name: kind for name, kind, *_ in struct._fields_}

    class Simulated:
        def __init__(self, **values: int) -> None:
            object.__setattr__(self, "raw", struct())
            for name, value in values.items():
                setattr(self, name, value)

        def __getattr__(self, name: str) -> Any:
            found = getattr(self.raw, name)
            return Int(found, is_signed(types[name])) if isinstance(found, int) else SimulatedArray(found)

        def __setattr__(self, name: str, value: int) -> None:
            setattr(self.raw, name, types[name](int(value)).value)

    return Simulated


class SimulatedMap:
    """A map of scalars as a program sees it: missing keys read as the default, stores truncate to the value's type.

    ``indices`` are the keys of an array, which always exist.
    """

    def __init__(self, value_type: Any, indices: int | None = None, default: int = 0) -> None:
        self.value_type = value_type
        self.indices = indices
        self.default = default
        self.items: dict[int, int] = dict.fromkeys(range(indices or 0), 0)

    def _load(self, number: int) -> Int:
        return Int(number, is_signed(self.value_type))

    def __getitem__(self, key: int) -> Int:
        return self._load(self.items.get(int(key), self.default))

    def __setitem__(self, key: int, value: int) -> None:
        if self.indices is None or 0 <= key < self.indices:
            self.items[int(key)] = self.value_type(int(value)).value

    def __contains__(self, key: int) -> bool:
        return int(key) in self.items

    def __delitem__(self, key: int) -> None:
        self.items.pop(int(key), None)

    def get(self, key: int, default: int | None = None) -> int | None:
        return self[key] if key in self else default

    def fill(self, values: Iterable[int]) -> None:
        """Sets the first entries of an array."""
        self.items.update(enumerate(values))
