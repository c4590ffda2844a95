"""Files that are not what they should be: recognise each by its first bytes, and say what it is and what to do."""

import json

HEAD_BYTES = 1024
"""How much of a file's beginning is examined."""

AGAIN = "download the file itself"

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for a file that was not downloaded",
        "run git lfs pull",
    ),
    (b"\x1f\x8b", "a gzip archive", ""),
    (b"BZh", "a bzip2 archive", ""),
    (b"\xfd7zXZ\x00", "an xz archive", ""),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", ""),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", ""),
    (b"Rar!", "a RAR archive", ""),
    (b"%PDF", "a PDF", AGAIN),
    (b"\x7fELF", "a program", AGAIN),
    (b"MZ", "a program", AGAIN),
)


def recognised(head: bytes, unpack: str = "unpack it") -> str:
    """Return what a file is by its first bytes, as a clause about "it", and what to do; "" if not recognised.

    `unpack` is what to do with an archive.
    """
    if not head:
        return "it is empty; get it again"
    for magic, what, todo in _MAGIC:
        if head.startswith(magic):
            return f"it is {what}; {todo or unpack}"
    if head[257:262] == b"ustar":
        return f"it is a tar archive; {unpack}"
    if not head.strip(b"\0"):
        return "it begins with nothing but zeros, as after a full disk; get it again"
    return ""


def as_text(head: bytes) -> str | None:
    """Return the beginning of a file as text, or None if it has characters that text does not."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < max(1, len(head) - 4):  # else a character cut off at the end of the head
            return None
        text = head[: error.start].decode(encoding)
    is_text = all(letter.isprintable() or letter in "\ufeff\t\r\n\f\x1b" for letter in text)
    return text if is_text else None


def describe_text(text: str) -> str:
    """Return what kind of text it is, as a clause about "it", and what to do."""
    start = text.lstrip("\ufeff \t\r\n")
    lower = start[:200].lower()
    if lower.startswith(("<!doctype html", "<html", "<head", "<body", "<script", "<!--")) or "<html" in lower:
        return f"it is a web page, perhaps one about the file or one that asks you to log in; {AGAIN}"
    if lower.startswith("<"):
        return f"it is XML, which servers send when they refuse a file; {AGAIN}"
    if start[:1] in "{[" and (start[:1] == "{" or _is_json(start)):
        shown = printable(" ".join(start.split()))
        return f"it is text in JSON, which servers send when they refuse a file: {shown}"
    if not start:
        return f"it holds nothing but spaces and line breaks; {AGAIN}"
    first = " ".join(start.splitlines()[0].split())
    return f"it is text that begins {printable(first)!r}; {AGAIN}"


def printable(text: str, most: int = 100) -> str:
    """Return text from a file made safe to print: no control characters, not too long."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return clean if len(clean) <= most else f"{clean[:most]}..."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return len(text) > HEAD_BYTES // 2 and text[1:2] in ' "{[0123456789-\n\r'
    return True
