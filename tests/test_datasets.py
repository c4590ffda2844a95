"""The one table of data sets: every name in it can be read, described and counted, and no other name can."""

from pathlib import Path

import pytest

from reslab.data import sources
from reslab.data.cifar import LABELS
from reslab.data.digits import load_digits
from reslab.datasets import DATASETS, Known, images_used, is_named, known
from reslab.errors import DataError, ResLabError
from reslab.exhibits.wording import dataset_name
from reslab.recipe import CHOICES


def test_a_recipe_may_name_what_is_in_the_table_and_nothing_else() -> None:
    assert CHOICES["dataset"] == tuple(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_every_name_has_a_reader_that_gives_that_set_and_no_other(name: str, tmp_path: Path) -> None:
    """The digits come with a package; all else is looked for in the data root, and missed by name where it is not."""
    if known(name).layout == "scans":
        assert sources.load_any(name, tmp_path).name == name
        return
    with pytest.raises(DataError, match=f"{known(name).words}|{name}"):
        sources.load_any(name, tmp_path)
    with pytest.raises(DataError):
        sources.check_present(name, tmp_path)


@pytest.mark.parametrize("name", DATASETS)
def test_every_name_is_described(name: str) -> None:
    assert dataset_name(name) == known(name).words != ""
    assert is_named(name) == (known(name).size is not None), (
        "a set known by its name has a size known before it is read"
    )
    if known(name).layout == "cifar":
        size = known(name).size
        assert size is not None
        assert LABELS[name][2] == size.num_classes
    else:
        assert name not in LABELS


def test_the_digits_are_as_large_as_the_table_says() -> None:
    digits, size = load_digits(), known("digits").size
    assert size is not None
    assert (len(digits.train), len(digits.test), digits.num_classes) == (
        size.num_train,
        size.num_test,
        size.num_classes,
    )
    assert digits.official


def test_a_name_in_the_table_without_a_reader_is_refused_not_given_the_digits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(DATASETS, "novel", Known(words="novel", layout="tape"))
    monkeypatch.setattr(sources, "NAMES", (*sources.NAMES, "novel"))
    for read in (sources.load, sources.load_any, sources.check_present):
        with pytest.raises(ResLabError, match="knows of the data set novel, but not how to read it"):
            read("novel", tmp_path)


@pytest.mark.parametrize("name", ["mnist", "", "CIFAR10"])
def test_a_name_that_is_not_in_the_table_is_refused(name: str, tmp_path: Path) -> None:
    for read in (known, is_named, dataset_name):
        with pytest.raises(ResLabError, match="there is no data set"):
            read(name)
    for load in (sources.load, sources.load_any, sources.check_present):
        with pytest.raises(ResLabError, match="there is no data set"):
            load(name, tmp_path)


def test_a_share_is_of_what_is_not_held_out_with_halves_rounded_upwards() -> None:
    assert images_used(1442, train_share=0.5, holdout=1) == 721
    assert images_used(50_000, train_share=1, holdout=5_000) == 45_000
