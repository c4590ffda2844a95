"""Vega, Vega-Lite and Vega-Embed as one script from the installed wheel, made once and cached."""

import contextlib
import subprocess
from functools import cache
from importlib.metadata import version

from reslab.cache import cached
from reslab.files import write_whole
from reslab.host import python

_MAKE = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"


@cache
def chart_library() -> bytes:
    """Return the script.  Another process makes it, because the engine takes 100 MB, and seconds once."""
    kept = cached("watch", f"vega-{version('vl-convert-python')}.js")
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    made = subprocess.run([*python(), "-c", _MAKE], capture_output=True, check=True).stdout
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, made)
    return made
