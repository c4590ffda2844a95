"""Charts of what was measured: which moments have panels, on which axis, and what the caption says of them."""

from pathlib import Path
from typing import Any

import altair as alt

from reslab.analysis.groups import Group, gather
from reslab.analysis.layers import moments_of
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Figure
from reslab.exhibits.why_figures import gradients_figure, moment_words, responses_figure
from reslab.recipe import Run
from synthetic import Truth, layers, small, write_diagnostics, write_run


def _label(group: Group) -> str:
    return group.label


def _norms(*values: float) -> dict[str, Any]:
    return layers("gradient_norm", list(values))


def _group(root: Path, depth: int, epochs: dict[int, float], ends: float | None = 1.0) -> Group:
    """Return a run whose gradients were measured after some epochs, and (`ends`) before and after training."""
    folder = write_run(root, Run(small(depth)), Truth(3.0, 1.0))
    during = {epoch: {"gradients": {"final": _norms(norm, 2 * norm)}} for epoch, norm in epochs.items()}
    both = {} if ends is None else {"gradients": {"initial": _norms(ends, 0.0), "final": _norms(ends, 2 * ends)}}
    write_diagnostics(folder, during, **both)
    return gather(read_tables(root), f"ResNet-{depth}", small(depth), (0,))


def _figure(*groups: Group) -> Figure:
    figure = gradients_figure("gradients", groups, _label)
    assert figure is not None
    for panel in figure.panels:
        alt.Chart.from_dict(dict(panel.specification(400)))  # checks it against Vega-Lite's own schema
    return figure


def _domains(figure: Figure) -> set[str]:
    return {str(one["encoding"]["y"]["scale"]) for panel in figure.panels for one in panel.chart["layer"]}


def test_each_moment_measured_has_a_panel_on_one_axis(tmp_path: Path) -> None:
    figure = _figure(_group(tmp_path, 8, {1: 0.1, 6: 0.001}), _group(tmp_path, 14, {}, ends=3.0))
    titles = ["before training", "after epoch 1", "after epoch 6", "at the end"]
    assert [panel.title for panel in figure.panels] == [f"digits, {words}" for words in titles]
    assert "before training, after epochs 1 and 6, and at the end (one seed each)" in figure.caption
    assert "Not every epoch" not in figure.caption
    (domain,) = _domains(figure)
    assert "'type': 'log'" in domain
    assert "'domain': [0.001, 10.0]" in domain
    rows = [next(iter(panel.datasets.values())) for panel in figure.panels]
    assert {row["label"] for row in rows[1]} == {"ResNet-8"}
    assert {row["label"] for row in rows[3]} == {"ResNet-8", "ResNet-14"}
    assert all(row["value"] > 0 for shown in rows for row in shown)  # a norm of zero has no place on this axis
    assert "Layers at zero have no place on the logarithmic axis." in figure.caption
    assert len({name for panel in figure.panels for name in panel.datasets}) == 4


def test_norms_close_together_share_an_axis_from_zero(tmp_path: Path) -> None:
    figure = _figure(_group(tmp_path, 8, {1: 1.5}))
    (domain,) = _domains(figure)
    assert "'domain': [0, 3.0]" in domain
    assert "Layers at zero" not in figure.caption


def test_nothing_measured_in_between_has_no_panel(tmp_path: Path) -> None:
    figure = _figure(_group(tmp_path, 8, {}))
    assert [panel.title for panel in figure.panels] == ["digits, before training", "digits, at the end"]
    assert "before training and at the end (one seed each)" in figure.caption


def test_four_panels_at_most_and_the_caption_says_what_is_left_out(tmp_path: Path) -> None:
    figure = _figure(_group(tmp_path, 8, dict.fromkeys(range(1, 10), 1.0)))
    assert [panel.title.removeprefix("digits, ") for panel in figure.panels] == [
        "before training",
        "after epoch 3",
        "after epoch 7",
        "at the end",
    ]
    assert "Not every epoch that was measured is drawn." in figure.caption


def test_an_epoch_alone_is_drawn_and_responses_of_one_are_not_those_of_the_trained_network(tmp_path: Path) -> None:
    group = _group(tmp_path, 8, {1: 1.0}, ends=None)
    assert [panel.title for panel in _figure(group).panels] == ["digits, after epoch 1"]
    folder = tmp_path / Run(small(8)).id
    write_diagnostics(folder, {1: {"responses": {"final": layers("standard_deviation", [1.0, 2.0])}}})
    group = gather(read_tables(tmp_path), "it", small(8), (0,))
    assert moments_of([group], "responses") == ["epoch 1"]
    assert responses_figure("responses", [group], _label) is None
    assert gradients_figure("gradients", [group], _label) is None


def test_moments_in_words() -> None:
    assert moment_words(["epoch 1", "epoch 81", "epoch 122"]) == "after epochs 1, 81 and 122"
    assert moment_words(["initial", "epoch 1", "final"]) == "before training, after epoch 1 and at the end"
    assert moment_words(["epoch 1", "epoch 5", "final"]) == "after epochs 1 and 5, and at the end"
