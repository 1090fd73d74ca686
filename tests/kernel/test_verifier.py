"""The verifier's logs of kernels from 5.10 to 7.3 for bad programs, and what py2bpf reads out of them.

The logs in verifier_logs are the kernels' own, about the same dozen programs each.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from py2bpf.kernel.verifier import Verdict, hint, parse

LOGS = Path(__file__).resolve().parent / "verifier_logs"
KERNELS = sorted(path.stem for path in LOGS.glob("*.log"))

REFUSED = {
    "exit without r0": (0, "R0 (!read_ok|has never been initialized)"),
    "null deref": (6, "R0 (invalid mem access 'map_value_or_null'|may be NULL here)"),
    "stack oob": (0, "invalid write to stack R10 off=-520 size=8"),
    "infinite2": (1, "infinite loop detected at insn 1"),
    "unreachable": (2, "(unreachable insn 2|Instruction 2 is not reachable)"),
    "range": (1, "(jump out of range from insn 1 to 11|Instruction 1 jumps to instruction 11)"),
    "ctx": (1, "invalid bpf_context access off=4000 size=4"),
    "helper": (2, "(R1 type=(inv|scalar) expected=map_ptr|The first argument .R1. to bpf_map_lookup_elem)"),
    "branchy": (3, "R2 (invalid mem access '(inv|scalar)'|is an integer scalar here, not a pointer)"),
    "badop": (None, "unknown opcode ff"),
    "unknown helper": (0, "invalid func unknown#99999"),
    "retval": (1, "At program exit the register R0 has .* should have been in "),
}
"""The slot at fault and the complaint."""


def logs(kernel: str) -> dict[str, str]:
    parts = re.split(r"^=== (.*)\n", (LOGS / f"{kernel}.log").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernels_log(kernel: str, name: str) -> None:
    verdict = parse(logs(kernel)[name])
    insn, reason = REFUSED[name]
    assert verdict.insn == insn
    assert re.match(reason, verdict.reason), verdict.reason
    assert "processed" not in verdict.reason


def test_there_are_logs() -> None:
    assert KERNELS == ["5.10", "6.1", "6.12", "6.18", "7.3"]
    assert all(logs(kernel).keys() == REFUSED.keys() for kernel in KERNELS)


def test_the_new_shape_has_advice() -> None:
    assert parse(logs("7.3")["null deref"]) == Verdict(
        "R0 may be NULL here (a nullable map value pointer). The program could dereference NULL on this path, "
        "so the verifier cannot prove this access is safe.",
        6,
        "Add a NULL check before the access and dereference the pointer only on the non-NULL path.",
    )


def test_the_new_shape_points_at_the_fault_not_at_its_cause() -> None:
    log = (
        "Verification failed: Register Type Safety: Invalid dereference\n\nReason:\n  R0 is wrong.\n\n"
        "At:\n  prog.c:12\n       | return *p;\n  insn 17\n       | ^-- error\n"
        "  Instruction context:\n  >>> 17 | (79) x\n\n"
        "Causal path:\n  insn 3\n       | ^-- update\n\nSuggestion:\n  Mend it.\n\nprocessed 6 insns (limit 1000000)\n"
    )
    assert parse("\n" + log) == Verdict("R0 is wrong.", 17, "Mend it.")


@pytest.mark.parametrize("log", ["", "\n", "processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0\n"])
def test_no_complaint(log: str) -> None:
    assert parse(log) == Verdict("", None)


def test_states_and_source_lines_are_no_complaint() -> None:
    log = (
        "func#0 @0\n; x = ctx.len @ user.py:3\n0: (b7) r0 = 0\n1: (15) if r0 == 0x0 goto pc+1\n"
        "from 1 to 3: R0_w=inv0 R1=ctx(id=0,off=0,imm=0) R10=fp0\n 3: R0=0 R10=fp0\n"
        "; y = 1\n3: (79) r1 = *(u64 *)(r0 +0)\n"
        " R0_w=inv0 R10=fp0\nR0 min value is negative\nmake sure it is not\n"
        "verification time 31 usec\nstack depth 8\nprocessed 3 insns (limit 1000000)\n"
    )
    assert parse(log) == Verdict("R0 min value is negative; make sure it is not", 3)


def test_a_log_that_lost_its_beginning() -> None:
    """Since Linux 6.4 a log that is too long keeps its end."""
    assert parse("*)(r1 +0)\n8: (95) exit\nR0 !read_ok\nprocessed 9 insns (limit 1000000)\n").insn == 8


def test_a_program_that_is_too_large() -> None:
    log = (
        "0: (b7) r0 = 0\n7: (05) goto pc-3\nBPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns\n"
    )
    assert parse(log) == Verdict("BPF program is too large. Processed 1000001 insn", 7)
    remarked = log.replace("BPF", "R2 is not a scalar\nR1 is not a scalar\nBPF")
    assert parse(remarked) == parse(log)


@pytest.mark.parametrize("complaint", [
    "BPF program is too large. Processed 1000001 insn",
    "infinite loop detected at insn 8",
])  # fmt: skip
def test_a_complaint_on_the_line_of_a_jump(complaint: str) -> None:
    log = (
        "7: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=scalar()\n"
        f"8: (cd) if r0 s< r2 goto pc-3 {complaint}\ncur state: R1=ctx()\nprocessed 9 insns (limit 1000000)\n"
    )
    assert parse(log) == Verdict(complaint, 8)


def test_a_state_on_the_line_of_a_jump_is_no_complaint() -> None:
    jump = "1: (d5) if r0 s<= 0x5 goto pc-2 "
    for state in ("0: R0=scalar() R1=ctx() R10=fp0", "        ; R0=scalar()"):
        assert parse(f"{jump}{state}\nR1 is bad\n") == Verdict("R1 is bad", 1)


@pytest.mark.parametrize("reason", [
    "", "BPF program is too large. Processed 1000001 insn", "infinite loop detected at insn 0",
    "The sequence of 8193 jumps is too complex.", "back-edge from insn 5 to 2",
])  # fmt: skip
def test_advice_about_programs_that_take_too_long(reason: str) -> None:
    assert "a bound that the verifier can see" in hint(reason, loops=True)
    assert "smaller" in hint(reason, loops=False)


def test_no_advice_about_other_complaints() -> None:
    assert hint("R0 !read_ok", loops=True) == ""
