"""Debian's kernel images, downloaded and unpacked (not installed) for guests to boot.

Run as a script it fetches the kernels that it's given and prints where they lie: ``python kernels.py 6.1 5.10``.
``PY2BPF_KERNELS`` names the folder they are kept in (else ``.cache/kernels`` of the project), ``PY2BPF_DEBIAN_MIRROR``
the mirror (else the one that this machine's apt uses).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TRIES = 3


class KernelUnavailableError(RuntimeError):
    """A kernel could not be had; the message says which step failed and how to help."""


@dataclass(frozen=True)
class Kernel:
    """One kernel to test on: its version and the Debian release that ships it.

    ``usr`` tells that the release's packages keep their modules below usr/.
    """

    name: str
    suite: str
    usr: bool = False

    @property
    def folder(self) -> Path:
        return Path(os.environ.get("PY2BPF_KERNELS") or ROOT / ".cache" / "kernels") / self.name

    def find_image(self) -> Path | None:
        """The vmlinuz, or None before ``fetch``."""
        images = sorted((self.folder / "boot").glob("vmlinuz-*"))
        return images[-1] if images and (self.folder / "ready").exists() else None


KERNELS = {
    kernel.name: kernel
    for kernel in (Kernel("5.10", "bullseye"), Kernel("6.1", "bookworm"), Kernel("6.12", "trixie", usr=True))
}


def fetch(kernel: Kernel) -> Path:
    """Downloads and unpacks a kernel unless it's there already. Gives the path of its vmlinuz."""
    if image := kernel.find_image():
        return image
    kernel.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kernel.folder.parent) as scratch:
        unpacked = Path(scratch) / "root"
        _unpack(kernel, _download(kernel, Path(scratch)), unpacked)
        shutil.rmtree(kernel.folder, ignore_errors=True)
        unpacked.rename(kernel.folder)
    image = kernel.find_image()
    if image is None:
        raise KernelUnavailableError(f"Debian's kernel package for {kernel.name} holds no boot/vmlinuz-*")
    return image


def _unpack(kernel: Kernel, package: Path, into: Path) -> None:
    _run(["dpkg", "-x", str(package), str(into)])
    modules = into / "usr" if kernel.usr else into
    version = next((modules / "lib" / "modules").iterdir()).name
    _run([_tool("depmod", "kmod"), "-b", str(modules), version])
    (into / "ready").touch()


def _download(kernel: Kernel, scratch: Path) -> Path:
    """Asks apt, with a state of its own, for the package that linux-image-amd64 of the release depends on."""
    with _apt(kernel.suite, scratch / "apt") as env:
        _run(["apt-get", "-q", "update"], env, tries=TRIES)
        text = _run(["apt-cache", "depends", "--important", "linux-image-amd64"], env)
        names = [line.split(":")[1].strip() for line in text.splitlines() if "Depends:" in line]
        if not names:
            raise KernelUnavailableError(f"Debian {kernel.suite} names no kernel image:\n{text}")
        _run(["apt-get", "-q", "download", names[0]], env, cwd=scratch, tries=TRIES)
    return next(scratch.glob("linux-image-*.deb"))


@contextmanager
def _apt(suite: str, state: Path) -> Iterator[dict[str, str]]:
    """The environment in which apt knows one release and keeps everything below ``state``."""
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True)
    (state / "status").touch()
    sources = state / "sources.list"
    signed = f" signed-by={KEYRING}" if KEYRING.exists() else ""
    sources.write_text(f"deb [arch=amd64{signed}] {_mirror()} {suite} main\n")
    settings = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": TRIES,
        "Acquire::Check-Valid-Until": "false",  # an archived release's index is old
    }
    config = state / "apt.conf"
    config.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    yield {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C"}


def _mirror() -> str:
    if mirror := os.environ.get("PY2BPF_DEBIAN_MIRROR"):
        return mirror
    text = _run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(SUITE) $(REPO_URI)"])
    for line in text.splitlines():
        origin, suite, uri = line.split(" ", 2)
        if origin == "Debian" and not suite.endswith("-security"):
            return uri
    raise KernelUnavailableError("apt knows no Debian mirror: run `apt-get update`, or set PY2BPF_DEBIAN_MIRROR")


def _tool(name: str, package: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise KernelUnavailableError(f"{name} is not installed: apt-get install {package}")
    return path


def _run(command: list[str], env: dict[str, str] | None = None, cwd: Path | None = None, tries: int = 1) -> str:
    _tool(command[0], command[0])
    for left in reversed(range(tries)):
        done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            break
        if not left:
            raise KernelUnavailableError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in KERNELS]
    if unknown or not names:
        print(f"usage: kernels.py VERSION...   known versions: {' '.join(KERNELS)}", file=sys.stderr)
        return 2
    for name in names:
        print(name, fetch(KERNELS[name]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
