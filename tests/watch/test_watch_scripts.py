"""Script in every field of runs, studies, folders' names and addresses: text in every view, and never run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import STRINGS, addresses, plant_scripts, slashless
from watch_browser import chromium, needs_chromium, opened, serving_here
from watch_fakes import DEEP, SHALLOW

from reslab.recipe import Run

pytestmark = needs_chromium

STUDY = "?view=study&name=my-depth"
FINISHED = f"?view=run&id={Run(SHALLOW, 0).id}"
FAILED = f"?view=run&id={Run(DEEP, 1).id}"
COMPARE = f"?view=compare&a={Run(SHALLOW, 0).id}&b={Run(DEEP, 0).id}"

EVERYWHERE = {"root-folder"}
IN_RUN_JSON = {f"damaged-{name.replace('_', '-')}" for name in (*STRINGS, "learning_rate", "seed", "unknown")}
MACHINE = {f"provenance-attempts-{name}" for name in ("device", "device-name", "platform", "torch", "reslab")}
ABOUT = MACHINE | {"provenance-attempts-commit", "provenance-attempts-started"}
FOLDERS = {"recipe-folder", "seed-folder", "study-file"}
TEXTS = {"study-title", "study-question", "study-expectation", "words", "factor-name", "factor-value"}

SHOWN = {
    "": EVERYWHERE | IN_RUN_JSON | FOLDERS | {"study-title", "variant-label", "failure-message"},
    STUDY: EVERYWHERE | TEXTS | {"variant-label", "failure-message", "provenance-attempts-device-name"},
    "?view=study&name=other-runs": EVERYWHERE,
    FINISHED: EVERYWHERE | ABOUT | {"study-title", "diagnostics-key", "diagnostics-name", "diagnostics-value"},
    FAILED: EVERYWHERE | ABOUT | {"study-title", "failure-kind", "failure-message", "failure-traceback"},
    COMPARE: EVERYWHERE,
    "?view=scores": EVERYWHERE,
}
"""Fields whose script each view has as text: where one is missing, the view was not put to the test."""

REPORT = {
    *IN_RUN_JSON,
    *MACHINE,
    *TEXTS,
    *("provenance-attempts-python", "provenance-attempts-numpy", "provenance-fetched-from"),
    *("variant-label", "failure-message", "study-file"),
}
NOT_SHOWN = {
    *("provenance-more", "provenance-fetched-time", "provenance-attempts-source-digest", "result-key", "result-value"),
    *("metrics-key", "metrics-value", "damaged-run", "damaged-lines", "damaged-result", "words-file"),
}
"""Fields that no view has."""

TEXT = """document.title + document.documentElement.textContent
  + [...document.querySelectorAll('*')].flatMap((one) => [...one.attributes].map(({value}) => value)).join(' ')"""
ACTIVE = """[...document.querySelectorAll('*')].filter((one) => [...one.attributes].some(({name, value}) =>
  name.startsWith('on') || name === 'srcdoc' || (/(href|src)$/.test(name) && /^\\s*javascript:/i.test(value))))
  .map((one) => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("scripts") / slashless("root-folder") / "runs"
    found.mkdir(parents=True)
    plant_scripts(found)
    return found


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with serving_here(root) as found:
        yield found


def marks(page: Any) -> set[str]:
    """Return the fields whose script is on the page, once nothing of it has become more than text."""
    assert page.evaluate(ACTIVE) == []
    assert page.locator("img[src=x], iframe, main script").count() == 0
    return set(re.findall(r"alert\(\W*([a-z][a-z-]+)\W*\)", page.evaluate(TEXT)))


@pytest.mark.parametrize("view", SHOWN)
def test_a_view_shows_script_as_text(browser: Any, address: str, view: str) -> None:
    with opened(browser, address) as page:
        page.goto(view)
        page.locator("main h1").wait_for()
        if view not in ("", "?view=scores"):
            page.locator(".chart svg").first.wait_for()
        assert marks(page) == SHOWN[view]
        if view == STUDY:
            page.locator(".chart svg .mark-symbol path").first.hover(force=True)  # what takes the pointer lies over it
            page.locator("#vg-tooltip-element.visible").wait_for()
            marks(page)
        assert not page.problems


def test_script_in_an_address_is_text(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        for asked in addresses("address"):
            page.goto(asked)
            page.locator("main h1").wait_for()
            marks(page)
        refused = [text for text in page.problems if "404 (Not Found)" not in text]
        assert not refused


@pytest.mark.deep
def test_the_report_shows_script_as_text(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("")
        page.get_by_role("button", name="Write the report").click()
        page.get_by_role("link", name="open it").wait_for(timeout=180_000)
        page.goto("report/index.html")
        page.locator(".chart svg").first.wait_for()
        assert marks(page) == REPORT
        assert not [text for text in page.problems if "sandboxed" not in text]


def test_every_field_is_shown_somewhere_or_known_to_be_nowhere(root: Path) -> None:
    """A field that is planted and forgotten in the table would be tested by nothing."""
    texts = [path.read_text() for path in root.rglob("*") if path.is_file()] + [str(path) for path in root.rglob("*")]
    planted = {mark for text in texts for mark in re.findall(r"alert\(\W*([a-z][a-z-]+)\W*\)", text)}
    listed = set().union(*SHOWN.values(), REPORT, NOT_SHOWN)
    assert {mark for mark in planted if not mark.startswith("provenance-data")} == listed
