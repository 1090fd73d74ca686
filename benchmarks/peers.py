"""The same programs in C: compiled by clang, loaded and run by libbpf, if both are installed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "c"
BUILD = HERE.parent / ".cache" / "benchmarks"
CLANGS = ("clang", "clang-19", "clang-16", "clang-14")
FLAGS = ("-O2", "-g", "-Wall", "-target", "bpf", "-mcpu=v3")


class PeerMissingError(RuntimeError):
    """Raised if a peer isn't installed or can't run here; the message says why."""


TIME: Final = 120
"""Seconds that a tool may take."""


def tool(command: list[str], what: str) -> str:
    """Returns the output of a tool of the system. Raises PeerMissingError if the tool is missing, fails, or doesn't
    end.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIME,
                              stdin=subprocess.DEVNULL)  # fmt: skip
    except OSError as error:
        raise PeerMissingError(f"{what}: {command[0]} can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise PeerMissingError(f"{what}: {command[0]} did not end within {TIME} seconds") from error
    if done.returncode:
        raise PeerMissingError(f"{what}: {command[0]} ended with status {done.returncode}\n{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Spawned:
    """One run of a command: wall time from fork to exit, and peak memory."""

    ns: int
    peak_kb: int


def gcc(source: str, *libraries: str) -> Path:
    """Builds one of our small C tools, unless there is one that is newer than its source and the headers."""
    path, out = SOURCES / source, BUILD / Path(source).stem
    newest = max(each.stat().st_mtime for each in (path, *SOURCES.glob("*.h")))
    if not out.exists() or out.stat().st_mtime < newest:
        BUILD.mkdir(parents=True, exist_ok=True)
        command = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", str(out), str(path), *libraries]
        tool(command, f"{source} doesn't compile")
    return out


def spawn(command: list[str]) -> Spawned:
    """Runs a command from a small parent process; raises CalledProcessError when it fails."""
    done = subprocess.run([str(gcc("spawn.c")), *command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    ns, peak_kb, status = done.stdout.split("\n")[-2].split() if done.stdout else ("0", "0", "255")
    if done.returncode or status != "0":
        raise subprocess.CalledProcessError(int(status), command, done.stdout, done.stderr)
    return Spawned(int(ns), int(peak_kb))


class Clang:
    """The C compiler and loader. Raises PeerMissingError when the machine lacks them."""

    def __init__(self) -> None:
        wanted = os.environ.get("CLANG")
        found = next(filter(None, map(shutil.which, [wanted] if wanted else CLANGS)), None)
        if found is None:
            raise PeerMissingError("no clang on PATH (apt-get install clang-16 libbpf-dev, or set CLANG)")
        self.path = found
        self.name = Path(found).name
        self.runner = gcc("peer.c", "-lbpf")

    def compile_command(self, program: str, out: Path) -> list[str]:
        headers = f"/usr/include/{self._triplet}"
        source = str(SOURCES / f"{program}.bpf.c")
        return [self.path, *FLAGS, "-idirafter", headers, "-c", source, "-o", str(out)]

    def compile(self, program: str) -> Path:
        """Builds a program's object file, even if there is one."""
        BUILD.mkdir(parents=True, exist_ok=True)
        out = BUILD / f"{program}.o"
        tool(self.compile_command(program, out), f"{self.name} can't compile {program}")
        return out

    @functools.cached_property
    def _triplet(self) -> str:
        return tool(["gcc", "-dumpmachine"], "which machine this is").strip()

    def runner_json(self, *args: str) -> dict[str, Any]:
        """The answer of c/peer.c to one of its commands."""
        said = tool([str(self.runner), *args], f"the peer's {args[0]}")
        try:
            answer: dict[str, Any] = json.loads(said)
        except ValueError as error:
            raise PeerMissingError(f"the peer's {args[0]} said {said!r}") from error
        return answer


def find_clang() -> Clang | None:
    """The C peer, after it has compiled and loaded a program; or None, after printing why it can't."""
    try:
        clang = Clang()
        clang.runner_json("load", str(clang.compile("empty")), "1")
    except PeerMissingError as missing:
        print(f"without the C programs: {missing}")
        return None
    return clang
