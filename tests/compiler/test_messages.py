"""docs/errors.md and docs/errors/data.md contain every message of the compiler, and no others."""

from __future__ import annotations

import ast
import collections
import re
from pathlib import Path

import pytest
from messages import HOLE, SOURCE, documented, messages
from test_errors import entries

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "errors.md").read_text() + (DOCS / "errors" / "data.md").read_text()


def test_every_message_is_documented() -> None:
    told = {message for message, _ in documented(PAGE)}
    missing = {message.text: message.place for message in messages() if message.text not in told}
    assert not missing, "give each a row in docs/errors.md or docs/errors/data.md"


def test_every_row_is_a_message() -> None:
    made = {message.text for message in messages()}
    assert [message for message, _ in documented(PAGE) if message not in made] == [], "docs/errors.md: no such error"


def test_every_message_has_one_row() -> None:
    counts = collections.Counter(message for message, _ in documented(PAGE))
    assert [message for message, count in counts.items() if count > 1] == []


def test_every_row_says_what_to_write() -> None:
    assert [message for message, instead in documented(PAGE) if not instead.strip()] == []


def test_every_error_has_hints() -> None:
    """An empty tuple is no hint, nor is one on some condition."""
    without = [
        message.place
        for message in messages()
        if message.hints is None
        or any(isinstance(node, ast.Tuple) and not node.elts for node in ast.walk(message.hints))
    ]
    assert not without, "say what to write instead"


def test_the_words_for_constructs_are_documented() -> None:
    """The names of constructs that bytecode modules can't translate, with their hints."""
    from py2bpf.compiler.peval.handlers import alternatives

    source = "".join(file.read_text() for file in (SOURCE / "compiler" / "bytecode").glob("*.py"))
    words = set(re.findall(r'(?:Unsupported\(|UNSUPPORTED, )"([^"]+)"', source))
    assert len(words) >= 12
    assert [word for word in sorted(words) if f"`{word}`" not in PAGE] == []
    assert [word for word in sorted(words - {"with"}) if not alternatives(word)] == []


def test_reasons_for_variables_without_a_value_are_documented() -> None:
    calls = [
        node
        for file in (SOURCE / "compiler" / "peval").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NoValue"
    ]
    reasons = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    assert len(reasons) >= 6
    assert [reason for reason in sorted(map(str, reasons)) if f"*{reason}*" not in " ".join(PAGE.split())] == []


@pytest.mark.parametrize("expected", entries(), ids=lambda expected: expected.name)
def test_messages_in_full_are_of_a_documented_form(expected: object) -> None:
    """The forms read off the source are those that users see."""
    text = str(getattr(expected, "message"))
    forms = [message for message, _ in documented(PAGE)]
    assert any(re.fullmatch(".*".join(map(re.escape, form.split(HOLE))), text, re.S) for form in forms)
