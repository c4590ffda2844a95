"""The sources that a report cites: found in its text, and numbered in order of first citation."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reslab.exhibits.blocks import in_words
from reslab.presets import PRESETS
from reslab.published import RESULTS
from reslab.report.document import CODE, Document, Reference, slug

_CITATION = re.compile(r"(?P<head>.+?)(?:, (?P<place>[^,]+))?, (?P<address>https?://\S+)")
_TABLE = re.compile(r"(?P<head>.+), table \d+(?: \([^()]*\))?")
_CODE = re.compile(f"({CODE})")
_MARK = re.compile(r"\[\[@([a-z0-9-]+)[^\[\]]*\]\]")


@dataclass(frozen=True, slots=True)
class _Source:
    """A source with patterns of how texts refer to it: its citation or address, and its name."""

    reference: Reference
    written: re.Pattern[str]
    spoken: re.Pattern[str] | None


def cited(document: Document) -> Document:
    """Return the document with its sources, and citations in place of every source written out in full.

    A source that is only named ("the paper") is cited where a section first names it.
    """
    keys: dict[str, None] = {}

    def change(named: set[str], text: str) -> str:
        parts = _CODE.split(text)  # every second part is code, which stays unchanged
        text = "".join(part if at % 2 else _marked(named, part) for at, part in enumerate(parts))
        keys.update(dict.fromkeys(_MARK.findall(text)))
        return text

    sections = []
    for section in document.sections:
        own = partial(change, set())  # the sources that the section has cited
        sections.append(replace(section, blocks=tuple(in_words(block, own) for block in section.blocks)))
    known = {source.reference.key: source.reference for source in _SOURCES}
    references = tuple(known[key] for key in keys if key in known)
    return replace(document, sections=tuple(sections), references=references)


def _marked(named: set[str], text: str) -> str:
    """Return text with marks, as in [[@key table 6]], in place of citations and addresses, and after first mentions.

    `named` are the sources that the section has cited so far; those cited in the text are added.
    """
    for source in _SOURCES:
        key, mark = source.reference.key, f"[[@{source.reference.key}]]"
        text = source.written.sub(rf"[[@{key} \g<place>]]", text).replace(f"[[@{key} ]]", mark)
        text = text.replace(f"({mark})", mark)
    for source in _SOURCES:
        key = source.reference.key
        if source.spoken is not None and key not in named and f"[[@{key}" not in text:
            text = source.spoken.sub(rf"\g<0> [[@{key}]]", text, count=1)
        if f"[[@{key}" in text:
            named.add(key)
    return text


def _sources() -> Iterator[_Source]:
    """Yield the sources of the published results, the recipes and the diagnostics."""
    known = tomllib.loads((Path(__file__).parent / "sources.toml").read_text(encoding="utf-8"))
    for result in RESULTS:
        match = _CITATION.fullmatch(result.citation) or _TABLE.fullmatch(result.citation)
        head, address = (match["head"], match.groupdict().get("address", "")) if match else (result.citation, "")
        yield _source(head, address, known["spoken"].get(result.source))
    for preset in PRESETS.values():
        yield _source(preset.source.partition("://")[2].removeprefix("github.com/"), preset.source, None)
    for one in known["literature"]:
        yield _source(one["title"], one["address"], one["spoken"])


def _source(head: str, address: str, spoken: str | None) -> _Source:
    written = (
        rf"(?:{re.escape(head)}, (?:(?P<place>[^,;]+), )?)?{re.escape(address)}(?![\w/-])"
        if address
        else rf"{re.escape(head)}(?:, (?P<place>table \d+(?: \([^()]*\))?))?"
    )
    reference = Reference(slug(address.partition("://")[2] or head), head, address)
    return _Source(reference, re.compile(written), re.compile(spoken) if spoken else None)


_SOURCES = sorted(
    {one.reference.key: one for one in reversed([*_sources()])}.values(), key=lambda one: -len(one.reference.address)
)
"""Each source once, as first given; longer addresses before shorter ones."""
