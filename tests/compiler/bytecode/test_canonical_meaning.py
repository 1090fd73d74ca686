"""Decoded code means the same as in CPython: the tests interpret it and compare the outcomes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import bytecode_samples
import pytest
from bytecode_samples import SAMPLES
from canonical_machine import interpret


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """The outcome, a value or an exception, and the arguments afterwards."""
    arguments = copy.deepcopy(arguments)
    try:
        result = call(*arguments)
    except (
        ArithmeticError,
        LookupError,
        NameError,
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
        AssertionError,
    ) as error:
        if str(error).startswith("the stack"):
            raise
        return type(error), error.args if type(error) in (ValueError, AssertionError) else (), arguments
    return result, arguments


def normal(value: Any) -> Any:
    """Objects of the samples as their attributes, so that the comparison looks into them."""
    return vars(value) if isinstance(value, (bytecode_samples.Point, bytecode_samples.Base)) else value


@pytest.mark.parametrize("function, inputs", SAMPLES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_samples(function, inputs):
    for arguments in inputs:
        expected = outcome(function, *arguments)
        got = outcome(lambda *given: interpret(function, *given), *arguments)
        if expected[0] is ValueError and not expected[1][0] == got[1][0]:
            assert "unpack" in expected[1][0] and "unpack" in got[1][0]
        else:
            assert repr(got[:1]) == repr(expected[:1])
            assert [normal(value) for value in got[-1]] == [normal(value) for value in expected[-1]]
