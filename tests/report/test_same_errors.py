"""What a chapter says of networks' predictions: shares at their least and most, and only what they show."""

from pathlib import Path

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Prose, Table
from reslab.recipe import Run
from reslab.studies.catalogue import chapter_of
from reslab.studies.chapter import find
from reslab.studies.same_errors import same_errors
from reslab.studies.study import Study, Variant
from synthetic import Truth, small, write_predictions, write_run


def _blocks(root: Path, wrong: dict[tuple[int, int], range] | None, *, answers: bool = True) -> list[Block]:
    """Return the blocks on runs of two depths and two seeds that get these images wrong; others keep no predictions."""
    for depth in (8, 14):
        for seed in (0, 1):
            folder = write_run(root, Run(small(depth), seed), Truth(3.0, 1.0, 0.2))
            if wrong is not None and (depth, seed) in wrong:
                write_predictions(folder, wrong[depth, seed])
    variants = tuple(Variant(f"ResNet-{depth}", small(depth), (("depth", depth),)) for depth in (8, 14))
    study = Study("depth", "Depth", "", "", variants, (0, 1), "depth", answers=answers)
    blocks = same_errors(find(study, read_tables(root), chapter_of(study)))
    return [block for block in blocks if block is not None]


def test_hard_images_are_told_from_chance(tmp_path: Path) -> None:
    same = {(8, 0): range(40), (8, 1): range(50), (14, 0): range(40), (14, 1): range(45)}
    _, words, table = _blocks(tmp_path, same)
    assert isinstance(table, Table)
    assert isinstance(words, Prose)
    assert "the other gets wrong, too ([[agreement]] and [[appendix-networks]]): 100% of two seeds of one" in words.text
    assert "; 100% beside ResNet-8 (" in words.text
    assert "most errors lie in the images, not in the seed or the recipe" in words.text


def test_with_one_seed_each_nothing_is_laid_on_the_images_for_the_seed_was_not_looked_at(tmp_path: Path) -> None:
    _, words = _blocks(tmp_path, {(8, 0): range(40), (14, 0): range(45)})
    assert isinstance(words, Prose)
    assert "the other gets wrong, too ([[appendix-networks]]): 100% beside ResNet-8 (" in words.text
    assert "lie in the images" not in words.text


def test_independent_errors_are_not_laid_on_the_images(tmp_path: Path) -> None:
    apart = {(8, 0): range(40), (8, 1): range(36, 76), (14, 0): range(100, 140), (14, 1): range(136, 176)}
    _, words, *_ = _blocks(tmp_path, apart)
    assert isinstance(words, Prose)
    assert ": 10% of two seeds of one recipe (" in words.text
    assert "; 0% beside ResNet-8 (" in words.text
    assert "in the images" not in words.text


def test_errors_of_the_better_network_alone_are_not_laid_on_the_images(tmp_path: Path) -> None:
    more = {(8, 0): range(120), (8, 1): range(130), (14, 0): range(30), (14, 1): range(35)}
    _, words, *_ = _blocks(tmp_path, more)
    assert isinstance(words, Prose)
    assert "in the images" not in words.text


def test_few_errors_are_said_to_be_few(tmp_path: Path) -> None:
    _, words, *_ = _blocks(tmp_path, dict.fromkeys(((8, 0), (8, 1), (14, 0), (14, 1)), range(5)))
    assert isinstance(words, Prose)
    assert "fewer than 20 images" in words.text
    assert "in the images" not in words.text


def test_nothing_is_shown_without_predictions_and_nothing_said_in_a_handout(tmp_path: Path) -> None:
    assert _blocks(tmp_path / "none", None) == []
    every = dict.fromkeys(((8, 0), (8, 1), (14, 0), (14, 1)), range(40))
    assert not any(
        isinstance(block, Prose) and block.text for block in _blocks(tmp_path / "handout", every, answers=False)
    )
