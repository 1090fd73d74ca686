"""README.md and docs: every block of code is run, every command, name and link that they mention exists."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from markdown import PAGES, ROOT, Block, anchors, blocks, links

from py2bpf import datastructures, exception, kprobe
from py2bpf.prog import ProgType, create_prog
from py2bpf.util import ensure_resources

FILES = [ROOT / "README.md", *PAGES]
BLOCKS = [block for file in FILES for block in blocks(file)]
OTHERS = ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "tests/README.md"]
IN_TIME = 300 if os.environ.get("PY2BPF_GUEST") == "1" else 30
"""Seconds after which a block that doesn't end by itself is interrupted, unless it said something before."""


def ids(block: Block) -> str:
    return str(block)


@pytest.fixture
def activity() -> Iterator[None]:
    """Packets on loopback, files that are opened, sleeps: what the blocks watch."""
    ensure_resources()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(ConnectionRefusedError):
                sock.connect(("127.0.0.1", 9))
                sock.send(b"hello")
                sock.send(b"again")
            with open("/dev/null"):
                time.sleep(0.01)
            with contextlib.suppress(OSError):
                os.close(9999)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def run(block: Block) -> None:
    """Runs the block to its end, or to the error that it announces."""
    names = block.namespace()
    code = block.compiled()
    if block.error is None:
        exec(code, names)
        return
    with pytest.raises(getattr(exception, block.error)) as caught:
        exec(code, names)
    if block.expected is not None:
        assert str(caught.value) == block.expected.rstrip("\n")


@pytest.mark.kernel
@pytest.mark.parametrize("block", [block for block in BLOCKS if not block.is_kprobe], ids=ids)
def test_block(block: Block, activity: None, capsys: pytest.CaptureFixture[str]) -> None:
    run(block)
    if "prints" in block.directives:
        assert capsys.readouterr().out == block.expected


@pytest.mark.kernel
def test_the_first_program_prints_something_on_an_idle_machine(missing: Callable[[str], NoReturn]) -> None:
    """In a network of its own nobody else sends anything."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("unshare"):
        missing("a network of its own needs root, iproute2 and util-linux")
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" -', sys.executable]
    first = blocks(ROOT / "README.md")[0].source
    done = subprocess.run(alone, input=first, capture_output=True, text=True, timeout=IN_TIME)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^EtherType 0x0800: (\d+) packets$", done.stdout, re.M)
    assert found and int(found[1]) >= 20


@pytest.mark.kernel
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.is_kprobe], ids=ids)
def test_kprobe_block_loads(block: Block) -> None:
    """Kernels without kernel probes can load the programs all the same."""
    names = block.namespace()
    exec(block.without_withs(), names)
    probes = [each for each in names.values() if isinstance(each, kprobe.Probe)]
    assert probes
    for probe in probes:
        symbol = probe.targets[0].replace("sys_", "__x64_sys_", 1)
        context = kprobe._context(symbol, probe.exit_probe)
        with create_prog(ProgType.KPROBE, context, probe.fn) as prog:
            assert prog.info.id


@pytest.mark.qemu
@pytest.mark.kernel
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.is_kprobe], ids=ids)
def test_kprobe_block(block: Block, activity: None, capsys: pytest.CaptureFixture[str]) -> None:
    with interrupted_when_it_prints(capsys) as printed:
        run(block)
    assert "print(" not in block.source or printed


@contextlib.contextmanager
def interrupted_when_it_prints(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Sends this process Ctrl-C when there is output, for loops that don't end."""
    printed: list[str] = []
    done = threading.Event()

    def watch() -> None:
        end = time.monotonic() + IN_TIME
        while not done.wait(0.2):
            if text := capsys.readouterr().out:
                printed.append(text)
            if printed or time.monotonic() > end:
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            yield printed
        finally:
            done.set()
            watcher.join()
            printed += filter(None, [capsys.readouterr().out])


# What isn't code


@pytest.mark.parametrize("file", [*(str(file.relative_to(ROOT)) for file in FILES), *OTHERS])
def test_links_lead_somewhere(file: str) -> None:
    """To files that exist, and to headings that they have."""
    path = ROOT / file
    assert [target for target in links(path.read_text()) if not leads_somewhere(path, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    other = page.parent / name if name else page
    return other.exists() and (not anchor or anchor in anchors(other.read_text()))


def test_links_that_lead_nowhere_are_seen() -> None:
    text = "[a](docs/vm.md#faults), [b](docs/vm.md#no-such), [c](docs/none.md), [d](#install), [e](https://kernel.org/#x)"
    page = ROOT / "README.md"
    assert [link for link in links(text) if not leads_somewhere(page, link)] == ["docs/vm.md#no-such", "docs/none.md"]


@pytest.mark.parametrize("file", [*(str(file.relative_to(ROOT)) for file in FILES), *OTHERS])
def test_no_page_is_too_long_to_read(file: str) -> None:
    assert len((ROOT / file).read_text().splitlines()) <= 400


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_page_is_linked_from_the_readme_or_from_a_page_that_is(page: Path) -> None:
    found, new = set(), {ROOT / "README.md"}
    while new:
        found |= new
        new = {(at.parent / link.partition("#")[0]).resolve() for at in new for link in links(at.read_text())}
        new = {at for at in new if at.suffix == ".md"} - found
    assert page in found


@pytest.mark.parametrize("file", [*(str(file.relative_to(ROOT)) for file in FILES), *OTHERS])
def test_names_exist(file: str) -> None:
    """Dotted names of ours, in prose too."""
    names = set(re.findall(r"`(py2bpf(?:\.[A-Za-z_]\w*)+)", (ROOT / file).read_text()))
    assert [name for name in sorted(names) if not exists(name)] == []


def exists(name: str) -> bool:
    parts = name.split(".")
    thing: Any = importlib.import_module(parts[0])
    for at, part in enumerate(parts[1:], 2):
        with contextlib.suppress(ImportError):
            importlib.import_module(".".join(parts[:at]))
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True


@pytest.mark.parametrize("file", [*(str(file.relative_to(ROOT)) for file in FILES), *OTHERS])
def test_paths_exist(file: str) -> None:
    paths = re.findall(r"`((?:py2bpf|csrc|tests|docs|benchmarks|\.ci)/[\w./-]*)", (ROOT / file).read_text())
    assert [path for path in paths if not re.search("NNN|NAME", path) and not (ROOT / path).exists()] == []


def test_paths_of_contributing_exist() -> None:
    """Those of files within the package too, which it shortens."""
    found = set(re.findall(r"`((?:\w+/)+[\w.]*|\w+\.(?:py|h|c|md|txt))`", (ROOT / "CONTRIBUTING.md").read_text()))
    paths = {path for path in found if not re.search("NNN|NAME", path)}
    files = [str(path) for top in ("csrc", "py2bpf", "tests") for path in (ROOT / top).rglob("*")]
    assert len(paths) > 100 and [path for path in sorted(paths) if not known_by_its_end(path.rstrip("/"), files)] == []


def known_by_its_end(path: str, files: list[str]) -> bool:
    return (ROOT / path).exists() or any(file.endswith(f"/{path}") for file in files)


def commands(pattern: str) -> list[Any]:
    text = "\n".join((ROOT / file).read_text() for file in [*FILES, *OTHERS])
    return sorted(set(re.findall(pattern, text)))


@pytest.mark.parametrize("target", commands(r"(?:`|^    |^)make ([\w-]+)"))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize(("tool", "options"), commands(r"-m (py2bpf\.examples\.[a-z]\w*)([^`#\n]*)"))
def test_tools_have_the_options(tool: str, options: str) -> None:
    told = subprocess.run([sys.executable, "-m", tool, "--help"], capture_output=True, text=True, check=True).stdout
    assert [option for option in re.findall(r"(?<!\S)--?[a-z]\w*", options) if option not in told] == []


def test_all_examples_are_listed() -> None:
    told = (ROOT / "docs" / "quickstart.md").read_text()
    shared = {"__init__", "common", "flows", "packet_outputs", "packet_rates", "packets", "parquet_files"}
    shared |= {"demo_traffic", "demo_views", "demo_vm", "endings", "tasks"}
    names = {file.stem for file in Path(ROOT, "py2bpf", "examples").glob("*.py")} - shared
    assert [name for name in sorted(names) if f"`{name}`" not in told] == []


def test_all_functions_for_run_time_values_are_listed() -> None:
    from py2bpf.compiler.peval.builtins.functions import _HANDLERS
    from py2bpf.compiler.peval.map_methods import METHODS

    told = "".join(page.read_text() for page in (ROOT / "docs" / "language").glob("*.md"))
    names = [fn.__name__ for fn in _HANDLERS if fn.__module__ == "builtins"]
    assert len(names) > 20 and [name for name in names if f"`{name}`" not in told] == []
    assert [name for name in METHODS if name != "output" and not re.search(rf"\w\.{name}\(", told)] == []


def test_the_glossary_names_kinds_of_values_that_exist() -> None:
    from py2bpf.compiler.peval import values

    glossary = (ROOT / "CONTRIBUTING.md").read_text().partition("## Glossary")[2].partition("\n## ")[0]
    names = re.findall(r"^\| `(\w+)` \|", glossary, re.M)
    assert len(names) >= 4 and [name for name in names if not hasattr(values, name)] == []


HOOK_PAGES = [page for page in PAGES if page.parent.name == "hooks"]


@pytest.mark.parametrize("page", HOOK_PAGES, ids=lambda page: page.stem)
def test_all_hooks_are_listed(page: Path) -> None:
    """The page of a hook has the name of its module, and is in the tables of README.md and docs/hooks.md."""
    module = f"`py2bpf.{page.stem}`"
    assert page.read_text().splitlines()[0].endswith(f": {module}")
    assert f"| {module} |" in (ROOT / "README.md").read_text()
    assert f"| [{module}](hooks/{page.name}) |" in (ROOT / "docs" / "hooks.md").read_text()


def test_all_kinds_of_maps_are_listed() -> None:
    told = (ROOT / "docs" / "maps-and-queues.md").read_text()
    kinds = set(datastructures.__all__) - {"Map", "PerCpuValues"}
    assert [kind for kind in sorted(kinds) if f"`{kind}" not in told] == []
