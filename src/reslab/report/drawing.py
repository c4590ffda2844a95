"""Draw Vega-Lite charts as SVG, in several processes where there are many: one converter does one chart at a time."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import vl_convert

from reslab.host import usable_cores

BATCH = 6
"""Charts that are worth a process of their own, which takes about half a second to start."""


def draw_charts(specifications: Sequence[str]) -> list[str]:
    """Return the SVG of each Vega-Lite specification (JSON); the same specification gives the same drawing."""
    count = min(usable_cores(), len(specifications) // BATCH)
    if count < 2:
        return [_draw(text) for text in specifications]
    shares = [specifications[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        drawn = list(pool.map(_elsewhere, shares))
    return [drawn[place % count][place // count] for place in range(len(specifications))]


def tidied(svg: str) -> str:
    """Return a drawing with clip paths numbered from 1 (the converter counts on from chart to chart), written short."""
    places: dict[str, str] = {}
    return _TAG.sub(lambda tag: _tidy(tag.group(), places), svg)


def main() -> None:
    """Draw what comes in, a line of JSON a chart, and send out a line of JSON for each."""
    for line in sys.stdin:
        print(json.dumps(_draw(line)))


def _draw(specification: str) -> str:
    return tidied(str(vl_convert.vegalite_to_svg(specification)))


def _elsewhere(specifications: Sequence[str]) -> list[str]:
    """Draw in another process; if that fails, here, where an error shows itself."""
    done = subprocess.run(
        [sys.executable, "-m", "reslab.report.drawing"],
        input="\n".join(specifications) + "\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(specifications):
        return [_draw(text) for text in specifications]
    return [json.loads(line) for line in lines]


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
    """Return a path as steps of tenths of a pixel: nobody sees the difference, and it is a third as long."""
    if not _POLYGONS.fullmatch(path.group()):
        return _NUMBER.sub(_hundredths, path.group())
    return "".join(_steps(line) for line in path.group().split("M")[1:])


def _steps(line: str) -> str:
    points = [[round(10 * float(number)) for number in point.split(",")] for point in line.removesuffix("Z").split("L")]
    steps = [f"{_tenths(x - u)},{_tenths(y - v)}" for (u, v), (x, y) in itertools.pairwise(points)]
    joined = " ".join(steps).replace(" -", "-").replace(",-", "-")
    start = ",".join(map(_tenths, points[0]))
    return f"M{start}{'l' if steps else ''}{joined}{'Z' if line.endswith('Z') else ''}"


def _tenths(count: int) -> str:
    sign, whole, tenth = "-" if count < 0 else "", *divmod(abs(count), 10)
    return f"{sign}{whole or ''}.{tenth}" if tenth else f"{sign}{whole}"


if __name__ == "__main__":
    main()
