"""Calls that read or change the world outside are made while compiling: a warning names the kernel's alternative.
"""

from __future__ import annotations

import datetime
import functools
import io
import logging
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from py2bpf import funcs
from py2bpf.compiler import pipeline
from py2bpf.compiler.peval import effects
from py2bpf.exception import CalledOnce
from py2bpf.uapi import contexts
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

LOGGER = logging.getLogger("py2bpf.tests.called_once")
DICE = random.Random(3)


def compiled(fn: Any) -> Any:
    return pipeline.compile_function(fn, contexts.SK_BUFF, SPECS[ProgType.SOCKET_FILTER])


def warned(fn: Any) -> list[str]:
    """The texts of all warnings, each in lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled(fn)
    assert all(each.category is CalledOnce for each in caught)
    return [str(each.message) for each in caught]


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    LOGGER.disabled = True
    yield
    LOGGER.disabled = False


DIRECT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "time.time_ns() reads the clock": (lambda skb: time.time_ns() & 1, "ktime_get_ns"),
    "time.monotonic() reads the clock": (lambda skb: time.monotonic() > 0, "ktime_get_ns"),
    "datetime.now() reads the clock": (lambda skb: datetime.datetime.now().year, "ktime_get_ns"),
    "date.today() reads the clock": (lambda skb: datetime.date.today().year, "ktime_get_ns"),
    "random.random() draws a random number": (lambda skb: random.random() < 0.1, "get_prandom_u32"),
    "random.randint() draws a random number": (lambda skb: random.randint(1, 6), "get_prandom_u32"),
    "random.choice() draws a random number": (lambda skb: random.choice((1, 2)), "get_prandom_u32"),
    "secrets.randbelow() draws a random number": (lambda skb: secrets.randbelow(5), "get_prandom_u32"),
    "uuid.uuid4() draws a random number": (lambda skb: uuid.uuid4().int & 1, "get_prandom_u32"),
    "os.urandom() draws a random number": (lambda skb: os.urandom(1)[0], "get_prandom_u32"),
    "os.getpid() asks which process compiles": (lambda skb: os.getpid(), "get_current_pid_tgid"),
    "threading.get_ident() asks which process compiles": (lambda skb: threading.get_ident() & 1, "pid_tgid"),
    "os.getuid() asks whose process compiles": (lambda skb: os.getuid(), "get_current_uid_gid"),
    "time.sleep() waits": (lambda skb: time.sleep(0), "never wait"),
    "logging.warning() writes to the log": (lambda skb: logging.warning("seen"), "print()"),
    "Logger.info() writes to the log": (lambda skb: LOGGER.info("seen"), "print()"),
    "open() works on files": (lambda skb: open("/dev/null").close(), "output()"),
    "Path.read_text() works on files": (lambda skb: len(Path("/dev/null").read_text()), "output()"),
    "subprocess.run() starts another process": (lambda skb: subprocess.run(["true"]).returncode, "output()"),
    "os.system() starts another process": (lambda skb: os.system("true"), "output()"),
    "socket.gethostbyname() uses the network": (lambda skb: len(socket.gethostbyname("127.0.0.1")), "map"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("text", DIRECT)
def test_a_call_that_happens_once(text: str) -> None:
    fn, instead = DIRECT[text]
    (message,) = warned(fn)
    first, source, caret, *hints = message.splitlines()
    assert first.endswith(f": {text} once, while compiling")
    assert first.startswith(f"{__file__}:{fn.__code__.co_firstlineno}: ")
    assert "^" in caret and source
    assert instead in hints[0] and "outside of the function" in hints[1]


def test_the_place_and_the_helper() -> None:
    def prog(skb: Any) -> Any:
        return 1 if time.time_ns() & 1 else 2

    (message,) = warned(prog)
    line = prog.__code__.co_firstlineno + 1
    assert message.splitlines() == [
        f"{__file__}:{line}: time.time_ns() reads the clock once, while compiling",
        f"{line:5} |         return 1 if time.time_ns() & 1 else 2",
        "      |                     ^^^^^^^^^^^^^^",
        "  help: funcs.ktime_get_ns() reads the kernel's clock whenever the program runs",
        "  help: or call it outside of the function: what a program captures is constant",
    ]


def stamp() -> int:
    return time.time_ns() & 0xFF


def shown() -> int:
    sys.stdout.flush()
    print(end="", file=io.StringIO())
    return 1


def logged() -> int:
    """The logger's own calls, for the time for example, give no warning."""
    logger = logging.getLogger("of no interest")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.warning("seen")
    return 1


class Sampler:
    def __init__(self, rate: float) -> None:
        self.rate = rate

    def chosen(self) -> bool:
        return random.random() < self.rate

    @property
    def now(self) -> int:
        return int(time.time())

    def __getitem__(self, key: int) -> int:
        return os.getpid() + key

    def __add__(self, other: int) -> int:
        return time.monotonic_ns() + other & 1

    def __bool__(self) -> bool:
        return random.getrandbits(1) == 1

    def __iter__(self) -> Iterator[int]:
        yield os.getppid()


SAMPLER = Sampler(0.5)
INDIRECT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a function": (lambda skb: stamp(), "time.time_ns() is called here while compiling, and reads the clock once"),
    "a generator of one's own": (lambda skb: DICE.random() < 0.1, "random.random() draws a random number once"),
    "a method": (lambda skb: SAMPLER.chosen(), "random.random() is called here while compiling, and draws"),
    "a property": (lambda skb: SAMPLER.now, "time.time() is called here"),
    "an item": (lambda skb: SAMPLER[1], "os.getpid() is called here"),
    "an operator": (lambda skb: SAMPLER + 1, "time.monotonic_ns() is called here"),
    "a truth": (lambda skb: 1 if SAMPLER else 2, "random.getrandbits() is called here"),
    "an iterator": (lambda skb: sum(SAMPLER), "os.getppid() is called here"),
    "a partial": (lambda skb: functools.partial(stamp)(), "time.time_ns() is called here"),
    "a callback": (lambda skb: functools.reduce(lambda a, b: a + stamp(), (1, 2)), "time.time_ns() is called here"),
    "a library function": (lambda skb: len(uuid.uuid1().hex), "uuid.uuid1() draws"),
    "a log": (lambda skb: logged(), "Logger.warning() is called here while compiling, and writes to the log"),
    "a print": (lambda skb: shown(), "print() is called here while compiling, and prints once"),
}


@pytest.mark.parametrize("name", INDIRECT)
def test_a_call_inside_of_another(name: str) -> None:
    fn, text = INDIRECT[name]
    (message,) = warned(fn)
    assert text in message.splitlines()[0]


EARLIER = time.time_ns() & 0xFF
HOME = os.environ.get("HOME", "")


class Constant:
    def __add__(self, other: int) -> int:
        return other + 1


CONSTANT = Constant()


@pytest.mark.parametrize("fn", [
    lambda skb: EARLIER,
    lambda skb: len(HOME) + len(os.environ.get("PATH", "")) + (os.cpu_count() or 1),
    lambda skb: socket.htons(80) + socket.ntohl(5) + len(socket.inet_aton("127.0.0.1")),
    lambda skb: CONSTANT + 5,
    lambda skb: funcs.ktime_get_ns() + funcs.get_prandom_u32(),
    lambda skb: 1 if skb.len >= 0 or skb.len == time.time_ns() else 2,
    lambda skb: datetime.timedelta(seconds=5).seconds + len(str(Path("/tmp") / "x")),
])  # fmt: skip
def test_what_changes_nothing_is_no_warning(fn: Callable[[Any], Any]) -> None:
    assert [text for text in warned(fn) if "time_ns" not in text] == []


def test_a_branch_that_is_not_taken_is_no_call() -> None:
    assert warned(lambda skb: 1 if EARLIER >= 0 else time.time_ns()) == []


def test_each_place_once() -> None:
    assert len(warned(lambda skb: sum([stamp() for _ in range(3)]))) == 1


def test_a_profiler_that_runs_already_goes_on() -> None:
    seen: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, arg: seen.append(event))
    try:
        assert len(warned(lambda skb: os.getpid())) == 1
        assert sys.getprofile() is not None
    finally:
        sys.setprofile(before)
    assert seen


def test_the_table_names_what_there_is() -> None:
    """Each module has most of the names: what newer or other Pythons have may be missing here."""
    for module, names in effects.TABLE.items():
        if module == "numpy":
            continue
        found = [name for name in names if _has(module, name)]
        assert len(found) >= len(names) * 2 // 3, module


def _has(module: str, name: str) -> bool:
    for inner in (module, f"{module}.request", f"{module}.client"):
        try:
            obj: Any = __import__("os.path" if name in dir(os.path) else inner, fromlist=["x"])
            for part in name.split("."):
                obj = getattr(obj, part)
        except (ImportError, AttributeError):
            continue
        return True
    return False


def test_a_function_of_os_path_has_its_name() -> None:
    found = effects.effect_of(os.path.exists)
    assert found is None or found[0] == "os.path.exists"  # some Pythons write it in C
    assert effects.named("genericpath", "exists") == ("os.path.exists", effects.TABLE["os"]["exists"])


def test_functions_that_cython_compiled() -> None:
    random = pytest.importorskip("numpy").random
    generator = random.default_rng(1)
    drawn = warned(lambda skb: random.randint(10)), warned(lambda skb: int(generator.integers(10)))
    assert ["RandomState.randint() draws" in drawn[0][0], "Generator.integers() draws" in drawn[1][0]] == [True, True]
    assert warned(lambda skb: int(random.default_rng(1).bit_generator.state is None)) == []
