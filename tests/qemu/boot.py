"""Boots guests, in a process of its own: what it opens is no test's. `python boot.py FOLDER AT_ONCE GUEST...` leaves
the outcome of each in a file of the folder."""

from __future__ import annotations

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from guest import Outcome, run_tests, terminate_all
from guests import GUESTS, choose_files
from kernels import KERNELS


def path_of(folder: Path, name: str) -> Path:
    """The file of a guest's outcome."""
    return folder / f"{name.replace(' ', '-')}.json"


def read(path: Path) -> Outcome:
    return Outcome(**json.loads(path.read_text()))


def boot(folder: Path, name: str) -> None:
    guest = GUESTS[name]
    expression = guest.expression
    try:
        outcome = run_tests(KERNELS[guest.kernel], ["-m", expression, *choose_files(expression)], cpus=guest.cpus)
    except Exception as error:  # noqa: BLE001  whatever it is, whoever waits is told
        outcome = Outcome(-1, 0, 0, 0, f"{type(error).__name__}: {error}")
    unfinished = path_of(folder, name).with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(outcome)))
    unfinished.replace(path_of(folder, name))


def main(folder: str, at_once: str, *names: str) -> None:
    def stop(number: int, frame: object) -> None:
        terminate_all()
        os._exit(1)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: pytest ends this process then
    with ThreadPoolExecutor(int(at_once)) as pool:
        list(pool.map(lambda name: boot(Path(folder), name), names))


if __name__ == "__main__":
    main(*sys.argv[1:])
