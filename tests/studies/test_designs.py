"""The frame that studies of one factor share: bases, and each compared with what varies around it."""

from pathlib import Path

from reslab.analysis.groups import gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import vary
from reslab.studies.designs import BOTH, bases, where, with_base
from reslab.studies.study import Options


def test_there_is_a_base_on_every_data_set_at_every_depth() -> None:
    assert [(base.dataset, base.depth) for base in bases(Options(), (20, 56))] == [
        (dataset, depth) for dataset in BOTH for depth in (20, 56)
    ]
    (own,) = bases(Options(datasets=("digits",), depths=(8,)), (20, 56))
    assert where(own) == (("dataset", "digits"), ("depth", 8))


def test_each_base_is_compared_with_what_has_its_data_set_and_depth(tmp_path: Path) -> None:
    tables = read_tables(tmp_path)
    base = bases(Options(datasets=("digits", "cifar10"), depths=(8, 14)), ())
    varied = [vary(one, learning_rate=0.5) for one in base]
    groups = [gather(tables, recipe.id, recipe, (0,)) for recipe in (*varied, *base)]
    found = [(first.recipe, second.recipe) for first, second in with_base(groups, set(base))]
    assert found == list(zip(base, varied, strict=True))
