"""Builds of the C core: objects of all files are made once, a changed file is compiled and linked with the others."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from mutant import ROOT

SOURCES: Final = ROOT / "csrc"
CHECKS: Final = ROOT / "tests/core"
SANITIZERS: Final = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")
FLAVOURS: Final = {
    "module": ("-fPIC",),
    "counted": ("-fPIC", "-finstrument-functions"),
    "checked": SANITIZERS,
}
"""For Python; the same, telling which functions are called; the C tests."""


class BuildFailedError(Exception):
    """The compiler's complaint."""


class Core:
    """Object files of the unchanged core in ``folder``, and what is linked from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.compiler = shutil.which(os.environ.get("CC", "cc")) or "gcc"

    def prepare(self) -> None:
        """Compiles everything, in all flavours, if that's not done."""
        if self.folder.exists():
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent) as name:
            self._compile_all(Path(name))
            with contextlib.suppress(OSError):  # another process was quicker
                Path(name).rename(self.folder)

    def _compile_all(self, folder: Path) -> None:
        glue = folder / "_core.c"
        _write_glue(glue)
        running = []
        for flavour in FLAVOURS:
            (folder / flavour).mkdir()
            own = sorted(CHECKS.glob("check_*.c")) if flavour == "checked" else [glue]
            own += [Path(__file__).with_name("called.c")] if flavour == "counted" else []
            for source in [*sorted(SOURCES.rglob("*.c")), *own]:
                running.append(subprocess.Popen(self._compile(flavour, source, SOURCES, folder / flavour)))
                if len(running) > 4:
                    _wait(running.pop(0))
        for process in running:
            _wait(process)

    def _compile(self, flavour: str, source: Path, headers: Path, to: Path) -> list[str]:
        python = sysconfig.get_path("include")
        flags = ["-std=gnu11", "-O1", "-w", f"-I{headers}", f"-I{CHECKS}", f"-I{python}", *FLAVOURS[flavour]]
        return [self.compiler, *flags, "-c", str(source), "-o", str(to / _object(source, headers))]

    def build(self, flavour: str, folder: Path, file: str = "", text: bytes = b"") -> Path:
        """The module or program with a changed file. Raises BuildFailedError."""
        objects = {path.name: path for path in (self.folder / flavour).glob("*.o")}
        if file:
            objects |= self._changed(flavour, folder, file, text)
        made = folder / ("check" if flavour == "checked" else f"_core_{flavour}.so")
        kind = SANITIZERS if flavour == "checked" else ("-shared",)
        _run([self.compiler, *kind, *map(str, objects.values()), "-o", str(made)])
        return made

    def _changed(self, flavour: str, folder: Path, file: str, text: bytes) -> dict[str, Path]:
        """The objects that a change makes anew; a header's are all."""
        copy, to = folder / "csrc", folder / flavour
        shutil.copytree(SOURCES, copy, dirs_exist_ok=True)
        changed = copy / Path(file).relative_to("csrc")
        changed.write_bytes(text)
        to.mkdir(exist_ok=True)
        sources = [changed] if file.endswith(".c") else sorted(copy.rglob("*.c"))
        for source in sources:
            _run(self._compile(flavour, source, copy, to))
        return {path.name: path for path in to.glob("*.o")}

    def same(self, folder: Path) -> bool:
        """Whether the change that was built there left the code as it was."""
        made = folder / "module"
        return all(path.read_bytes() == (self.folder / "module" / path.name).read_bytes() for path in made.glob("*.o"))


def _object(source: Path, core: Path) -> str:
    """The object file's name: the core has files of one name in several folders."""
    path = source.relative_to(core) if source.is_relative_to(core) else Path(source.name)
    return "-".join(path.with_suffix(".o").parts)


def _write_glue(path: Path) -> None:
    with contextlib.redirect_stdout(None):
        runpy.run_path(str(SOURCES / "build_ffi.py"))["ffibuilder"].emit_c_code(str(path))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildFailedError(done.stderr)


def _wait(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise BuildFailedError(f"{process.args} ends with {process.returncode}")
