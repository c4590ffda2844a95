"""Tables of what was measured on trained networks: figures with even decimals, and only of what was measured."""

from pathlib import Path
from typing import Any

from reslab.analysis.differences import sampling_reach
from reslab.analysis.groups import Group, gather
from reslab.analysis.measured import figure_of
from reslab.analysis.tidy import read_tables
from reslab.exhibits.why_tables import curvature_table, gap_table, noise_table
from reslab.recipe import Run
from synthetic import Truth, small, write_diagnostics, write_run


def _groups(root: Path, diagnostic: str, found: dict[float, dict[str, Any]]) -> list[Group]:
    """Return a group of one run for each rate, on which the diagnostic measured these figures, and one unmeasured."""
    for rate, figures in found.items():
        folder = write_run(root, Run(small(learning_rate=rate)), Truth(3.0, 1.0))
        write_diagnostics(folder, None, **{diagnostic: {"final": figures}})
    write_run(root, Run(small(learning_rate=0.7)), Truth(3.0, 1.0))
    tables = read_tables(root)
    return [gather(tables, f"rate {rate}", small(learning_rate=rate), (0,)) for rate in (*found, 0.7)]


def test_eigenvalues_have_even_decimals(tmp_path: Path) -> None:
    values = {0.1: (73.184, 38_000.0, 0.0001), 0.2: (11.296, 7_600.0, 0.0005), 0.5: (0.7384, 380.0, 0.01)}
    found = {
        rate: {"largest": largest, "stability_limit": limit, "rate": last}
        for rate, (largest, limit, last) in values.items()
    }
    groups = _groups(tmp_path, "curvature", found)
    table = curvature_table("curvature", groups)
    assert table is not None
    assert table.rows == (
        ("rate 0.1", "73.18", "38,000", "0.0001"),
        ("rate 0.2", "11.30", "7,600", "0.0005"),
        ("rate 0.5", "0.74", "380", "0.0100"),
    )
    assert "One seed each." in table.caption
    assert figure_of(groups[-1], "curvature", "largest").n == 0
    assert curvature_table("curvature", groups[-1:]) is None


def test_a_noise_scale_may_be_a_lower_bound_only(tmp_path: Path) -> None:
    found = {0.1: {"noise_scale": 445.16, "at_least": 347.8}, 0.2: {"at_least": 61.3}}
    groups = _groups(tmp_path, "noise_scale", found)
    table = noise_table("noise", groups)
    assert table is not None
    assert table.rows == (("rate 0.1", "32", "445", "348"), ("rate 0.2", "32", None, "61"))
    assert noise_table("noise", groups[-1:]) is None
    bounds = noise_table("noise", groups[1:])
    assert bounds is not None
    assert [column.title for column in bounds.columns][2:] == ["At least (images)"]
    assert bounds.rows == (("rate 0.2", "32", "61"),)


def test_the_gap_is_in_points(tmp_path: Path) -> None:
    groups = _groups(tmp_path, "gap", {0.1: {"train_error": 3.75, "test_error": 2.25, "error_gap": -1.5}})
    table = gap_table("gap", groups)
    assert table is not None
    assert table.rows == (("rate 0.1", "3.75", "3.00", "\N{MINUS SIGN}0.75"),)  # the run's own, of all images
    assert gap_table("gap", groups[-1:]) is None


def test_each_row_of_the_gap_has_its_sample_and_the_caption_what_the_smallest_may_be_off(tmp_path: Path) -> None:
    found = {0.1: {"train_error": 32.0, "num_train": 400}, 0.2: {"train_error": 9.0, "num_train": 1442}}
    groups = _groups(tmp_path, "gap", found)
    table = gap_table("gap", groups)
    assert table is not None
    assert table.columns[1].title == "Training images"
    assert [row[1] for row in table.rows] == ["400", "1,442"]
    off = sampling_reach(32.0, 400, 1437)
    assert 3.9 < off < 4.1
    assert f"may be up to {off:.2f} points off the error on all training images (95%)." in table.caption
    whole = gap_table("gap", groups[1:])
    assert whole is not None
    assert "On a sample" not in whole.caption
    assert "final weights on 1,442 training images" in whole.caption
    assert sampling_reach(0.0, 100, 1442) > 3  # none wrong of a hundred does not mean none
