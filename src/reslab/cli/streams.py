"""Standard output and error that outlive their reader, as in `reslab status | head -1`."""

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


def outlive_readers() -> None:
    """Discard, without an error, what this process writes after a reader has left.

    This covers every library that prints, and the interpreter's last flush, too.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed from the start, as by >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            setattr(sys, name, _outliving(stream))


_JSON: list[TextIO] = []
"""Where JSON goes while it alone is written to standard output."""


@contextlib.contextmanager
def json_alone() -> Iterator[None]:
    """Send what is printed meanwhile, such as by a user's network, to standard error, but not `json_stream`."""
    _JSON.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _JSON.pop()


def json_stream() -> TextIO:
    """Return the standard output for JSON."""
    return _JSON[-1] if _JSON else sys.stdout


def has_left(stream: Any) -> bool:
    """Say whether the reader of a stream is known to have left."""
    pipe = _pipe(stream)
    return pipe is not None and pipe.reader_left


def problem(stream: Any) -> str | None:
    """Return why output to a stream was lost, if it was; a reader that has left is not a problem."""
    stream.flush()
    pipe = _pipe(stream)
    return None if pipe is None else pipe.problem


def _pipe(stream: Any) -> "_Pipe | None":
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Pipe) else None


class _Pipe(io.FileIO):
    """A file that accepts everything, and discards it once nobody reads."""

    reader_left = False
    problem: str | None = None

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            self.reader_left = True
        except OSError as error:  # such as a full disk
            self.problem = error.strerror or str(error)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())  # for processes that this one starts, too
        os.close(null)
        return len(content)


PLAIN = "reslab.plain"
"""Error handler for characters that a terminal's encoding does not have."""

_LIKE = {
    "\N{MINUS SIGN}": "-",
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_LIKE.get(one, "?") for one in error.object[error.start : error.end]), error.end


codecs.register_error(PLAIN, _plainly)


def _outliving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=PLAIN if stream.errors == "strict" else stream.errors,
        newline="",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
