"""Files that are written in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NEVER = 1 << 40


@pytest.fixture
def module(extra: Callable[[str], Any]) -> Any:
    return extra("py2bpf.examples.parquet_files")


def batch(module: Any, *numbers: int, names: tuple[str, ...] = ("a", "b")) -> Any:
    pyarrow = module.pyarrow
    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([n % 2 for n in numbers], "i4"), list(names))
    return pyarrow.record_batch({"n": pyarrow.array(numbers, "i8"), "name": texts})


def read(module: Any, folder: Path) -> list[list[int]]:
    return [module.pyarrow.parquet.read_table(file)["n"].to_pylist() for file in sorted(folder.glob("*.parquet"))]


def test_rows_go_on_in_the_next_file(module: Any, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    with module.ParquetFiles(str(tmp_path), "numbers", 4, None, lambda **row: told.append(row)) as files:
        for start in (0, 3, 6):
            files.write(batch(module, *range(start, start + 3)))
        files.write(batch(module, *range(9, 22)))
    assert read(module, tmp_path) == [list(range(n, min(n + 4, 22))) for n in range(0, 22, 4)]
    assert [row["rows"] for row in told] == [4, 4, 4, 4, 4, 2]
    assert [Path(row["file"]).stat().st_size for row in told] == [row["bytes"] for row in told]


def test_small_batches_become_large_groups(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROW_GROUP", 100)
    with module.ParquetFiles(str(tmp_path), "numbers", NEVER, None, lambda **row: None) as files:
        for number in range(250):
            files.write(batch(module, number, names=(f"even {number}", f"odd {number}")))
    (path,) = tmp_path.glob("*.parquet")
    meta = module.pyarrow.parquet.read_metadata(path)
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [100, 100, 50]
    names = module.pyarrow.parquet.read_table(path)["name"].to_pylist()
    assert names == [f"{'odd' if n % 2 else 'even'} {n}" for n in range(250)]


def test_a_file_has_its_name_once_it_is_whole(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROW_GROUP", 1)
    files = module.ParquetFiles(str(tmp_path), "numbers", NEVER, None, lambda **row: None)
    files.write(batch(module, 1))
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    files.close()
    files.close()
    assert read(module, tmp_path) == [[1]]


def test_a_file_ends_in_time(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with module.ParquetFiles(str(tmp_path), "numbers", NEVER, 10, lambda **row: None) as files:
        for at, numbers in ((0, [1]), (9, [2]), (10, []), (25, []), (30, [3]), (39, [4]), (41, [])):
            now[0] = 1000.0 + at
            files.write(batch(module, *numbers))
            assert len(read(module, tmp_path)) == (at >= 10) + (at >= 41), at
    assert read(module, tmp_path) == [[1, 2], [3, 4]]


def test_nothing_is_written_for_nothing(module: Any, tmp_path: Path) -> None:
    with module.ParquetFiles(str(tmp_path), "numbers", NEVER, 1, lambda **row: None) as files:
        files.write(batch(module))
    assert not list(tmp_path.iterdir())


def test_no_file_is_replaced(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if two files are begun at the same time by processes with the same number."""
    monkeypatch.setattr(module.time, "strftime", lambda format: "now")
    for number in range(3):
        with module.ParquetFiles(str(tmp_path), "numbers", NEVER, None, lambda **row: None) as files:
            files.write(batch(module, number))
    assert read(module, tmp_path) == [[0], [1], [2]]


def planted(folder: Path, target: Path, stem: str) -> None:
    for suffix in ("parquet", "part"):
        (folder / f"{stem}-{os.getpid()}-00001.{suffix}").symlink_to(target)


def test_links_that_others_planted_are_not_followed(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names can be guessed, and the tool runs as root."""
    monkeypatch.setattr(module.time, "strftime", lambda format: "now")
    folder, target = tmp_path / "out", tmp_path / "passwd"
    folder.mkdir()
    planted(folder, target, "numbers-now")
    with module.ParquetFiles(str(folder), "numbers", NEVER, None, lambda **row: None) as files:
        files.write(batch(module, 5))
    assert not target.exists() and not capsys.readouterr().err
    found = module.pyarrow.parquet.read_table(folder / f"numbers-now-{os.getpid()}-00002.parquet")
    assert found["n"].to_pylist() == [5]


def test_a_name_that_somebody_takes_meanwhile(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROW_GROUP", 1)
    files = module.ParquetFiles(str(tmp_path), "numbers", NEVER, None, lambda **row: None)
    files.write(batch(module, 1))
    taken = next(tmp_path.iterdir()).with_suffix(".parquet")
    taken.write_text("mine")
    files.close()
    assert taken.read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_a_folder_of_others(module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o777)
    module.ParquetFiles(str(tmp_path), "numbers", NEVER, None, lambda **row: None).close()
    assert f"others than this user may change files in {tmp_path}" in capsys.readouterr().err
