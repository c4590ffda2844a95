"""Addresses of shares as users write them: their kind, how to show them, and what a mistyped one was meant to be."""

import difflib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from reslab.errors import ShareError
from reslab.files import as_path

OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "oss", "hf")
"""Stores whose top-level folders are buckets: creating one would create a bucket with a mistyped name."""

_KINDS = ("https", "http", "s3", "gs", "gcs", "az", "abfs", "hf", "sftp", "ssh", "ftp", "file")
"""Kinds of address that a mistyped one is compared with."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_BROKEN = re.compile(r"([A-Za-z][A-Za-z0-9+-]+)\s*([.,]?[:;]+\s*[.,]?[/\\]*|[.,]?[/\\]{2,}|[.,][/\\]|/)(.*)", re.DOTALL)
_NO_KIND = re.compile(r"[:;]+[/\\]*")
_LOGIN = re.compile(r"([\w.-]+@[\w.-]+):/*(.*)", re.DOTALL)
_CLOSE = {":": 0.5, "//": 0.7}
"""Required similarity of a word to a kind of address: a colon is rare in a folder's name, two slashes are not."""


def kind_of(address: str) -> str:
    """Return the kind of an address, such as s3 or https, in lower case; "file" for a folder.

    Raises `ShareError` if it looks like a mistyped address, which would otherwise become a new folder.  A folder with
    such a name can be given as ./NAME.
    """
    if not address.strip():
        raise ShareError("the address of a share is empty; give its folder or address")
    shown = re.sub(r"[^/\\@\s]*@", "", address.partition("?")[0])
    if (meant := _meant(address)) is not None:
        rest = shown.lstrip(" :;/\\")
        hint = f"did you mean {meant}?" if meant else f"an address starts with its kind, as in s3://{rest}"
        raise ShareError(f"{shown!r} is not the address of a share ({hint}); give a folder of this name as ./NAME")
    found = _ADDRESS.match(address)
    try:
        urlsplit(address)
    except ValueError as error:
        raise ShareError(f"{shown!r} is not the address of a share: {error}") from None
    return found[1].lower() if found else "file"


def as_address(text: str) -> str | None:
    """Return the address of a share that a text is, or seems to mean; None for anything else, such as a folder."""
    found = _ADDRESS.match(text)
    return _meant(text) or (text if found and _is_known(found[1].lower()) else None)


def absolute(address: str) -> str:
    """Return an address, or a folder's absolute path; raises as `kind_of` does."""
    return address if kind_of(address) != "file" else str(folder_of(address).absolute())


def folder_of(address: str) -> Path:
    """Return the folder of an address of kind "file": a path, or a URL such as file:///home/me/shared%20runs."""
    if not address.lower().startswith("file://"):
        return as_path(address)
    host, slash, path = address[len("file://") :].partition("/")
    if host not in ("", "localhost") or not slash:
        raise ShareError(
            f"{address!r} names another machine, {host}; a folder of this one is file:///{host}{slash}{path}"
        )
    return Path("/" + unquote(path))


def without_password(address: str) -> str:
    """Return an address that is safe to show and keep: without user, password and query."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _meant(address: str) -> str | None:
    """Return what a mistyped address means, without a password; "" if that is unclear, None for a correct one."""
    text = address.strip().strip("'\"")
    if _NO_KIND.match(text):
        return ""
    if login := _LOGIN.fullmatch(text):
        return f"sftp://{login[1].rpartition('@')[2]}/{login[2]}"
    found = _BROKEN.fullmatch(text)
    if found is None:
        return None
    word, between, rest = found[1].lower(), found[2], found[3].lstrip("/\\")
    if between == "/":  # a folder, unless its name is a kind of address and it does not exist
        kind = word if word in _KINDS and word != "file" and not Path(found[1]).is_dir() else None
    elif between.startswith("://") and _is_known(word):
        most = 2 if word in (*OBJECT_STORES, "http", "https") else len(between)
        is_right = text == address and address.lower().startswith(f"{word}:") and between.count("/") <= most
        kind = None if is_right else word
    elif between.startswith("::") and not between.endswith("/"):  # a chain of several, which has its own error
        kind = None
    else:
        is_sure = ":" in between or ";" in between
        kind = word if is_sure and _is_known(word) else _nearest(word, _CLOSE[":" if is_sure else "//"])
    if kind is None:
        return None
    try:
        return without_password(f"{kind}://{'/' if kind == 'file' else ''}{rest}")
    except ValueError:
        return f"{kind}://..."


def _nearest(word: str, cutoff: float) -> str | None:
    close = difflib.get_close_matches(word, _KINDS, n=1, cutoff=cutoff)
    return close[0] if close else None


def _is_known(kind: str) -> bool:
    """Say whether a kind of address can be used, if its driver is installed."""
    if kind in _KINDS:
        return True
    try:
        from fsspec.registry import known_implementations
    except ImportError:
        return False
    return kind in known_implementations
