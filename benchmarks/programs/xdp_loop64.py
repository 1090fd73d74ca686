"""The Internet checksum of a packet's first 64 words, or of as many as it has: a loop at run time."""

from ctypes import c_uint16, c_uint32, c_uint64

from frames import UDP

from programs import Case, pack
from py2bpf import funcs
from py2bpf.datastructures import ArrayMap
from py2bpf.testing.packets import checksum
from py2bpf.xdp import XDP_PASS, XdpProgram

WORDS = 64
Word = c_uint16.__ctype_be__


def make() -> Case:
    result = ArrayMap(c_uint64, 1)

    def xdp_loop64(ctx):
        total = 0
        for i in range(WORDS):
            word = ctx.packet(Word, 2 * i)
            if word is None:
                break
            total += word
        result[0] = funcs.csum_fold(total)
        return XDP_PASS

    return Case(
        "xdp_loop64",
        XdpProgram(xdp_loop64),
        frame=UDP,
        retval=XDP_PASS,
        maps={"result": result},
        tables={"result": {pack(c_uint32(0)): pack(c_uint64(checksum(UDP[: 2 * WORDS])))}},
        baseline="empty_xdp",
    )
