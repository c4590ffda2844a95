"""Figures along the training: effective rates are summed steps over norm²; limits are of the rate then in force."""

import json
from pathlib import Path

import pytest

from reslab.analysis.groups import Group, Row, gather
from reslab.analysis.measured import effective_rates
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Figure, Prose
from reslab.exhibits.why_figures import effective_rate_figure, noise_figure, sharpness_figure
from reslab.recipe import Run
from reslab.studies.findings import Findings
from reslab.studies.measured import effective, sharpness
from reslab.studies.study import Study, Variant
from reslab.studies.words import words_of
from synthetic import Truth, small, write_diagnostics, write_run


def _label(group: Group) -> str:
    return f"rate {group.recipe.learning_rate:g}"


def _found(groups: list[Group]) -> Findings:
    study = Study("rates", "Rates", "", "", tuple(Variant(one.label, one.recipe) for one in groups), (0,), "custom")
    return Findings(study, groups, [], _label, _label, words_of("custom"))


def _with_norms(root: Path, norms: dict[float, float]) -> list[Group]:
    """Return a run a rate whose weights have this norm throughout, and one that recorded none."""
    for rate, norm in norms.items():
        path = write_run(root, Run(small(learning_rate=rate), 0), Truth(3.0, 1.0)) / "metrics.jsonl"
        rows = [json.loads(line) | {"weight_norm": norm} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_run(root, Run(small(learning_rate=7.0), 0), Truth(3.0, 1.0))
    tables = read_tables(root)
    return [gather(tables, f"{rate}", small(learning_rate=rate), (0,)) for rate in (*norms, 7.0)]


def _rows(figure: Figure | None) -> list[Row]:
    assert figure is not None
    return next(iter(figure.panels[0].datasets.values()))


def test_effective_rates_are_summed_steps_over_squared_norm(tmp_path: Path) -> None:
    groups = _with_norms(tmp_path, {0.1: 10.0, 0.4: 20.0})
    assert effective_rates(groups[0])["mean"][0] == pytest.approx(0.1 / (1 - 0.9) / 10**2)
    rows = _rows(effective_rate_figure("effective", groups, _label))
    assert {row["label"] for row in rows} == {"rate 0.1", "rate 0.4"}
    assert {row["value"] for row in rows} == {0.01, 0.001, 0.0001}  # the norms make equal of rates that are not
    assert effective_rate_figure("effective", groups[-1:], _label) is None


def test_the_words_say_how_far_the_norms_even_out_the_rates(tmp_path: Path) -> None:
    _, words = effective(_found(_with_norms(tmp_path / "even", {0.1: 10.0, 0.4: 20.0})))
    assert isinstance(words, Prose)
    assert "the rates differ by a factor of 4 and the effective rates by a factor of 1" in words.text
    assert effective(_found(_with_norms(tmp_path / "none", {}))) == []


def _measured(root: Path, diagnostic: str, epochs: dict[int, dict[str, float]], end: dict[str, float]) -> Group:
    folder = write_run(root, Run(small(), 0), Truth(3.0, 1.0))
    during = {epoch: {diagnostic: {"final": figures}} for epoch, figures in epochs.items()}
    write_diagnostics(folder, during, **{diagnostic: {"final": end}})
    return gather(read_tables(root), "rate 0.1", small(), (0,))


def test_curvature_is_beside_the_limit_of_its_epoch(tmp_path: Path) -> None:
    early, late = {"largest": 30.0, "stability_limit": 38.0}, {"largest": 19.0, "stability_limit": 3800.0}
    group = _measured(tmp_path, "curvature", {6: early}, late)
    assert [(row["epoch"], row["value"], row["limit"]) for row in _rows(sharpness_figure("s", [group], _label))] == [
        (6, 30.0, 38.0),
        (12, 19.0, 3800.0),
    ]
    _, words = sharpness(_found([group]))
    assert isinstance(words, Prose)
    assert "0.005 (rate 0.1 after epoch 12) to 0.79 (rate 0.1 after epoch 6)" in words.text
    assert group.diagnoses.values("curvature", "largest") == [19.0]  # tables of the end are of the end


def test_a_negative_eigenvalue_does_not_vanish_without_a_word(tmp_path: Path) -> None:
    early, late = {"largest": -0.5, "stability_limit": 38.0}, {"largest": 19.0, "stability_limit": 3800.0}
    figure = sharpness_figure("s", [_measured(tmp_path, "curvature", {6: early}, late)], _label)
    assert figure is not None
    assert "on which negative ones have no place" in figure.caption


def test_a_noise_scale_that_is_not_known_has_no_mark(tmp_path: Path) -> None:
    known = {"noise_scale": 40.0, "batch_size": 32}
    group = _measured(tmp_path, "noise_scale", {3: known, 6: known}, {"at_least": 500.0, "batch_size": 32})
    rows = _rows(noise_figure("n", [group], _label))
    assert [(row["epoch"], row.get("value"), row["limit"]) for row in rows] == [
        (3, 40, 32),
        (6, 40, 32),
        (12, None, 32),
    ]


def test_what_was_measured_at_the_end_alone_has_no_course(tmp_path: Path) -> None:
    group = _measured(tmp_path, "curvature", {}, {"largest": 19.0, "stability_limit": 3800.0})
    assert sharpness_figure("s", [group], _label) is None
    assert sharpness(_found([group])) == []
