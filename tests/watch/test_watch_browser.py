"""The page in a real browser: it changes as runs do, comes back, and can be used without a mouse."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from watch_browser import Served, chromium, needs_chromium, opened, serving, serving_here
from watch_fakes import DEEP, SHALLOW, line, plant

from reslab.amounts import duration
from reslab.recipe import Run
from synthetic import Truth, write_run

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant(tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def address(root: Path) -> Iterator[str]:
    with serving_here(root) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as made:
        yield made


def all_lines(tmp_path: Path, run: Run, truth: Truth) -> list[str]:
    """Return the lines that a run writes from its beginning to its end."""
    return (write_run(tmp_path / "whole", run, truth) / "metrics.jsonl").read_text().splitlines(keepends=True)


def test_a_study_trains_before_the_readers_eyes(page: Any, root: Path, tmp_path: Path) -> None:
    """The curve grows without a reload, the seed ends and the verdict changes, and the reader's place is kept."""
    page.goto("?view=study&name=my-depth")
    line = page.locator(".curves .chart").last.locator("svg .mark-line path").first
    line.wait_for()
    page.evaluate("window.stays = true")
    before, errors = line.get_attribute("d"), page.locator("#my-depth-errors").inner_text()
    page.locator("#my-depth-errors").scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 0
    run = Run(SHALLOW, 1)
    lines = all_lines(tmp_path, run, Truth(9.0, 1.0, 0.2))
    with (root / run.id / "metrics.jsonl").open("a") as file:
        file.writelines(lines[5:9])
    page.locator(".chips", has_text="epoch 9").wait_for()
    page.wait_for_function(
        "before => document.querySelector('.curves figure:last-child .mark-line path').getAttribute('d') !== before",
        arg=before,
    )
    with (root / run.id / "metrics.jsonl").open("a") as file:
        file.writelines(lines[9:])
    shutil.copy(tmp_path / "whole" / run.id / "result.json", root / run.id / "result.json")
    page.wait_for_function("before => document.querySelector('#my-depth-errors').innerText !== before", arg=errors)
    assert page.evaluate("window.stays") is True
    assert abs(page.evaluate("scrollY") - place) < 300
    assert not page.problems


def append(root: Path, run: Run, epochs: range) -> None:
    with (root / run.id / "metrics.jsonl").open("a") as file:
        file.writelines(line(epoch, test_error=40.0, train_error=30.0, seconds=1.0) for epoch in epochs)


AXIS = "() => [...document.querySelectorAll('#my-depth-test .role-axis-label text')].map((one) => one.textContent)"


def test_the_readers_place_is_kept_over_updates(page: Any, root: Path) -> None:
    """What was zoomed, picked, selected, unfolded, focused and scrolled to stays while the data change under it."""
    page.goto("?view=study&name=my-depth")
    chart = page.locator("#my-depth-test .chart")
    chart.locator("svg").wait_for()
    box = chart.bounding_box()
    wide = page.evaluate(AXIS)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()  # drags the chart
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_function(f"wide => JSON.stringify(({AXIS})()) !== JSON.stringify(wide)", arg=wide)
    zoomed = page.evaluate(AXIS)
    page.locator(".chapter p", has_text="Does it?").first.evaluate("(one) => getSelection().selectAllChildren(one)")
    page.get_by_role("link", name="Scoreboard").focus()
    place = page.evaluate("scrollY")
    drawn = chart.locator("svg").element_handle()
    append(root, Run(SHALLOW, 1), range(6, 9))
    page.locator(".chips", has_text="epoch 8").wait_for()
    page.wait_for_function("(drawn) => !drawn.isConnected", arg=drawn)  # another chart has taken its place
    page.wait_for_function(f"wanted => JSON.stringify(({AXIS})()) === JSON.stringify(wanted)", arg=zoomed)
    assert page.evaluate("getSelection().toString()") == "Does it?"
    assert page.evaluate("document.activeElement.textContent") == "Scoreboard"
    assert page.evaluate("scrollY") == place
    page.goto(f"?view=run&id={Run(SHALLOW, 1).id}")
    page.locator("details summary").first.click()
    page.locator("details[data-key=lines] tbody tr").first.wait_for()
    append(root, Run(SHALLOW, 1), range(9, 11))
    page.locator("details[data-key=lines] tbody th", has_text="10").wait_for()
    assert page.locator("details[data-key=lines]").get_attribute("open") is not None
    assert not page.problems


MORPH = """async ([before, after]) => {
  const { el, morph } = await import(new URL("static/exhibits.js", document.baseURI));
  const child = (key) => el(key === "b" ? "li" : "div", { "data-key": key }, key);
  const list = (keys) => el("ul", {}, keys.map(child), "end");
  const old = list(before), stood = new Map([...old.children].map((child) => [child.dataset.key, child]));
  const begun = performance.now();
  morph(old, list(after));
  const seconds = (performance.now() - begun) / 1000;
  const kept = [...old.children].filter((child) => stood.get(child.dataset.key) === child);
  const text = (nodes) => nodes.map((node) => node.textContent);
  return { text: text([...old.childNodes]), kept: text(kept), seconds };
}"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("abc", "cab"), ("abc", "c"), ("ab", "xayb"), ("", "abc"), ("abc", ""), ("abcd", "dxcba")],
)
def test_what_stays_is_kept_wherever_it_moves(page: Any, before: str, after: str) -> None:
    page.goto("")
    found = page.evaluate(MORPH, [list(before), list(after)])
    assert found["text"] == [*after, "end"]
    assert set(found["kept"]) == set(before) & set(after)


def test_ten_thousand_rows_change_at_once(page: Any) -> None:
    page.goto("")
    before = [str(number) for number in range(10_000)]
    found = page.evaluate(MORPH, [before, before[::-1]])
    assert found["text"] == [*before[::-1], "end"]
    assert found["seconds"] < 3  # where each row was searched for, two minutes


def test_code_in_words_is_code(page: Any) -> None:
    page.goto("")
    shown = page.evaluate("""async () => {
      const { exhibit } = await import(new URL("static/exhibits.js", document.baseURI));
      const text = [{ kind: "text", text: "give " }, { kind: "code", text: "reslab <b>" }];
      return exhibit({ kind: "prose", text }, {}).outerHTML;
    }""")
    assert shown == "<p>give <code>reslab &lt;b&gt;</code></p>"


def test_a_run_fails_and_its_text_is_there(page: Any, root: Path) -> None:
    run = Run(SHALLOW, 1)
    page.goto(f"?view=run&id={run.id}")
    page.locator("h1", has_text="ResNet-8").wait_for()
    assert page.locator("h1 .name").all_inner_texts() == ["ResNet-8"]  # kept whole on a narrow screen
    failure = {
        "kind": "out-of-memory",
        "message": "the card has 1 GiB left",
        "traceback": "Traceback\n  in step\nMemoryError",
        "epoch": 5,
        "iteration": 9,
    }
    (root / run.id / "failure.json").write_text(json.dumps({"format": 1, "run": run.id, **failure}))
    page.locator(".failure", has_text="the card has 1 GiB left").wait_for()
    assert "in step\nMemoryError" in page.locator(".failure pre").inner_text()
    assert "failed" in page.locator(".tally").first.inner_text()
    assert not page.problems


def test_filter_sort_and_compare_are_in_the_address(page: Any) -> None:
    page.goto("")
    page.get_by_label("Find").fill("shallow")
    page.locator("tr", has_text="deep").wait_for(state="detached")
    assert "q=shallow" in page.url
    page.reload()
    page.locator("tr", has_text="shallow").wait_for()
    assert page.locator("tbody tr").count() == 1
    page.goto("?view=scores")
    page.get_by_role("button", name="Test error").click()
    assert "order=down" in page.url
    errors = [float(text) for text in page.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert errors == sorted(errors, reverse=True)
    page.goto(f"?view=compare&a={Run(SHALLOW, 0).id}&b={Run(DEEP, 0).id}")
    page.locator(".verdict").wait_for()
    assert "depth" in page.get_by_role("region", name="What differs").inner_text()
    page.goto(f"?view=compare&a={SHALLOW.id}&b={Run(DEEP, 0).id}")
    page.locator("p", has_text="(seeds 0 and 1) and ResNet-14, digits, paper, 12 epochs, seed 0.").wait_for()
    assert not page.problems


def test_two_to_compare_are_chosen_from_all_there_are(page: Any) -> None:
    page.goto("?view=compare")
    page.locator(".choices a").first.click()
    page.get_by_role("heading", name=", and …").wait_for()
    page.locator(".choices a").last.click()
    page.get_by_role("region", name="Errors of the last epoch").wait_for()
    assert not page.problems


def test_the_place_of_a_run_and_a_study_is_under_the_plan(page: Any) -> None:
    for view, current in (("", "page"), (f"?view=run&id={Run(SHALLOW, 0).id}", "true")):
        page.goto(view)
        page.locator(f'nav.bar a[data-view="plan"][aria-current="{current}"]').wait_for()


def test_time_left_is_not_promised_while_nothing_trains(page: Any, root: Path) -> None:
    page.goto("")
    page.locator(".tally").first.wait_for()
    said = page.locator(".tally").first.inner_text()
    assert "interrupted" in said
    assert "running" not in said
    assert "nothing trains now; what is left takes about" in said


def test_times_read_as_in_the_terminal(page: Any) -> None:
    page.goto("")
    seconds = [0, 9, 59, 60, 200, 3599, 3600, 7500, 90_000]
    shown = page.evaluate(
        'async (all) => all.map((await import(new URL("static/views.js", document.baseURI))).duration)', seconds
    )
    assert shown == [duration(value) for value in seconds]


def test_a_message_is_a_sentence(page: Any) -> None:
    page.goto(f"?view=compare&a=nothing&b={DEEP.id}")
    page.get_by_role("alert").wait_for()
    assert "There is no run or recipe 'nothing' in the folder of runs." in page.get_by_role("alert").inner_text()


def test_a_page_left_open_comes_back_after_the_server(browser: Any, root: Path) -> None:
    with serving(root) as server, opened(browser, server.address) as page:
        page.goto("")
        page.locator(".contact[data-state=live]").wait_for()
        assert server.stop() < 3  # its stream is open
        page.locator(".contact[data-state=stale]").wait_for()
        assert page.locator("tr", has_text="shallow").count() == 1
        again = Served(root, port=server.port)
        try:
            write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
            page.locator("section[data-key=other-runs]").wait_for()
            page.locator(".contact[data-state=live]").wait_for()
        finally:
            again.stop()


def test_by_keyboard_alone(page: Any) -> None:
    page.goto("")
    page.locator("h2").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Compare"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.locator("h1", has_text="Scoreboard").wait_for()
    assert "view=scores" in page.url
    page.wait_for_function("document.activeElement.id === 'view'")
    for _ in range(3):
        page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.className") != "sort":
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**order=down**")
    assert page.evaluate("document.activeElement.textContent").startswith("Test error")
    assert not page.problems


def test_controls_start_from_the_address_as_it_is(page: Any) -> None:
    page.goto("?view=scores")
    sort = page.get_by_role("button", name="Test error")
    for order in ("descending", "ascending", "descending"):
        sort.click()
        page.locator(f"th[aria-sort={order}]", has_text="Test error").wait_for()
    page.get_by_label("Find").fill("resnet-8")
    page.locator("tbody tr").nth(1).wait_for(state="detached")
    page.get_by_role("button", name="Depth").click()
    page.locator("th[aria-sort]", has_text="Depth").wait_for()
    assert "q=resnet-8" in page.url
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="Scoreboard").click()  # the view that is open, without the filter
    page.locator("tbody tr").nth(1).wait_for()
    assert page.get_by_label("Find").input_value() == ""
    assert not page.problems


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (400, "dark"),
        *(pytest.param(*one, marks=pytest.mark.deep) for one in [(400, "light"), (1200, "light"), (1200, "dark")]),
    ],
)
def test_axe_finds_nothing_serious(page: Any, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    views = [
        "",
        "?view=study&name=my-depth",
        f"?view=run&id={Run(DEEP, 1).id}",
        "?view=scores",
        f"?view=compare&a={Run(SHALLOW, 0).id}&b={Run(DEEP, 0).id}",
    ]
    for view in views:
        page.goto(view)
        page.locator("main h1").wait_for()
        if "study" in view or "run" in view or "a=" in view:
            page.locator(".chart svg").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        found = axe.run(page)
        serious = [
            (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious, (view, serious)


def test_nothing_comes_from_elsewhere_and_the_report_opens(page: Any, address: str, root: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("?view=study&name=my-depth")
    page.locator(".chart svg").first.wait_for()
    page.get_by_role("button", name="Write the report").click()
    link = page.get_by_role("link", name="open it")
    link.wait_for(timeout=120_000)
    assert (root.parent / "report" / "index.html").exists()
    with page.context.expect_page() as opened:
        link.click()
    opened.value.locator("h1").first.wait_for()
    assert opened.value.evaluate("origin") == "null"
    assert all(url.startswith(address) for url in asked), asked


def test_a_hidden_tab_is_paused(page: Any, root: Path) -> None:
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.away === true})")
    page.goto("")
    page.locator(".contact[data-state=live]").wait_for()
    page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".contact[data-state=paused]").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
    page.wait_for_timeout(2500)
    assert not asked
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("section[data-key=other-runs]").wait_for()


@pytest.mark.deep
def test_eight_pages_of_one_browser_are_all_live(page: Any, root: Path) -> None:
    """A browser opens six connections to a host: a stream for each page would leave none for the seventh."""
    pages = [page.context.new_page() for _ in range(8)]
    for one in pages:
        one.goto("")
        one.locator(".contact[data-state=live]").wait_for()
    write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
    for one in pages:
        one.locator("section[data-key=other-runs]").wait_for()
        assert one.locator(".contact").get_attribute("data-state") == "live"


def test_a_page_without_shared_workers_has_a_stream_of_its_own(page: Any, root: Path) -> None:
    page.add_init_script("delete window.SharedWorker")
    page.goto("")
    page.locator(".contact[data-state=live]").wait_for()
    write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
    page.locator("section[data-key=other-runs]").wait_for()
    assert page.locator(".contact").get_attribute("data-state") == "live"
    assert not page.problems
