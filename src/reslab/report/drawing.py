"""Draw Vega-Lite charts as SVG, PDF and PNG: many in several processes, because one draws a chart at a time."""

import itertools
import pickle
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import vl_convert

from reslab.host import python, usable_cores

BATCH = 6
"""Fewest charts that are worth another process, which takes about half a second to start."""

SCALE = 1.5
"""PNG pixels per pixel of the drawing; with twice as many, a large report takes three seconds more."""

Job = tuple[str, str]
"""A picture's format, and its source: Vega-Lite (JSON) for SVG, SVG for PDF and PNG."""


def draw_all(jobs: Sequence[Job]) -> list[bytes]:
    """Return the picture of each job; the same job gives the same bytes."""
    count = min(usable_cores(), len(jobs) // BATCH)
    if count < 2:
        return [*map(_draw, jobs)]
    shares = [jobs[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        drawn = list(pool.map(_elsewhere, shares))
    return [drawn[place % count][place // count] for place in range(len(jobs))]


def tidied(svg: str) -> str:
    """Return a drawing, shortened, with clip paths numbered from 1 (the converter counts on from chart to chart)."""
    places: dict[str, str] = {}
    return _TAG.sub(lambda tag: _tidy(tag.group(), places), svg)


def main() -> None:
    """Read pickled jobs from stdin and write their pictures, pickled, to stdout."""
    pickle.dump([*map(_draw, pickle.load(sys.stdin.buffer))], sys.stdout.buffer)


def _draw(job: Job) -> bytes:
    form, source = job
    if form == "svg":
        return tidied(str(vl_convert.vegalite_to_svg(source))).encode()
    return bytes(vl_convert.svg_to_pdf(source) if form == "pdf" else vl_convert.svg_to_png(source, scale=SCALE))


def _elsewhere(jobs: Sequence[Job]) -> list[bytes]:
    """Draw in another process; if that fails, draw in this one, where errors are raised."""
    command = [*python(), "-m", "reslab.report.drawing"]
    done = subprocess.run(command, input=pickle.dumps(jobs), capture_output=True, check=False)
    return pickle.loads(done.stdout) if done.returncode == 0 else [*map(_draw, jobs)]


_TAG = re.compile(r"<[^<>]*>")
_CLIP = re.compile(r'(?<=id=")clip\d+(?=")|(?<=url\(#)clip\d+(?=\))')


def _tidy(tag: str, places: dict[str, str]) -> str:
    if "clip" in tag:
        tag = _CLIP.sub(lambda name: places.setdefault(name.group(), f"clip{len(places) + 1}"), tag)
    tag = re.sub(r'(?<= transform=")[^"]*', lambda place: _NUMBER.sub(_hundredths, place.group()), tag)
    return re.sub(r'(?<= d=")[^"]*', _shorter, tag) if tag.startswith("<path") else tag


_NUMBER = re.compile(r"-?\d+\.\d+(?![\de.])")
_POINT = r"-?[\d.]+,-?[\d.]+"
_POLYGONS = re.compile(rf"(?:M{_POINT}(?:L{_POINT})*Z?)+")


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number.group()):.2f}".rstrip("0").rstrip(".")


def _shorter(path: re.Match[str]) -> str:
    """Return a path in relative steps of tenths of a pixel: it looks the same and is a third as long."""
    if not _POLYGONS.fullmatch(path.group()):
        return _NUMBER.sub(_hundredths, path.group())
    return "".join(_steps(line) for line in path.group().split("M")[1:])


def _steps(line: str) -> str:
    points = [[round(10 * float(number)) for number in point.split(",")] for point in line.removesuffix("Z").split("L")]
    steps = [f"{(x - u) / 10:g},{(y - v) / 10:g}" for (u, v), (x, y) in itertools.pairwise(points)]
    joined = " ".join(steps).replace(" -", "-").replace(",-", "-")
    start = ",".join(f"{number / 10:g}" for number in points[0])
    whole = f"M{start}{'l' if steps else ''}{joined}{'Z' if line.endswith('Z') else ''}"
    return re.sub(r"(?<![\d.])0\.", ".", whole)


if __name__ == "__main__":
    main()
