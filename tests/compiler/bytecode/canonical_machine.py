"""A plain interpreter of canonical instructions over real Python objects, which defines the meaning of decoded code.

It checks every step's effect on the stack against py2bpf.compiler.bytecode.stack.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CellType, CodeType, FunctionType
from typing import Any

from py2bpf.compiler.bytecode import Block, Function, Instr, Op, decode
from py2bpf.compiler.bytecode.stack import effect

NULL = type("Null", (), {"__repr__": lambda self: "NULL"})()
UNSET = object()

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "@": operator.matmul,
}
INPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.iadd,
    "-": operator.isub,
    "*": operator.imul,
    "/": operator.itruediv,
    "//": operator.ifloordiv,
    "%": operator.imod,
    "**": operator.ipow,
    "<<": operator.ilshift,
    ">>": operator.irshift,
    "&": operator.iand,
    "|": operator.ior,
    "^": operator.ixor,
    "@": operator.imatmul,
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "not": operator.not_,
}
CONVERSION: dict[str, Callable[[Any], Any]] = {"": lambda value: value, "s": str, "r": repr, "a": ascii}
BRANCH: dict[str, Callable[[Any], bool]] = {
    "true": bool,
    "false": operator.not_,
    "none": lambda value: value is None,
    "not none": lambda value: value is not None,
}
SELF_MATCHING = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


def interpret(function: FunctionType, *args: Any, **keywords: Any) -> Any:
    """Call ``function`` by interpreting its canonical form, and the functions that it makes likewise."""
    return Machine(function).run(args, keywords)


def bind(function: FunctionType, decoded: Function, args: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """Arguments to locals, for calls that are correct."""
    values = dict(zip(decoded.argnames, args, strict=False))
    extra = args[len(decoded.argnames) :]
    names = (*decoded.argnames[decoded.posonly :], *decoded.kwonly)
    values |= {name: value for name, value in keywords.items() if name in names}
    others = {name: value for name, value in keywords.items() if name not in names}
    defaults = function.__defaults__ or ()
    for name, value in zip(decoded.argnames[len(decoded.argnames) - len(defaults) :], defaults, strict=True):
        values.setdefault(name, value)
    for name, value in (function.__kwdefaults__ or {}).items():
        values.setdefault(name, value)
    if decoded.varargs:
        values[decoded.varargs] = extra
    if decoded.varkw:
        values[decoded.varkw] = others
    missing = {*decoded.argnames, *decoded.kwonly} - values.keys()
    if missing or (extra and not decoded.varargs) or (others and not decoded.varkw):
        raise TypeError(f"wrong arguments for {decoded.name}: {missing} {extra} {others}")
    return values


class Machine:
    """A call of one function."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.decoded = decode(function.__code__)
        self.globals = function.__globals__
        self.stack: list[Any] = []
        self.slots: dict[str, Any] = {}
        self.depths: dict[int, int] = {}

    def run(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        decoded = self.decoded
        self.slots = bind(self.function, decoded, args, keywords)
        for name in decoded.cellvars:
            self.slots[name] = CellType(self.slots[name]) if name in self.slots else CellType()
        self.slots |= zip(decoded.freevars, self.function.__closure__ or (), strict=True)
        block = decoded.blocks[0]
        while True:
            assert self.depths.setdefault(block.index, len(self.stack)) == len(self.stack), "the stack's depth differs"
            for instr in block.instrs[:-1]:
                self.step(instr)
            last = block.instrs[-1]
            if last.op is Op.RETURN:
                result = self.stack.pop()
                assert not self.stack, "the stack isn't empty at return"
                return result
            block = decoded.blocks[self.leave(block, last)]

    def leave(self, block: Block, instr: Instr) -> int:
        """The next block."""
        stack = self.stack
        if instr.op is Op.JUMP:
            return block.succ[0]
        if instr.op is Op.BRANCH:
            taken = BRANCH[instr.arg](stack.pop())
            return block.succ[0 if taken else 1]
        if instr.op is Op.FOR_ITER:
            item = next(stack[-1], UNSET)
            if item is UNSET:
                stack.pop()
                return block.succ[0]
            stack.append(item)
            return block.succ[1]
        if instr.op is Op.RAISE:
            self.throw(instr.arg)
        raise AssertionError(f"can't run {instr}")

    def throw(self, count: int) -> None:
        values = [self.stack.pop() for _ in range(count)][::-1]
        if count == 0:
            raise RuntimeError("No active exception to reraise")
        if count == 1:
            raise values[0]
        raise values[0] from values[1]

    def step(self, instr: Instr) -> None:
        pops, pushes = effect(instr)
        depth = len(self.stack)
        assert depth >= pops, instr
        getattr(self, instr.op.name)(instr.arg)
        assert len(self.stack) == depth - pops + pushes, instr

    def pop(self, count: int) -> list[Any]:
        if not count:
            return []
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def push(self, *values: Any) -> None:
        self.stack.extend(values)

    # Variables

    def load(self, name: str, error: type[NameError]) -> Any:
        value = self.slots.get(name, UNSET)
        if value is UNSET:
            raise error(name)
        return value

    def LOAD_CONST(self, value: Any) -> None:
        self.push(value)

    def LOAD_FAST(self, name: str) -> None:
        self.push(self.load(name, UnboundLocalError))

    def STORE_FAST(self, name: str) -> None:
        value = self.stack.pop()
        if value is NULL:
            self.slots.pop(name, None)
        else:
            self.slots[name] = value

    def DELETE_FAST(self, name: str) -> None:
        self.load(name, UnboundLocalError)
        del self.slots[name]

    def LOAD_FAST_AND_CLEAR(self, name: str) -> None:
        self.push(self.slots.pop(name, NULL))

    def MAKE_CELL(self, name: str) -> None:
        self.slots[name] = CellType(self.slots[name]) if name in self.slots else CellType()

    def LOAD_GLOBAL(self, name: str) -> None:
        if name in self.globals:
            self.push(self.globals[name])
        elif hasattr(builtins, name):
            self.push(getattr(builtins, name))
        else:
            raise NameError(name)

    def STORE_GLOBAL(self, name: str) -> None:
        self.globals[name] = self.stack.pop()

    def LOAD_DEREF(self, name: str) -> None:
        try:
            self.push(self.slots[name].cell_contents)
        except ValueError:
            raise (NameError if name in self.decoded.freevars else UnboundLocalError)(name) from None

    def STORE_DEREF(self, name: str) -> None:
        self.slots[name].cell_contents = self.stack.pop()

    def DELETE_DEREF(self, name: str) -> None:
        self.LOAD_DEREF(name)
        self.stack.pop()
        del self.slots[name].cell_contents

    def LOAD_CLOSURE(self, name: str) -> None:
        assert isinstance(self.slots[name], CellType)
        self.push(self.slots[name])

    # Attributes and items

    def LOAD_ATTR(self, name: str) -> None:
        self.push(getattr(self.stack.pop(), name))

    def LOAD_METHOD(self, name: str) -> None:
        self.push(NULL, getattr(self.stack.pop(), name))

    def AUG_ATTR(self, name: str) -> None:
        self.push(getattr(self.stack[-1], name))

    def STORE_ATTR(self, name: str) -> None:
        value, target = self.pop(2)
        setattr(target, name, value)

    def DELETE_ATTR(self, name: str) -> None:
        delattr(self.stack.pop(), name)

    def LOAD_SUBSCR(self, _: None) -> None:
        target, key = self.pop(2)
        self.push(target[key])

    def AUG_SUBSCR(self, _: None) -> None:
        target, key = self.stack[-2:]
        self.push(target[key])

    def STORE_SUBSCR(self, _: None) -> None:
        value, target, key = self.pop(3)
        target[key] = value

    def DELETE_SUBSCR(self, _: None) -> None:
        target, key = self.pop(2)
        del target[key]

    # Collections

    def BUILD_TUPLE(self, count: int) -> None:
        self.push(tuple(self.pop(count)))

    def BUILD_LIST(self, count: int) -> None:
        self.push(self.pop(count))

    def BUILD_SET(self, count: int) -> None:
        self.push(set(self.pop(count)))

    def BUILD_MAP(self, count: int) -> None:
        values = self.pop(2 * count)
        self.push(dict(zip(values[::2], values[1::2], strict=True)))

    def BUILD_CONST_KEY_MAP(self, count: int) -> None:
        keys = self.stack.pop()
        self.push(dict(zip(keys, self.pop(count), strict=True)))

    def BUILD_SLICE(self, count: int) -> None:
        self.push(slice(*self.pop(count)))

    def BUILD_STRING(self, count: int) -> None:
        self.push("".join(self.pop(count)))

    def LIST_EXTEND(self, depth: int) -> None:
        value = self.stack.pop()
        self.stack[-depth].extend(value)

    def SET_UPDATE(self, depth: int) -> None:
        value = self.stack.pop()
        self.stack[-depth].update(value)

    def DICT_UPDATE(self, depth: int) -> None:
        value = self.stack.pop()
        if not hasattr(value, "keys"):
            raise TypeError("not a mapping")
        self.stack[-depth].update(value)

    def DICT_MERGE(self, depth: int) -> None:
        value = self.stack.pop()
        if not hasattr(value, "keys") or self.stack[-depth].keys() & value.keys():
            raise TypeError("no mapping, or a keyword twice")
        self.stack[-depth].update(value)

    def LIST_APPEND(self, depth: int) -> None:
        value = self.stack.pop()
        assert isinstance(self.stack[-depth], list)
        self.stack[-depth].append(value)

    def SET_ADD(self, depth: int) -> None:
        value = self.stack.pop()
        self.stack[-depth].add(value)

    def MAP_ADD(self, depth: int) -> None:
        key, value = self.pop(2)
        self.stack[-depth][key] = value

    def LIST_TO_TUPLE(self, _: None) -> None:
        self.push(tuple(self.stack.pop()))

    def UNPACK_SEQUENCE(self, count: int) -> None:
        values = list(self.stack.pop())
        if len(values) != count:
            raise ValueError("wrong number of values to unpack")
        self.push(*values[::-1])

    def UNPACK_EX(self, counts: tuple[int, int]) -> None:
        before, after = counts
        values = list(self.stack.pop())
        if len(values) < before + after:
            raise ValueError("not enough values to unpack")
        end = len(values) - after
        self.push(*values[:before:-1][:after], values[before:end], *values[:before][::-1])

    def GET_ITER(self, _: None) -> None:
        self.push(iter(self.stack.pop()))

    def WITH_ENTER(self, _: None) -> None:
        (manager,) = self.pop(1)
        leave = type(manager).__exit__.__get__(manager)
        self.push(leave, type(manager).__enter__(manager))

    def GET_LEN(self, _: None) -> None:
        self.push(len(self.stack[-1]))

    # Operators

    def UNARY(self, operation: str) -> None:
        self.push(UNARY[operation](self.stack.pop()))

    def BINARY(self, operation: str) -> None:
        self.push(BINARY[operation](*self.pop(2)))

    def INPLACE(self, operation: str) -> None:
        self.push(INPLACE[operation](*self.pop(2)))

    def COMPARE(self, operation: str) -> None:
        self.push(COMPARE[operation](*self.pop(2)))

    def IS(self, invert: bool) -> None:
        assert type(invert) is bool
        left, right = self.pop(2)
        self.push((left is right) != invert)

    def CONTAINS(self, invert: bool) -> None:
        assert type(invert) is bool
        left, right = self.pop(2)
        self.push((left in right) != invert)

    def FORMAT_VALUE(self, how: tuple[str, bool]) -> None:
        conversion, has_spec = how
        spec = self.stack.pop() if has_spec else ""
        self.push(format(CONVERSION[conversion](self.stack.pop()), spec))

    # The stack

    def COPY(self, depth: int) -> None:
        self.push(self.stack[-depth])

    def SWAP(self, depth: int) -> None:
        self.stack[-1], self.stack[-depth] = self.stack[-depth], self.stack[-1]

    def POP_TOP(self, _: None) -> None:
        self.stack.pop()

    def PUSH_NULL(self, _: None) -> None:
        self.push(NULL)

    # Calls

    def call(self, slots: Sequence[Any], args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        callee, *leading = [slot for slot in slots if slot is not NULL]
        args = (*leading, *args)
        if getattr(callee, "interpreted", False):
            self.push(interpret(callee, *args, **keywords))
        else:
            self.push(callee(*args, **keywords))

    def CALL(self, shape: tuple[int, tuple[str, ...]]) -> None:
        count, names = shape
        values = self.pop(len(names))
        args = self.pop(count)
        self.call(self.pop(2), args, dict(zip(names, values, strict=True)))

    def CALL_FUNCTION_EX(self, has_keywords: bool) -> None:
        keywords = self.stack.pop() if has_keywords else {}
        args = self.stack.pop()
        self.call(self.pop(2), tuple(args), keywords)

    def MAKE_FUNCTION(self, flags: frozenset[str]) -> None:
        code: CodeType = self.stack.pop()
        parts = {
            flag: self.stack.pop() for flag in ("closure", "annotations", "kwdefaults", "defaults") if flag in flags
        }
        function = FunctionType(code, self.globals, code.co_name, parts.get("defaults"), parts.get("closure", ()))
        function.__kwdefaults__ = parts.get("kwdefaults")
        function.interpreted = not code.co_flags & 0x2A0  # type: ignore[attr-defined]  # generators run natively
        self.push(function)

    def LOAD_ASSERTION_ERROR(self, _: None) -> None:
        self.push(AssertionError)

    # match

    def MATCH_SEQUENCE(self, _: None) -> None:
        subject = self.stack[-1]
        self.push(isinstance(subject, Sequence) and not isinstance(subject, (str, bytes, bytearray)))

    def MATCH_MAPPING(self, _: None) -> None:
        self.push(isinstance(self.stack[-1], Mapping))

    def MATCH_KEYS(self, _: None) -> None:
        subject, keys = self.stack[-2:]
        values = tuple(subject.get(key, UNSET) for key in keys)
        self.push(None if UNSET in values else values)

    def MATCH_CLASS(self, count: int) -> None:
        subject, kind, names = self.pop(3)
        self.push(tuple(self.attributes(subject, kind, count, names)) if isinstance(subject, kind) else None)
        if self.stack[-1] is not None and UNSET in self.stack[-1]:
            self.stack[-1] = None

    @staticmethod
    def attributes(subject: Any, kind: type, count: int, names: tuple[str, ...]) -> Iterator[Any]:
        if count and kind in SELF_MATCHING:
            yield subject
        else:
            yield from (getattr(subject, name, UNSET) for name in kind.__match_args__[:count])
        yield from (getattr(subject, name, UNSET) for name in names)
