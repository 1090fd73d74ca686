"""Python functions that read or change the outside world: the effect of each, and a replacement for programs.

Functions that read a machine's configuration (``os.environ``, ``os.cpu_count()``, ``socket.gethostname()``) are not
listed: programs may be specialised on their results.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Iterable
from typing import Any, Final, NamedTuple


class Effect(NamedTuple):
    """``does`` completes "time.time() ... once, while compiling"; ``instead`` is a hint."""

    does: str
    instead: str


_CLOCK: Final = Effect("reads the clock", "funcs.ktime_get_ns() reads the kernel's clock whenever the program runs")
_RANDOM: Final = Effect("draws a random number", "funcs.get_prandom_u32() draws one whenever the program runs")
_PROCESS: Final = Effect("asks which process compiles", "funcs.get_current_pid_tgid() >> 32 is the process that the "
                         "program runs for")  # fmt: skip
_USER: Final = Effect("asks whose process compiles", "funcs.get_current_uid_gid() tells whom the program runs for")
_WAIT: Final = Effect("waits", "programs never wait: let user space do it")
_LOG: Final = Effect("writes to the log", "print() writes to the kernel's trace pipe whenever the program runs, and a "
                     "queue's output() sends records")  # fmt: skip
_FILE: Final = Effect("works on files", "programs have none: send records with a queue's output()")
_START: Final = Effect("starts another process", "send a record with a queue's output(), and let its reader do it")
_NET: Final = Effect("uses the network", "let user space do it, and give programs the result in a map")
_SHOW: Final = Effect("prints", "print() in the program's own function writes to the kernel's trace pipe")


def _rows(effect: Effect, names: str) -> Iterable[tuple[str, Effect]]:
    return [(name, effect) for name in names.split()]


_LEVELS: Final = "debug info warning warn error critical exception log"
TABLE: Final[dict[str, dict[str, Effect]]] = {
    "time": dict([
        *_rows(_CLOCK, "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns "
                       "thread_time thread_time_ns clock_gettime clock_gettime_ns localtime gmtime ctime strftime"),
        *_rows(_WAIT, "sleep"),
    ]),
    "datetime": dict(_rows(_CLOCK, "datetime.now datetime.utcnow datetime.today date.today")),
    "random": dict(_rows(_RANDOM, " ".join(
        f"{prefix}{name}" for prefix in ("", "Random.", "SystemRandom.") for name in (
            "random", "randint", "randrange", "getrandbits", "randbytes", "choice", "choices", "sample", "shuffle",
            "uniform", "triangular", "gauss", "normalvariate", "expovariate", "betavariate", "gammavariate",
            "lognormvariate", "paretovariate", "vonmisesvariate", "weibullvariate", "binomialvariate")))),
    "secrets": dict(_rows(_RANDOM, "token_bytes token_hex token_urlsafe randbelow randbits choice")),
    "uuid": dict(_rows(_RANDOM, "uuid1 uuid4 uuid6 uuid7")),
    "numpy": dict(_rows(_RANDOM, " ".join(
        f"{prefix}{name}" for prefix in ("RandomState.", "Generator.") for name in (
            "random", "rand", "randn", "randint", "integers", "random_sample", "choice", "shuffle", "permutation",
            "normal", "uniform", "bytes")))),
    "os": dict([
        *_rows(_PROCESS, "getpid getppid getpgid getpgrp getsid"),
        *_rows(_USER, "getuid geteuid getgid getegid getlogin getgroups"),
        *_rows(_RANDOM, "urandom getrandom"),
        *_rows(_FILE, "open read write pread pwrite close remove unlink rename replace mkdir makedirs rmdir listdir "
                      "scandir walk stat lstat exists isfile isdir getsize getmtime chmod chown link symlink readlink "
                      "truncate utime"),
        *_rows(_START, "system popen fork forkpty posix_spawn spawnv execv execve kill killpg"),
    ]),
    "threading": dict(_rows(_PROCESS, "current_thread get_ident get_native_id")),
    "multiprocessing": dict([*_rows(_PROCESS, "current_process"), *_rows(_START, "Process.start")]),
    "logging": dict(_rows(_LOG, " ".join(f"{prefix}{name}" for prefix in ("", "Logger.", "LoggerAdapter.")
                                         for name in _LEVELS.split()))),
    "warnings": dict(_rows(_LOG, "warn warn_explicit")),
    "syslog": dict(_rows(_LOG, "syslog")),
    "io": dict([*_rows(_FILE, "open FileIO"), *_rows(_LOG, "TextIOWrapper.write")]),
    "builtins": dict([*_rows(_SHOW, "print"), *_rows(_WAIT, "input")]),
    "pathlib": dict(_rows(_FILE, " ".join(f"Path.{name}" for name in (
        "open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "exists", "is_file", "is_dir", "stat",
        "mkdir", "rmdir", "touch", "rename", "replace", "iterdir", "glob", "rglob")))),
    "shutil": dict(_rows(_FILE, "copy copyfile copytree move rmtree")),
    "tempfile": dict(_rows(_FILE, "mkdtemp mkstemp NamedTemporaryFile TemporaryDirectory TemporaryFile")),
    "subprocess": dict(_rows(_START, "run call check_call check_output getoutput getstatusoutput Popen")),
    "socket": dict(_rows(_NET, "socket create_connection create_server getaddrinfo gethostbyname gethostbyname_ex "
                               "gethostbyaddr getnameinfo")),
    "urllib": dict(_rows(_NET, "urlopen urlretrieve")),
    "http": dict(_rows(_NET, "HTTPConnection.request")),
}  # fmt: skip
"""The effects by the first part of the module's name, and the function's qualified name."""
_SAME: Final = {"posix": "os", "_io": "io", "_random": "random", "_socket": "socket", "_datetime": "datetime",
                "_pydatetime": "datetime", "_thread": "threading", "genericpath": "os"}  # fmt: skip
"""Modules that define the functions of other modules."""


_CALLABLES: Final = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType)
_CYTHON: Final = "cython_function_or_method"
"""The name of the type of functions that Cython compiled, such as numpy's. Each module has its own such type."""


def effect_of(fn: Any) -> tuple[str, Effect] | None:
    """The name and effect of a callable; None if it has no effect."""
    if not isinstance(fn, _CALLABLES) and type(fn).__name__ != _CYTHON:
        return None
    name = getattr(fn, "__qualname__", None)
    module = getattr(fn, "__module__", None)
    owner = getattr(fn, "__self__", None)
    if not isinstance(module, str) and owner is not None and not isinstance(owner, type(builtins)):
        module = getattr(owner if isinstance(owner, type) else type(owner), "__module__", None)
    return named(module, name) if isinstance(module, str) and isinstance(name, str) else None


def named(module: str, name: str) -> tuple[str, Effect] | None:
    """The name and effect of a function given by module and qualified name."""
    root = module.partition(".")[0]
    root = _SAME.get(root, root)
    for suffix in (".__init__", ".__new__"):
        name = name.removesuffix(suffix)
    found = TABLE.get(root, {}).get(name)
    if found is None:
        return None
    name = name.removeprefix("Random.")
    if module == "genericpath":
        return f"os.path.{name}", found
    return name if root == "builtins" or "." in name or name in dir(builtins) else f"{root}.{name}", found
