"""Each operation has rules, each rule is reached, and makes what the first line of its text says."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path

import pytest
import test_arith_rules
import test_call_rules
import test_condition_rules
import test_control_rules
import test_memory_rules
import test_target
from case_files import GOLDEN, namespace, parse, pure_maps, translate
from rule_rows import Firing, assembly, function_of, name_of, recorded

from py2bpf.compiler.codegen.rules import RULES, WITHOUT_RULES
from py2bpf.compiler.ir.ops import ATTRIBUTES, INFO, Op
from py2bpf.compiler.passes import lower

CASES = Path(__file__).parents[2] / "cases"
TABLES = (test_arith_rules, test_call_rules, test_condition_rules, test_control_rules, test_memory_rules)
BY_NAME = {name_of(rule): rule for row in RULES.values() for rule in row}
SAID = re.compile(r"(?P<op>\w+)(?P<operands> [^>]*)?  ->  (?P<code>.+?)(   \(.+\))?")
"""The first line of a rule's text: what becomes what, and when."""
NAMES = re.compile(r"\b(?P<letter>[rw])(?P<register>[a-z])\b|(?P<sign>\+ )?#(?P<number>[a-z])|\bL[a-z]\b")
"""What stands for registers, offsets and other numbers, and labels in such a line."""


def test_each_operation_has_rules_or_is_gone_before() -> None:
    exact = {op for op, info in INFO.items() if info.exact}
    assert RULES.keys() | WITHOUT_RULES.keys() | exact == INFO.keys() == set(Op)
    assert not RULES.keys() & (WITHOUT_RULES.keys() | exact)


def test_each_exact_operation_is_replaced() -> None:
    exact = {op for op, info in INFO.items() if info.exact}
    assert exact <= lower.RULES.keys() | WITHOUT_RULES.keys(), "give each a row in RULES of a module of passes/lower/"


@cache
def fired() -> frozenset[Firing]:
    """What the rules make in all golden cases, and in the tables."""
    with recorded() as found, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(CASES.rglob("*.case")):
            case = parse(path)
            if any(name in case.sections for name in GOLDEN):
                translate(case, namespace(case, pure_maps()))
        for table in TABLES:
            for ir, _ in table.ROWS.values():
                assembly(function_of(ir))
        for ir, _, isa in test_target.ROWS.values():
            assembly(function_of(ir), isa)
    return frozenset(found)


@pytest.mark.parametrize("name", BY_NAME)
def test_each_rule_is_reached(name: str) -> None:
    assert name in {each.rule for each in fired()}, f"no golden case and no table has code that {name} fits"


@pytest.mark.parametrize("name", BY_NAME)
def test_each_rule_makes_what_it_says(name: str) -> None:
    rule = BY_NAME[name]
    said = SAID.fullmatch((rule.__doc__ or "").split("\n")[0])
    assert said, "the first line of a rule's text is  operation operands  ->  instructions   (when)"
    assert rule in RULES[Op(said["op"])], f"the operation {said['op']} has no such rule"
    assert set(re.findall(r"(\w+)=", said["operands"] or "")) <= set(ATTRIBUTES.get(Op(said["op"]), ()))
    made = sorted({"; ".join(each.lines) or "nothing" for each in fired() if each.rule == name}, key=len)
    assert any(pattern(said["code"]).fullmatch(code) for code in made), f"says {said['code']!r}, makes {made[:5]}"


def pattern(code: str) -> re.Pattern[str]:
    """For the instructions that a line stands for; a name stands for the same wherever it comes again."""
    parts: list[str] = []
    seen: set[str] = set()

    def same(name: str, text: str) -> str:
        known = name in seen
        seen.add(name)
        return f"(?P={name})" if known else f"(?P<{name}>{text})"

    end = 0
    for found in NAMES.finditer(code):
        parts.append(re.escape(code[end : found.start()]))
        end = found.end()
        if found["register"]:
            parts.append(found["letter"] + same(f"register_{found['register']}", r"\d+"))
        elif found["number"]:
            parts.append(same(f"{'offset' if found['sign'] else 'number'}_{found['number']}",
                              r"[+-] \d+" if found["sign"] else r"-?\d+"))  # fmt: skip
        else:
            parts.append("L0")
    return re.compile("".join([*parts, re.escape(code[end:])]))


@pytest.mark.parametrize(
    ("said", "made", "fits"),
    [
        ("rd = rx; rd += #i", "r20 = r17; r20 += -5", True),
        ("rd = rx; rd += #i", "r20 = r17; r21 += -5", False),
        ("rd = rx; rd += #i", "r20 = r17", False),
        ("*(u32 *)(rx + #o) = ry", "*(u32 *)(r10 - 8) = r16", True),
        ("*(u32 *)(rx + #o) = ry", "*(u64 *)(r10 - 8) = r16", False),
        ("wd = wx", "w16 = w17", True),
        ("r1 = rx; call La; rd = r0", "r1 = r30; call L0; r31 = r0", True),
        ("r1 = rx; call La; rd = r0", "r2 = r30; call L0; r31 = r0", False),
    ],
)
def test_names_in_the_texts_of_rules(said: str, made: str, fits: bool) -> None:
    assert bool(pattern(said).fullmatch(made)) == fits
