"""Functions that hypothesis writes: decoded, interpreted, and compared with CPython running them."""

from __future__ import annotations

import textwrap
from typing import Any

from canonical_machine import interpret
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = st.sampled_from("abcde")
OPERATORS = st.sampled_from(["+", "-", "*", "//", "%", "&", "|", "^", ">>"])
COMPARISONS = st.sampled_from(["<", "<=", "==", "!=", ">", ">=", "is", "is not"])


def binary(left: str, operator: str, right: str) -> str:
    return f"({left} {operator} {bounded(operator, right)})"


def in_place(target: str, operator: str, right: str) -> str:
    return f"{target} {operator}= {bounded(operator, right)}"


def bounded(operator: str, right: str) -> str:
    """The right operand; of a product a small one, since a number that is squared in a loop grows without end."""
    return f"({right}) % 97" if operator == "*" else right


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions over smaller ones; all of them are integers or truth values."""
    return st.one_of(
        st.builds(binary, inner, OPERATORS, inner),
        st.builds(binary, inner, COMPARISONS.filter(lambda name: name[0] != "i"), inner),
        st.builds("({} < {} <= {})".format, inner, inner, inner),
        st.builds(binary, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({}{})".format, st.sampled_from(["-", "~+", "not "]), inner),
        st.builds("({} := {})".format, NAMES, inner),
        st.builds("len(f'{{{}}}:{{{}!r:>5}}')".format, NAMES, NAMES),
        st.builds("sum([{} + i for i in range(3) if {}])".format, inner, inner),
        st.builds("max({}, {}, key=lambda a: a % 7)".format, inner, inner),
        st.builds("[{}, {}, 4][{} % 3]".format, inner, inner, inner),
        st.builds("({} in ({}, {}))".format, inner, inner, NAMES),
    )


expressions = st.recursive(NAMES | st.integers(-5, 300).map(str), grow, max_leaves=4)


def indent(body: str) -> str:
    return textwrap.indent(body, "    ")


def in_loops(body: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    leaving = st.builds("if {}:\n    {}".format, expressions, st.sampled_from(["break", "continue"]))
    return st.lists(body | leaving, min_size=1, max_size=3).map("\n".join)


def nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(inner, min_size=1, max_size=3).map("\n".join).map(indent)
    loop = in_loops(inner).map(indent)
    return st.one_of(
        st.builds("if {}:\n{}".format, expressions, block),
        st.builds("if {}:\n{}\nelif {}:\n{}\nelse:\n{}".format, expressions, block, expressions, block, block),
        st.builds("for {} in range(3):\n{}".format, NAMES, loop),
        st.builds("for {}, {} in zip((1, {}), (2, 3)):\n{}\nelse:\n{}".format, NAMES, NAMES, expressions, loop, block),
        st.builds("while spend() and {}:\n{}".format, expressions, loop),
        st.builds("while spend() or {} < 0:\n{}\nelse:\n{}".format, NAMES, loop, block).map(bound),
        st.builds(
            "match {}:\n    case 0 | 1:\n{}\n    case int(d) if {}:\n{}\n    case _:\n{}".format,
            expressions,
            block.map(indent),
            expressions,
            block.map(indent),
            block.map(indent),
        ),
    )


def bound(loop: str) -> str:
    """`or` alone might never end: the budget decides."""
    return loop.replace(" or ", " and 1 or spend() and ", 1)


simple = st.one_of(
    st.builds("{} = {}".format, NAMES, expressions),
    st.builds(in_place, NAMES, OPERATORS, expressions),
    st.builds("{}, {} = {}, {}".format, NAMES, NAMES, expressions, expressions),
    st.builds(in_place, expressions.map("items[{} % 3]".format), OPERATORS, expressions),
    st.builds("items[{} % 4:] = [{}, {}]".format, expressions, expressions, expressions),
    st.builds(in_place, st.just("box.value"), OPERATORS, expressions),
    st.builds("if {}:\n    return {}".format, expressions, expressions),
    st.builds("assert {} != {}".format, expressions, expressions),
    st.builds("del {}".format, NAMES),
)
statements = st.recursive(simple, nest, max_leaves=5)
bodies = st.lists(statements, min_size=1, max_size=5).map("\n".join).map(indent)


class Box:
    value = 1


def run(source: str, interpreted: bool, a: int, b: int) -> tuple[Any, ...]:
    """The outcome of f(a, b): its result or exception, and what it did to the objects around it."""
    budget = 60

    def spend() -> bool:
        nonlocal budget
        budget -= 1
        return budget > 0

    box, items = Box(), [1, 2, 3]
    namespace: dict[str, Any] = {"spend": spend, "box": box, "items": items}
    exec(compile(source, "random.py", "exec"), namespace)
    function = namespace["f"]
    try:
        result = interpret(function, a, b) if interpreted else function(a, b)
    except (ArithmeticError, LookupError, NameError, ValueError, TypeError) as error:
        result = type(error)
    except AssertionError as error:
        if error.args:  # the interpreter's own
            raise
        result = AssertionError
    return result, items, box.value, budget


@settings(max_examples=100)
@given(bodies, st.integers(-4, 9), st.integers(-4, 9))
def test_random_functions(body, a, b):
    source = f"def f(a, b):\n    c = d = 2\n{body}\n    return a, b, c\n"
    assert run(source, True, a, b) == run(source, False, a, b)
