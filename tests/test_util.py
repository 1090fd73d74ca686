"""Mounting what is missing, in a mount namespace of its own."""

import os
import subprocess
import sys

import pytest

from py2bpf.exception import KernelError
from py2bpf.util import ensure_resources, is_mounted, mount

SCRIPT = """
from py2bpf.kernel import tracefs
from py2bpf.util import BPFFS, ensure_resources, is_mounted
assert not is_mounted(BPFFS) and not is_mounted(tracefs.MOUNT_POINTS[0])
ensure_resources()
assert is_mounted(BPFFS) and (tracefs.root() / "events").is_dir()
before = open("/proc/self/mounts").read()
ensure_resources()
assert open("/proc/self/mounts").read() == before
"""


@pytest.mark.kernel
def test_what_is_missing_is_mounted():
    hide = "for place in /sys/fs/bpf /sys/kernel/tracing /sys/kernel/debug; do umount -l $place 2>/dev/null; done; "
    command = f"{hide} exec {sys.executable} -c '{SCRIPT}'"
    subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", command], check=True)


@pytest.mark.kernel
def test_a_failing_mount_is_told(tmp_path):
    with pytest.raises(KernelError, match=r"mounting nonesuch at .*: this kernel has no such file system"):
        mount("nonesuch", tmp_path)


def test_where_something_is_mounted(tmp_path):
    from pathlib import Path

    assert is_mounted(Path("/proc"))
    assert not is_mounted(tmp_path)


@pytest.mark.kernel
def test_a_place_of_any_name(tmp_path):
    """What is mounted is not mounted a second time."""
    place = os.fsdecode(os.fsencode(tmp_path) + b"/a b\t\xff")
    code = f"""
from py2bpf.util import is_mounted, mount
place = {place!r}
assert not is_mounted(place)
mount("tmpfs", place)
assert is_mounted(place)
"""
    os.mkdir(place)
    subprocess.run(["unshare", "--mount", "--propagation", "private", sys.executable, "-c", code], check=True)


@pytest.mark.kernel
def test_nothing_to_do_is_fine():
    ensure_resources()
    ensure_resources()
