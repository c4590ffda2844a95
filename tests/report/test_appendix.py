"""What predictions say in the appendix: once for all studies, and in a handout without the answers."""

from pathlib import Path

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Figure, Heading, Prose, Table
from reslab.recipe import Recipe, Run
from reslab.report.appendix import appendix
from reslab.report.document import Section
from reslab.studies.study import Study, Variant
from synthetic import Truth, small, write_predictions, write_run


def _appendix(root: Path, recipes: dict[Recipe, float], *, answers: bool = True, wrong: int = 40) -> Section:
    """Return the appendix on a study of these recipes, two seeds each, that all get the first images wrong."""
    for recipe, error in recipes.items():
        for seed in (0, 1):
            folder = write_run(root, Run(recipe, seed), Truth(error, 1.0))
            if wrong:
                write_predictions(folder, range(wrong))
    variants = tuple(Variant(f"ResNet-{recipe.depth}, {recipe.dataset}", recipe) for recipe in recipes)
    return appendix(read_tables(root), [Study("depth", "D", "", "", variants, (0, 1), "depth", answers=answers)])


def test_shared_errors_are_told_with_their_table(tmp_path: Path) -> None:
    section = _appendix(tmp_path, {small(8): 5.0, small(14): 3.0})
    place = section.blocks.index(Heading("Which images do the networks get wrong?"))
    words, table = section.blocks[place + 1 : place + 3]
    assert isinstance(words, Prose)
    assert isinstance(table, Table)
    assert "([[appendix-agreement]]): 100% of two seeds of one recipe" in words.text
    assert "100% compared with ResNet-8 (" in words.text  # without what all of the data set have in common
    assert (table.key, [row[0] for row in table.rows]) == ("agreement", ["ResNet-8, digits", "ResNet-14, digits"])


def test_a_handout_has_the_table_alone_and_nothing_kept_has_neither(tmp_path: Path) -> None:
    recipes = {small(8): 5.0, small(14): 3.0}
    handout = _appendix(tmp_path / "handout", recipes, answers=False)
    assert [block.key for block in handout.blocks if isinstance(block, Table) and block.key == "agreement"]
    assert not [block for block in handout.blocks if isinstance(block, Prose) and "the better network" in block.text]
    nothing = _appendix(tmp_path / "nothing", recipes, wrong=0)
    assert Heading("Which images do the networks get wrong?") not in nothing.blocks
    assert not [block for block in nothing.blocks if isinstance(block, Table) and block.key == "agreement"]


def test_superclasses_are_drawn_once(tmp_path: Path) -> None:
    """CIFAR-100's classes are grouped by superclass, which CIFAR-100 in its superclasses would repeat."""
    coarse = small(8, dataset="cifar100-coarse")
    one = _appendix(tmp_path / "coarse", {coarse: 5.0})
    both = _appendix(tmp_path / "both", {small(8): 5.0, coarse: 5.0, small(8, dataset="cifar100"): 3.0})

    def panels(section: Section) -> list[str]:
        (figure,) = [block for block in section.blocks if isinstance(block, Figure) and block.key == "classes"]
        return [panel.title for panel in figure.panels]

    assert panels(one) == ["CIFAR-100 (20 superclasses)"]
    assert panels(both) == ["digits", "CIFAR-100"]
