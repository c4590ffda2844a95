"""The words of a chapter, by key in TOML files: ResLab's own, and a user's in place of them.

`chapter.toml` has the words that all chapters share; `questions/NAME.toml` has those of one question, which take
precedence.  A user's files in `words/` beside the runs override both: `words/chapter.toml` for all chapters,
`words/NAME.toml` for the study NAME.  A text has values in braces, "Longer training is shown to do worse: {listed}.",
and is otherwise a Jinja template, one sentence per line; empty lines are sentences left out.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import TemplateError, meta

from reslab.errors import ResLabError, nearest
from reslab.exhibits.captions import Words as Words  # noqa: PLC0414 (chapters have them from here)
from reslab.exhibits.captions import braced, environment, read_texts

FOLDER = "words"
"""The folder of a user's words, beside the runs."""

SHARED = "chapter"

ABOVE = ("title", "question", "expectation")
"""Texts that are recorded with a study when it is run; a user's words override these, too."""

_HERE = Path(__file__).parent
_QUESTIONS = _HERE / "questions"


@cache
def words_of(kind: str) -> Words:
    """Return ResLab's own words for chapters of this kind."""
    own = _QUESTIONS / f"{kind.replace('-', '_')}.toml"
    return Words({**read_texts(_HERE / f"{SHARED}.toml"), **(read_texts(own) if own.exists() else {})})


def users_words(root: Path, name: str) -> dict[str, str]:
    """Return a user's words beside the runs for all chapters, overridden by those for the study of this name."""
    return {key: text for path in _users_files(root, name) for key, text in read_texts(path).items()}


def in_the_users(words: Words, root: Path, name: str) -> Words:
    """Return the words, overridden by those of the user (see `users_words`).

    Raises `ResLabError` where a file cannot be read, has an unknown key or value, or has a text without values that
    cannot be rendered.
    """
    written: dict[str, Path] = {}
    for path in _users_files(root, name):
        _check(path, words)
        written |= dict.fromkeys(read_texts(path), path)
    return Words({**words.texts, **users_words(root, name)}, written)


def check_users(root: Path, kinds: Mapping[str, str]) -> list[str]:
    """Check every file of a user's words beside the runs, and return remarks on those that match no study.

    `kinds` are those of the studies, by name.  Raises `ResLabError` as `in_the_users` does, and where a key of
    words/chapter.toml is in no chapter at all.
    """
    remarks = []
    anywhere = {key for path in _QUESTIONS.glob("*.toml") for key in read_texts(path)} | {
        *words_of(SHARED).texts,
        *ABOVE,
    }
    for path in sorted((root / FOLDER).glob("*.toml")):
        if path.stem == SHARED:
            for key in read_texts(path):
                if key not in anywhere:
                    raise ResLabError(f"{path}: there is no text {key!r} in any chapter{nearest(key, list(anywhere))}")
            for kind in dict.fromkeys(kinds.values()):
                _check(path, words_of(kind))
        elif path.stem in kinds:
            _check(path, words_of(kinds[path.stem]))
        else:
            read_texts(path)
            known = nearest(path.stem, list(kinds))
            remarks.append(f"{path} changes nothing: there is no study {path.stem!r} here{known}")
    return remarks


def _users_files(root: Path, name: str) -> list[Path]:
    return [path for one in (SHARED, name) if (path := root / FOLDER / f"{one}.toml").exists()]


def _check(path: Path, words: Words) -> None:
    known = {**words.texts, **dict.fromkeys(ABOVE, "")}
    for key, text in read_texts(path).items():
        if key not in known and path.stem == SHARED:
            continue  # belongs to other chapters
        if key not in known:
            raise ResLabError(f"{path}: there is no text {key!r}{nearest(key, list(known))}")
        values = values_of(known[key])
        try:
            others = values_of(text) - values
        except TemplateError as error:
            raise ResLabError(f"{path}: {key}: this text is not well formed: {error}") from None
        for value in sorted(others):
            there = (
                f"its values are {', '.join(f'{{{one}}}' for one in sorted(values))}" if values else "it has no values"
            )
            raise ResLabError(f"{path}: {key}: there is no value {{{value}}} in this text; {there}")
        if not values_of(text):
            Words({key: text}, {key: path})(key)  # raises an error that says what is wrong


def values_of(text: str) -> set[str]:
    """Return the names of the values in a text.  Raises `TemplateError` where it is malformed."""
    return meta.find_undeclared_variables(environment().parse(braced(text))) - set(environment().globals)
