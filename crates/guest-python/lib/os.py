"""What is left of `os` in a database: names, pure helpers, and refusals.

Everything that would touch a file ends in the system call that Python would have made, so that the
syscall filter decides and the audit log knows.
"""

import abc
import _host

name = "posix"
sep = "/"
altsep = None
extsep = "."
pathsep = ":"
linesep = "\n"
curdir = "."
pardir = ".."
devnull = "/dev/null"
error = OSError
SEEK_SET = 0
SEEK_CUR = 1
SEEK_END = 2
F_OK, R_OK, W_OK, X_OK = 0, 4, 2, 1
supports_dir_fd = supports_fd = supports_effective_ids = supports_follow_symlinks = frozenset()

urandom = _host.urandom


class PathLike(abc.ABC):
    @abc.abstractmethod
    def __fspath__(self):
        raise NotImplementedError

    @classmethod
    def __subclasshook__(cls, subclass):
        return hasattr(subclass, "__fspath__") or NotImplemented


def fspath(path):
    if isinstance(path, (str, bytes)):
        return path
    try:
        return type(path).__fspath__(path)
    except AttributeError:
        raise TypeError(f"expected str, bytes or os.PathLike object, not {type(path).__name__}") from None


def fsencode(filename):
    filename = fspath(filename)
    return filename.encode("utf-8", "surrogateescape") if isinstance(filename, str) else filename


def fsdecode(filename):
    filename = fspath(filename)
    return filename.decode("utf-8", "surrogateescape") if isinstance(filename, bytes) else filename


def strerror(code):
    return {1: "Operation not permitted", 2: "No such file or directory", 13: "Permission denied"}.get(code, f"Unknown error {code}")


def _refusing(name, call, at=0):
    def refused(*args, **kwargs):
        path = args[at] if len(args) > at else "."
        _host.refuse_path(call, path if isinstance(path, int) else fsdecode(path))

    refused.__name__ = refused.__qualname__ = name
    return refused


for _name in ("open", "listdir", "scandir", "walk", "chdir", "access", "truncate", "utime", "chmod", "chown"):
    globals()[_name] = _refusing(_name, "path_open")
for _name in ("stat", "lstat"):
    globals()[_name] = _refusing(_name, "path_filestat_get")
for _name in ("remove", "unlink", "rmdir", "removedirs"):
    globals()[_name] = _refusing(_name, "path_unlink_file")
for _name in ("mkdir", "makedirs"):
    globals()[_name] = _refusing(_name, "path_create_directory")
for _name in ("rename", "renames", "replace", "link", "symlink"):
    globals()[_name] = _refusing(_name, "path_rename")
del _name


def getcwd():
    return "/"


def __getattr__(name):
    raise AttributeError(f"module 'os' has no attribute {name!r}: a function has no operating system around it")


class path:
    """Enough of `os.path` for paths that are only text; those of files are refused."""

    sep = "/"

    exists = staticmethod(_refusing("exists", "path_filestat_get"))
    isfile = staticmethod(_refusing("isfile", "path_filestat_get"))
    isdir = staticmethod(_refusing("isdir", "path_filestat_get"))
    getsize = staticmethod(_refusing("getsize", "path_filestat_get"))

    @staticmethod
    def join(first, *others):
        joined = fspath(first)
        for other in map(fspath, others):
            if other.startswith("/"):
                joined = other
            elif not joined or joined.endswith("/"):
                joined += other
            else:
                joined += "/" + other
        return joined

    @staticmethod
    def split(whole):
        head, _, tail = fspath(whole).rpartition("/")
        return (head.rstrip("/") or "/") if whole.startswith("/") and not head.strip("/") else head, tail

    @staticmethod
    def basename(whole):
        return path.split(whole)[1]

    @staticmethod
    def dirname(whole):
        return path.split(whole)[0]

    @staticmethod
    def splitext(whole):
        whole = fspath(whole)
        stem, dot, extension = whole.rpartition(".")
        if not dot or "/" in extension or not stem.rpartition("/")[2].strip("."):
            return whole, ""
        return stem, dot + extension

    @staticmethod
    def isabs(whole):
        return fspath(whole).startswith("/")

    @staticmethod
    def normpath(whole):
        whole = fspath(whole)
        parts = []
        for part in whole.split("/"):
            if part == ".." and parts and parts[-1] != "..":
                parts.pop()
            elif part and part != "." and not (part == ".." and whole.startswith("/")):
                parts.append(part)
        return ("/" if whole.startswith("/") else "") + "/".join(parts) or "."
