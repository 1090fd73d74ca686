"""How many stack slots each canonical operation pops and pushes."""

from __future__ import annotations

from collections.abc import Callable

from .canonical import Instr, Op

_FIXED: dict[Op, tuple[int, int]] = {
    Op.LOAD_CONST: (0, 1),
    Op.LOAD_FAST: (0, 1),
    Op.STORE_FAST: (1, 0),
    Op.DELETE_FAST: (0, 0),
    Op.LOAD_FAST_AND_CLEAR: (0, 1),
    Op.MAKE_CELL: (0, 0),
    Op.LOAD_GLOBAL: (0, 1),
    Op.STORE_GLOBAL: (1, 0),
    Op.LOAD_DEREF: (0, 1),
    Op.STORE_DEREF: (1, 0),
    Op.DELETE_DEREF: (0, 0),
    Op.LOAD_CLOSURE: (0, 1),
    Op.LOAD_ATTR: (1, 1),
    Op.LOAD_METHOD: (1, 2),
    Op.AUG_ATTR: (1, 2),
    Op.STORE_ATTR: (2, 0),
    Op.DELETE_ATTR: (1, 0),
    Op.LOAD_SUBSCR: (2, 1),
    Op.AUG_SUBSCR: (2, 3),
    Op.STORE_SUBSCR: (3, 0),
    Op.DELETE_SUBSCR: (2, 0),
    Op.LIST_EXTEND: (1, 0),
    Op.SET_UPDATE: (1, 0),
    Op.DICT_UPDATE: (1, 0),
    Op.DICT_MERGE: (1, 0),
    Op.LIST_APPEND: (1, 0),
    Op.SET_ADD: (1, 0),
    Op.MAP_ADD: (2, 0),
    Op.LIST_TO_TUPLE: (1, 1),
    Op.UNARY: (1, 1),
    Op.BINARY: (2, 1),
    Op.INPLACE: (2, 1),
    Op.COMPARE: (2, 1),
    Op.IS: (2, 1),
    Op.CONTAINS: (2, 1),
    Op.COPY: (0, 1),
    Op.SWAP: (0, 0),
    Op.POP_TOP: (1, 0),
    Op.PUSH_NULL: (0, 1),
    Op.GET_ITER: (1, 1),
    Op.YIELD: (1, 1),
    Op.WITH_ENTER: (1, 2),
    Op.LOAD_ASSERTION_ERROR: (0, 1),
    Op.MATCH_SEQUENCE: (0, 1),
    Op.MATCH_MAPPING: (0, 1),
    Op.MATCH_KEYS: (0, 1),
    Op.MATCH_CLASS: (3, 1),
    Op.GET_LEN: (0, 1),
    Op.JUMP: (0, 0),
    Op.BRANCH: (1, 0),
    Op.RETURN: (1, 0),
    Op.UNSUPPORTED: (0, 0),
}

_COUNTED: dict[Op, Callable[[Instr], tuple[int, int]]] = {
    Op.BUILD_TUPLE: lambda instr: (instr.arg, 1),
    Op.BUILD_LIST: lambda instr: (instr.arg, 1),
    Op.BUILD_SET: lambda instr: (instr.arg, 1),
    Op.BUILD_MAP: lambda instr: (2 * instr.arg, 1),
    Op.BUILD_CONST_KEY_MAP: lambda instr: (instr.arg + 1, 1),
    Op.BUILD_SLICE: lambda instr: (instr.arg, 1),
    Op.BUILD_STRING: lambda instr: (instr.arg, 1),
    Op.FORMAT_VALUE: lambda instr: (1 + instr.arg[1], 1),
    Op.UNPACK_SEQUENCE: lambda instr: (1, instr.arg),
    Op.UNPACK_EX: lambda instr: (1, sum(instr.arg) + 1),
    Op.CALL: lambda instr: (2 + instr.arg[0] + len(instr.arg[1]), 1),
    Op.CALL_FUNCTION_EX: lambda instr: (3 + instr.arg, 1),
    Op.MAKE_FUNCTION: lambda instr: (1 + len(instr.arg), 1),
    Op.RAISE: lambda instr: (instr.arg, 0),
}

DEPTHS = frozenset(
    (Op.LIST_EXTEND, Op.SET_UPDATE, Op.DICT_UPDATE, Op.DICT_MERGE, Op.LIST_APPEND, Op.SET_ADD, Op.MAP_ADD)
)
"""Operations that change a collection at the depth ``arg``, counted after they have popped their operands."""


def effect(instr: Instr) -> tuple[int, int]:
    """How many slots ``instr`` pops and pushes.

    Not for FOR_ITER, which has two effects: it pops the iterator on the way to ``succ[0]`` and pushes an item on the
    way to ``succ[1]``.
    """
    counted = _COUNTED.get(instr.op)
    return counted(instr) if counted else _FIXED[instr.op]
