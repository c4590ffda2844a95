"""What the appendix says of networks' predictions: shares at their least and most, and only what they show."""

from pathlib import Path

from reslab.analysis.agreement import with_predictions
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Prose, Table
from reslab.exhibits.wording import network_name
from reslab.recipe import Run
from reslab.report.same_errors import same_errors
from synthetic import Truth, small, write_predictions, write_run


def _short(group: Group) -> str:
    return network_name(group.recipe)


def _blocks(
    root: Path,
    wrong: dict[tuple[int, int], range],
    *,
    datasets: tuple[str, ...] = ("digits",),
    answers: bool = True,
    apart: str = "",
) -> list[Block]:
    """Return the blocks on runs of two depths and two seeds that get these images wrong; others keep no predictions.

    On the data set that is `apart` no two runs get the same images wrong.
    """
    recipes = {(name, depth): small(depth, dataset=name) for name in datasets for depth in (8, 14)}
    for (name, depth), recipe in recipes.items():
        for seed in (0, 1):
            folder = write_run(root, Run(recipe, seed), Truth(3.0, 1.0, 0.2))
            if (depth, seed) in wrong:
                images, start = wrong[depth, seed], 100 * seed + 10 * depth if name == apart else 0
                write_predictions(folder, range(images.start + start, images.stop + start))
    tables = read_tables(root)
    groups = [gather(tables, f"ResNet-{depth}, {name}", recipe, (0, 1)) for (name, depth), recipe in recipes.items()]
    return same_errors("agreement", with_predictions(groups), _short, answers=answers)


def _words(blocks: list[Block]) -> str:
    words, table = blocks
    assert isinstance(words, Prose)
    assert isinstance(table, Table)
    return words.text


def test_hard_images_are_told_from_chance(tmp_path: Path) -> None:
    same = {(8, 0): range(40), (8, 1): range(50), (14, 0): range(40), (14, 1): range(45)}
    blocks = _blocks(tmp_path, same)
    words = _words(blocks)
    assert "the other also gets wrong ([[appendix-agreement]]): 100% of two seeds of one recipe (" in words
    assert "; 100% compared with ResNet-8 (" in words
    assert "most errors lie in the images, not in the seed or the recipe" in words
    assert isinstance(blocks[1], Table)
    assert (blocks[1].key, [row[0] for row in blocks[1].rows]) == (
        "agreement",
        ["ResNet-8, digits", "ResNet-14, digits"],
    )


def test_what_chance_would_share_is_that_of_the_network_with_more_errors(tmp_path: Path) -> None:
    words = _words(_blocks(tmp_path, {(8, 0): range(36), (8, 1): range(72), (14, 0): range(108), (14, 1): range(144)}))
    # Of 360 images: 72 and 144 wrong; compared with ResNet-8's 36 and 72 the mean of 108, 144, 108 and 144.
    assert ": 100% of two seeds of one recipe (20 to 40% if errors were independent);" in words
    assert "; 100% compared with ResNet-8 (35% if errors were independent)." in words


def test_with_one_seed_each_nothing_is_laid_on_the_images_for_the_seed_was_not_looked_at(tmp_path: Path) -> None:
    words = _words(_blocks(tmp_path, {(8, 0): range(40), (14, 0): range(45)}))
    assert "the other also gets wrong ([[appendix-agreement]]): 100% compared with ResNet-8 (" in words
    assert "lie in the images" not in words
    assert words.endswith("Most errors of the better network are errors of the other, too.")


def test_independent_errors_are_not_laid_on_the_images(tmp_path: Path) -> None:
    apart = {(8, 0): range(40), (8, 1): range(36, 76), (14, 0): range(100, 140), (14, 1): range(136, 176)}
    words = _words(_blocks(tmp_path, apart))
    assert ": 10% of two seeds of one recipe (" in words
    assert "; 0% compared with ResNet-8 (" in words
    assert "in the images" not in words
    assert "Most errors" not in words


def test_errors_of_the_better_network_alone_are_not_laid_on_the_images(tmp_path: Path) -> None:
    more = {(8, 0): range(120), (8, 1): range(130), (14, 0): range(30), (14, 1): range(35)}
    words = _words(_blocks(tmp_path, more))
    assert "in the images" not in words
    assert words.endswith("Most errors of the better network are errors of the other, too.")


def test_few_errors_are_said_to_be_few(tmp_path: Path) -> None:
    words = _words(_blocks(tmp_path, dict.fromkeys(((8, 0), (8, 1), (14, 0), (14, 1)), range(5))))
    assert "fewer than 20 images" in words
    assert "in the images" not in words
    assert "Most errors" not in words


def test_each_data_set_has_a_reference_and_shares_of_its_own(tmp_path: Path) -> None:
    every = dict.fromkeys(((8, 0), (8, 1), (14, 0), (14, 1)), range(40))
    words = _words(_blocks(tmp_path, every, datasets=("digits", "cifar10")))
    for name in ("digits", "CIFAR-10"):
        assert f" 100% on {name} of two seeds of one recipe (" in words
        assert f" 100% on {name} compared with ResNet-8 (" in words


def test_what_holds_on_one_data_set_alone_is_said_of_it(tmp_path: Path) -> None:
    every = dict.fromkeys(((8, 0), (8, 1), (14, 0), (14, 1)), range(40))
    blocks = _blocks(tmp_path, every, datasets=("digits", "cifar10"), apart="cifar10")
    assert _words(blocks).endswith("On digits, most errors of the better network are errors of the other, too.")


def test_nothing_is_shown_without_predictions_and_nothing_said_in_a_handout(tmp_path: Path) -> None:
    assert _blocks(tmp_path / "none", {}) == []
    assert _blocks(tmp_path / "alone", {(8, 0): range(40)}) == []
    assert _blocks(tmp_path / "right", dict.fromkeys(((8, 0), (8, 1)), range(0))) == []
    every = dict.fromkeys(((8, 0), (8, 1), (14, 0), (14, 1)), range(40))
    (table,) = _blocks(tmp_path / "handout", every, answers=False)
    assert isinstance(table, Table)
