"""Script in every text that a page may show: each field of runs and studies, names of folders, parameters."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from watch_fakes import DEEP, SHALLOW, plant, the_study

from reslab.recipe import Recipe, Run, to_mapping
from reslab.studies.asked import record
from reslab.studies.study import Variant
from synthetic import Truth, small, write_diagnostics, write_run

STRINGS = tuple(field.name for field in fields(Recipe) if field.type is str)
"""Fields of a recipe that are text."""


def script(mark: str) -> str:
    """Return every kind of script at once, each of which tells its mark if it is run."""
    tell = f"alert('{mark}')"
    return (
        f'"\'><img src=x onerror="{tell}"><script>{tell}</script><svg onload="{tell}"></svg>'
        f'<iframe srcdoc="<script>parent.{tell}</script>"></iframe><a href="javascript:{tell}">{mark}</a>'
        f"[{mark}](javascript:{tell}) javascript:{tell} {{{{7*7}}}} ${{{tell}}} </title></textarea></script><!--"
    )


def slashless(mark: str) -> str:
    """Return script that a file's name can hold."""
    return f"<img src=x onerror=alert('{mark}')>"


def infected(content: Any, head: str, keep: tuple[str, ...] = ()) -> Any:
    """Return a JSON value with script in place of each text; its mark is the path to it."""
    if isinstance(content, Mapping):
        return {
            key: part if key in keep else infected(part, f"{head}-{str(key).replace('_', '-')}", keep)
            for key, part in content.items()
        }
    if isinstance(content, list):
        return [infected(part, head, keep) for part in content]
    return script(head) if isinstance(content, str) else content


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def plant_scripts(root: Path) -> None:
    """Plant the study of `plant`, with script in all that can hold it."""
    plant(root)
    variants = (
        Variant(script("variant-label"), SHALLOW, ((script("factor-name"), script("factor-value")),)),
        Variant("deep", DEEP),
    )
    texts = {name: script(f"study-{name}") for name in ("title", "question", "expectation")}
    record(root, the_study(variants=variants, **texts))
    (root / "words").mkdir()
    (root / "words" / "my-depth.toml").write_text(f"[headings]\ncurves = '''{script('words')}'''\n")
    for recipe in (SHALLOW, DEEP):
        for seed in (0, 1):
            folder = root / Run(recipe, seed).id
            attempt = {"device_name": "x", **json.loads((folder / "provenance.json").read_text())["attempts"][0]}
            about = {"fetched": [{"from": "x", "time": "x"}], "more": "x", "attempts": [attempt, attempt]}
            content = {**json.loads((folder / "provenance.json").read_text()), **about}
            content = infected(content, "provenance", keep=("fingerprint", "name"))
            (folder / "provenance.json").write_text(json.dumps(content))
            with (folder / "metrics.jsonl").open() as file:
                lines = [{**json.loads(line), script("metrics-key"): script("metrics-value")} for line in file]
            (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    finished = root / Run(SHALLOW, 0).id
    rewrite(
        finished / "result.json", lambda found: {**found, "more": "x", script("result-key"): script("result-value")}
    )
    write_diagnostics(finished, responses={"words": script("diagnostics-value"), script("diagnostics-key"): 1.5})
    rewrite(
        finished / "diagnostics.json",
        lambda found: {**found, "diagnostics": {**found["diagnostics"], script("diagnostics-name"): {"value": 2.5}}},
    )
    failed = root / Run(DEEP, 1).id
    rewrite(failed / "failure.json", lambda found: infected(found, "failure", keep=("run",)))
    _plant_damaged(root)


def _plant_damaged(root: Path) -> None:
    """Plant folders that cannot be used, whose messages tell of what is in them."""
    for number, name in enumerate((*STRINGS, "learning_rate", "seed", "unknown", "run", "lines", "result")):
        run = Run(small(8, learning_rate=0.3 + number / 100), 0)
        folder = write_run(root, run, Truth(3.0, 1.0), stop_after=2)
        mark = f"damaged-{name.replace('_', '-')}"
        content = {"format": 1, "run": run.id, "recipe": to_mapping(run.recipe), "seed": 0}
        match name:
            case "run":
                content["run"] = script(mark)
            case "seed":
                content["seed"] = script(mark)
            case "unknown":
                content["recipe"] = {**to_mapping(run.recipe), script(mark): 1}
            case "lines":
                (folder / "metrics.jsonl").write_text(script(mark) + "\n")
            case "result":
                (folder / "result.json").write_text(json.dumps({"test_error": script(mark), script("result-key"): 1}))
            case _:
                content["recipe"] = {**to_mapping(run.recipe), name: script(mark)}
        (folder / "run.json").write_text(json.dumps(content))
    (root / slashless("recipe-folder") / f"seed{slashless('seed-folder')}").mkdir(parents=True)
    (root / "studies" / f"{slashless('study-file')}.json").write_text("{")
    (root / "words" / f"{slashless('words-file')}.toml").write_text("curves = 'x'")


def addresses(mark: str) -> Iterator[str]:
    """Return parameters of an address with script in each that a view reads."""
    from urllib.parse import quote

    said = quote(script(mark), safe="")
    yield f"?view={said}"
    yield f"?view=study&name={said}"
    yield f"?view=run&id={said}"
    yield f"?view=run&id={Run(DEEP, 1).id}&against={said}"
    yield f"?view=compare&a={said}&b={said}"
    yield f"?view=scores&q={said}&dataset={said}&sort={said}&order={said}"
    yield f"?view=plan&q={said}&status={said}"
    yield f"#{said}"
