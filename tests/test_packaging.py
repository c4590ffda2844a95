"""What is said in several files about the package agrees, and its workflows run only what is pinned."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import reslab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def pins(name: str) -> dict[str, str]:
    """Return the version of each package in a file of constraints, names in one spelling."""
    lines = (line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#"))
    return {plain(package): version for package, version in (line.split("==") for line in lines)}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def promised(requirements: list[object]) -> dict[str, str]:
    """Return the lowest version of each package that is required."""
    found = (re.match(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)", text) for text in requirements if isinstance(text, str))
    return {plain(match[1]): match[2] for match in found if match}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split(".post", maxsplit=1)[0]))


def test_the_lowest_versions_tested_are_those_promised() -> None:
    lowest = pins("constraints-lowest.txt")
    required = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["watch"]]
    low = promised(required)
    assert lowest.keys() == low.keys()
    assert len(low) == len(required)
    for name, version in low.items():
        assert numbers(lowest[name]) == (*numbers(version), 0, 0)[:3], name


def test_the_tested_versions_keep_the_promises() -> None:
    exact = pins("constraints.txt")
    groups = [PROJECT["dependency-groups"][name] for name in ("test", "check", "docs", "cluster", "release")]
    for name, version in promised(sum(groups, PROJECT["project"]["dependencies"])).items():
        assert numbers(exact[name]) >= numbers(version), name


def test_the_constraints_can_be_met_with_the_torch_of_pypi() -> None:
    """PyPI's torch for Linux names its Triton to the patch (its metadata); a processor-only torch names none."""
    exact = pins("constraints.txt")
    assert (exact["torch"], exact["triton"]) == ("2.13.0", "3.7.1"), "look up the Triton of another torch"
    assert numbers(promised(PROJECT["dependency-groups"]["test"])["triton"]) <= (3, 6), "torch 2.10.0 has 3.6.0"


def test_the_citation_is_of_this_version() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert cited is not None
    assert cited[1] == reslab.__version__


def test_the_pythons_promised_are_tested() -> None:
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    matrix = re.search(r"python: \[(.*)\]", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert matrix is not None
    assert re.findall(r"3\.\d+", matrix[1]) == classifiers
    assert PROJECT["project"]["requires-python"] == f">={classifiers[0]}"


def test_no_link_of_the_page_on_pypi_is_relative(tmp_path: Path) -> None:
    """The metadata are made as a build makes them, of a copy of what they are made from."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "src/reslab/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    script = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    text = (tmp_path / done.stdout.splitlines()[-1] / "METADATA").read_text()
    assert "Description-Content-Type: text/markdown" in text
    links = re.findall(r"\]\(([^)\s]+)\)", text.partition("\n\n")[2])
    assert len(links) > 20
    source = PROJECT["project"]["urls"]["Source"]
    for link in links:
        assert link.startswith("https://"), link
        if link.startswith(source):
            kind, tag, path = link.removeprefix(f"{source}/").split("/", 2)
            assert tag == f"v{reslab.__version__}"
            assert (ROOT / path.partition("#")[0]).exists(), link
            assert (kind == "raw") == path.endswith(".png")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_pinned_actions_with_the_least_rights(workflow: Path) -> None:
    text = workflow.read_text()
    used = re.findall(r"uses: *(\S+)(.*)", text)
    assert used
    for action, rest in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r"  # v\d+\.\d+\.\d+", rest), action
    assert "permissions:\n  contents: read\n" in text
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")
    for target in re.findall(r"run: make (\w+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), target


def test_commits_are_checked_with_the_tested_versions() -> None:
    exact = pins("constraints.txt")
    hooks = re.findall(
        r"additional_dependencies: \[(\w[\w-]*)==([\d.]+)\]", (ROOT / ".pre-commit-config.yaml").read_text()
    )
    assert ("ruff", exact["ruff"]) in hooks
    assert {version for name, version in hooks if name == "ruff"} == {exact["ruff"]}


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "reslab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == reslab.__version__
