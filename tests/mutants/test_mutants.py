"""The mutation check itself: its rules, its sample, the table of explained mutants, and what becomes of a trial."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import explained
import judging
import mutate_c
import mutate_python
import mutation_targets
import pytest
import recorded
from mutant import ROOT, Mutant, sample

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def every() -> list[Mutant]:
    return list(mutation_targets.mutants())


def changed(found: list[Mutant]) -> list[str]:
    return [mutant.after for mutant in found]


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("x = a < b", ["x = a <= b", "x = a > b"]),
        ("x = (a) is not (b)", ["x = (a) is (b)"]),
        ("x = a not in b", ["x = a in b"]),
        ("x = a or b and c", ["x = a and b and c", "x = a or b or c"]),
        ("x = not a", ["x = a"]),
        ("x = -a", ["x = a"]),
        ("x = a + b", ["x = a - b"]),
        ("x = 'a %s' % b", []),
        ("x += a", ["x -= a"]),
        ("x = 4", ["x = 8"]),
        ("x = 7", ["x = 8"]),
        ("x = True", ["x = False"]),
        ("x = Op.SLT", ["x = Op.ULT"]),
        ("x = c_int32", ["x = c_uint32"]),
        ("for i in range(a, b): pass", ["for i in range(a, b - 1): pass"]),
        ("x = a[b:c]", ["x = a[b + 1:c]", "x = a[b:c + 1]"]),
        ("f(x)", ["None"]),
        ("x.y = z", ["None"]),
        ("x = [a for a in b if c]", ["x = [a for a in b if True]"]),
        ("x = a if b else c", ["x = a if True else c", "x = a if False else c"]),
        ("x: list[4] = y", []),
        ("'''text 4'''", []),
        ("x = f'{a + 1}'", []),
        ("raise E(0, 4)", ["raise E(0, 8)"]),
    ],
)
def test_rules_of_python(source: str, after: list[str]) -> None:
    assert changed(mutate_python.mutants("f.py", source.encode())) == after


def test_a_guard_is_dropped_and_another_condition_is_made_true_too() -> None:
    source = "def f():\n    if a:\n        return\n    if b:\n        g = a\n"
    assert changed(mutate_python.mutants("f.py", source.encode())) == ["if False:", "if False:", "if True:"]
    assert mutate_python.mutants("f.py", b"if TYPE_CHECKING:\n    import x\n") == []


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("int f(void)\n{\n\tx = a < b;\n}", ["x = a <= b;", "x = a > b;"]),
        ("int f(void)\n{\n\tx = !a;\n}", ["x = a;"]),
        ("int f(void)\n{\n\tx = -a - b;\n}", ["x = -a + b;"]),
        ("int f(void)\n{\n\tx = (uint8_t)-a & *b;\n}", ["x = (uint16_t)-a & *b;", "x = (uint8_t)-a | *b;"]),
        ("int f(void)\n{\n\tstruct a *b = c;\n}", []),
        ("int f(void)\n{\n\tx = 0x10u;\n}", ["x = 0x20;"]),
        ("int f(void)\n{\n\tif (a)\n\t\treturn b;\n}", ["if (0)"]),
        ("int f(void)\n{\n\tg(a, b);\n}", [";"]),
        ("int f(void)\n{\n\tx->y = z;\n}", [";"]),
        ("int f(void) /* 1 < 2 */\n{\n\treturn g(\"1 < 2\", '<');\n}", []),
        ("#include <a.h>\n#if A < 1\n#endif\n", []),
        ("#define A(n) \\\n\t(n + b)\n", ["(n - b)"]),
        ("enum { A = 5 };", ["enum { A = 6 };"]),
    ],
)
def test_rules_of_c(source: str, after: list[str]) -> None:
    assert changed(mutate_c.mutants("f.c", source.encode())) == after


def test_mutants_know_their_function() -> None:
    source = "#define M(a) (a + 1)\nstatic int f(int a)\n{ return a + 1; }\nint t[] = { 5 };\n"
    source += "struct s g(void)\n{ h(); }\n"
    assert [m.function for m in mutate_c.mutants("f.c", source.encode())] == ["M", "M", "f", "f", "t", "g"]
    source = "x = 1\nclass A:\n    y = 1\n    def f(self, z=1):\n        def g():\n            return lambda: 1\n"
    assert [m.function for m in mutate_python.mutants("f.py", source.encode())] == ["", "A", "A", "A.f.g"]


def test_a_mutant_keeps_its_name_where_its_lines_move() -> None:
    texts = b"x = a < b\n", b"y = 1\n\nif z:\n    x = a < b\n"
    before, after = (mutate_python.mutants("f.py", text) for text in texts)
    assert {mutant.name for mutant in before} < {mutant.name for mutant in after}


def test_a_smaller_sample_is_part_of_a_larger_one(every: list[Mutant]) -> None:
    small, large = ({mutant.name for mutant in sample(every, one_in, 0)} for one_in in (240, 60))
    assert small < large
    assert 200 < len(large) < 600


def test_every_part_has_mutants(every: list[Mutant]) -> None:
    files = {mutant.file for mutant in every}
    for folder in ("py2bpf/compiler/peval", "py2bpf/compiler/passes", "py2bpf/compiler/codegen", "csrc"):
        assert len([file for file in files if Path(file).is_relative_to(folder)]) > 5
    assert {"csrc/common/encode.c", "csrc/vm/exec.c", "csrc/vm/map/map.c"} <= files
    assert {"py2bpf/asm.py", "py2bpf/codec/numbers.py"} <= files
    assert not {"csrc/api.h", "csrc/sys/load.c"} & files


def test_changed_python_is_python(every: list[Mutant]) -> None:
    for mutant in sample((m for m in every if m.file.endswith(".py")), 60, 0):
        compile(mutant.text, mutant.file, "exec")


def test_rows_name_what_exists() -> None:
    for suite in mutation_targets.SUITES.values():
        assert all((ROOT / path).exists() for path in suite.paths)
    for suites in mutation_targets.ASKED.values():
        assert set(suites) <= mutation_targets.SUITES.keys()


def test_explained_mutants_exist(every: list[Mutant]) -> None:
    """An entry whose lines have changed goes, or follows them: `make mutants` prints survivors as entries."""
    assert explained.outdated(explained.explained(), every) == []


def test_an_explanation_is_complete(tmp_path: Path) -> None:
    table = tmp_path / "explained.toml"
    entry = "[[mutant]]\nfile = 'a.py'\nfunction = ''\nbefore = 'x'\nafter = 'y'\n"
    table.write_text(entry)
    with pytest.raises(ValueError, match="an entry has"):
        explained.explained(table)
    table.write_text(2 * f"{entry}why = 'z'\n")
    with pytest.raises(ValueError, match="twice"):
        explained.explained(table)


def test_who_is_asked_about_a_function_that_no_test_was_seen_to_call() -> None:
    """While calls are recorded a compilation sets no profiler of its own."""
    file = "py2bpf/compiler/peval/changes.py"
    record = recorded.Record({"look": 2.0, "write": 1.0, "other": 1.0}, {
        "look": [f"{file}:Memory.look"], "write": [f"{file}:Memory.look", f"{file}:writes"], "other": ["a.py:enter"],
    })  # fmt: skip
    records = {name: record if name == "language" else recorded.Record() for name in mutation_targets.SUITES}

    def asked(function: str) -> list[str]:
        mutant = Mutant(file, function, 1, 0, 1, "", (ROOT / file).read_bytes())
        return [test for _, tests in judging.parts(mutant, records) for test in tests]

    assert asked("Memory.look") == ["write", "look"] and asked("Memory.changed") == ["write", "look"]
    record.calls["other"] = [f"{file}:Memory.changed"]
    assert asked("Memory.changed") == ["other"]


TRIAL = """
import json, sys
from pathlib import Path
import trial
from c_core import Core
from judging import Pool, judge
from mutant import ROOT, Mutant
from mutation_targets import SUITES
from recorded import Record, heard

folder = Path(sys.argv[1])
core = Core(folder / "core")

def recorded():
    child, status = yield trial.Work(SUITES["passes"], None, folder / "record", core), {}
    return heard(child)

record = next(Pool(1).run(iter([recorded()])))
calls = {name for called in record.calls.values() for name in called}
found = {"tests": len(record.seconds), "called": "py2bpf/compiler/passes/clean.py:_trivial_phis" in calls}
only = {name: record if name == "passes" else Record() for name in SUITES}
file = "py2bpf/compiler/passes/clean.py"
source = (ROOT / file).read_bytes()
old = b"if same is None:"
WITHOUT = "'CapEff:\\t0000000000000000' in __import__('pathlib').Path('/proc/self/status').read_text()"
for name, new in {
    "kept": old.decode(),
    "changed": "if same is not None:",
    "endless": "while True:",
    "deadly": "if __import__('os').abort():",
    "hungry": "if bytearray(1 << 33):",
    "without privileges": f"if {WITHOUT} and same is None:",
}.items():
    trial.PATIENCE = 3.0 if name == "endless" else 120.0
    start = source.index(old)
    mutant = Mutant(file, "_trivial_phis", 40, start, start + len(old), new, source)
    found[name] = next(Pool(1).run(iter([judge(mutant, only, core, folder / name)]))).end.value
print(json.dumps(found))
"""


def test_what_becomes_of_a_trial(tmp_path: Path) -> None:
    """In a process that has not imported what is changed."""
    path = "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
    command = [sys.executable, "-c", path + TRIAL, str(HERE), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("tests") > 50
    assert found == {
        "called": True,
        "kept": "survived",
        "changed": "noticed",
        "endless": "hung",
        "deadly": "died",
        "hungry": "noticed",
        "without privileges": "survived",
    }
