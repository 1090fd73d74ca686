"""The guest is what the harness promises the tests in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.qemu


def test_the_kernel_is_the_one_asked_for() -> None:
    assert os.uname().release.startswith(os.environ["PY2BPF_GUEST_KERNEL"] + ".")


def test_it_has_kprobes() -> None:
    assert int(Path("/sys/bus/event_source/devices/kprobe/type").read_text()) > 0


@pytest.mark.parametrize("path", ["/sys/kernel/tracing/events", "/sys/kernel/btf/vmlinux", "/sys/fs/bpf"])
def test_file_systems_are_mounted(path: str) -> None:
    assert Path(path).exists()


def test_bpffs_is_mounted() -> None:
    assert " /sys/fs/bpf bpf " in Path("/proc/mounts").read_text()


def test_loopback_is_up() -> None:
    flags = int(Path("/sys/class/net/lo/flags").read_text(), 16)
    assert flags & 1
