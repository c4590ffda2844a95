"""A user's own study: what a TOML file can say, and each message it can earn."""

from pathlib import Path

import pytest

from reslab.errors import ResLabError
from reslab.exhibits.recipes import aspects
from reslab.presets import preset_recipe
from reslab.recipe import stretch, vary
from reslab.studies.plans import read_plan
from reslab.studies.study import Options, Study

BASE = 'name = "mine"\ndataset = "digits"\ndepth = 8\nepochs = 10\n'


def _read(folder: Path, text: str) -> Study:
    path = folder / "study.toml"
    path.write_text(text)
    return read_plan(path, Options()).studies[0]


def test_a_file_without_grid_or_variants_is_one_variant(tmp_path: Path) -> None:
    study = _read(tmp_path, BASE)
    (variant,) = study.variants
    assert variant.recipe == stretch(preset_recipe("assignment", dataset="digits", depth=8), 10)
    assert (study.name, study.title, study.seeds, study.kind) == ("mine", "mine", (0, 1, 2), "custom")


def test_a_file_can_be_a_handout(tmp_path: Path) -> None:
    assert _read(tmp_path, BASE).answers
    assert not _read(tmp_path, BASE + "answers = false\n").answers


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    study = _read(tmp_path, BASE + "seeds = [0, 7]\n[vary]\nlearning_rate = [0.1, 0.2]\nbatch_size = [16, 32]\n")
    assert [variant.label for variant in study.variants] == [
        "learning rate 0.1, batch size 16",
        "learning rate 0.1, batch size 32",
        "learning rate 0.2, batch size 16",
        "learning rate 0.2, batch size 32",
    ]
    assert study.variants[1].factors == (("learning_rate", 0.1), ("batch_size", 32))
    assert study.seeds == (0, 7)
    assert len(study.runs()) == 8


def test_optimisers_augmentation_and_families_are_varied_as_any_field(tmp_path: Path) -> None:
    text = """
[recipe]
ema_decay = 0.99
momentum = 0.8
[vary]
mixup = [0, 0.2]
[[variants]]
label = "SGD"
schedule = "cosine"
[[variants]]
label = "AdamW"
optimiser = "adamw"
learning_rate = 0.001
[[variants]]
label = "wide"
family = "wide"
depth = 10
width = 2
"""
    study = _read(tmp_path, BASE + text)
    assert len({variant.recipe.id for variant in study.variants}) == 6
    assert {variant.recipe.mixup for variant in study.variants} == {0.0, 0.2}
    assert [variant.recipe.momentum for variant in study.variants[::2]] == [0.8, 0.9, 0.8]  # Adam has none
    assert study.variants[4].recipe.network_name == "wrn10-2"
    described = aspects(study.variants[3].recipe)
    assert described["Optimiser"] == "AdamW, betas 0.9 and 0.999, epsilon 1e-08"
    assert (
        described["Averaged weights"] == "exponential moving average, decay 0.99 per iteration; it is what is measured"
    )
    assert "mixup with alpha 0.2" in described["Augmentation"]
    assert "half a cosine" in aspects(study.variants[0].recipe)["Schedule"]


def test_a_field_that_no_variant_uses_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ResLabError, match="adam_beta_mean has no effect here: it is for optimiser adam or adamw, not sgd"
    ):
        _read(tmp_path, BASE + "[recipe]\nadam_beta_mean = 0.8\n")


def test_listed_variants_are_combined_with_the_grid(tmp_path: Path) -> None:
    text = '[vary]\ndepth = [8, 14]\n[[variants]]\nlabel = "with"\n[[variants]]\nlabel = "without"\nfamily = "plain"\n'
    study = _read(tmp_path, BASE + text)
    assert [(variant.label, variant.recipe.network_name) for variant in study.variants] == [
        ("with, depth 8", "resnet8"),
        ("with, depth 14", "resnet14"),
        ("without, depth 8", "plain8"),
        ("without, depth 14", "plain14"),
    ]


def test_the_example_in_the_documents_is_what_they_say_of_it(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    example = text.partition("## A study of your own")[2].partition("```toml\n")[2].partition("```")[0]
    study = _read(tmp_path, example)
    assert "2 x 9 = 18 variants" in text
    assert len(study.variants) == 18
    assert {variant.recipe.nesterov for variant in study.variants} == {True}
    assert {variant.recipe.normalisation for variant in study.variants} == {"channel-2023", "pixel-mean"}


def test_preset_and_epochs_can_vary(tmp_path: Path) -> None:
    study = _read(tmp_path, BASE + '[vary]\npreset = ["paper", "hysts"]\nepochs = [4, 8]\n')
    assert [variant.recipe.length for variant in study.variants] == [4, 8, 4, 8]
    assert study.variants[2].recipe == stretch(preset_recipe("hysts", dataset="digits", depth=8), 4)


def test_the_recipe_table_holds_for_all_variants(tmp_path: Path) -> None:
    study = _read(tmp_path, BASE + "[recipe]\nweight_decay = 0.0005\n[vary]\nlearning_rate = [0.1, 0.2]\n")
    assert {variant.recipe.weight_decay for variant in study.variants} == {0.0005}


def test_the_command_line_takes_the_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(BASE + "seeds = 3\n")
    study = read_plan(path, Options(datasets=("cifar10", "cifar100"), epochs=2, seeds=1, precision="bf16")).studies[0]
    recipes = [variant.recipe for variant in study.variants]
    assert [recipe.dataset for recipe in recipes] == ["cifar10", "cifar100"]
    assert {(recipe.length, recipe.precision) for recipe in recipes} == {(2.0, "bf16")}
    assert study.seeds == (0,)
    alone = read_plan(path, Options(datasets=("cifar10",))).studies[0].variants[0].recipe
    assert alone == stretch(preset_recipe("assignment", depth=8), 10)
    assert vary(alone, dataset="digits") != alone


LISTED = '[[variants]]\nlabel = "a"\n[[variants]]\nlabel = "b"\n'


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("[vary]\nepochs = [10, 20]", Options(epochs=2)),
        ('[vary]\nprecision = ["fp32", "bf16"]', Options(precision="fp32")),
        (f"{LISTED}epochs = 20", Options(epochs=2)),
        (f'{LISTED}precision = "bf16"', Options(precision="fp32")),
        (f'{LISTED}dataset = "cifar100"', Options(datasets=("cifar10",))),
    ],
)
def test_an_option_for_what_the_file_varies_is_refused(tmp_path: Path, text: str, options: Options) -> None:
    path = tmp_path / "study.toml"
    path.write_text(BASE + text)
    read_plan(path, Options())
    with pytest.raises(ResLabError, match=r"study\.toml: \w+ has no effect on mine, which varies it itself"):
        read_plan(path, options)


@pytest.mark.parametrize("where", ["[vary]\nlength = [8, 16]", "length = 8"])
def test_a_file_that_sets_the_length_takes_no_epochs(tmp_path: Path, where: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f'name = "mine"\n[recipe]\nschedule = "cosine"\n{where}\n')
    assert {variant.recipe.length for variant in read_plan(path, Options()).studies[0].variants} <= {8, 16}
    with pytest.raises(ResLabError, match="epochs has no effect on mine, which sets length itself"):
        read_plan(path, Options(epochs=4))


def test_data_sets_of_the_command_line_take_the_place_of_those_that_the_file_varies(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(BASE + '[vary]\ndataset = ["digits", "cifar10"]\nbatch_size = [16, 32]\n')
    for given in (("cifar100",), ("cifar100", "cifar10")):
        study = read_plan(path, Options(datasets=given)).studies[0]
        assert [variant.recipe.dataset for variant in study.variants] == [one for one in given for _ in range(2)]


MISTAKES = [
    ("name = \ndepth = 8", "is not TOML: .*line 1"),
    ("depth = 8", "name: missing"),
    (BASE + "depths = [8, 14]", r"depths: there is no such key; for several write \[vary\] depth = \[\.\.\.\]"),
    ('name = "Not This"', "name: letters a to z, digits and hyphens only.*'Not This'"),
    ('name = "depth"', "name: 'depth' is one of ResLab's own"),
    (f'name = "{"a" * 300}"', "name: at most 64 letters a to z, digits and hyphens, not 300"),
    ('name = "appendix"', "name: 'appendix' is one of ResLab's own"),
    (BASE + 'preset = "papr"', r"study\.toml: preset must be .* not 'papr' \(did you mean 'paper'\?\)"),
    (BASE + "recipe.momentum = true", r"\[recipe\]: momentum must be a number, not true"),
    (BASE + "title = 2020-01-01", "title: must be text in quotes, not a date or time$"),
    (BASE + "[vary]\nlearning_rate = [1, 1.0]", r"\[vary\] learning_rate: the value 1\.0 appears twice"),
    ("name = 3", "name: must be text in quotes, not 3"),
    (BASE + "dept = 8", r"dept: there is no such key \(did you mean 'depth'\?\); the keys are name, title"),
    (BASE + 'answers = "no"', "answers: must be true or false, not 'no'"),
    (BASE + "seeds = 0", r"seeds: must be how many \(1 to 10,000\) or a list.*not 0"),
    (BASE + "seeds = [1, 1]", "seeds: .*different whole numbers"),
    (BASE + 'seeds = "three"', "seeds: .*not 'three'"),
    (BASE.replace("digits", "digit"), r"study\.toml: dataset must be one of digits, cifar10"),
    (BASE.replace("= 8", "= 9"), r"study\.toml: depth must be 6n\+2"),
    (BASE.replace("= 10", "= -1"), r"study\.toml: epochs must be a number above 0"),
    (BASE.replace("= 10", '= "ten"'), r"study\.toml: epochs must be a number above 0 and finite, not 'ten'"),
    (BASE + 'preset = "papers"', "preset must be .*one of paper, assignment.* not 'papers'"),
    (
        BASE + 'preset = ["paper", "fast"]',
        r"study\.toml: preset must be text in quotes, one of paper, assignment.*\['paper'",
    ),
    (BASE + "[vary]\npreset = [1, 2]", r"\[vary\]: preset must be text in quotes.* not 1"),
    (BASE + "recipe = 3", r"recipe: must be a table, its fields below a line \[recipe\]"),
    (BASE + "[recipe]\nrate = 0.1", r"\[recipe\] rate: there is no such field \(did you mean 'learning_rate'\?\)$"),
    (BASE + "[recipe]\nmomentum = 2", r"\[recipe\]: momentum must be at least 0 and below 1"),
    (BASE + "[recipe]\nepochs = 2", r"\[recipe\] epochs: there is no such field"),
    (BASE + '[vary]\nshortcut = "A"', r"\[vary\] shortcut: must be a list of A, A-centred, B, C.*not 'A'"),
    (BASE + "[vary]\nshortcut = []", r"\[vary\] shortcut: must be a list"),
    (BASE + "[vary]\nmomentum = [[0.1]]", r"\[vary\] momentum: .* single values, not \[\[0.1\]\]"),
    (BASE + '[vary]\nshortcut = ["A", "D"]', r"\[vary\]: shortcut must be one of A, A-centred, B, C.*not 'D'"),
    (BASE + "[vary]\nlearning_rates = [1]", r"\[vary\] learning_rates: .*did you mean 'learning_rate'\?"),
    (BASE + "[recipe]\nmomentum = 0.5\n[vary]\nmomentum = [0.9]", r"\[recipe\] momentum: also given in \[vary\]"),
    (BASE + "[recipe]\ndepth = 14", r"\[recipe\] depth: also given above"),
    (BASE + 'precision = "fp32"', r"precision: this is a field of the recipe; write it below a line \[recipe\]"),
    (BASE + "[vary]\nmomentum = [0.9, 0.9]", r"\[vary\] momentum: the value 0\.9 appears twice"),
    (
        BASE
        + f"[vary]\nmomentum = {[one / 1000 for one in range(101)]}\n"
        + f"learning_rate = {[one / 1000 for one in range(1, 101)]}",
        r"\[vary\] asks for 10,100 variants; at most 10,000 are possible",
    ),
    (BASE + "[variants]\nlabel = 1", r"variants: write each as a table under its own \[\[variants\]\] line"),
    (BASE + "[[variants]]\ndepth = 14", r"\[\[variants\]\] number 1: label: must be some text"),
    (BASE + '[[variants]]\nlabel = "a"\nx = 1', r"\[\[variants\]\] 'a' x: there is no such field"),
    (BASE + '[[variants]]\nlabel = "a"\nbatch_size = 0', r"\[\[variants\]\] 'a': batch_size must be 1 to 1,048,576"),
    (
        BASE + '[vary]\ndepth = [8]\n[[variants]]\nlabel = "a"\ndepth = 14',
        r"\[\[variants\]\] 'a': depth is also in \[vary\]",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ResLabError, match=message) as caught:
        _read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "study.toml"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match=r"cannot read .*nowhere\.toml: No such file"):
        read_plan(tmp_path / "nowhere.toml", Options())
