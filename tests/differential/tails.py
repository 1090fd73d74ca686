"""The programs that random programs tail-call, in an array named J: entries 0 and 1, and two that are missing."""

from __future__ import annotations

ROOM = 4
TAILS = {
    0: """
def program(ctx):
    OUT[5] = H[1] ^ 0x1234
    H[3] += 5
    return 1
""",
    1: """
def program(ctx):
    total = 0
    for i in range(20 + (H[2] & 15)):
        total += i ^ 3
    OUT[5] = total
    H[2] = total
    return 0
""",
}
USED = {"OUT", "H"}
"""The maps that they change."""
