"""Prepares the interpreter before its picture is taken: the host object, and the parts of the standard
library that would otherwise reach for an operating system."""

import builtins
import sys
import time

import _host

# The only zone there is; parts of the library look for it when they are imported.
time.tzname = ("UTC", "UTC")
time.timezone = time.altzone = time.daylight = 0

import abc, base64, bisect, calendar, collections, contextlib, copy, csv, dataclasses, datetime, decimal  # noqa: E401
import difflib, enum, fractions, functools, hashlib, heapq, hmac, io, itertools, json, locale, math, numbers  # noqa: E401
import operator, os, random, re, secrets, statistics, string, struct, textwrap, types, typing, uuid  # noqa: E401
import warnings, zlib, unicodedata, _strptime  # noqa: E401


class DatabaseError(Exception):
    """The database refused, or could not do, what was asked of it."""

    sqlstate = detail = hint = capability = None


class CapabilityError(DatabaseError):
    """The function lacks a capability; `capability` names it."""


class Result(dict):
    """What a host call answers: `result["rows"]`, or `result.rows`."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def sealed(title, members):
    """An object whose attributes are `members` and cannot be changed."""

    def refuse(self, *args):
        raise AttributeError(f"{title} cannot be changed")

    namespace = {name: staticmethod(member) if callable(member) and not isinstance(member, type) else member for name, member in members.items()}
    namespace.update(__slots__=(), __module__="heliosdb", __setattr__=refuse, __delattr__=refuse, __repr__=lambda self: f"<{title}>")
    return type(title, (), namespace)()


def host_object():
    families = {}
    plain = {}
    for name, function in _host.functions.items():
        family, dot, short = name.rpartition(".")
        (families.setdefault(family, {}) if dot else plain)[short] = function
    families["log"] = {
        level: functools.partial(_host.log, number) for level, number in (("debug", 0), ("info", 2), ("warn", 3), ("error", 4))
    }
    members = dict(plain, query=_host.query, execute=_host.execute, _Result=Result, DatabaseError=DatabaseError, CapabilityError=CapabilityError)
    members.update((family, sealed(f"heliosdb.{family}", functions)) for family, functions in families.items())
    members["__name__"] = "heliosdb"
    return sealed("heliosdb", members)


for exported in (DatabaseError, CapabilityError, Result):
    exported.__module__ = "heliosdb"
heliosdb = host_object()
sys.modules["heliosdb"] = heliosdb
sys.modules["os.path"] = sys.modules["posixpath"] = os.path
builtins.heliosdb = heliosdb
builtins.DatabaseError = DatabaseError
builtins.CapabilityError = CapabilityError


# What a program prints is a message.


class Messages:
    """A text stream whose lines are messages."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name, level):
        self.name = name
        self.level = level

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        line = text.rstrip("\n")
        if line:
            _host.log(self.level, line)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        pass

    def isatty(self):
        return False

    def writable(self):
        return True


sys.stdout = sys.__stdout__ = Messages("<stdout>", 1)
sys.stderr = sys.__stderr__ = Messages("<stderr>", 3)
print_to_file = builtins.print


def print(*values, sep=" ", end="\n", file=None, flush=False):
    if file is not None and file is not sys.stdout:
        return print_to_file(*values, sep=sep, end=end, file=file)
    sep = " " if sep is None else sep
    end = "\n" if end is None else end
    _host.log(1, (sep.join(map(str, values)) + end).removesuffix("\n"))


print.__module__ = "builtins"
builtins.print = print


# Files: the attempt is a system call, which the host refuses and records.


def open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    _host.refuse_path("path_open", file if isinstance(file, int) else os.fsdecode(file))


open.__module__ = "io"
builtins.open = io.open = io.open_code = open
sys.modules["_io"].open = sys.modules["_io"].open_code = open


# Time: the clock is the host's, and there is no zone but UTC.


def sleep(seconds):
    """Functions do not wait."""
    raise RuntimeError("time.sleep is not available: a function may not wait")


def localtime(seconds=None):
    """Convert seconds since the Epoch to a time tuple expressing UTC: the only zone there is."""
    return time.gmtime(time.time() if seconds is None else seconds)


def mktime(tuple):
    """Convert a time tuple in UTC to seconds since the Epoch."""
    return float(calendar.timegm(tuple))


def asctime(tuple=None):
    return plain_asctime(localtime() if tuple is None else tuple)


def ctime(seconds=None):
    return plain_asctime(localtime(seconds))


# As in the C locale; what is UTC's.
DIRECTIVES = {"c": "%a %b %e %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S", "r": "%I:%M:%S %p", "Z": "UTC", "z": "+0000"}


def strftime(format, tuple=None):
    if not isinstance(format, str):
        raise TypeError(f"strftime() argument 1 must be str, not {type(format).__name__}")
    pieces = []
    rest = iter(format)
    for char in rest:
        directive = next(rest, "") if char == "%" else None
        pieces.append(char if directive is None else DIRECTIVES.get(directive, char + directive))
    return plain_strftime("".join(pieces), localtime() if tuple is None else tuple)


def process_time():
    """Process time for profiling: a function sees no other clock than the one of perf_counter()."""
    return plain_perf_counter()


def process_time_ns():
    """Process time for profiling as nanoseconds."""
    return plain_perf_counter_ns()


def thread_time():
    """Thread time for profiling: a function has one thread."""
    return plain_perf_counter()


def thread_time_ns():
    """Thread time for profiling as nanoseconds."""
    return plain_perf_counter_ns()


plain_asctime, plain_strftime = time.asctime, time.strftime
plain_perf_counter, plain_perf_counter_ns = time.perf_counter, time.perf_counter_ns
for function in (sleep, localtime, mktime, asctime, ctime, strftime, process_time, process_time_ns, thread_time, thread_time_ns):
    function.__module__ = "time"
    setattr(time, function.__name__, function)


# Randomness: whoever does not name a seed gets one from the host, which may refuse.


def seed(self, a=None, version=2):
    """Initialize internal state from a seed; without one, from the host."""
    if a is None:
        a = int.from_bytes(_host.urandom(32), "big")
    plain_seed(self, a, version)
    seeded(self)


def setstate(self, state):
    """Restore internal state from object returned by getstate()."""
    plain_setstate(self, state)
    seeded(self)


def seeded(self):
    for name in ("random", "getrandbits"):
        self.__dict__.pop(name, None)
    if self is random._inst:
        random.random = self.random
        random.getrandbits = self.getrandbits


def unseeded(name):
    def ask(*args):
        if name in random._inst.__dict__:
            random._inst.seed()
        return getattr(random._inst, name)(*args)

    ask.__name__ = ask.__qualname__ = name
    return ask


plain_seed, plain_setstate = random.Random.seed, random.Random.setstate
random.Random.seed, random.Random.setstate = seed, setstate
random.seed, random.setstate = random._inst.seed, random._inst.setstate
random._inst.random = random.random = unseeded("random")
random._inst.getrandbits = random.getrandbits = unseeded("getrandbits")


# Imports: a module that is not there says why.


class Missing:
    REASONS = {
        "socket": "a function has no sockets; heliosdb.http reaches hosts that it was granted",
        "ssl": "a function has no sockets; heliosdb.http reaches hosts that it was granted",
        "select": "a function has no sockets",
        "urllib": "heliosdb.http reaches hosts that a function was granted",
        "http": "heliosdb.http reaches hosts that a function was granted",
        "requests": "heliosdb.http reaches hosts that a function was granted",
        "subprocess": "a function starts no processes",
        "multiprocessing": "a function starts no processes",
        "signal": "a function starts no processes",
        "threading": "a function has one thread",
        "asyncio": "a function has one thread, and host calls return their results directly",
        "ctypes": "a function has no native code",
        "pathlib": "a function has no files; heliosdb.fs reaches those that it was granted",
        "shutil": "a function has no files; heliosdb.fs reaches those that it was granted",
        "tempfile": "a function has no files; heliosdb.fs reaches those that it was granted",
        "glob": "a function has no files; heliosdb.fs reaches those that it was granted",
    }

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        reason = cls.REASONS.get(name.partition(".")[0])
        if reason is not None:
            raise ModuleNotFoundError(f"No module named {name!r}: {reason}", name=name)


sys.meta_path.append(Missing)


# A limit cannot be caught: whoever is about to handle the sign of one is ended by the host.

sys.monitoring.use_tool_id(sys.monitoring.OPTIMIZER_ID, "heliosdb")
sys.monitoring.register_callback(sys.monitoring.OPTIMIZER_ID, sys.monitoring.events.EXCEPTION_HANDLED, _host.handled)
sys.monitoring.set_events(sys.monitoring.OPTIMIZER_ID, sys.monitoring.events.EXCEPTION_HANDLED)
del sys.monitoring

json.loads('{"a": [1, 2.5, null, "x"]}')
json.dumps({"a": [1, 2.5, None, "x"]})
re.sub(r"(\w+)\s*=\s*(\d+)", r"\2", "a = 1")
datetime.datetime.strptime("2024-02-29", "%Y-%m-%d")
str(decimal.Decimal("1.10") + 1)
