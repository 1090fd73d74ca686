"""Shows the results of a replay: verdicts, maps, events and errors, as tables or as JSON."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .datastructures import Global, Map
from .fields import contents
from .optional import usable
from .pcap import Capture
from .replay import Replay
from .spec import ErrorSite
from .terminal import printable

LARGE: Final = 1 << 23
"""A file of at least this many bytes gets a progress bar."""
_SHOWN: Final = 20


def plain(value: Any) -> Any:
    """A map's key, value or record for JSON: structs become objects, bytes become text."""
    if isinstance(value, (ctypes.Structure, ctypes.Union)):
        return {name: plain(part) for name, part in contents(value).items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (list, tuple, ctypes.Array)):
        return [plain(each) for each in value]
    return value if isinstance(value, (int, float, bool)) else str(value)


def brief(value: Any) -> str:
    """A value on one line of a terminal."""
    if isinstance(value, (ctypes.Structure, ctypes.Union)):
        return printable(" ".join(f"{name}={_nested(each)}" for name, each in plain(value).items()))
    return printable(_nested(plain(value)))


def _nested(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, int) and 0 <= each < 256 for each in value):
        return _octets(bytes(value))
    if isinstance(value, dict):
        return "(" + " ".join(f"{name}={_nested(each)}" for name, each in value.items()) + ")"
    return value if isinstance(value, str) else json.dumps(value)


def _octets(data: bytes) -> str:
    """Bytes in hexadecimal, as of an address; a run of zeros at the end is shown as a count."""
    kept = data.rstrip(b"\0")
    zeros = len(data) - len(kept)
    if zeros < 4:
        return data.hex(":")
    return f"{kept.hex(':')}:00*{zeros}" if kept else f"00*{zeros}"


def weight(value: Any) -> Any:
    """The number by which entries are sorted: the value itself, or the largest number of a struct or sequence."""
    if isinstance(value, (int, float)):
        return value
    content = plain(value)
    numbers = list(content.values()) if isinstance(content, dict) else content if isinstance(content, list) else []
    return max((each for each in numbers if isinstance(each, (int, float))), default=0)


def entries(each: Map | Global) -> list[tuple[Any, Any]]:
    """(key, value) of all entries; a Global has one."""
    return [("value", each.value)] if isinstance(each, Global) else list(each.items())


def as_json(
    done: Replay, maps: Mapping[str, Map | Global], errors: Mapping[ErrorSite, int], lost: Mapping[str, int]
) -> str:
    """All results as one JSON object."""
    return json.dumps({
        "packets": done.packets,
        "bytes": done.bytes,
        "seconds": round(done.seconds, 6),
        "verdicts": dict(done.verdicts),
        "maps": {name: [{"key": plain(key), "value": plain(value)} for key, value in entries(each)]
                 for name, each in maps.items()},
        "events": {name: {"count": count, "lost": lost.get(name, 0), "last": list(map(plain, done.events[name]))}
                   for name, count in done.n_events.items()},
        "errors": [{"file": site.filename, "line": site.line, "error": site.error, "count": count}
                   for site, count in errors.items()],
        "problem": None if done.problem is None else str(done.problem),
    })  # fmt: skip


Rows = Sequence[Sequence[str]]


def tables(
    done: Replay, maps: Mapping[str, Map | Global], errors: Mapping[ErrorSite, int], lost: Mapping[str, int]
) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    """(title, columns, rows) of each table; the last column holds numbers."""
    total = max(done.packets, 1)
    yield "verdicts", ("verdict", "share", "packets"), [
        (name, f"{100 * count / total:.1f}%", str(count)) for name, count in done.verdicts
    ]
    for name, each in maps.items():
        found = sorted(entries(each), key=lambda item: weight(item[1]), reverse=True)
        more = f", the first {_SHOWN} of {len(found)}" if len(found) > _SHOWN else ""
        more += f", {each.lost} entries lost" if isinstance(each, Map) and each.lost else ""
        yield f"map {name}{more}", ("key", "value"), [(brief(k), brief(v)) for k, v in found[:_SHOWN]]
    for name, count in done.n_events.items():
        last = list(done.events[name])[-_SHOWN:]
        title = f"queue {name}: {count} events" + (f", {lost[name]} lost" if lost.get(name) else "")
        yield title, ("last events",), [(brief(each),) for each in last]
    if errors:
        yield "errors", ("where", "count"), [(str(site), str(count)) for site, count in errors.items()]


def show(content: Iterator[tuple[str, tuple[str, ...], Rows]]) -> None:
    """Prints tables, with rich if it is installed and the output is a terminal, else as plain text."""
    printer = _rich_table() if sys.stdout.isatty() else None
    for title, columns, rows in content:
        (printer or _plain_table)(title, columns, rows)


def _plain_table(title: str, columns: tuple[str, ...], rows: Rows) -> None:
    print(f"\n{title}")
    lines = [columns, *rows] if rows else [("none",)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    for line in lines:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _rich_table() -> Callable[[str, tuple[str, ...], Rows], None] | None:
    if not usable("rich", "rich.console", "rich.table", "rich.text"):
        return None
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()

    def table(title: str, columns: tuple[str, ...], rows: Rows) -> None:
        made = Table(title=title, title_justify="left", title_style="bold")
        for name in columns:
            made.add_column(name, justify="right" if name in ("packets", "count", "share") else "left")
        for row in rows:
            made.add_row(*map(Text, row))
        console.print(made)

    return table


@contextmanager
def progress(capture: Capture, quiet: bool) -> Iterator[Callable[[int], object] | None]:
    """A progress bar on standard error, for large files if it is a terminal. Gives a function that takes the position,
    or None."""
    if quiet or capture.size < LARGE or not sys.stderr.isatty():
        yield None
        return
    if not usable("rich", "rich.console", "rich.progress"):
        yield lambda position: print(f"\r{100 * position // capture.size:3}%", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(capture.name, total=capture.size)
        yield lambda position: bar.update(task, completed=position)
