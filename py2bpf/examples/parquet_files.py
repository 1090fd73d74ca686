"""Parquet files that are written in pieces, one file after the other."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import pyarrow
import pyarrow.parquet

ROW_GROUP: Final = 1 << 17
"""Rows that are written together: columns of few rows can't be packed well, and those of many take memory."""


class ParquetFiles:
    """Writes record batches to FOLDER/NAME-TIME-NUMBER.parquet; a file has this name once it is whole.

    Another file begins after exactly ``rows`` rows, and when one is ``seconds`` old. ``told`` is called with file, rows
    and bytes of each. Nothing is written for no rows, and no file is ever replaced. Raises OSError.
    """

    def __init__(self, folder: str, name: str, rows: int, seconds: float | None, told: Callable[..., None]) -> None:
        self._folder, self._rows, self._seconds, self._told = Path(folder), rows, seconds, told
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stem = f"{name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        self._numbers = itertools.count(1)
        self._writer: Any = None
        self._pending: list[pyarrow.RecordBatch] = []
        self._n_pending = self._written = 0
        self._begun = 0.0

    def write(self, batch: pyarrow.RecordBatch) -> None:
        """Adds rows, in one or several files. Call it now and then without any for ``seconds`` to be kept."""
        while len(batch):
            self._begun = self._begun or time.monotonic()
            some = batch.slice(0, self._rows - self._written - self._n_pending)
            batch = batch.slice(len(some))
            self._pending.append(some)
            self._n_pending += len(some)
            if self._written + self._n_pending == self._rows:
                self.finish()
            elif self._n_pending >= ROW_GROUP:
                self._write_group()
        if self._begun and self._seconds is not None and time.monotonic() >= self._begun + self._seconds:
            self.finish()

    def _write_group(self) -> None:
        table = pyarrow.Table.from_batches(self._pending).unify_dictionaries()
        if self._writer is None:
            self._path, self._part = self._free_names()
            self._writer = pyarrow.parquet.ParquetWriter(self._part, table.schema)
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._written += self._n_pending
        self._pending, self._n_pending = [], 0

    def _free_names(self) -> tuple[Path, Path]:
        """The next file's name, and what it is called meanwhile."""
        for number in self._numbers:
            path = self._folder / f"{self._stem}-{number:05}.parquet"
            part = path.with_suffix(".part")
            if not path.exists() and not part.exists():
                return path, part
        raise AssertionError("numbers don't end")

    def finish(self) -> None:
        """Ends the current file; the next rows begin another."""
        if self._n_pending:
            self._write_group()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()
            self._part.rename(self._path)
            self._told(file=str(self._path), rows=self._written, bytes=self._path.stat().st_size)
        self._written, self._begun = 0, 0.0

    def close(self) -> None:
        """Idempotent."""
        self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
