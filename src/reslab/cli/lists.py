"""Lists as one word on the command line, as in 20,56,110."""

from reslab.errors import ResLabError


def names(text: str | None) -> tuple[str, ...] | None:
    """Return the parts between commas, or None for None."""
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip())


def whole_numbers(flag: str, text: str) -> tuple[int, ...]:
    """Return the whole numbers between commas; raise `ResLabError` naming the flag where they are none."""
    parts = names(text) or ()
    try:
        numbers = tuple(int(part) for part in parts)
    except ValueError:
        numbers = ()
    if not numbers:
        raise ResLabError(f"--{flag} takes whole numbers with commas between them, as in 20,56; not {text!r}")
    return numbers
