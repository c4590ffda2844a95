"""Pictures of the live page over planted runs: a study half done, a run that failed, a comparison, a phone, the dark.

python docs/watch_pictures.py FOLDER         all of them, large
python docs/watch_pictures.py FOLDER --docs  and those that docs/watch.md shows, small, in docs/

The runs are synthetic (tests/synthetic.py).  Needs Chromium and the packages of the tests.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "watch")]

from PIL import Image
from watch_browser import chromium, serving

from reslab.lab.folder import locks
from reslab.recipe import Run
from reslab.studies.asked import record
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth, write_run

MOST_BYTES = 100_000
SHOWN = ("study", "failed", "phone")
"""What docs/watch.md shows."""

FAILURE = {
    "kind": "out-of-memory",
    "message": "the card has 1.2 GiB left and 2.9 GiB are needed; use --checkpoint-activations or a smaller batch",
    "traceback": (
        'Traceback (most recent call last):\n  File "reslab/training/step.py", line 88, in step\n'
        "    loss.backward()\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.90 GiB"
    ),
    "epoch": 41,
    "iteration": 15990,
}
ERRORS = {20: (8.6, 1.1), 56: (6.9, 0.2), 110: (6.5, 0.1)}
"""Where the test and training errors of each depth end."""


@contextlib.contextmanager
def laboratory(root: Path) -> Iterator[list[Run]]:
    """Plant the study of depth, half done: two runs train as long as this lasts, one has failed; return its runs."""
    study = ask("depth", Options(datasets=("cifar10",), depths=tuple(ERRORS), seeds=3))
    rates = ask("learning-rate", Options(datasets=("cifar10",), seeds=1))
    for one in (study, rates):
        record(root, one)
    runs = list(study.runs())
    for number, run in enumerate(runs):
        truth = Truth(*ERRORS[run.recipe.depth], 0.15)
        if number < 4:
            write_run(root, run, truth)
        elif number == 4:
            write_run(root, run, truth, stop_after=41, failure=FAILURE)
        elif number < 7:
            write_run(root, run, truth, stop_after=150 - 60 * (number - 5))
    with locks.hold(root / runs[5].id), locks.hold(root / runs[6].id):
        yield runs


def take(page: Any, view: str, out: Path, *, charts: bool = True, whole: bool = False) -> None:
    """Open a view, wait until its charts are drawn, and save a picture of it."""
    page.goto(view)
    page.locator("main h1").wait_for()
    if charts:
        page.locator(".chart svg").first.wait_for()
    page.wait_for_timeout(800)
    page.screenshot(path=out, full_page=whole)


def small(picture: Path, width: int) -> bytes:
    """Return a picture no wider than this, in few colours."""
    image = Image.open(picture).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    for colours in (128, 64, 32, 16):
        buffer = io.BytesIO()
        image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            buffer, "PNG", optimize=True
        )
        if buffer.tell() < MOST_BYTES:
            break
    return buffer.getvalue()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        root.mkdir()
        with laboratory(root) as runs, serving(root) as served, chromium() as browser:
            compare = f"?view=compare&a={runs[0].recipe.id}&b={runs[1].recipe.id}"
            views = {
                "plan": ("", 1100, 820, "light", 1.0),
                "study": ("?view=study&name=depth", 1100, 820, "light", 1.0),
                "failed": (f"?view=run&id={runs[4].id}", 1100, 820, "light", 1.0),
                "running": (f"?view=run&id={runs[5].id}", 1100, 820, "light", 1.0),
                "compare": (compare, 1100, 1000, "light", 1.0),
                "scores": ("?view=scores", 1100, 500, "light", 1.0),
                "phone": ("?view=study&name=depth", 400, 860, "light", 1.5),
                "phone-plan": ("", 400, 860, "dark", 1.5),
                "dark": ("?view=study&name=depth", 1100, 820, "dark", 1.0),
            }
            for name, (view, width, height, scheme, scale) in views.items():
                context = browser.new_context(
                    base_url=served.address,
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    device_scale_factor=scale,
                )
                page = context.new_page()
                charts = "study" in view or "view=run" in view or "compare" in view
                take(page, view, arguments.folder / f"{name}.png", charts=charts)
                take(page, view, arguments.folder / f"{name}-whole.png", charts=charts, whole=True)
                context.close()
    if arguments.docs:
        for name in SHOWN:
            content = small(arguments.folder / f"{name}.png", 500 if name == "phone" else 900)
            (HERE / f"watch-{name}.png").write_bytes(content)
            print(f"docs/watch-{name}.png: {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
