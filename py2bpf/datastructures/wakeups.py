"""The arguments ``latency`` and ``wakeup``, which say when the reader of a queue learns of records."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from ..exception import DataRangeError, DataTypeError
from ..given import checked_int, shown

Wakeup = int | Literal["record", "watermark", "never"] | None
DEFAULT_LATENCY: Final = 0.1
SHARE: Final = 4
"""A reader is woken when 1 / SHARE of the buffer is full."""

LATENCY_MAX: Final = 3600


class Announcement(NamedTuple):
    """``wakeup`` as in MapSpec, and the seconds after which the reader looks by itself (0: it needn't)."""

    wakeup: int
    latency: float


def checked_latency(latency: float) -> float:
    """``latency`` as a float, in seconds. Raises DataTypeError, DataRangeError."""
    if isinstance(latency, bool) or not isinstance(latency, (int, float)):
        raise DataTypeError(f"latency is a number of seconds, not {shown(latency)}")
    if not 0 <= latency <= LATENCY_MAX:
        raise DataRangeError(f"latency is 0 to {LATENCY_MAX} seconds, not {shown(latency)}")
    return float(latency)


def announcement(wakeup: Wakeup, latency: float | None, size: int) -> Announcement:
    """The meaning of the arguments for a ring buffer of ``size`` bytes. Raises DataTypeError, DataRangeError."""
    seconds = None if latency is None else checked_latency(latency)
    if wakeup is None:
        wakeup = "watermark" if seconds else "record"
    if wakeup == "record":
        return Announcement(0, 0.0)
    if seconds == 0:
        raise DataRangeError(f"with wakeup={shown(wakeup)} the reader fetches records after latency seconds: "
                             "more than 0")
    return Announcement(_level(wakeup, size), DEFAULT_LATENCY if seconds is None else seconds)


def _level(wakeup: Wakeup, size: int) -> int:
    if wakeup == "never":
        return -1
    if wakeup == "watermark":
        return size // SHARE
    if isinstance(wakeup, bool) or not isinstance(wakeup, int):
        raise DataTypeError(f"wakeup is 'record', 'watermark', 'never', or a number of bytes, not {shown(wakeup)}")
    return checked_int(wakeup, 1, size - 1, "wakeup")
