"""Checks arguments of users before they are used: texts, paths, numbers, buffers. Errors name what is wrong."""

from __future__ import annotations

import ctypes
import operator
import os
import re
from typing import Any, Final

from .borders import of_a_signal
from .exception import DataRangeError, DataTypeError

_NAMES: Final = re.compile(r":[^:]*:")
_OWNED: Final = re.compile(r"[O&zZX]")
"""In a format of PEP 3118: a Python object, pointer, text or function, whose bytes are addresses in this process."""

INT_MAX: Final = (1 << 31) - 1
"""The greatest C int: for a descriptor, a device's number, a result."""


def utf8(text: str, what: str = "a text") -> bytes:
    """The text as UTF-8. Raises DataRangeError for a lone surrogate, which UTF-8 can't encode."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataRangeError(f"{what} has a lone surrogate ({text[error.start]!a}), which UTF-8 can't hold: {text!a}. "
                             "Give the bytes themselves") from None


def text_for_c(text: str | bytes) -> bytes:
    """The text, encoded, with a NUL at its end. Raises DataRangeError like utf8()."""
    return (utf8(text) if isinstance(text, str) else text) + b"\0"


def checked_text(text: Any, what: str) -> str:
    """Checks a text, such as a name. Raises DataTypeError if it is no str, DataRangeError for a NUL or a lone surrogate
    in it."""
    if not isinstance(text, str):
        raise DataTypeError(f"{what} is a str, not {shown(text)}")
    if "\0" in text:
        raise DataRangeError(f"{what} has no NUL, as {text!r} has")
    utf8(text, what)
    return text


def checked_license(license: Any) -> str:
    """Checks a program's licence: a str of ASCII characters without NUL. Raises DataTypeError."""
    if not isinstance(license, str) or not license.isascii() or "\0" in license:
        raise DataTypeError("license is a str of ASCII characters, such as 'GPL' or 'Dual BSD/GPL' ('' for one that is "
                            f"not compatible with the GPL), not {license!a}")
    return license


def path_bytes(path: Any, what: str = "a path") -> bytes:
    """A path as the kernel takes it. Raises DataTypeError if it is no path, DataRangeError for a NUL or a character
    that can't be in a file's name."""
    try:
        name = os.fsencode(path)
    except TypeError:
        raise DataTypeError(f"{what} is a str, bytes or an os.PathLike, not {shown(path)}") from None
    except UnicodeEncodeError:
        raise DataRangeError(f"{what} has a character that no name of a file can have: {os.fspath(path)!a}") from None
    if b"\0" in name:
        raise DataRangeError(f"{what} has no NUL, as {shown(path)} has")
    return name


def checked_int(value: Any, low: int, high: int, name: str) -> int:
    """``value`` as an int from ``low`` to ``high``. Raises DataTypeError or DataRangeError, whose messages use
    ``name``."""
    try:
        number = operator.index(plain_value(value))
    except TypeError:
        raise DataTypeError(f"{name} takes an int, not {shown(value)} of type {type(value).__name__}") from None
    if not low <= number <= high:
        raise DataRangeError(f"{shown(number)} doesn't fit {name}: it holds {low} to {high}")
    return number


def plain_value(value: Any) -> Any:
    """The value of an instance of a simple ctypes type; anything else unchanged."""
    if not isinstance(value, ctypes._SimpleCData):
        return value
    plain: Any = value.value
    return 0 if plain is None and isinstance(value, ctypes.c_void_p) else plain


def plain_memory(buffer: Any, what: str, *, writable: bool = False) -> memoryview:
    """The memory of a buffer of bytes, numbers, or structures of these; contiguous if ``writable``.

    Raises DataTypeError for other buffers; the message begins with ``what``. Buffers with addresses of Python objects
    are refused: overwriting such an address would crash the interpreter, and read elsewhere it means nothing.
    """
    try:
        memory = memoryview(buffer)
    except (TypeError, ValueError, BufferError) as error:
        raise DataTypeError(f"{what}, not {_brief(buffer)}: {error}") from None
    if _OWNED.search(_NAMES.sub("", memory.format)):
        raise DataTypeError(f"{what}, and the items of {_brief(buffer)} are Python objects or pointers to them "
                            f"(format {memory.format!r})")
    if writable and memory.readonly:
        raise DataTypeError(f"{what}, and {_brief(buffer)} is read-only")
    if writable and not memory.c_contiguous:
        raise DataTypeError(f"{what}, and {_brief(buffer)} is not contiguous: its items have gaps between them")
    return memory


def shown(value: Any) -> str:
    """A value for messages: its repr() without lone surrogates, which can't be printed; or a description if repr()
    fails, as for a number of thousands of digits."""
    try:
        text = repr(value)
        return text if text.isascii() else text.encode(errors="backslashreplace").decode()
    except Exception as error:  # the user's own, or Python's limit of digits
        if of_a_signal(error):
            raise
        if type(value) is int:
            return f"a number of {value.bit_length()} bits"
        return f"an object of type {type(value).__name__} (whose repr() raises {type(error).__name__})"


def _brief(value: Any) -> str:
    """A value and its type, short."""
    text = shown(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} of type {type(value).__name__}"
