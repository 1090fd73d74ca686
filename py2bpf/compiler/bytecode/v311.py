"""CPython 3.11: the base that later versions are described against (its dis module documents the opcodes)."""

from __future__ import annotations

from .canonical import Instr, Op
from .emitter import Emitter
from .rules import ANY, CONST, FLAG, LOCAL, NAME, RAW, SKIP, Jump, Plain, Rules, Suspending, Unsupported, Version

OPERATORS = ("+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^")
COMPARISONS = ("<", "<=", "==", "!=", ">", ">=")
CONVERSIONS = ("", "s", "r", "a")
FUNCTION_FLAGS = ("defaults", "kwdefaults", "annotations", "closure")

# On 3.11 a member of an enumeration takes longer to look up than the rest of a handler together.
_CALL, _LOAD_ATTR, _LOAD_GLOBAL, _PUSH_NULL = Op.CALL, Op.LOAD_ATTR, Op.LOAD_GLOBAL, Op.PUSH_NULL


def load_global(emitter: Emitter, arg: int, unit: int) -> None:
    out, source = emitter.out, emitter.source  # the commonest of all handlers: emit() by hand
    if arg & 1:
        out.append(Instr(_PUSH_NULL, None, unit, source))
    out.append(Instr(_LOAD_GLOBAL, emitter.names[arg >> 1], unit, source))


def load_attr(emitter: Emitter, arg: int, unit: int) -> None:
    """Only ``object.name op= value`` copies the object and then reads its attribute."""
    op = _LOAD_ATTR
    if emitter.copies(1):
        emitter.out.pop()
        op = Op.AUG_ATTR
    emitter.emit(op, emitter.names[arg], unit)


def binary_subscr(emitter: Emitter, arg: int, unit: int) -> None:
    """Only ``object[key] op= value`` copies object and key and then reads the item."""
    op = Op.LOAD_SUBSCR
    if emitter.copies(2):
        del emitter.out[-2:]
        op = Op.AUG_SUBSCR
    emitter.emit(op, None, unit)


def binary_op(emitter: Emitter, arg: int, unit: int) -> None:
    count = len(OPERATORS)
    if arg < count:
        emitter.emit(Op.BINARY, OPERATORS[arg], unit)
    else:
        emitter.emit(Op.INPLACE, OPERATORS[arg - count], unit)


def format_value(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.emit(Op.FORMAT_VALUE, (CONVERSIONS[arg & 3], bool(arg & 4)), unit)


def kw_names(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.keywords = emitter.constants[arg]


def super_arguments(emitter: Emitter, unit: int) -> int:
    """Push the arguments that ``super()`` would find in its caller's frame; return their number."""
    names = [instr.arg for instr in emitter.out[-2:] if instr.op is _LOAD_GLOBAL]
    if names[-1:] != ["super"] or "__class__" not in emitter.cells or not emitter.code.co_argcount:
        return 0
    first = emitter.code.co_varnames[0]
    emitter.emit(Op.LOAD_DEREF, "__class__", unit)
    emitter.emit(Op.LOAD_DEREF if first in emitter.cells else Op.LOAD_FAST, first, unit)
    return 2


def call(emitter: Emitter, arg: int, unit: int) -> None:
    if not arg and emitter.last in (_LOAD_GLOBAL, _PUSH_NULL):
        arg = super_arguments(emitter, unit)
    emitter.emit(_CALL, (arg - len(emitter.keywords), emitter.keywords), unit)
    emitter.keywords = ()


def call_function_ex(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.emit(Op.CALL_FUNCTION_EX, bool(arg & 1), unit)


def make_function(emitter: Emitter, arg: int, unit: int) -> None:
    flags = frozenset(flag for bit, flag in enumerate(FUNCTION_FLAGS) if arg >> bit & 1)
    emitter.emit(Op.MAKE_FUNCTION, flags, unit)


def unpack_ex(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.emit(Op.UNPACK_EX, (arg & 255, arg >> 8), unit)


def get_iter(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.emit(Op.GET_ITER, None, max(unit - 1, 0))  # before 3.13 its own place is the whole statement


def return_value(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.end(Op.RETURN, None, unit)


def raise_varargs(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.end(Op.RAISE, arg, unit)


def return_generator(emitter: Emitter, arg: int, unit: int) -> None:
    """A generator expression's code begins when its first item is taken; the next POP_TOP pops the value sent to it."""
    emitter.emit(Op.LOAD_CONST, None, unit)


RULES: Rules = {
    "CACHE": SKIP,
    "COPY_FREE_VARS": SKIP,
    "EXTENDED_ARG": SKIP,
    "MAKE_CELL": SKIP,
    "NOP": SKIP,
    "PRECALL": SKIP,
    "RESUME": SKIP,
    "BINARY_OP": binary_op,
    "BINARY_SUBSCR": binary_subscr,
    "BUILD_CONST_KEY_MAP": Plain(Op.BUILD_CONST_KEY_MAP, RAW),
    "BUILD_LIST": Plain(Op.BUILD_LIST, RAW),
    "BUILD_MAP": Plain(Op.BUILD_MAP, RAW),
    "BUILD_SET": Plain(Op.BUILD_SET, RAW),
    "BUILD_SLICE": Plain(Op.BUILD_SLICE, RAW),
    "BUILD_STRING": Plain(Op.BUILD_STRING, RAW),
    "BUILD_TUPLE": Plain(Op.BUILD_TUPLE, RAW),
    "CALL": call,
    "CALL_FUNCTION_EX": call_function_ex,
    "COMPARE_OP": Plain(Op.COMPARE, COMPARISONS),
    "CONTAINS_OP": Plain(Op.CONTAINS, FLAG),
    "COPY": Plain(Op.COPY, RAW),
    "DELETE_ATTR": Plain(Op.DELETE_ATTR, NAME),
    "DELETE_DEREF": Plain(Op.DELETE_DEREF, LOCAL),
    "DELETE_FAST": Plain(Op.DELETE_FAST, LOCAL),
    "DELETE_SUBSCR": Plain(Op.DELETE_SUBSCR),
    "DICT_MERGE": Plain(Op.DICT_MERGE, RAW),
    "DICT_UPDATE": Plain(Op.DICT_UPDATE, RAW),
    "FORMAT_VALUE": format_value,
    "GET_ITER": get_iter,
    "GET_LEN": Plain(Op.GET_LEN),
    "IS_OP": Plain(Op.IS, FLAG),
    "KW_NAMES": kw_names,
    "LIST_APPEND": Plain(Op.LIST_APPEND, RAW),
    "LIST_EXTEND": Plain(Op.LIST_EXTEND, RAW),
    "LIST_TO_TUPLE": Plain(Op.LIST_TO_TUPLE),
    "LOAD_ASSERTION_ERROR": Plain(Op.LOAD_ASSERTION_ERROR),
    "LOAD_ATTR": load_attr,
    "LOAD_CLOSURE": Plain(Op.LOAD_CLOSURE, LOCAL),
    "LOAD_CONST": Plain(Op.LOAD_CONST, CONST),
    "LOAD_DEREF": Plain(Op.LOAD_DEREF, LOCAL),
    "LOAD_FAST": Plain(Op.LOAD_FAST, LOCAL),
    "LOAD_GLOBAL": load_global,
    "LOAD_METHOD": Plain(Op.LOAD_METHOD, NAME),
    "MAKE_FUNCTION": make_function,
    "MAP_ADD": Plain(Op.MAP_ADD, RAW),
    "MATCH_CLASS": Plain(Op.MATCH_CLASS, RAW),
    "MATCH_KEYS": Plain(Op.MATCH_KEYS),
    "MATCH_MAPPING": Plain(Op.MATCH_MAPPING),
    "MATCH_SEQUENCE": Plain(Op.MATCH_SEQUENCE),
    "POP_TOP": Plain(Op.POP_TOP),
    "PUSH_NULL": Plain(Op.PUSH_NULL),
    "RAISE_VARARGS": raise_varargs,
    "RETURN_VALUE": return_value,
    "SET_ADD": Plain(Op.SET_ADD, RAW),
    "SET_UPDATE": Plain(Op.SET_UPDATE, RAW),
    "STORE_ATTR": Plain(Op.STORE_ATTR, NAME),
    "STORE_DEREF": Plain(Op.STORE_DEREF, LOCAL),
    "STORE_FAST": Plain(Op.STORE_FAST, LOCAL),
    "STORE_GLOBAL": Plain(Op.STORE_GLOBAL, NAME),
    "STORE_SUBSCR": Plain(Op.STORE_SUBSCR),
    "SWAP": Plain(Op.SWAP, RAW),
    "UNARY_INVERT": Plain(Op.UNARY, ("~",)),
    "UNARY_NEGATIVE": Plain(Op.UNARY, ("-",)),
    "UNARY_NOT": Plain(Op.UNARY, ("not",)),
    "UNARY_POSITIVE": Plain(Op.UNARY, ("+",)),
    "UNPACK_EX": unpack_ex,
    "UNPACK_SEQUENCE": Plain(Op.UNPACK_SEQUENCE, RAW),
    "FOR_ITER": Jump("iter"),
    "JUMP_BACKWARD": Jump("", -1),
    "JUMP_BACKWARD_NO_INTERRUPT": Jump("", -1),
    "JUMP_FORWARD": Jump(""),
    "JUMP_IF_FALSE_OR_POP": Jump("false", keep=True),
    "JUMP_IF_TRUE_OR_POP": Jump("true", keep=True),
    "POP_JUMP_BACKWARD_IF_FALSE": Jump("false", -1),
    "POP_JUMP_BACKWARD_IF_NONE": Jump("none", -1),
    "POP_JUMP_BACKWARD_IF_NOT_NONE": Jump("not none", -1),
    "POP_JUMP_BACKWARD_IF_TRUE": Jump("true", -1),
    "POP_JUMP_FORWARD_IF_FALSE": Jump("false"),
    "POP_JUMP_FORWARD_IF_NONE": Jump("none"),
    "POP_JUMP_FORWARD_IF_NOT_NONE": Jump("not none"),
    "POP_JUMP_FORWARD_IF_TRUE": Jump("true"),
    "ASYNC_GEN_WRAP": Unsupported("yield"),
    "BEFORE_ASYNC_WITH": Unsupported("async with"),
    "BEFORE_WITH": Plain(Op.WITH_ENTER),
    "CHECK_EG_MATCH": Unsupported("try/except*"),
    "CHECK_EXC_MATCH": Unsupported("try/except"),
    "DELETE_GLOBAL": Unsupported("del of a global"),
    "DELETE_NAME": Unsupported("class"),
    "END_ASYNC_FOR": Unsupported("async for"),
    "GET_AITER": Unsupported("async for"),
    "GET_ANEXT": Unsupported("async for"),
    "GET_AWAITABLE": Unsupported("await"),
    "GET_YIELD_FROM_ITER": Unsupported("yield from"),
    "IMPORT_FROM": Unsupported("import"),
    "IMPORT_NAME": Unsupported("import"),
    "IMPORT_STAR": Unsupported("import"),
    "LOAD_BUILD_CLASS": Unsupported("class"),
    "LOAD_CLASSDEREF": Unsupported("class"),
    "LOAD_NAME": Unsupported("class"),
    "POP_EXCEPT": Unsupported("try/except"),
    "PREP_RERAISE_STAR": Unsupported("try/except*"),
    "PRINT_EXPR": Unsupported("interactive code"),
    "PUSH_EXC_INFO": Unsupported("try/except"),
    "RERAISE": Unsupported("try/except"),
    "RETURN_GENERATOR": return_generator,
    "SEND": Unsupported("await"),
    "SETUP_ANNOTATIONS": Unsupported("class"),
    "STORE_NAME": Unsupported("class"),
    "WITH_EXCEPT_START": Unsupported("with"),
    "YIELD_VALUE": Plain(Op.YIELD),
}

SUSPENDING: Suspending = {
    ("BEFORE_ASYNC_WITH", ANY): "async with",
    ("GET_AITER", ANY): "async for",
    ("GET_AWAITABLE", ANY): "await",
    ("GET_YIELD_FROM_ITER", ANY): "yield from",
    ("YIELD_VALUE", ANY): "yield",
}


def version() -> Version:
    """The rules, ready for use on CPython 3.11."""
    return Version(RULES, SUSPENDING)
