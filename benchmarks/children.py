"""Peers in processes of their own, which answer each line with a line. A peer that can't run here doesn't take part."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from peers import PeerMissingError

ANSWER: Final = 300
"""Seconds for an answer: one that takes longer is ended."""

PATIENCE: Final = 10
"""Seconds for a process to end that has nothing more to say."""


class Child:
    """A process that answers lines. If it ``greets``, it says "ready" first. Raises PeerMissingError if it ends instead
    of answering; the message has its last words.
    """

    def __init__(self, command: Sequence[str], greets: bool = False) -> None:
        # Not a pipe: one that nobody reads stops who writes much.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  close() closes it
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, errors="replace"
            )
        except OSError as error:
            self._errors.close()
            raise PeerMissingError(f"{command[0]} can't be run: {error.strerror}") from error
        if greets and (said := self._answer()) != "ready":
            self.close()
            raise PeerMissingError(f"it said {said!r}")

    def ask(self, *words: object) -> str:
        """Sends a line of these words and returns the answer."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            print(*words, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout
        over = threading.Timer(ANSWER, self._process.kill)
        over.start()
        try:
            line = self._process.stdout.readline().strip()
        finally:
            over.cancel()
        if not line:
            raise PeerMissingError(self._last_words())
        return line

    def _last_words(self) -> str:
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it has closed its output alone
            self._process.kill()
            status = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        ended = f"it was ended by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
        self.close()
        return words[-1] if words else ended

    def close(self) -> None:
        """Ends the process by closing its input. May be called more than once."""
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()


Peer = TypeVar("Peer", bound=Child)


def first_that_works(
    name: str, pythons: Sequence[str], start: Callable[[str], Peer], trial: Callable[[Peer], object]
) -> Peer | None:
    """The peer under the first Python where it starts and passes the trial; None, after printing why, if there is none.
    """
    why = "no Python"
    for python in filter(Path.exists, map(Path, pythons)):
        with contextlib.ExitStack() as stack:
            try:
                peer = start(str(python))
                stack.callback(peer.close)
                trial(peer)
            except (PeerMissingError, ValueError) as missing:  # the latter for an answer that isn't one
                why = str(missing)
            else:
                stack.pop_all()
                return peer
    print(f"without {name}: {why}")
    return None
