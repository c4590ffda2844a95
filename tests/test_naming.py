"""Runs as people call them: short, and no two alike."""

import pytest

from reslab.naming import labels, number, recipe_name, run_name, run_names
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import Recipe, Run, stretch, vary
from synthetic import small

BASE = preset_recipe("assignment")


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (BASE, "ResNet-20, CIFAR-10"),
        (vary(BASE, learning_rate=0.2), "ResNet-20, CIFAR-10, rate 0.2"),
        (vary(BASE, dataset="cifar100", depth=56, batch_size=64), "ResNet-56, CIFAR-100, batch 64"),
        (stretch(BASE, 16), "ResNet-20, CIFAR-10, 16 epochs"),
        (vary(stretch(BASE, 16), train_share=0.25), "ResNet-20, CIFAR-10, 16 epochs, 25% of the images"),
        (
            vary(BASE, train_share=0.1, length=160.0, first_drop=80.0, second_drop=120.0),  # hysts' length and drops
            "ResNet-20, CIFAR-10, 160 epochs, 10% of the images, first drop 80, second drop 120",
        ),
        (preset_recipe("fast"), "ResNet-20, CIFAR-10, fast"),
        (vary(preset_recipe("paper", depth=56), nesterov=True), "ResNet-56, CIFAR-10, paper, nesterov"),
        (vary(BASE, family="plain", shortcut="none"), "plain-20, CIFAR-10"),
    ],
)
def test_a_recipe_is_called_by_what_differs_from_its_preset(recipe: Recipe, name: str) -> None:
    assert recipe_name(recipe) == name
    assert run_name(Run(recipe, 1)) == f"{name}, seed 1"


def test_every_preset_is_called_by_its_name() -> None:
    for name, preset in PRESETS.items():
        told = recipe_name(preset.recipe).split(", ")
        assert len(told) == 2 if name == "assignment" else told[2:] == [name]


def test_names_that_would_be_alike_tell_what_differs() -> None:
    images = {"dataset": "imagefolder", "normalisation": "imagenet", "mirror": "random"}
    runs = [
        Run(vary(BASE, precision="fp32")),
        Run(vary(BASE, precision="bf16")),
        *(Run(vary(BASE, **images, images=digit * 16)) for digit in "01"),
    ]
    names = run_names(runs)
    assert names[runs[0].id] == "ResNet-20, CIFAR-10, fp32, seed 0"
    assert names[runs[1].id] == "ResNet-20, CIFAR-10, bf16, seed 0"
    assert f"images {'0' * 16}" in names[runs[2].id]
    assert len(set(names.values())) == 4


def test_many_runs_are_named_by_looking_at_each_name_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name beside each other would take a minute for a plan of the most seeds that there may be."""

    class Name(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return str.__eq__(self, str(other))

        __hash__ = str.__hash__

    monkeypatch.setattr("reslab.naming.run_name", lambda run: Name(f"a run, seed {run.seed}"))
    assert len(run_names(Run(BASE, seed) for seed in range(200))) == 200
    assert Name.compared < 3 * 2 * 200  # three rounds of telling names apart


def test_what_plays_no_part_is_not_told() -> None:
    recipe = vary(
        preset_recipe("assignment", dataset="cifar10", depth=20),
        schedule="cosine",
        optimiser="adam",
        learning_rate=0.001,
    )
    assert recipe_name(recipe) == "ResNet-20, CIFAR-10, adam, rate 0.001, cosine"


def test_labels_name_what_differs() -> None:
    recipes = [small(8), small(8, nesterov=True), small(8, learning_rate=0.05)]
    assert labels(recipes) == [
        "ResNet-8, learning rate 0.1, no nesterov",
        "ResNet-8, learning rate 0.1, nesterov",
        "ResNet-8, learning rate 0.05, no nesterov",
    ]
    assert labels([small(8), Recipe(depth=8)])[1].startswith("ResNet-8, CIFAR-10")


def test_labels_tell_a_schedule_by_its_length_and_a_preset_by_its_name() -> None:
    short, long = (stretch(preset_recipe("assignment", dataset="digits", depth=8), epochs) for epochs in (2, 4))
    odd = vary(short, first_drop=0.5)
    assert labels([short, long]) == ["ResNet-8, 2 epochs", "ResNet-8, 4 epochs"]
    assert labels([short], beside=[long]) == ["ResNet-8, 2 epochs"]
    assert labels([short]) == ["ResNet-8"]
    assert labels([short, long, odd]) == [
        "ResNet-8, 2 epochs",
        "ResNet-8, 4 epochs",
        "ResNet-8, 2 epochs, first drop 0.5",
    ]
    fast = stretch(preset_recipe("fast", dataset="digits", depth=8), 2)
    assert labels([short, fast, vary(fast, momentum=0.8)])[:2] == ["ResNet-8, assignment", "ResNet-8, fast"]
    halves = [vary(short, precision=precision) for precision in ("fp32", "bf16")]
    assert labels(halves) == ["ResNet-8, precision fp32", "ResNet-8, precision bf16"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1e-9, "0.000000001"),
        (1e-11, "1e\N{MINUS SIGN}11"),
        (1640, "1,640"),
        (1e-4, "0.0001"),
        (1e15, "1e+15"),
    ],
)
def test_a_number_has_the_digits_that_it_needs(value: float, shown: str) -> None:
    assert number(value) == shown


def test_settings_alike_but_for_a_late_digit_have_labels_of_their_own() -> None:
    recipes = [vary(BASE, weight_decay=value) for value in (1.2e-9, 1.24e-9)]
    assert len(set(labels(recipes))) == 2
    assert (number(1.234e-8), number(0.1 + 0.2), number(1e9), number(1640.0)) == (
        "0.00000001234", "0.3", "1,000,000,000", "1,640"
    )  # fmt: skip


def test_tiny_settings_have_labels_of_their_own() -> None:
    recipes = [vary(BASE, weight_decay=decay) for decay in (1e-11, 2e-12)]
    assert len(set(labels(recipes))) == 2
