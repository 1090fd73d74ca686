"""Puts changed modules into this process only: their files stay unchanged."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from mutant import ROOT


class _Changed(SourceFileLoader):
    def __init__(self, name: str, path: Path, text: bytes) -> None:
        super().__init__(name, str(path))
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        """Neither read from a cache nor written to one."""
        return compile(self.text, self.path, "exec", dont_inherit=True)


class Overlay(MetaPathFinder):
    """Finds our modules: those of ``texts`` (by file) with other source, the C core in another file."""

    def __init__(self, texts: Mapping[str, bytes], core: Path | None) -> None:
        self.texts = {_module(file): (ROOT / file, text) for file, text in texts.items()}
        self.core = core

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "py2bpf._core" and self.core:
            loader = ExtensionFileLoader(name, str(self.core))
            return importlib.util.spec_from_file_location(name, self.core, loader=loader)
        if name not in self.texts:
            return None
        file, text = self.texts[name]
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        changed = _Changed(name, file, text)
        return importlib.util.spec_from_file_location(name, file, loader=changed, submodule_search_locations=inside)


def _module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
