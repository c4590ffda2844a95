"""The published results, against the sources' tables."""

from dataclasses import replace

import pytest

from reslab.datasets import DATASETS
from reslab.families import FAMILIES, check_depth
from reslab.published import RESULTS, VARYING, Published, in_words, published

HEADLINES = {
    "paper": {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.61, 1202: 7.93},
    "assignment": {20: 8.39, 56: 7.05, 110: 6.5},
    "akamaster": {20: 8.27, 32: 7.37, 44: 6.9, 56: 6.61, 110: 6.32, 1202: 6.18},
    "gcr": {20: 8.29, 32: 7.63, 44: 7.14, 56: 6.94, 110: 6.73},
    "tf-models": {56: 6.88},
    "hysts": {110: 6.52},
}


@pytest.mark.parametrize("source", HEADLINES)
def test_headlines_on_cifar10(source: str) -> None:
    assert {row.depth: row.error for row in published(dataset="cifar10", source=source)} == HEADLINES[source]


def test_the_sources_are_complete() -> None:
    assert {row.source for row in RESULTS} == {*HEADLINES, "a-martyn", "preact-paper", "wide-paper"}
    assert len(RESULTS) == 6 + 6 + 12 + 4 + 4 + 6 + 5 + 1 + 1 + 4 + 4 + 2
    assert {row.depth: row.error for row in published(family="plain")} == {20: 9.5, 32: 9.92, 44: 11.35, 56: 12.76}


def test_a_headline_is_the_only_one_of_its_kind() -> None:
    headlines = [row for family in FAMILIES for row in published(family=family)]
    assert {row.family for row in headlines} == {"residual", "plain", "preact-bottleneck", "wide"}
    keys = [(row.source, row.dataset, row.family, row.width, row.depth) for row in headlines]
    assert len(keys) == len(set(keys))
    assert all(depth is not None for *_, depth in keys)


def test_figures_of_wide_networks_go_by_width() -> None:
    assert [row.error for row in published(dataset="cifar100", family="wide", depth=28, width=10)] == [19.25]
    assert not published(dataset="cifar10", family="wide", depth=28, width=12)
    assert [row.error for row in published(dataset="cifar10", family="preact-bottleneck")] == [5.46, 4.92]


def test_spreads_are_given_where_the_source_has_them() -> None:
    (paper,) = published(dataset="cifar10", depth=110, source="paper")
    assert (paper.error, paper.standard_deviation, paper.n, paper.low) == (6.61, 0.16, 5, 6.43)
    (tensorflow,) = published(source="tf-models")
    assert (tensorflow.error, tensorflow.standard_deviation, tensorflow.n) == (6.88, 0.2, 5)
    table_1 = {row.depth: (row.low, row.high) for row in published(dataset="cifar10", source="assignment")}
    assert table_1 == {20: (8.22, 8.77), 56: (6.9, 7.47), 110: (6.36, 6.91)}
    table_2 = {row.depth: (row.error, row.low, row.high) for row in published(dataset="cifar100")}
    assert table_2 == {20: (33.06, 32.53, 33.88), 56: (29.88, 29.28, 30.41), 110: (28.49, 28.31, 29.04)}


def test_the_assignments_other_tables() -> None:
    rates = published(dataset="cifar10", depth=20, varying="learning_rate")
    assert {row.learning_rate: row.error for row in rates} == {
        0.01: 10.98,
        0.02: 9.4,
        0.05: 8.96,
        0.2: 8.2,
        0.5: 9.31,
        1.0: 17.64,
    }
    hundred = {row.learning_rate: row for row in published(dataset="cifar100", varying="learning_rate")}
    assert {rate: row.error for rate, row in hundred.items()} == {
        0.01: 36.61,
        0.02: 35.59,
        0.05: 33.94,
        0.2: 32.91,
        0.5: 33.62,
        1.0: 36.44,
    }
    assert (hundred[1.0].low, hundred[1.0].high) == (32.6, 44.32)
    lengths = published(varying="epochs")
    assert {(row.depth, row.epochs): (row.train_error, row.error) for row in lengths} == {
        (20, 164): (0.64, 8.45),
        (20, 328): (0.25, 7.8),
        (56, 164): (0.09, 7.3),
        (56, 328): (0.01, 6.1),
    }
    shares = published(varying="train_share")
    assert {(row.dataset, row.train_share): row.error for row in shares} == {
        ("cifar10", 0.5): 9,
        ("cifar10", 1.0): 7.1,
        ("cifar100", 0.2): 51,
        ("cifar100", 1.0): 30,
    }
    assert all(row.depth is None for row in shares)


@pytest.mark.parametrize("row", RESULTS, ids=lambda row: f"{row.source}-{row.dataset}-{row.depth}-{row.error}")
def test_every_result_is_plausible_and_sourced(row: Published) -> None:
    assert 0 < row.error < 100
    assert row.low is None or row.low <= row.error
    assert row.high is None or row.error <= row.high
    assert row.protocol
    assert "https://" in row.citation or row.source == "assignment"
    assert sum(getattr(row, name) is not None for name in VARYING) <= 1
    assert row.dataset in DATASETS
    assert row.family in FAMILIES
    if row.depth is not None:
        check_depth(row.family, row.depth)


def test_in_words() -> None:
    words = {(row.source, row.depth): in_words(row) for row in published(dataset="cifar10")}
    assert words["paper", 20] == "8.75"
    assert words["paper", 110] == "6.61 ± 0.16 (best 6.43, n = 5)"
    assert words["assignment", 20] == "8.39 (8.22 to 8.77)"
    (row,) = published(source="tf-models")
    assert in_words(replace(row, low=None, n=None)) == "6.88 ± 0.2"
