"""Converts between Python values and the bytes that the kernel keeps, by ctypes type.

=========================  ==========================================  ==============================
ctypes type                given as                                    comes back as
=========================  ==========================================  ==============================
integers, ``c_void_p``     int, or an instance of an integer type      int (an address for c_void_p)
``c_bool``                 bool, 0 or 1                                bool
``c_float``, ``c_double``  float or int                                float
``c_char``                 bytes of length 1                           bytes of length 1
``c_char * n``             bytes or str (UTF-8), at most n, no NUL     bytes up to the first NUL
``c_char * n`` as a key    bytes or str, at most n; NULs anywhere      bytes without the NULs at the end
``T * n``                  sequence of n, an instance; bytes for       tuple
                           one-byte integers
``Structure``              instance; tuple or list of all fields       instance, an independent copy
``Union``                  instance                                    instance, an independent copy
=========================  ==========================================  ==============================

Nothing is truncated here: a number that doesn't fit raises DataRangeError. (A ctypes.Structure or array has already
truncated the numbers that were assigned to it; a py2bpf.Struct raises the error itself.) Padding is always written as
zeros and a true c_bool as 1, whatever bytes the instance has there, since the kernel compares keys byte by byte. Typed
pointers are refused, since reading one would follow a kernel address in user space: use ``c_uint64``.
"""

from __future__ import annotations

from .base import Buffer, Codec
from .choosing import codec_for, key_codec_for
from .compounds import ArrayCodec, RecordCodec
from .names import type_name
from .numbers import BoolCodec, FloatCodec, IntCodec
from .texts import CharArrayCodec, CharCodec
from .variable import record_codec, record_value

__all__ = [
    "ArrayCodec",
    "BoolCodec",
    "Buffer",
    "CharArrayCodec",
    "CharCodec",
    "Codec",
    "FloatCodec",
    "IntCodec",
    "RecordCodec",
    "codec_for",
    "key_codec_for",
    "record_codec",
    "record_value",
    "type_name",
]
