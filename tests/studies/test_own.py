"""The answer to any comparison, and to runs that belong to none."""

from dataclasses import replace
from pathlib import Path

import pytest
from chapter_words import chapter_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Bullets, Figure, Heading, Note, Prose, Table
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, Run, Scalar, stretch, vary
from reslab.studies.catalogue import chapter_of as custom_chapter
from reslab.studies.catalogue import others
from reslab.studies.chapter import find, strip
from reslab.studies.custom import read_study
from reslab.studies.study import Options, Study, Variant
from reslab.studies.words import words_of as texts_of
from synthetic import Truth, small, write_run

STUDY = Study(
    "rates",
    "Rates",
    "Which rate?",
    "",
    tuple(
        Variant(f"rate {rate}", small(8, learning_rate=rate), (("learning_rate", rate),)) for rate in (0.1, 0.2, 0.4)
    ),
    (0, 1, 2),
    "custom",
)


def _write(root: Path) -> None:
    for run in STUDY.runs():
        write_run(root, run, Truth({0.1: 3.0, 0.2: 5.0, 0.4: 3.05}[run.recipe.learning_rate], 1.0, 0.2))


def test_differences_are_to_the_first_and_cautious(tmp_path: Path) -> None:
    _write(tmp_path)
    blocks = chapter_of(STUDY, read_tables(tmp_path))
    (short,) = [item for block in blocks if isinstance(block, Bullets) for item in block.items if "digits: " in item]
    assert short.startswith("digits: rate 0.1 beat 0.2 (2.00 points, 95% interval 1.")
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "errors"]
    assert "corrected for the two comparisons of this study" in table.caption
    places = [column.title for column in table.columns]
    interval, verdict = (table.rows[2][places.index(name)] for name in ("95% interval", "Verdict"))
    assert (str(interval)[-5:], verdict) == ("(90%)", "equal within 0.5 points")


def _by_depth(root: Path, variants: list[dict[str, Scalar]], errors: dict[str, float]) -> list[str]:
    """Return the answers of a study with each of these variants at depths 8 and 14, of these errors by label."""
    content = {"name": "mine", "dataset": "digits", "epochs": 4, "vary": {"depth": [8, 14]}, "variants": variants}
    study = read_study(content, Options(precision="fp32"))
    for variant in study.variants:
        for seed in study.seeds:
            write_run(root, Run(variant.recipe, seed), Truth(errors[variant.label], 1.0, 0.05))
    blocks = chapter_of(study, read_tables(root))
    return [item.partition(" (")[0] for block in blocks if isinstance(block, Bullets) for item in block.items]


def test_variants_at_several_depths_are_compared_at_each_and_each_across_them(tmp_path: Path) -> None:
    errors = {"slow, depth 8": 9.0, "fast, depth 8": 7.0, "slow, depth 14": 6.0, "fast, depth 14": 8.0}
    told = _by_depth(tmp_path, [{"label": "slow"}, {"label": "fast", "learning_rate": 0.2}], errors)
    assert told[:4] == [
        "digits, ResNet-8: fast beat slow",
        "digits, ResNet-14: slow beat fast",
        "digits, slow: ResNet-14 beat ResNet-8",
        "digits, fast: ResNet-8 beat ResNet-14",
    ]


def test_networks_of_one_depth_are_compared_there(tmp_path: Path) -> None:
    errors = {"with, depth 8": 9.0, "without, depth 8": 7.0, "with, depth 14": 6.0, "without, depth 14": 8.0}
    told = _by_depth(tmp_path, [{"label": "with"}, {"label": "without", "family": "plain"}], errors)
    assert told[:4] == [
        "digits, 8 layers: without beat with",
        "digits, 14 layers: with beat without",
        "digits, with: 14 layers beat 8",
        "digits, without: 8 layers beat 14",
    ]


def test_a_depth_with_settings_of_its_own_is_compared_by_its_first(tmp_path: Path) -> None:
    recipes = {"a": small(8), "b": small(8, learning_rate=0.2), "c": small(14, momentum=0.5), "d": small(14)}
    study = replace(STUDY, variants=tuple(Variant(name, recipe) for name, recipe in recipes.items()))
    for run in study.runs():
        write_run(tmp_path, run, Truth(5.0, 1.0, 0.2))
    found = find(study, read_tables(tmp_path), custom_chapter(study, tmp_path))
    assert [(one.first.label, one.second.label) for one in found.compared] == [("a", "b"), ("c", "d"), ("a", "c")]


def test_nothing_is_compared_with_what_has_only_diverged(tmp_path: Path) -> None:
    recipes = {"a": small(8), "b": small(8, learning_rate=0.2), "c": small(14), "d": small(14, learning_rate=0.2)}
    study = replace(STUDY, variants=tuple(Variant(name, recipe) for name, recipe in recipes.items()))
    diverged = {"kind": "diverged", "message": "the loss was not finite", "epoch": 4, "iteration": 180}
    for run in study.runs():
        failure = diverged if run.recipe.depth == 14 else None
        write_run(tmp_path, run, Truth(5.0, 1.0, 0.2), stop_after=4 if failure else None, failure=failure)
    found = find(study, read_tables(tmp_path), custom_chapter(study, tmp_path))
    assert [(one.first.label, one.second.label) for one in found.compared] == [("a", "b"), ("a", "c")]


def test_what_varied_is_a_table_where_labels_do_not_say_it(tmp_path: Path) -> None:
    named = replace(STUDY, variants=tuple(replace(one, label=f"variant {at}") for at, one in enumerate(STUDY.variants)))
    (varied,) = [block for block in _chapter(tmp_path, named) if isinstance(block, Table) and block.key == "varied"]
    assert varied.rows == (("variant 0", "0.1"), ("variant 1", "0.2"), ("variant 2", "0.4"))
    told = replace(STUDY, variants=tuple(replace(one, label=f"learning {one.label}") for one in STUDY.variants))
    assert not [block for block in chapter_of(told, read_tables(tmp_path)) if getattr(block, "key", "") == "varied"]
    presets = [replace(one, label=f"fast recipe, {one.label}", factors=(("preset", "fast"),)) for one in STUDY.variants]
    told = replace(STUDY, variants=tuple(presets))
    assert not [block for block in chapter_of(told, read_tables(tmp_path)) if getattr(block, "key", "") == "varied"]


def test_a_setting_that_is_on_or_off_is_told_as_yes_or_no(tmp_path: Path) -> None:
    variants = tuple(
        Variant(f"variant {place}", small(8, nesterov=value), (("nesterov", value),))
        for place, value in enumerate((False, True))
    )
    study = replace(STUDY, variants=variants, seeds=(0,))
    for run in study.runs():
        write_run(tmp_path, run, Truth(3.0, 1.0))
    (varied,) = [
        block
        for block in chapter_of(study, read_tables(tmp_path))
        if isinstance(block, Table) and block.key == "varied"
    ]
    assert varied.rows == (("variant 0", "no"), ("variant 1", "yes"))


def test_one_setting_in_numbers_is_the_axis_of_the_key_figure(tmp_path: Path) -> None:
    blocks = _chapter(tmp_path, STUDY)
    (final,) = [block for block in blocks if isinstance(block, Figure) and block.key == "final"]
    (rows,) = final.panels[0].datasets.values()
    assert list(dict.fromkeys(row["place"] for row in rows)) == ["0.1", "0.2", "0.4"]


def _chapter(root: Path, study: Study) -> list[Block]:
    _write(root)
    return chapter_of(study, read_tables(root))


def test_runs_of_no_study_make_one_of_their_own(tmp_path: Path) -> None:
    _write(tmp_path)
    write_run(tmp_path, Run(small(8), 9), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(14), 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)

    found = others(tables, [STUDY])

    assert found is not None
    assert sorted((variant.label, variant.seeds) for variant in found.variants) == [
        ("ResNet-14", (0,)),
        ("ResNet-8", (9,)),
    ]
    assert len(found.runs()) == 2
    assert others(tables, [STUDY, found]) is None
    assert chapter_of(found, tables)


def test_runs_of_no_study_on_different_images_are_never_one_mean(tmp_path: Path) -> None:
    """Two image folders, their images in the recipe or, of an earlier version, in the provenance alone; and an archive
    that was changed between two seeds."""
    folder = vary(small(8), dataset="imagefolder", normalisation="imagenet")
    for number, images in enumerate(("a" * 16, "b" * 16)):
        own = vary(folder, images=images)
        write_run(tmp_path, Run(own, 0), Truth(3.0, 1.0), official=False, fingerprint=images * 4)
        write_run(tmp_path, Run(folder, number), Truth(4.0, 1.0), official=False, fingerprint=images * 4)
        other = {"official": False, "fingerprint": "f" * 64} if number else {"official": True}
        write_run(tmp_path, Run(small(8), number), Truth(5.0, 1.0), **other)
    tables = read_tables(tmp_path)
    found = others(tables, [])
    assert found is not None
    gathered = {group.label: group.runs["data_fingerprint"].n_unique() for group in found.groups(tables)}
    assert len(gathered) == 6
    assert set(gathered.values()) == {1}
    assert sum(name.startswith("ResNet-8, image folder") for name in gathered) == 4
    assert sum("images aaaaaaaaaaaaaaaa" in name for name in gathered) == 2
    assert any("official images" in name for name in gathered)
    assert any("images ffffffffffffffff" in name for name in gathered)
    assert chapter_of(found, tables)


def test_runs_that_all_call_different_images_official_are_no_mean_either(tmp_path: Path) -> None:
    for seed, fingerprint in enumerate((None, None, "0" * 64)):
        write_run(tmp_path, Run(small(8), seed), Truth(5.0, 1.0), fingerprint=fingerprint)
    found = others(tables := read_tables(tmp_path), [])
    assert found is not None
    assert [group.num_finished for group in found.groups(tables)] == [2, 1]


def test_a_study_says_which_runs_are_on_other_images_and_leaves_them_out(tmp_path: Path) -> None:
    for run in STUDY.runs():
        other = run.seed == 2 and run.recipe.learning_rate == 0.1
        truth = Truth(60.0 if other else 3.0, 1.0)
        write_run(tmp_path, run, truth, official=not other, fingerprint="f" * 64 if other else None)
    blocks = chapter_of(STUDY, read_tables(tmp_path))
    (note,) = [block.text for block in blocks if isinstance(block, Note)]
    assert note.startswith("8 of 9 runs have finished.")
    assert "If a run is on other images, remove its folder" in note
    (items,) = [
        block.items for block in blocks if isinstance(block, Bullets) and block.items[0].startswith("Trained on")
    ]
    assert items == (
        "Trained on other images than the rest, and counted nowhere: rate 0.1 seed 2 (fingerprint ffffffffffffffff).",
    )
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "errors"]
    assert table.rows[0][1] == "3.00 ± 0.00"
    assert table.rows[0][-1] == "2 of 3"


def _fast(root: Path, recipe: Recipe, seeds: int = 3) -> tuple[list[str], list[Table]]:
    """Return words and tables on one variant, with errors of 9.1 about."""
    study = Study("fast", "Fast", "How near?", "", (Variant("fast", recipe),), tuple(range(seeds)), "custom")
    for run in study.runs():
        write_run(root, run, Truth(9.1, 5.0, 0.1, own=True))
    blocks = chapter_of(study, read_tables(root))
    words = [block.text for block in blocks if isinstance(block, Prose | Heading)]
    words += [item for block in blocks if isinstance(block, Bullets) for item in block.items]
    return words, [block for block in blocks if isinstance(block, Table)]


def test_a_shorter_preset_at_its_own_length_stands_beside_the_papers_figure_as_another_recipe(tmp_path: Path) -> None:
    recipe = preset_recipe("fast", dataset="cifar10", depth=20)
    words, tables = _fast(tmp_path, vary(recipe, precision="bf16"))
    (short,) = [text for text in words if text.startswith("CIFAR-10, ResNet-20: ")]
    assert short.startswith("CIFAR-10, ResNet-20: 9.")
    assert "% vs the paper's 8.75%: not significant (+0." in short
    assert " points, 95% interval " in short
    assert texts_of("custom")("headings.published") in words
    (apart,) = [text for text in words if text.startswith("The fast recipe differs from the paper's")]
    assert "16 epochs, 9.77% of the images of the paper's training" in apart
    (table,) = [table for table in tables if table.key == "published-cifar10"]
    assert table.rows[0][:2] == ("This study", "fast recipe, 16 epochs, last epoch")
    assert ("Paper", "64,000 iterations", "8.75") in table.rows
    assert "errors" not in {table.key for table in tables}  # one row, which the table of published ones has


def test_a_preset_at_the_papers_length_is_compared_with_the_paper(tmp_path: Path) -> None:
    words, tables = _fast(tmp_path, preset_recipe("assignment", dataset="cifar10", depth=20))
    (short,) = [text for text in words if text.startswith("CIFAR-10, ResNet-20: ")]
    assert short.startswith("CIFAR-10, ResNet-20: 9.")
    assert "%, higher than the paper's 8.75% (0." in short
    assert not [text for text in words if "differs from the paper's and is shorter" in text]
    assert not [text for text in words if text.startswith("ResNet-20, CIFAR-10: 9.")]  # told in short
    keys = [table.key for table in tables]
    assert [key for key in keys if key in ("published-cifar10", "protocol")] == ["published-cifar10", "protocol"]
    (table,) = [table for table in tables if table.key == "published-cifar10"]
    assert ("Paper", "64,000 iterations", "8.75") in table.rows


def test_one_seed_of_it_has_a_size_and_no_interval(tmp_path: Path) -> None:
    words, _ = _fast(tmp_path, preset_recipe("fast", dataset="cifar10", depth=20), seeds=1)
    (short,) = [text for text in words if text.startswith("CIFAR-10, ResNet-20: ")]
    assert "%, in one seed, vs the paper's 8.75%: not tested (+0." in short
    assert "interval" not in short


def test_a_changed_preset_or_one_without_a_published_figure_stands_beside_none(tmp_path: Path) -> None:
    recipe = preset_recipe("fast", dataset="cifar10", depth=20)
    others = (vary(recipe, nesterov=False), vary(recipe, dataset="cifar100"), vary(recipe, depth=26))
    for place, other in enumerate(others):
        words, tables = _fast(tmp_path / str(place), other, seeds=1)
        assert not [text for text in words if "the paper's 8.75" in text]
        assert not [table for table in tables if table.key.startswith("published")]


@pytest.mark.parametrize(
    ("error", "seeds", "said"),
    [
        (31.03, 3, "31.03%, below the student report's range over its later epochs, 32.53 to 33.88%"),
        (33.0, 1, "33.00% in one seed, inside the student report's range over its later epochs, 32.53 to 33.88%"),
        (34.5, 3, "34.50%, above the student report's range over its later epochs, 32.53 to 33.88%"),
    ],
)
def test_what_only_the_student_report_has_a_figure_of_stands_beside_its_range(
    tmp_path: Path, error: float, seeds: int, said: str
) -> None:
    """The paper has none on CIFAR-100; the answer has no size, for the last epoch is not tested."""
    recipe = preset_recipe("assignment", dataset="cifar100", depth=20)
    study = Study("full", "Full", "How near?", "", (Variant("full", recipe),), tuple(range(seeds)), "custom")
    for run in study.runs():
        write_run(tmp_path, run, Truth(error, 5.0))
    blocks = chapter_of(study, read_tables(tmp_path))
    (short,) = [item for block in blocks if isinstance(block, Bullets) for item in block.items if "Net-20: " in item]
    assert short == f"CIFAR-100, ResNet-20: {said}."


def test_neither_a_changed_recipe_nor_a_shorter_one_stands_beside_that_range(tmp_path: Path) -> None:
    recipe = preset_recipe("assignment", dataset="cifar100", depth=20)
    short = preset_recipe("fast", dataset="cifar100", depth=20)
    for place, other in enumerate((vary(recipe, nesterov=True), stretch(recipe, 16), short)):
        words, _ = _fast(tmp_path / str(place), other, seeds=1)
        assert not [text for text in words if text.startswith("CIFAR-100, ResNet-20: ")]


def test_groups_are_named_with_their_network_where_other_words_would_be_alike(tmp_path: Path) -> None:
    recipes = [(rate, small(depth, learning_rate=rate)) for depth in (8, 14) for rate in (0.1, 0.2)]
    alike = tuple(Variant(f"rate {rate}, depth {recipe.depth}, digits", recipe) for rate, recipe in recipes)
    apart = alike[:2]
    for run in Study("one", "One", "", "", alike, (0,), "custom").runs():
        write_run(tmp_path, run, Truth(3.0, 1.0))
    tables = read_tables(tmp_path)

    def names(variants: tuple[Variant, ...]) -> list[str]:
        study = Study("one", "One", "", "", variants, (0,), "custom")
        short = custom_chapter(study).short
        assert short is not None
        return [short(group) for group in study.groups(tables)]

    assert names(apart) == ["rate 0.1", "rate 0.2"]
    assert names(alike) == [
        "rate 0.1, ResNet-8", "rate 0.2, ResNet-8", "rate 0.1, ResNet-14", "rate 0.2, ResNet-14"
    ]  # fmt: skip


def test_panels_of_a_study_of_ones_own_have_its_title_or_where_that_is_long_what_it_varies_or_its_name(
    tmp_path: Path,
) -> None:
    recipes = (small(8), small(14, learning_rate=0.2))
    variants = tuple(Variant(f"variant {place}", recipe) for place, recipe in enumerate(recipes))
    study = Study("deep-and-fast", "Both", "", "", variants, (0,), "custom")
    for run in {run.id: run for run in (*study.runs(), *STUDY.runs())}.values():
        write_run(tmp_path, run, Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    long = [replace(one, title="A title that leaves no room for the name of its data set") for one in (study, STUDY)]
    asked = (study, *long)
    titles = [strip(find(one, tables, custom_chapter(one)), custom_chapter(one)).title for one in asked]
    assert titles == ["Both", "Deep and fast", "Learning rate"]


def test_the_base_of_listed_variants_has_its_own_value_in_the_table(tmp_path: Path) -> None:
    first, *rest = STUDY.variants
    other = [replace(one, label=f"other {at}") for at, one in enumerate(rest)]
    blocks = _chapter(tmp_path, replace(STUDY, variants=(replace(first, label="usual", factors=()), *other)))
    (varied,) = [block for block in blocks if isinstance(block, Table) and block.key == "varied"]
    assert varied.rows == (("usual", "0.1"), ("other 0", "0.2"), ("other 1", "0.4"))


def test_runs_that_nobody_asks_for_any_more_are_not_resumed_by_the_same_command(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0), stop_after=5)
    found = others(tables := read_tables(tmp_path), [])
    assert found is not None
    notes = [block.text for block in chapter_of(found, tables) if isinstance(block, Note)]
    assert notes == ["0 of 1 runs have finished."]
