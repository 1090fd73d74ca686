"""How helpers fill the buffers that they write to: the columns ``fills`` and ``texts`` of the table of helpers."""

from __future__ import annotations

from typing import Any

import pytest
from vm_programs import CTX, SAVED, call, in_kernel, in_vm, spec_of

from py2bpf import asm
from py2bpf.asm import Insn
from py2bpf.testing import packets
from py2bpf.uapi.helpers import HELPERS, Arg
from py2bpf.uapi.prog_types import ProgType

SIZE = 16
OUT, SOURCE = ("stack", -SIZE), ("stack", -32)
PACKET = packets.ethernet(bytes(range(50)), packets.ETH_P_IP)
PATTERNS = (0x5A5A5A5A, 0x25252525)

FILLED: dict[str, list[tuple[Any, ...]]] = {
    "get_ns_current_pid_tgid": [(1, 2, OUT, 8), (1, 2, OUT, 16)],
    "probe_read": [(OUT, SIZE, 0), (OUT, SIZE, SOURCE)],
    "probe_read_kernel": [(OUT, SIZE, 0), (OUT, SIZE, SOURCE)],
    "probe_read_user": [(OUT, SIZE, 0), (OUT, SIZE, 1 << 20)],
    "skb_load_bytes": [(CTX, 0, OUT, SIZE), (CTX, 49, OUT, SIZE), (CTX, 4000, OUT, SIZE), (CTX, -1, OUT, SIZE)],
    "skb_load_bytes_relative": [(CTX, 0, OUT, SIZE, 0), (CTX, 0, OUT, SIZE, 2), (CTX, 60, OUT, SIZE, 1)],
}
"""Calls that succeed, and that fail."""
LEFT: dict[str, tuple[Any, ...]] = {
    "probe_read_str": (OUT, SIZE, SOURCE),
    "probe_read_kernel_str": (OUT, SIZE, SOURCE),
}
"""Calls that read the text ``ab``."""
TYPES = {
    "xdp_load_bytes": ProgType.XDP,
    **dict.fromkeys(("probe_read", "probe_read_str"), ProgType.RAW_TRACEPOINT),
}
"""Which type of program may make a call; all others socket filters may."""


def words(name: str, args: tuple[Any, ...], run: Any) -> list[list[int]]:
    """The buffer after the call, as often as there are patterns which it had before."""
    prog_type = TYPES.get(name, ProgType.SOCKET_FILTER)
    data = b"" if prog_type is ProgType.RAW_TRACEPOINT else PACKET
    return [[run(spec_of(program(name, args, pattern, word), prog_type), data)[0] for word in range(SIZE // 4)]
            for pattern in PATTERNS]  # fmt: skip


def program(name: str, args: tuple[Any, ...], pattern: int, word: int) -> list[Insn]:
    before = [asm.store_imm(4, asm.FRAME, -SIZE + at, pattern) for at in range(0, SIZE, 4)]
    source = [asm.store_imm(8, asm.FRAME, -32, 0x6261), asm.store_imm(8, asm.FRAME, -24, 0)]
    after = [asm.load(4, 0, asm.FRAME, -SIZE + 4 * word), asm.exit_()]
    return [SAVED, *before, *source, *call(name, *args), *after]


RUNS = [pytest.param(in_vm, id="vm"), pytest.param(in_kernel, id="kernel", marks=pytest.mark.kernel)]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(("name", "args"), [(name, args) for name, calls in FILLED.items() for args in calls])
def test_filled(name: str, args: tuple[Any, ...], run: Any) -> None:
    size = args[HELPERS[name].fills[0] + 1] // 4
    first, second = words(name, args, run)
    assert first[:size] == second[:size]


def test_all_that_are_said_to_be_filled_are_proven() -> None:
    assert {name for name, info in HELPERS.items() if info.fills} == set(FILLED)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", LEFT)
def test_left_behind_a_text(name: str, run: Any) -> None:
    first, second = words(name, LEFT[name], run)
    assert (first[0], second[0]) == (0x5A006261, 0x25006261)
    assert (first[1:], second[1:]) == ([PATTERNS[0]] * 3, [PATTERNS[1]] * 3)


@pytest.mark.parametrize("run", RUNS)
def test_left_by_a_load_that_fails(run: Any) -> None:
    first, second = words("xdp_load_bytes", (CTX, 4000, OUT, SIZE), run)
    assert first == [PATTERNS[0]] * 4 and second == [PATTERNS[1]] * 4
    assert HELPERS["xdp_load_bytes"].fills == ()


def test_copies_from_user_memory_as_probes_do() -> None:
    """Only programs that may sleep call it in the kernel, and those have no test runs."""
    code = program("copy_from_user", (OUT, 4, SOURCE), PATTERNS[0], 0)
    assert in_vm(spec_of(code, ProgType.KPROBE), b"")[0] == 0


def test_columns_name_buffers() -> None:
    for info in HELPERS.values():
        assert all(info.args[at] is Arg.OUT and info.args[at + 1] is Arg.SIZE for at in (*info.fills, *info.texts))
        assert not set(info.fills) & {*info.texts, *info.reads}
