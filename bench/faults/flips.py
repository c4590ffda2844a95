"""Flipped bits in what lies on the disk: each is told of, or changes nothing that any verb says."""

import io
import json
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from disk import dies_at
from PIL import Image
from plan import Child, Plan, Tally, must, outcome, reslab, run_arguments, timed, train_arguments

PROMISE = "each verb tells of it, or its output is the same byte for byte"
TELLS = re.compile(
    r"damaged|could not be read|cannot be read|cannot be used|is not the folder of a run|the recipe was edited"
    r"|not a run's|SHA-256 differs|is not what the run ended with|are not those that|newer ResLab"
    r"|no checkpoint of this run|not the official"
)
Said = dict[str, tuple[int, str]]
"""Exit code and all output, by verb."""


def runs(plan: Plan) -> list[Tally]:
    """Flip bits of every file of runs that finished, diverged or were interrupted, and of the study's record."""
    place = plan.fresh("flips")
    kept, here = place / "kept", place / "runs"
    _prepare(kept, place)
    shutil.copytree(kept, here)
    finished, diverged, interrupted = _by_status(here)
    tallies = []
    for name, folder, number in (
        ("of a finished run", finished, 4 if plan.is_short else 110),
        ("of a run that diverged", diverged, 1 if plan.is_short else 30),
        ("of an interrupted run", interrupted, 2 if plan.is_short else 70),
        ("of a study's record", here / "studies", 1 if plan.is_short else 20),
    ):
        tally = Tally("flips", f"one bit of a file {name}", PROMISE)
        tallies.append(tally)
        chance = plan.chance(tally.fault)
        with timed(tally):
            chosen = _some(_files(folder), number, chance)  # before a verb lets the run go on
            expected = _say(here, folder, place)
            for path in chosen:
                _restore(kept, here)
                bit = _flip(path, chance)
                said = _say(here, folder, place)
                tally.note(*_judge(f"{path.relative_to(here)} {bit}", said, expected))
        _restore(kept, here)
    return tallies


def _prepare(root: Path, place: Path) -> None:
    must(run_arguments(root, "fp32", 2), place)
    for folder in sorted(root.glob("*/seed0"))[:1]:
        for epoch in ([], ["--epoch", "1"]):
            must([*_diagnose(folder), *epoch], place)
    reslab(train_arguments(root, "fp32", 2, learning_rate=1e30), place).wait()
    reslab(train_arguments(root, "fp32", 3, seed=1), place, before=lambda: dies_at(150)).wait()


def _by_status(root: Path) -> tuple[Path, Path, Path]:
    from reslab.lab.folder.finding import find_runs

    by_status = {
        files.status(): files.path
        for files in reversed(find_runs(root))
        if files.weights.exists() is False or files.diagnostics()
    }
    return by_status["finished"], by_status["diverged"], by_status["interrupted"]


def _diagnose(folder: Path) -> list[str]:
    return ["diagnose", str(folder), "--which", "gap,responses", "--budget", "quick", "--device", "cpu", "--json"]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def _some(files: list[Path], number: int, chance: Random) -> list[Path]:
    """Return so many files, each as often as any other."""
    rounds = [chance.sample(files, len(files)) for _ in range(-(-number // len(files)))]
    return [path for one in rounds for path in one][:number]


def _flip(path: Path, chance: Random) -> str:
    content = bytearray(path.read_bytes())
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"byte {place} bit {bit}"


def _restore(kept: Path, here: Path) -> None:
    shutil.rmtree(here)
    shutil.copytree(kept, here)


def _say(root: Path, folder: Path, place: Path) -> Said:
    """Return what every verb that reads the files of `folder` says."""
    verbs: dict[str, Callable[[], str]] = {
        "status": lambda: _output(["status", "--verify", "--runs", str(root), "--json"]),
        "report": lambda: _report(root),
    }
    if (folder / "result.json").exists():
        verbs |= {
            "evaluate": lambda: _output(["evaluate", str(folder), "--device", "cpu", "--json"]),
            "diagnose": lambda: _output(_diagnose(folder)),
            "diagnose --epoch": lambda: _output([*_diagnose(folder), "--epoch", "1"]),
        }
    elif (folder / "checkpoint").exists():
        verbs["train"] = lambda: _trained(root, folder)
    elif (folder / "failure.json").exists():
        verbs["train"] = lambda: _output([*train_arguments(root, "fp32", 2, learning_rate=1e30), "--json"])

    def call() -> int:
        print(json.dumps({name: verb() for name, verb in verbs.items()}))
        return 0

    ended = Child(call, place).wait()
    assert ended.code == 0, ended.err
    said: Said = json.loads(ended.out.splitlines()[-1])
    return said


def _output(arguments: list[str]) -> Any:
    from reslab.cli import main

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except Exception as error:
            return 1, f"Traceback: {error!r}"
    return code, out.getvalue() + err.getvalue()


def _report(root: Path) -> Any:
    """Return the text of the report, which is what all its forms are made of."""
    from reslab.report.compose import compose
    from reslab.report.markdown import render_markdown

    try:
        return 0, render_markdown(compose(root))
    except Exception as error:
        return 1, f"Traceback: {error!r}"


def _trained(root: Path, folder: Path) -> Any:
    """Let an interrupted run go on; return what it came to, by its digest, or why it did not go on."""
    import hashlib

    code, text = _output(train_arguments(root, "fp32", 3, seed=1))
    if code:
        return code, text
    name = "/".join(folder.parts[-2:])
    same = hashlib.sha256(repr(outcome(root)[name]).encode()).hexdigest()
    return code, same


def _judge(what: str, said: Said, expected: Said) -> tuple[bool, str]:
    silent = [
        f"{verb}: {said[verb][0]} {said[verb][1][-300:]}"
        for verb in expected
        if said[verb] != expected[verb] and (said[verb][0] == 1 or not TELLS.search(said[verb][1]))
    ]
    return not silent, f"{what}: {silent}"


def images(plan: Plan) -> list[Tally]:
    """Flip bits of the images of a folder, and of the real CIFAR-10, where it is there; not in the short form."""
    if plan.is_short:
        return []
    return [_image_folder(plan), *([_cifar(plan)] if plan.data_root is not None else [])]


def _image_folder(plan: Plan) -> Tally:
    tally = Tally(
        "flips",
        "one bit of an image of a run's own image folder",
        "`evaluate` refuses other images than the run's (exit code 4)",
    )
    chance = plan.chance(tally.fault)
    with timed(tally):
        place = plan.fresh("image folder")
        _write_images(place / "images", chance)
        size = ["--family", "imagenet", "--depth", "18", "--image-size", "32", "--batch-size", "4", "--epochs", "1"]
        how = ["--runs", str(place / "runs"), "--data-root", str(place / "images"), "--device", "cpu"]
        must(["train", "--preset", "imagenet", *size, *how], place)
        (folder,) = (place / "runs").glob("*/seed0")
        evaluate = ["evaluate", str(folder), "--data-root", str(place / "images"), "--device", "cpu", "--json"]
        must(evaluate, place)
        for path in _some(_files(place / "images"), 50, chance):
            before = path.read_bytes()
            bit = _flip(path, chance)
            ended = reslab(evaluate, place).wait()
            tally.note(ended.code == 4 and ended.is_in_words, f"{path.name} {bit}: {ended.code} {ended.err[-300:]}")
            path.write_bytes(before)
        must(evaluate, place)
    return tally


def _write_images(root: Path, chance: Random) -> None:
    generator = np.random.default_rng(chance.randrange(2**32))
    for part, count in (("train", 4), ("test", 2)):
        for name in ("one", "two"):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.{'jpg' if number % 2 else 'png'}")


def _cifar(plan: Plan) -> Tally:
    tally = Tally(
        "flips",
        "one bit of the unpacked CIFAR-10",
        "`data list` tells that it is damaged or not the official one, or loads the same images and names",
    )
    chance = plan.chance(tally.fault)
    assert plan.data_root is not None
    with timed(tally):
        place = plan.fresh("cifar")
        name = "cifar-10-batches-py"
        shutil.copytree(plan.data_root / name, place / "data" / name)
        show = ["data", "list", "--data-root", str(place / "data")]
        expected = must(show, place).out
        for path in _some(_files(place / "data"), 20, chance):
            before = path.read_bytes()
            bit = _flip(path, chance)
            ended = reslab(show, place).wait()
            tells = TELLS.search(ended.out) is not None
            tally.note(ended.out == expected or tells, f"{path.name} {bit}: {ended.out}")
            path.write_bytes(before)
    return tally


KINDS: dict[str, Callable[[Plan], list[Tally]]] = {"flips": runs, "flips-images": images}
