"""The chapter of a study, its words and the rows of its tables, to be looked for in tests."""

from collections.abc import Callable, Iterable
from pathlib import Path

from reslab.analysis.tables import Tables
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Bullets, Note, Prose, Table
from reslab.recipe import Recipe
from reslab.studies.catalogue import chapter_of as words_chapter
from reslab.studies.chapter import find, write
from reslab.studies.study import Options, Study
from synthetic import Truth, write_run

RATES = Options(datasets=("cifar10",), depths=(20,), seeds=3)
"""The options of a small study at full length."""

DIVERGED = {"kind": "diverged", "message": "the loss is not finite", "epoch": 4, "iteration": 200, "time": "t"}


def words_of(blocks: Iterable[Block]) -> str:
    """Return prose, notes and bullets, a line each."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Prose | Note):
            lines.append(block.text)
        elif isinstance(block, Bullets):
            lines.extend(block.items)
    return "\n".join(lines)


def chapter_of(study: Study, tables: Tables) -> list[Block]:
    """Return the chapter of a study, from whatever has been run."""
    chapter = words_chapter(study)
    return write(find(study, tables, chapter), chapter)


def planted(root: Path, study: Study, truth: Callable[[Recipe], Truth]) -> list[Block]:
    """Return the chapter of a study whose runs come out as planted."""
    for run in study.runs():
        write_run(root, run, truth(run.recipe))
    return chapter_of(study, read_tables(root))


def rows_of(blocks: Iterable[Block], key: str) -> dict[str | None, dict[str, str | None]]:
    """Return a table by row and column."""
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == key]
    titles = [column.title for column in table.columns]
    return {row[0]: dict(zip(titles, row, strict=True)) for row in table.rows}
