"""The canonical instruction set, into which CPython's bytecode of every supported version is decoded.

It is a stack machine. In the table below ``[x, y] -> [z]`` says that the instruction pops y (the top of stack,
TOS) and x and pushes z; an instruction without a ``->`` leaves the stack alone. NULL is an empty stack slot.

    operation              arg                    effect
    LOAD_CONST             value                  [] -> [value]; a nested function's code object is a value too
    LOAD_FAST              name                   [] -> [value]; UnboundLocalError when the local is unset
    STORE_FAST             name                   [value] -> []; a NULL (see LOAD_FAST_AND_CLEAR) unsets the local
    DELETE_FAST            name
    LOAD_FAST_AND_CLEAR    name                   [] -> [value or NULL]; unsets the local. For a name of ``cellvars``
                                                  the cell itself is saved, and STORE_FAST puts that cell back
    MAKE_CELL              name                   wraps the local in a fresh cell (inlined comprehensions only; the
                                                  cells of ``Function.cellvars`` exist when the function starts)
    LOAD_GLOBAL            name                   [] -> [value]; globals first, then builtins
    STORE_GLOBAL           name                   [value] -> []
    LOAD_DEREF             name                   [] -> [value] out of a cell or free variable
    STORE_DEREF            name                   [value] -> []
    DELETE_DEREF           name
    LOAD_CLOSURE           name                   [] -> [the cell itself]
    LOAD_ATTR              name                   [object] -> [value]
    LOAD_METHOD            name                   [object] -> [a, b]: two slots for CALL. Either (NULL, object.name) or
                                                  (function, object), as the evaluator likes; CALL takes both
    AUG_ATTR               name                   [object] -> [object, value], the read of ``object.name op= ...``
    STORE_ATTR             name                   [value, object] -> []
    DELETE_ATTR            name                   [object] -> []
    LOAD_SUBSCR                                   [object, key] -> [value]
    AUG_SUBSCR                                    [object, key] -> [object, key, value], the read of
                                                  ``object[key] op= ...``
    STORE_SUBSCR                                  [value, object, key] -> []
    DELETE_SUBSCR                                 [object, key] -> []
    BUILD_TUPLE LIST SET   n                      [n values] -> [collection]
    BUILD_MAP              n                      [n times key, value] -> [dict]
    BUILD_CONST_KEY_MAP    n                      [n values, tuple of keys] -> [dict]
    BUILD_SLICE            2 or 3                 [start, stop(, step)] -> [slice]
    BUILD_STRING           n                      [n strings] -> [string]
    LIST_EXTEND            depth                  [..., list, ..., iterable] -> pops the iterable; the list is the
    SET_UPDATE                                    depth-th of what remains, counted from TOS (1 = TOS). DICT_UPDATE is
    DICT_UPDATE                                   ``{**d}``, DICT_MERGE is ``f(**d)``, which refuses duplicate keys
    DICT_MERGE
    LIST_APPEND SET_ADD    depth                  [..., list, ..., value] -> pops the value, depth as above
    MAP_ADD                depth                  [..., dict, ..., key, value] -> pops both, depth as above
    LIST_TO_TUPLE                                 [list] -> [tuple]
    FORMAT_VALUE           (conversion, spec)     [value] -> [string], or [value, spec] -> [string] when spec is true;
                                                  conversion is '', 's', 'r' or 'a'
    UNARY                  '-' '+' '~' 'not'      [value] -> [result]
    BINARY, INPLACE        '+' '-' '*' '/' '//'   [left, right] -> [result]
                           '%' '**' '<<' '>>'
                           '&' '|' '^' '@'
    COMPARE                '<' '<=' '==' '!='     [left, right] -> [result]
                           '>' '>='
    IS, CONTAINS           invert: bool           [left, right] -> [bool]: ``left is right``, ``left in right``
    COPY                   n                      [...] -> [..., the n-th from the top (1 = TOS)]
    SWAP                   n                      exchanges TOS and the n-th from the top
    POP_TOP                                       [value] -> []
    PUSH_NULL                                     [] -> [NULL]
    UNPACK_SEQUENCE        n                      [sequence] -> [last, ..., first]: the first item is TOS
    UNPACK_EX              (before, after)        [iterable] -> [last ... , list, ... first]
    GET_ITER                                      [iterable] -> [iterator]
    WITH_ENTER                                    [manager] -> [exit, value]: the manager's bound __exit__, and what its
                                                  __enter__ gives. Every way out of the with statement but an exception
                                                  has CALL of exit with three None: [exit, None, None, None] -> [result]
    CALL                   (n, keyword names)     [a, b, n arguments, keyword arguments' values] -> [result]. Of a and b
                                                  drop a NULL; the first of what remains is the callable, a second
                                                  is its leading argument. n counts neither a nor b
    CALL_FUNCTION_EX       has_kwargs: bool       [a, b, args(, kwargs)] -> [result]; a NULL among a, b is dropped
    MAKE_FUNCTION          frozenset of flags     [defaults][kwdefaults][annotations][closure], code -> [function];
                                                  only those which the flags name are there, in this order
    YIELD                                         [value] -> [None]; in a generator expression only: hands the value to
                                                  who consumes it, and goes on
    LOAD_ASSERTION_ERROR                          [] -> [AssertionError]
    MATCH_SEQUENCE         -                      [subject] -> [subject, bool]
    MATCH_MAPPING          -                      [subject] -> [subject, bool]
    MATCH_KEYS             -                      [subject, keys] -> [subject, keys, tuple of values or None]
    MATCH_CLASS            n positional           [subject, class, keyword names] -> [tuple of attributes or None]
    GET_LEN                -                      [object] -> [object, len(object)]

    terminators: the last instruction of every block is one of these, and they are nowhere else
    JUMP                                          succ = (target,)
    BRANCH                 'true' 'false'         [value] -> []; succ = (when the kind holds, otherwise)
                           'none' 'not none'
    FOR_ITER                                      succ = (exhausted, body). Exhausted: [iterator] -> [];
                                                  else [iterator] -> [iterator, item]
    RETURN                                        [value] -> leaves the function; succ = ()
    RAISE                  n                      [n values] -> raises; succ = ()
    UNSUPPORTED            text                   a construct that has no canonical form, by its user-level name;
                                                  succ = (), what followed it in its block is left out

``TO_BOOL`` has no canonical form: BRANCH and UNARY 'not' imply it.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from ...exception import Span

Position = tuple[int | None, int | None, int | None, int | None]
"""Line, end line, column, end column as ``co_positions`` gives them."""


class Op(enum.IntEnum):
    """Canonical operations; the module's docstring defines each."""

    LOAD_CONST = enum.auto()
    LOAD_FAST = enum.auto()
    STORE_FAST = enum.auto()
    DELETE_FAST = enum.auto()
    LOAD_FAST_AND_CLEAR = enum.auto()
    MAKE_CELL = enum.auto()
    LOAD_GLOBAL = enum.auto()
    STORE_GLOBAL = enum.auto()
    LOAD_DEREF = enum.auto()
    STORE_DEREF = enum.auto()
    DELETE_DEREF = enum.auto()
    LOAD_CLOSURE = enum.auto()
    LOAD_ATTR = enum.auto()
    LOAD_METHOD = enum.auto()
    AUG_ATTR = enum.auto()
    STORE_ATTR = enum.auto()
    DELETE_ATTR = enum.auto()
    LOAD_SUBSCR = enum.auto()
    AUG_SUBSCR = enum.auto()
    STORE_SUBSCR = enum.auto()
    DELETE_SUBSCR = enum.auto()
    BUILD_TUPLE = enum.auto()
    BUILD_LIST = enum.auto()
    BUILD_SET = enum.auto()
    BUILD_MAP = enum.auto()
    BUILD_CONST_KEY_MAP = enum.auto()
    BUILD_SLICE = enum.auto()
    BUILD_STRING = enum.auto()
    LIST_EXTEND = enum.auto()
    SET_UPDATE = enum.auto()
    DICT_UPDATE = enum.auto()
    DICT_MERGE = enum.auto()
    LIST_APPEND = enum.auto()
    SET_ADD = enum.auto()
    MAP_ADD = enum.auto()
    LIST_TO_TUPLE = enum.auto()
    FORMAT_VALUE = enum.auto()
    UNARY = enum.auto()
    BINARY = enum.auto()
    INPLACE = enum.auto()
    COMPARE = enum.auto()
    IS = enum.auto()
    CONTAINS = enum.auto()
    COPY = enum.auto()
    SWAP = enum.auto()
    POP_TOP = enum.auto()
    PUSH_NULL = enum.auto()
    UNPACK_SEQUENCE = enum.auto()
    UNPACK_EX = enum.auto()
    GET_ITER = enum.auto()
    WITH_ENTER = enum.auto()
    CALL = enum.auto()
    CALL_FUNCTION_EX = enum.auto()
    MAKE_FUNCTION = enum.auto()
    YIELD = enum.auto()
    LOAD_ASSERTION_ERROR = enum.auto()
    MATCH_SEQUENCE = enum.auto()
    MATCH_MAPPING = enum.auto()
    MATCH_KEYS = enum.auto()
    MATCH_CLASS = enum.auto()
    GET_LEN = enum.auto()
    JUMP = enum.auto()
    BRANCH = enum.auto()
    FOR_ITER = enum.auto()
    RETURN = enum.auto()
    RAISE = enum.auto()
    UNSUPPORTED = enum.auto()


TERMINATORS = frozenset((Op.JUMP, Op.BRANCH, Op.FOR_ITER, Op.RETURN, Op.RAISE, Op.UNSUPPORTED))
STORES = frozenset(
    (Op.STORE_FAST, Op.DELETE_FAST, Op.LOAD_FAST_AND_CLEAR, Op.MAKE_CELL, Op.STORE_DEREF, Op.DELETE_DEREF)
)
"""The operations that change the local (or cell) variable which their ``arg`` names."""


def _nowhere(position: Position) -> bool:
    """Whether there is no source text at the position, as for the return of a lambda."""
    line, end_line, column, end_column = position
    return line is None or (line == end_line and column == end_column and column is not None)


class Source:
    """The source of a function's instructions; makes their spans on demand."""

    __slots__ = ("_positions", "_spans", "filename", "firstlineno", "function")

    def __init__(self, filename: str, function: str, firstlineno: int, positions: list[Position]) -> None:
        self.filename = filename
        self.function = function
        self.firstlineno = firstlineno
        self._positions = positions
        self._spans: dict[Position, Span] = {}

    def position(self, unit: int) -> Position:
        """The position of a code unit, as ``co_positions`` gives it."""
        return self._positions[unit]

    def span(self, unit: int) -> Span:
        """The span of the code unit ``unit`` (byte offset / 2)."""
        position = self._positions[unit]
        while unit > 0 and _nowhere(position):  # CPython's own addition belongs to the instruction before
            unit -= 1
            position = self._positions[unit]
        span = self._spans.get(position)
        if span is None:
            line, end_line, column, end_column = position
            span = Span(self.filename, line or self.firstlineno, column, end_line, end_column, self.function)
            self._spans[position] = span
        return span


class Instr:
    """One canonical instruction.

    ``arg`` is the decoded operand, ``target`` the index of the block that a JUMP, BRANCH or FOR_ITER goes to
    (the block's ``succ[0]``) and -1 for everything else. ``unit`` is the offset in CPython's bytecode, in
    code units of 2 bytes; ``value`` is the unit that pushed the value of a store, -1 if unknown. ``span`` is made on
    demand: keep the Instr if only an error would need the span.
    """

    __slots__ = ("arg", "op", "source", "target", "unit", "value")

    def __init__(self, op: Op, arg: Any, unit: int, source: Source) -> None:
        self.op = op
        self.arg = arg
        self.unit = unit
        self.source = source
        self.target = -1
        self.value = -1

    @property
    def span(self) -> Span:
        """The source text of the instruction."""
        return self.source.span(self.unit)

    @property
    def value_span(self) -> Span | None:
        """The source text of the value of a store, if the value is one expression."""
        return self.source.span(self.value) if self.value >= 0 else None

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.arg!r} line {self.span.line}>"


class Block:
    """A basic block: ``index`` in ``Function.blocks``, ``instrs`` (the last one is the only terminator), ``succ``.

    The successors of a BRANCH are (taken when the kind holds, otherwise), of a FOR_ITER (exhausted, body),
    of a JUMP (target,), of every other terminator ().
    """

    __slots__ = ("index", "instrs", "succ")

    def __init__(self, index: int, instrs: list[Instr], succ: tuple[int, ...]) -> None:
        self.index = index
        self.instrs = instrs
        self.succ = succ

    def __repr__(self) -> str:
        return f"<block {self.index} -> {self.succ}>"


class Draft(NamedTuple):
    """A block whose successors are still code units, or ``~unit`` for the block that pops TOS before ``unit``."""

    instrs: list[Instr]
    succ: tuple[int, ...]


Drafts = dict[int, Draft]


class Loop(NamedTuple):
    """A natural loop; loops that share their header are one.

    ``header`` is the index of the only block through which it is entered, ``body`` all of its blocks (the
    header and the blocks of inner loops too), ``parent`` the index in ``Function.loops`` of the loop around it
    or -1, ``stored`` the names of the locals and cells that its body changes. ``turn`` is the block in which a turn
    begins, behind the tests that the loop begins with: every way from the header back to it passes that block.
    """

    header: int
    body: frozenset[int]
    parent: int
    stored: frozenset[str]
    turn: int


class Function:
    """A decoded function.

    ``blocks[0]`` is the entry. The blocks are in reverse postorder (a topological order but for back edges),
    every loop's blocks are contiguous and start with its header; unreachable blocks are left out. In
    ``loops`` outer loops precede inner ones. ``loop_of[block]`` is the innermost loop's index, or -1.
    ``argnames`` are all positional arguments, of which the first ``posonly`` are positional-only.
    Arguments that are in ``cellvars`` must be put in their cells before the first block runs.
    """

    __slots__ = (
        "argnames",
        "blocks",
        "cellvars",
        "filename",
        "firstlineno",
        "freevars",
        "kwonly",
        "local_names",
        "loop_of",
        "loops",
        "name",
        "posonly",
        "qualname",
        "varargs",
        "varkw",
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str,
        qualname: str,
        filename: str,
        firstlineno: int,
        argnames: tuple[str, ...],
        posonly: int,
        kwonly: tuple[str, ...],
        varargs: str | None,
        varkw: str | None,
        local_names: tuple[str, ...],
        cellvars: tuple[str, ...],
        freevars: tuple[str, ...],
        blocks: list[Block],
        loops: list[Loop],
        loop_of: list[int],
    ) -> None:
        self.name = name
        self.qualname = qualname
        self.filename = filename
        self.firstlineno = firstlineno
        self.argnames = argnames
        self.posonly = posonly
        self.kwonly = kwonly
        self.varargs = varargs
        self.varkw = varkw
        self.local_names = local_names
        self.cellvars = cellvars
        self.freevars = freevars
        self.blocks = blocks
        self.loops = loops
        self.loop_of = loop_of

    def __repr__(self) -> str:
        return f"<Function {self.qualname} of {len(self.blocks)} blocks>"
