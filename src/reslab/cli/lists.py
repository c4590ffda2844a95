"""Lists as one word on the command line, as in 20,56,110."""

from typing import overload

from reslab.errors import ResLabError


def names(flag: str, text: str | None) -> tuple[str, ...] | None:
    """Return the parts between commas, or None for None; raise `ResLabError` naming the flag if there are none."""
    if text is None:
        return None
    if not (parts := _parts(text)):
        raise ResLabError(f"--{flag} takes names separated by commas, not {text!r}; leave it out for the default")
    return parts


@overload
def whole_numbers(flag: str, text: str) -> tuple[int, ...]: ...
@overload
def whole_numbers(flag: str, text: None) -> None: ...
def whole_numbers(flag: str, text: str | None) -> tuple[int, ...] | None:
    """Return the whole numbers between commas, or None for None; else raise `ResLabError` naming the flag."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in _parts(text))
    except ValueError:
        numbers = ()
    if not numbers:
        raise ResLabError(f"--{flag} takes whole numbers separated by commas, e.g. 20,56; not {text!r}")
    return numbers


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
