"""Parameters and multiply-adds against the paper's table 6 and known exact figures."""

import pytest
import torch
from torch import nn

from reslab.errors import ResLabError
from reslab.models.complexity import LATER, PAPER_DEPTHS, catalogue, later_catalogue, multiply_adds, parameters
from reslab.models.networks import build, skeleton

PARAMETERS_A = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962, 1202: 19_421_274}
PARAMETERS_B = {20: 272_474, 32: 466_906, 44: 661_338, 56: 855_770, 110: 1_730_714, 1202: 19_424_026}
PAPER_MILLIONS = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}
MULTIPLY_ADDS_B_MILLIONS = {20: "40.81", 32: "69.12", 44: "97.44", 56: "125.75"}


@pytest.mark.parametrize("depth", PAPER_DEPTHS)
def test_parameters_are_exact_and_round_to_the_papers(depth: int) -> None:
    assert parameters(skeleton("residual", depth, "A", 10)) == PARAMETERS_A[depth]
    assert parameters(skeleton("residual", depth, "B", 10)) == PARAMETERS_B[depth]
    digits = len(PAPER_MILLIONS[depth].partition(".")[2])
    assert f"{PARAMETERS_A[depth] / 1e6:.{digits}f}" == PAPER_MILLIONS[depth]


@pytest.mark.parametrize("depth", MULTIPLY_ADDS_B_MILLIONS)
def test_multiply_adds_are_the_known_ones(depth: int) -> None:
    assert f"{multiply_adds(skeleton('residual', depth, 'B', 10)) / 1e6:.2f}" == MULTIPLY_ADDS_B_MILLIONS[depth]


def test_a_hundred_classes_cost_a_wider_linear_layer() -> None:
    ten, hundred = (skeleton("residual", 20, "A", classes) for classes in (10, 100))
    assert parameters(hundred) - parameters(ten) == 5_850
    assert multiply_adds(hundred) - multiply_adds(ten) == 90 * 64


def test_plain_networks_cost_what_shortcut_a_costs() -> None:
    plain, residual = skeleton("plain", 56, "none", 10), skeleton("residual", 56, "A", 10)
    assert parameters(plain) == parameters(residual)
    assert multiply_adds(plain) == multiply_adds(residual)


# Families, depths and widths, with the millions of parameters that the sources print: He et al. 2016b, as quoted by
# Zagoruyko and Komodakis 2016, table 4 (pre-activation) and the tables of the latter (wide).
MILLIONS = {
    ("preact", 110, 1): "1.7",
    ("preact-bottleneck", 164, 1): "1.7",
    ("wide", 40, 1): "0.6",
    ("wide", 40, 2): "2.2",
    ("wide", 40, 4): "8.9",
    ("wide", 40, 8): "35.7",
    ("wide", 28, 10): "36.5",
    ("wide", 28, 12): "52.5",
    ("wide", 22, 8): "17.2",
    ("wide", 22, 10): "26.8",
    ("wide", 16, 8): "11.0",
    ("wide", 16, 10): "17.1",
}


@pytest.mark.parametrize(("family", "depth", "width"), MILLIONS)
def test_parameters_of_later_families_round_to_the_papers(family: str, depth: int, width: int) -> None:
    counted = parameters(skeleton(family, depth, "A" if family == "preact" else "B", 10, width=width))
    assert f"{counted / 1e6:.1f}" == MILLIONS[family, depth, width]


def test_parameters_of_later_families_are_exact() -> None:
    """By hand; WRN-28-10's is also what others count (36,479,194)."""
    assert parameters(skeleton("wide", 28, "B", 10, width=10)) == 36_479_194
    assert parameters(skeleton("preact", 110, "A", 10)) == PARAMETERS_A[110]  # the same layers in another order


def test_the_papers_figure_for_1001_layers_counts_no_batch_norm() -> None:
    network = skeleton("preact-bottleneck", 1001, "B", 10)
    norms = sum(parameters(module) for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert f"{(parameters(network) - norms) / 1e6:.1f}" == "10.2"
    assert parameters(network) == 10_327_706


def test_multiply_adds_of_later_families() -> None:
    """WRN-28-10's 5.2 thousand millions are widely reported; the papers print none."""
    assert f"{multiply_adds(skeleton('wide', 28, 'B', 10, width=10)) / 1e9:.1f}" == "5.2"
    first, last = 32 * 32 * 27 * 16, 256 * 10
    a_block = 32 * 32 * (64 * 16 + 9 * 16 * 16 + 16 * 64)  # of any stage: half the places, twice the filters
    # The first block of a stage has fewer inputs, and a projection.
    entries = 32 * 32 * (16 * 16 - 64 * 16 + 16 * 64)
    entries += 16 * 16 * (64 * 32 - 128 * 32 + 64 * 128)
    entries += 8 * 8 * (128 * 64 - 256 * 64 + 128 * 256)
    assert multiply_adds(skeleton("preact-bottleneck", 164, "B", 10)) == first + last + 3 * 18 * a_block + entries


def test_multiply_adds_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, groups=1), nn.Conv2d(4, 6, 1, stride=2, groups=2))
    assert multiply_adds(network, (3, 8, 8)) == 8 * 8 * 4 * 9 * 3 + 4 * 4 * 6 * 2
    assert multiply_adds(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), (3, 4, 4)) == 240


def test_counting_changes_nothing() -> None:
    network = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    multiply_adds(network)
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_catalogue_has_every_network_as_counted_one_by_one() -> None:
    rows = catalogue(depths=(8, 32), num_classes=(10, 20))
    assert len(rows) == 2 * 4 * 2
    for row in rows:
        depth, shortcut, classes = row["depth"], row["shortcut"], row["num_classes"]
        assert isinstance(depth, int)
        assert isinstance(classes, int)
        network = skeleton(str(row["family"]), depth, str(shortcut), classes)
        assert row["parameters"] == parameters(network)
        assert row["multiply_adds"] == multiply_adds(network)
        assert (row["family"] == "plain") == (shortcut == "none")
        assert list(row) == [
            "family",
            "depth",
            "width",
            "shortcut",
            "num_classes",
            "parameters",
            "multiply_adds",
        ]


def test_the_later_catalogue_is_as_counted_one_by_one() -> None:
    rows = later_catalogue(num_classes=(10,))
    assert [(row["family"], row["depth"], row["width"]) for row in rows] == list(LATER)
    for row in rows:
        network = skeleton(str(row["family"]), int(row["depth"]), str(row["shortcut"]), 10, width=int(row["width"]))
        assert row["parameters"] == parameters(network)
        if row["depth"] != 1001:  # takes seconds
            assert row["multiply_adds"] == multiply_adds(network)


def test_the_catalogue_of_the_papers_depths() -> None:
    rows = catalogue()
    for shortcut, expected in (("A", PARAMETERS_A), ("B", PARAMETERS_B)):
        found = {
            row["depth"]: row["parameters"] for row in rows if row["shortcut"] == shortcut and row["num_classes"] == 10
        }
        assert found == expected


def test_the_catalogue_refuses_an_impossible_depth() -> None:
    with pytest.raises(ResLabError, match="6n"):
        catalogue(depths=(21,))
