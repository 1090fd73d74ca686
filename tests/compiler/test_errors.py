"""Programs that can't be compiled, and their error messages: tests/compiler/errors.txt.

Each entry has the exception's class and message, its hints, and the program. The carets must be under the text between
« and », on its line. If older CPythons have another place, other marks enclose it: OLDER.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from case_files import Case, context_of, live_maps, namespace, pure_maps

from py2bpf import exception, funcs
from py2bpf.compiler import pipeline
from py2bpf.datastructures import HashMap
from py2bpf.exception import LimitExceeded, TranslationError, TypeMismatch, UnsupportedSyntax, VerifierError
from py2bpf.prog import create_prog
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

SOCKET_FILTER = SPECS[ProgType.SOCKET_FILTER]
OLDER = {"‹›": (3, 12), "⟨⟩": (3, 13)}
"""Marks, and the version since which they don't count."""
MARKS = "«»" + "".join(OLDER)


@dataclass(frozen=True)
class Expected:
    name: str
    kind: str
    message: str
    hints: tuple[str, ...]
    marked: str

    @property
    def source(self) -> str:
        return re.sub(f"[{MARKS}]", "", self.marked)

    def place(self) -> tuple[int, int, int] | None:
        """Line, first column, column after the last; None where no expression is marked."""
        older = (marks for marks, since in OLDER.items() if marks[0] in self.marked and sys.version_info < since)
        opening, closing = next(older, "«»")
        for number, line in enumerate(self.marked.split("\n"), 1):
            if opening in line:
                line = re.sub(f"[{MARKS.replace(opening, '').replace(closing, '')}]", "", line)
                return number, line.index(opening), line.index(closing) - 1
        return None


def entries() -> list[Expected]:
    found = []
    for part in re.split(r"^=== ", (Path(__file__).parent / "errors.txt").read_text(), flags=re.M)[1:]:
        name, first, *rest = part.rstrip().split("\n")
        kind, message = first.split(": ", 1)
        hints = [line.removeprefix("help: ") for line in rest if line.startswith("help: ")]
        found.append(Expected(name, kind, message, tuple(hints), "\n".join(rest[len(hints) :]) + "\n"))
    return found


def refusal(source: str) -> TranslationError:
    """The error of compiling the program; anything else, an InternalCompilerError say, is an error of the test."""
    case = Case(Path("case.case"), "", {"python": source})
    prog = namespace(case, pure_maps())["prog"]
    with pytest.raises(TranslationError) as caught:
        pipeline.compile_function(prog, context_of(case.prog_type), SOCKET_FILTER)
    return caught.value


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("expected", entries(), ids=lambda expected: expected.name)
def test_refusal(expected: Expected) -> None:
    error = refusal(expected.source)
    assert (type(error).__name__, error.msg, error.hints) == (expected.kind, expected.message, expected.hints)
    assert error.hints, "every refusal says what to write instead"
    place = expected.place()
    if place is None:
        assert error.span is None
        return
    line, start, end = place
    assert error.span is not None and error.line == error.span.line == line
    text = expected.source.split("\n")[line - 1]
    carets = str(error).split("\n")[2].split("|", 1)[1][1:]
    assert (carets.index("^"), len(carets)) == (start, end), str(error)
    assert text in str(error).split("\n")[1]


def test_there_are_many_entries() -> None:
    kinds = {expected.kind for expected in entries()}
    assert len(entries()) >= 150 and kinds == {"UnsupportedSyntax", "TypeMismatch", "LimitExceeded"}
    assert all(issubclass(getattr(exception, kind), TranslationError) for kind in kinds)


INLINED = """\
def inner(value):
    return value / 2

class Filter:
    def middle(self, value):
        return inner(value) + 1

f = Filter()

def prog(skb):
    return f.middle(skb.len)
"""


def test_an_error_in_an_inlined_function_points_into_it_and_names_its_callers() -> None:
    error = refusal(INLINED)
    assert isinstance(error, UnsupportedSyntax) and error.span is not None
    assert (error.line, error.span.column, error.span.function) == (2, 11, "inner")
    assert [(span.line, span.column, text) for span, text in error.notes] == [
        (6, 15, "inner() is called here"),
        (11, 11, "middle() is called here"),
    ]
    assert "case.py:11: middle() is called here\n   11 |     return f.middle(skb.len)\n" in str(error)


def test_recursion_names_each_place_once() -> None:
    error = refusal("def f(n, v):\n    return f(n + 1, v)\ndef prog(skb):\n    return f(0, skb.len)\n")
    assert isinstance(error, LimitExceeded)
    assert [span.line for span, _ in error.notes] == [2, 4]


def test_a_comprehension_is_no_caller() -> None:
    """Before 3.12 it was a function of its own."""
    error = refusal("def prog(skb):\n    return sum([skb.bad for i in (1, 2)])\n")
    assert isinstance(error, TypeMismatch) and (error.line, error.notes) == (2, ())


def test_the_caller_inside_the_compiler_is_not_shown() -> None:
    error = refusal("class F:\n    def prog(self, skb):\n        return skb.bad\nprog = F().prog\n")
    assert error.notes == () and error.line == 3


@pytest.mark.kernel
def test_a_closed_map_is_refused_where_it_is_used() -> None:
    from ctypes import c_uint32

    with HashMap(c_uint32, c_uint32, 4) as counts:
        pass

    def prog(skb: Any) -> Any:
        return counts[1]

    with pytest.raises(TypeMismatch, match="this map is closed") as caught:
        create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog)
    assert caught.value.line == prog.__code__.co_firstlineno + 1


@pytest.mark.kernel
def test_user_space_methods_of_real_maps_are_refused_like_those_of_others() -> None:
    source = "m = HashMap(c_uint32, c_uint32, 4)\ndef prog(skb):\n    for k, v in m.items():\n        return k\n"
    case = Case(Path("case.case"), "", {"python": source})
    names = namespace(case, live_maps())
    with names["m"], pytest.raises(UnsupportedSyntax) as caught:
        create_prog(ProgType.SOCKET_FILTER, SK_BUFF, names["prog"])
    assert (caught.value.msg, caught.value.line) == ("programs can't use .items of a map", 3)
    assert str(caught.value) == str(refusal(source))


@pytest.mark.kernel
def test_the_verifier_refuses_loops_without_end_with_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("py2bpf.kernel.features.target", lambda: Target(iterators=False, bpf_loop=False))

    def prog(skb: Any) -> Any:
        n = 1
        while n != 0:
            n += skb.len * 2
        return n

    with pytest.raises(VerifierError) as caught:
        create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog)
    first = prog.__code__.co_firstlineno
    assert caught.value.line is not None and first < caught.value.line <= first + 4
    assert "test_errors.py" in str(caught.value) and "^" in str(caught.value)


@pytest.mark.kernel
def test_the_verifier_refuses_helpers_of_other_hooks_with_line_and_column() -> None:
    def prog(skb: Any) -> Any:
        n = skb.len
        return n + funcs.xdp_adjust_head(skb, 4)

    with pytest.raises(VerifierError) as caught:
        create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog)
    assert (caught.value.line, caught.value.column) == (prog.__code__.co_firstlineno + 2, 19)
