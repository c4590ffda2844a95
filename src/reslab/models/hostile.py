"""Globals that only hostile files name: what runs programs or opens files when others read a pickle."""

from reslab.errors import CheckpointError


class HostileError(CheckpointError):
    """A file that would run something when others open it."""


def check_name(name: str) -> None:
    """Raise `HostileError` for a global, as module.name, that no harmless file needs.  Here none is ever called."""
    module, _, rest = name.partition(".")
    if name.endswith(("_result", "_size")):  # what the system says of itself, as os.uname does
        return
    if module in _MODULES or (module in ("builtins", "__builtin__") and rest in _BUILTINS) or name in _NAMES:
        raise HostileError(
            f"opened by other programs it would call {name[:100]}, as hostile files do; nothing in it was run, and it "
            "is best removed"
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
