"""Globals that only hostile files name: those that run programs or open files when a pickle is loaded elsewhere."""

from reslab.errors import CheckpointError


class HostileError(CheckpointError):
    """A file that would run something when another program opens it."""


def check_name(name: str) -> None:
    """Raise `HostileError` for a global, as module.name, that no harmless file needs.  ResLab never calls any."""
    module, _, rest = name.partition(".")
    if name.endswith(("_result", "_size")):  # results of system calls, such as os.uname
        return
    if module in _MODULES or (module in ("builtins", "__builtin__") and rest in _BUILTINS) or name in _NAMES:
        raise HostileError(
            f"opened by other programs it would call {name[:100]}, as hostile files do; nothing in it was run, and you "
            "should delete it"
        )


_MODULES = frozenset(
    """os posix nt subprocess commands popen2 pty runpy shutil socket importlib imp ctypes cffi webbrowser marshal
    pickle _pickle cPickle dill cloudpickle joblib code codeop pdb bdb timeit trace profile cProfile doctest pydoc pip
    ensurepip venv urllib urllib2 http httplib requests ftplib smtplib telnetlib asyncio _posixsubprocess _winapi
    sqlite3 zipimport pkgutil linecache site""".split()  # noqa: SIM905
)
_BUILTINS = frozenset(
    "eval exec execfile compile open file input breakpoint __import__ apply".split()  # noqa: SIM905
)
_NAMES = frozenset(
    """io.open _io.open io.FileIO _io.FileIO sys.settrace sys.modules types.FunctionType types.CodeType torch.load
    torch.serialization.load torch.hub.load torch.jit.load numpy.load numpy.testing._private.utils.runstring
    operator.attrgetter operator.methodcaller operator.itemgetter""".split()  # noqa: SIM905
)
