"""The little of `inspect` that the library itself uses; the real one drags the whole compiler in."""

import types


def signature(obj, **kwargs):
    raise ValueError("signatures are not available")


def unwrap(func, *, stop=None):
    while hasattr(func, "__wrapped__") and not (stop is not None and stop(func)):
        func = func.__wrapped__
    return func


def isclass(obj):
    return isinstance(obj, type)


def isfunction(obj):
    return isinstance(obj, types.FunctionType)


def ismethod(obj):
    return isinstance(obj, types.MethodType)


def isbuiltin(obj):
    return isinstance(obj, types.BuiltinFunctionType)


def isroutine(obj):
    return isbuiltin(obj) or isfunction(obj) or ismethod(obj)


def isgenerator(obj):
    return isinstance(obj, types.GeneratorType)


def isgeneratorfunction(obj):
    return isfunction(obj) and bool(obj.__code__.co_flags & 0x20)


def iscoroutinefunction(obj):
    return isfunction(obj) and bool(obj.__code__.co_flags & 0x80)


def getattr_static(obj, attr, default=None):
    for entry in getattr(type(obj), "__mro__", ()) + getattr(obj, "__mro__", ()):
        if attr in entry.__dict__:
            return entry.__dict__[attr]
    return getattr(obj, "__dict__", {}).get(attr, default)


def cleandoc(doc):
    lines = doc.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    return "\n".join([lines[0].lstrip()] + [line[margin:] for line in lines[1:]]).strip("\n")


def getdoc(obj):
    doc = getattr(obj, "__doc__", None)
    return cleandoc(doc) if isinstance(doc, str) else None


def getmembers(obj, predicate=None):
    members = [(name, getattr(obj, name)) for name in dir(obj)]
    return [member for member in members if predicate is None or predicate(member[1])]
