"""Writes Parquet files in pieces, one file after another."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import pyarrow
import pyarrow.parquet

ROW_GROUP: Final = 1 << 17
"""Rows that are written together: columns with few rows don't compress well, and with many they take memory."""


class ParquetFiles:
    """Writes record batches to FOLDER/NAME-TIME-NUMBER.parquet; a file has this name once it is whole.

    A new file begins after exactly ``rows`` rows, and when a file is ``seconds`` old. ``told`` is called with the name,
    rows and bytes of each file. Without rows, no file is written. Existing files are never replaced and links never
    followed; a file is on the disk before it gets its name. ``written`` counts the rows of whole files.

    Raises OSError if a file can't be written. The file is removed then, and its rows are lost. The same happens when
    the block is left by an exception.
    """

    def __init__(self, folder: str, name: str, rows: int, seconds: float | None, told: Callable[..., None]) -> None:
        self._folder, self._rows, self._seconds, self._told = Path(folder), rows, seconds, told
        self._folder.mkdir(parents=True, exist_ok=True)
        _warn_of_owners(self._folder)
        self._stem = f"{name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        self._numbers = itertools.count(1)
        self.written = 0
        self._file: _File | None = None
        self._writer: Any = None
        self._pending: list[pyarrow.RecordBatch] = []
        self._n_pending = self._n_rows = 0
        self._begun = 0.0

    def write(self, batch: pyarrow.RecordBatch) -> None:
        """Adds rows, to one or several files. Call it regularly, even without rows, so that ``seconds`` is observed."""
        try:
            self._write(batch)
        except BaseException:
            self._abandon()
            raise

    def _write(self, batch: pyarrow.RecordBatch) -> None:
        while len(batch):
            self._begun = self._begun or time.monotonic()
            some = batch.slice(0, self._rows - self._n_rows - self._n_pending)
            batch = batch.slice(len(some))
            self._pending.append(some)
            self._n_pending += len(some)
            if self._n_rows + self._n_pending == self._rows:
                self._finish()
            elif self._n_pending >= ROW_GROUP:
                self._write_group()
        if self._begun and self._seconds is not None and time.monotonic() >= self._begun + self._seconds:
            self._finish()

    def _write_group(self) -> None:
        table = pyarrow.Table.from_batches(self._pending).unify_dictionaries()
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._begin(), table.schema)
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._n_rows += self._n_pending
        self._pending, self._n_pending = [], 0

    def _next_path(self) -> Path:
        return self._folder / f"{self._stem}-{next(self._numbers):05}.parquet"

    def _begin(self) -> _File:
        """Begins a file under its temporary name, which ends in .part, for the first final name that is free."""
        while True:
            self._path = self._next_path()
            self._part = self._path.with_suffix(".part")
            if not os.path.lexists(self._path):
                with contextlib.suppress(FileExistsError):
                    self._file = _File(self._part)
                    return self._file

    def _name(self) -> None:
        """Gives the whole file its name, or the next name if that was taken meanwhile."""
        while True:
            with contextlib.suppress(FileExistsError):
                os.link(self._part, self._path)
                self._part.unlink()
                return
            self._path = self._next_path()

    def finish(self) -> None:
        """Ends the current file; the next rows begin another."""
        try:
            self._finish()
        except BaseException:
            self._abandon()
            raise

    def _finish(self) -> None:
        if self._n_pending:
            self._write_group()
        if self._file is not None:
            self._writer.close()
            self._file.sync()
            size = self._file.tell()
            self._file.close()
            self._name()
            rows, self._writer, self._file = self._n_rows, None, None
            self.written += rows
            self._n_rows, self._begun = 0, 0.0
            self._told(file=str(self._path), rows=rows, bytes=size)

    def _abandon(self) -> None:
        """Removes the current file, and forgets its rows."""
        self._pending, self._n_pending, self._n_rows, self._begun = [], 0, 0, 0.0
        writer, self._writer = self._writer, None
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                self._part.unlink()
            file.discard()
            if writer is not None:
                writer.close()
            file.close()

    def close(self) -> None:
        """Idempotent."""
        self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()


class _File(io.BufferedWriter):
    """A new file that can be given up: later writes, with which Arrow ends the file, are discarded then."""

    def __init__(self, path: Path) -> None:
        self._raw = _Raw(path, "wb", opener=_exclusive)
        super().__init__(self._raw)

    def sync(self) -> None:
        """Returns when all data is on the disk."""
        self.flush()
        os.fsync(self.fileno())

    def discard(self) -> None:
        self._raw.discards = True


class _Raw(io.FileIO):
    discards = False

    def write(self, data: Any, /) -> int:
        return memoryview(data).nbytes if self.discards else super().write(data) or 0


def _exclusive(path: str, flags: int) -> int:
    """An opener for open(): makes a new file, and opens no existing file and no link's target."""
    return os.open(path, flags | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _warn_of_owners(folder: Path) -> None:
    """Warns if others may write to the folder, since they could remove files from it and put others there."""
    found = folder.stat()
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    if found.st_uid not in (0, os.geteuid()) or shared:
        print(f"warning: others than this user may change files in {folder}", file=sys.stderr)
