"""Studies by name, what is said to a name that is none, and plans of several studies."""

import pytest

from reslab.errors import ResLabError
from reslab.host import default_precision
from reslab.presets import preset_recipe
from reslab.recipe import stretch, vary
from reslab.studies.catalogue import CHAPTERS, PLANS, ask, ask_all
from reslab.studies.questions import QUESTIONS, fidelity
from reslab.studies.study import SEEDS, Options


@pytest.mark.parametrize("name", list(QUESTIONS))
@pytest.mark.parametrize(
    "options",
    [
        Options(seeds=1),
        Options(preset="paper", datasets=("cifar10",), depths=(110,), seeds=2, precision="bf16"),
        Options(preset="hysts", datasets=("digits",), depths=(8, 14), epochs=4, seeds=2),
        Options(datasets=("digits",), depths=(8,), epochs=1),
    ],
)
def test_every_study_can_be_asked_with_any_options(name: str, options: Options) -> None:
    study = ask(name, options)
    assert study.name == name
    assert study.kind in CHAPTERS
    assert len(study.seeds) == (options.seeds or SEEDS)
    for variant in study.variants:
        assert variant.recipe.precision == (options.precision or default_precision())
        datasets = options.datasets or ("cifar10", "cifar100", "cifar100-coarse")
        assert variant.recipe.dataset in datasets
        assert options.depths is None or variant.recipe.depth in options.depths


def test_1202_layers_on_request() -> None:
    assert [variant.recipe.depth for variant in ask("depth", Options(depths=(1202, 32, 44))).variants[:3]] == [
        32,
        44,
        1202,
    ]


def test_an_unknown_study_gets_the_nearest_and_the_known() -> None:
    with pytest.raises(ResLabError) as caught:
        ask_all("dept", Options())
    message = str(caught.value)
    assert "no study 'dept'" in message
    assert "did you mean 'depth'?" in message
    assert "learning-rate" in message
    assert "assignment" in message
    assert "TOML file" in message


def test_one_study_is_a_plan_of_one() -> None:
    plan = ask_all("depth", Options(seeds=2))
    assert plan.studies == (ask("depth", Options(seeds=2)),)
    assert plan.runs() == plan.studies[0].runs()
    assert (plan.name, plan.num_shared) == ("depth", 0)


def test_the_assignment_is_all_its_tasks_and_shared_runs_train_once() -> None:
    plan = ask_all("assignment", Options())
    assert [study.name for study in plan.studies] == ["depth", "learning-rate", "epochs", "data-size", "batch-size"]
    runs = plan.runs()
    assert len(set(runs)) == len(runs)
    assert set(runs) == {run for study in plan.studies for run in study.runs()}
    # ResNet-20 as usual is in four studies, ResNet-56 in three, on both data sets with three seeds each.
    assert plan.num_shared == (3 + 2) * 2 * 3
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert list(PLANS) == ["assignment"]


def test_the_assignments_depths_stand_for_20_56_and_110() -> None:
    plan = ask_all("assignment", Options(datasets=("digits",), depths=(8, 14, 20), epochs=3, seeds=1))
    depths = {study.name: {variant.recipe.depth for variant in study.variants} for study in plan.studies}
    assert depths == {
        "depth": {8, 14, 20},
        "learning-rate": {8},
        "epochs": {8, 14},
        "data-size": {14},
        "batch-size": {8},
    }
    assert plan.num_shared == 3 + 2


def test_rates_are_the_assignments() -> None:
    rates = [variant.recipe.learning_rate for variant in ask("learning-rate", Options(datasets=("cifar10",))).variants]
    assert rates == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]


def test_lengths_are_the_assignments() -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,)))
    schedules = [(one.recipe.length, one.recipe.first_drop, one.recipe.second_drop) for one in study.variants]
    assert schedules == [(82, 41, 61), (164, 81, 122), (328, 162, 244)]
    paper = ask("epochs", Options(preset="paper", datasets=("cifar10",), depths=(20,)))
    assert [one.recipe.length for one in paper.variants] == [32_000, 64_000, 128_000]


def test_fewer_images_at_as_many_steps_or_epochs() -> None:
    study = ask("data-size", Options(datasets=("cifar10",), depths=(20,)))
    base = study.variants[0].recipe
    found = {
        (dict(one.factors).get("kept"), one.recipe.train_share): (one.recipe.length, one.recipe.first_drop)
        for one in study.variants
    }
    assert found == {
        (None, 1.0): (164, 81),
        ("same steps", 0.5): (328, 162),
        ("same epochs", 0.5): (164, 81),
        ("same steps", 0.2): (820, 405),
        ("same epochs", 0.2): (164, 81),
        ("same steps", 0.1): (1640, 810),
    }
    assert stretch(base, 328).second_drop == study.variants[1].recipe.second_drop
    in_iterations = ask("data-size", Options(preset="paper", datasets=("cifar100",), depths=(20,)))
    lengths = {one.label: one.recipe.length for one in in_iterations.variants}
    assert lengths["1/5 of the images (same steps), ResNet-20, CIFAR-100"] == 64_000
    assert lengths["1/5 of the images (same epochs), ResNet-20, CIFAR-100"] == 12_800
    assert "all images, ResNet-20, CIFAR-100 (20 superclasses)" in lengths


def test_batches_see_as_many_images_at_one_rate_and_in_proportion() -> None:
    study = ask("batch-size", Options(datasets=("cifar10",)))
    found = [(one.recipe.batch_size, one.recipe.learning_rate, one.recipe.length) for one in study.variants]
    assert found == [(64, 0.1, 164), (64, 0.05, 164), (128, 0.1, 164), (256, 0.1, 164), (256, 0.2, 164)]
    paper = ask("batch-size", Options(preset="paper", datasets=("cifar10",)))
    assert {one.recipe.batch_size * one.recipe.length for one in paper.variants} == {64_000 * 128}


def test_fidelity_changes_one_thing_at_a_time() -> None:
    study = ask("fidelity", Options(datasets=("cifar10",)))
    base, *changed = study.variants
    for one in changed:
        fields = [name for name in type(base.recipe).__dataclass_fields__
                  if getattr(one.recipe, name) != getattr(base.recipe, name)]  # fmt: skip
        assert len(fields) == 1 or fields == ["first_drop", "second_drop"]
    names = {str(dict(one.factors)["change"]) for one in changed}
    assert {"input pixel-mean", "shortcut A", "padding mean", "start He fan-in", "Nesterov momentum", "decay 0.0002",
            "decay on weights only", "drops an epoch earlier"} <= names  # fmt: skip
    assert not [name for name in names if "warm-up" in name]
    deep = ask("fidelity", Options(datasets=("cifar10",), depths=(110,)))
    assert [one for one in deep.variants if "warm-up" in one.label]


def test_an_epoch_of_fidelity_is_one_of_the_images_that_are_trained_on() -> None:
    """In iterations of the data set, its hold-out and share; where no name tells how many, nothing is moved by one."""
    paper = preset_recipe("paper")
    folder = vary(paper, dataset="imagefolder", normalisation="imagenet")
    digits = vary(paper, dataset="digits", batch_size=32)
    parts = {"holdout": 5_000, "train_share": 0.5}
    found = {}
    for name, base in {"whole": paper, "part": vary(paper, **parts), "digits": digits, "folder": folder}.items():
        moved = [recipe.first_drop for label, _, recipe in fidelity._changes(base) if label == fidelity.EARLY]
        found[name] = [base.first_drop - drop for drop in moved]
    assert found == {"whole": [391], "part": [176], "digits": [46], "folder": []}
    own = ask("fidelity", Options(datasets=("imagefolder",), depths=(8,), preset="assignment", epochs=10))
    labels = [variant.label for variant in own.variants]
    assert any(fidelity.EARLY in label for label in labels)
    assert not any("pixel-mean" in label for label in labels)


def test_degradation_and_shortcuts_vary_what_they_say() -> None:
    nets = ask("degradation", Options(datasets=("cifar10",)))
    found = [(one.recipe.family, one.recipe.depth) for one in nets.variants]
    assert found == [(family, depth) for family in ("plain", "residual") for depth in (20, 32, 44, 56)]
    kinds = ask("shortcuts", Options(datasets=("cifar10",), depths=(20,)))
    assert [one.recipe.shortcut for one in kinds.variants] == ["A", "B", "C"]
