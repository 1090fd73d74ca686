"""Maps as small tables for notebooks."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ..codec import Codec, RecordCodec
from ..fields import contents

if TYPE_CHECKING:
    from ..core.entries import Entries

ROWS: Final = 20
"""How many entries are shown."""

_TEXT_MAX: Final = 200


def closed(m: Any) -> str:
    """The table of a map that can't be read any more."""
    return _table(m, [], [])


def table(m: Any, keys: Codec, values: Codec, entries: Iterable[Entries]) -> str:
    """A table of the first entries of a walk, with a column for each field of a structure, and the number of further
    entries."""
    rows: list[str] = []
    count = 0
    for some_keys, some_values, n in entries:
        shown = min(n, max(ROWS - count, 0))
        rows += map(_row, keys.decode_many(some_keys, shown), values.decode_many(some_values, shown))
        count += n
    if count > ROWS:
        more = count - ROWS
        rows.append(f'<tr><td colspan="99">and {more} more {"entry" if more == 1 else "entries"}</td></tr>')
    return _table(m, _titles("key", keys) + _titles("value", values), rows)


def _table(m: Any, titles: list[str], rows: list[str]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>" if titles else ""
    return f"<table><caption>{escape(repr(m))}</caption>{body}</table>"


def _titles(name: str, codec: Codec) -> list[str]:
    """A structure's fields; ``key`` or ``value`` for anything else."""
    return [f"{name}.{member.name}" for member in codec.members] if isinstance(codec, RecordCodec) else [name]


def _row(key: Any, value: Any) -> str:
    return f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in (*_cells(key), *_cells(value)))}</tr>"


def _cells(value: Any) -> list[str]:
    return [_cut(_text(field)) for _, field in contents(value).items()] if _is_record(value) else [_cut(_text(value))]


def _is_record(value: Any) -> bool:
    return isinstance(value, (ctypes.Structure, ctypes.Union))


def _text(value: Any) -> str:
    """A value as text. Shows the contents of structures and arrays, which ctypes's repr() doesn't."""
    if _is_record(value):
        return f"({', '.join(f'{name}={_text(field)}' for name, field in contents(value).items())})"
    if isinstance(value, (ctypes.Array, list)):
        return f"[{', '.join(map(_text, value))}]"
    return str(value) if hasattr(value, "network_address") else repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 3] + "..."
