"""The one table of data sets: every name in it can be read, described and counted, and no other name can."""

import json
from pathlib import Path

import numpy as np
import pytest

from reslab.cli import main
from reslab.data import sources
from reslab.data.cifar import LABELS
from reslab.data.digits import load_digits
from reslab.data.images import Dataset, ImageSet, make_dataset
from reslab.datasets import DATASETS, DatasetSpec, Size, images_used, is_named, known
from reslab.errors import DataError, ResLabError
from reslab.exhibits.wording import dataset_name
from reslab.presets import preset_recipe
from reslab.recipe import CHOICES


def test_a_recipe_may_name_what_is_in_the_table_and_nothing_else() -> None:
    assert CHOICES["dataset"] == tuple(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_every_name_has_a_reader_that_gives_that_set_and_no_other(name: str, tmp_path: Path) -> None:
    """The digits come with a package; all else is looked for in the data root, and missed by name where it is not."""
    if known(name).finder is None:
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
    assert (known(name).archive is not None) == (name in LABELS), "what CIFAR's loader reads can be fetched"


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
    for place in ("reslab.data.digits:tape", "reslab.data.tape:load", "tape"):
        spec = DatasetSpec(words="novel", loader=place, finder=place, size=Size(4, 4, 2), fingerprint="0")
        monkeypatch.setitem(DATASETS, "novel", spec)
        for read in (sources.load, sources.load_any, sources.check_present):
            with pytest.raises(ResLabError, match="knows the data set novel, but not how to read it"):
                read("novel", tmp_path)


def test_a_set_is_known_by_its_name_with_both_its_size_and_its_fingerprint() -> None:
    for half in ({"size": Size(4, 4, 2)}, {"fingerprint": "0"}):
        with pytest.raises(ResLabError, match="novel: give both the size and the fingerprint"):
            DatasetSpec(words="novel", loader="a:b", **half)


def load_two_colours(name: str, data_root: Path | None, _: object) -> Dataset:
    """Return images that are dark or light, as a loader of a new set would."""
    generator = np.random.default_rng(0)

    def part(count: int) -> ImageSet:
        labels = np.arange(count, dtype=np.int64) % 2
        noise = generator.integers(0, 100, (count, 3, 32, 32))
        return ImageSet((noise + 120 * labels[:, None, None, None]).astype(np.uint8), labels)

    return make_dataset(name, part(48), part(16), ("dark", "light"))


def test_a_new_set_is_one_entry_and_a_loader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained, listed and reported by what the table says of it, without another line anywhere."""
    spec = DatasetSpec(
        words="Two Colours",
        loader=f"{__name__}:load_two_colours",
        comes_with="this test",
        size=Size(48, 16, 2),
        fingerprint=load_two_colours("two-colours", None, None).fingerprint,
        mirrored=False,
        batch_size=16,
    )
    monkeypatch.setitem(DATASETS, "two-colours", spec)
    recipe = preset_recipe("assignment", dataset="two-colours", depth=8)
    assert (recipe.mirror, recipe.batch_size, recipe.images) == ("none", 16, "")
    flags = ["--dataset", "two-colours", "--depth", "8", "--epochs", "1", "--lr", "0.05"]
    assert main(["train", *flags, "--runs", str(tmp_path / "runs")]) == 0
    assert main(["data", "list", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out.split("\n", 1)[1])}
    assert (listed["two-colours"]["num_classes"], listed["two-colours"]["official"]) == (2, True)
    assert main(["report", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "report")]) == 0
    assert "Two Colours" in (tmp_path / "report" / "index.html").read_text()


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
