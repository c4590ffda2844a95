"""A report as values: what is said of a figure's panels."""

import pytest

from reslab.exhibits.blocks import Figure, Panel
from reslab.report.document import Section
from reslab.report.values import block_values


@pytest.mark.parametrize(
    ("heights", "uneven"),
    [
        ([200], False),
        ([100, 130], False),
        ([100, 131], True),
        ([300, 100, 200], True),
        ([None, None], False),  # as high as the charts make themselves
    ],
)
def test_panels_are_uneven_where_one_is_much_higher_than_another(heights: list[int | None], uneven: bool) -> None:
    panels = tuple(Panel(str(place), {"height": height} if height else {}, {}) for place, height in enumerate(heights))
    figure = Figure("f", "t", "c", panels)
    values = block_values(figure, Section("one", "One", (figure,)), {"one-f": "Figure 1"})
    assert (values["uneven"], len(values["panels"])) == (uneven, len(heights))
