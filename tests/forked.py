"""Forked children of the test process."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable


def in_child(body: Callable[[], object]) -> None:
    """Runs ``body`` in a forked child, which must not run on into pytest's own frames, and waits for it. If it raises,
    the child prints the traceback, and the test fails here.
    """
    pid = os.fork()
    if not pid:
        status = 1
        try:
            gc.freeze()  # what the parent has is not for the child to collect, and its collections are short
            body()
            status = 0
        except BaseException:  # noqa: BLE001 - told
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
