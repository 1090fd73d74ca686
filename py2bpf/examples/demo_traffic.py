"""The demo's own traffic, so that there is something to see on an idle machine: packets, sleeps, short programs."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

FIRST_ROUND: Final = 30
"""Seconds to wait for the first packets and the first program."""


class Traffic:
    """Sends packets on the loopback interface, and starts a program from time to time.

    ``own`` are the demo's processes: this one, and the programs that it started.
    """

    def __init__(self) -> None:
        self.own = {os.getpid()}
        self._stop = threading.Event()

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        """Makes traffic until the block ends. First waits until each kind of traffic has occurred once."""
        kinds = [(make, pause, threading.Event())
                 for make, pause in ((datagrams, 0.2), (connection, 0.5), (self.program, 1.0))]  # fmt: skip
        makers = [threading.Thread(target=self._repeat, args=kind, daemon=True) for kind in kinds]
        for maker in makers:
            maker.start()
        try:
            for *_, made in kinds:
                made.wait(FIRST_ROUND)
            yield
        finally:
            self._stop.set()
            for maker in makers:
                maker.join()

    def _repeat(self, make: Callable[[], None], pause: float, made: threading.Event) -> None:
        """Calls ``make()`` repeatedly, with pauses, which cause sleep events. Sets ``made`` after the first call."""
        while not self._stop.is_set():
            with contextlib.suppress(OSError):  # IPv6 may be off
                make()
            made.set()
            time.sleep(pause)

    def program(self) -> None:
        """A short-lived process."""
        with subprocess.Popen([sys.executable, "-S", "-c", "pass"]) as child:
            self.own.add(child.pid)


def datagrams() -> None:
    """UDP to ports that nobody listens on, so ICMP answers."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"py2bpf", (address, 9))


def connection() -> None:
    """A TCP connection with some data."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _address = server.accept()
        with peer:
            client.sendall(bytes(4000))
            peer.recv(4000)
