"""Packages that py2bpf can do without: asked for here, and nowhere else, before they are imported.

    need("numpy", "arrays()")
    import numpy

    if not usable("rich", "rich.table"):
        return None  # plain text then
    from rich.table import Table

A package that is installed but can't be imported is treated differently from a missing one: its error is shown.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Final

from .borders import of_a_signal

EXTRAS: Final = {
    "pyroute2": "tc",
    "numpy": "numpy",
    "pyarrow": "arrow",
    "prometheus_client": "prometheus",
    "rich": "examples",
    "matplotlib": "plot",
}
"""Packages, and the names of their extras in ``pip install 'py2bpf[...]'``."""


def need(package: str, what: str, *modules: str) -> None:
    """Imports a package that ``what`` needs, and its ``modules``. Raises ImportError, which says how to install the
    package, or why it can't be imported."""
    error = _failure(package, modules)
    if error is None:
        return
    if _is_absent(error, package):
        raise ImportError(f"{what} needs {package}: pip install 'py2bpf[{EXTRAS[package]}]'", name=package) from None
    raise ImportError(f"{what} needs {package}, {_broken(error)}", name=package) from error


def usable(package: str, *modules: str) -> bool:
    """Whether an optional package, and its ``modules``, can be imported. Warns if the package is installed but
    broken."""
    error = _failure(package, modules)
    if error is not None and not _is_absent(error, package):
        warnings.warn(f"going on without {package}, {_broken(error)}", RuntimeWarning, stacklevel=2)
    return error is None


def _failure(package: str, modules: tuple[str, ...]) -> Exception | None:
    names = [name for name in (package, *modules) if sys.modules.get(name) is None]
    if not names:  # outside the try: an error that a signal handler raises here is no failure of the package
        return None
    try:
        for name in names:
            importlib.import_module(name)
    except Exception as error:  # whatever the package's own code raises
        if of_a_signal(error):
            raise
        return error
    return None


def _is_absent(error: Exception, package: str) -> bool:
    return isinstance(error, ModuleNotFoundError) and error.name == package


def _broken(error: Exception) -> str:
    return f"which is installed, but can't be imported: {type(error).__name__}: {error}"
