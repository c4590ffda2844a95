"""The documents: each is a page of the site, and what they link to exists (`make docs` also checks anchors)."""

import re
import runpy
from pathlib import Path

import pytest

import reslab
from reslab.datasets import DATASETS
from reslab.exhibits.wording import numeral
from reslab.presets import PRESETS
from reslab.recipe import written_fields

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.iterdir() if path.suffix in (".md", ".rst") and path.name != "index.md")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), ROOT / "results" / "README.md"])


def test_every_document_is_in_the_contents_of_the_site() -> None:
    contents = "\n".join(re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), flags=re.DOTALL))
    listed = [line for line in contents.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(page.stem for page in PAGES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_the_documents_link_to_exists(document: Path) -> None:
    links = re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_public_name_is_documented() -> None:
    documented = re.findall(r"auto\w+:: reslab\.(\w+)", (DOCS / "api.md").read_text())
    assert sorted(documented) == sorted(set(vars(reslab)["__all__"]) - {"__version__"})


def test_every_recipe_and_data_set_is_named_where_they_are_listed() -> None:
    readme, studies = (ROOT / "README.md").read_text(), (DOCS / "studies.md").read_text()
    counted, named = re.findall(r"There are (\w+) recipes: (.*?)\.\n", readme, re.DOTALL)[0]
    assert counted == numeral(len(PRESETS))
    assert set(re.findall(r"`([\w-]+)`", named)) == set(PRESETS)
    listed = re.findall(r"# the recipe to start from: (.*)", studies)[0]
    assert listed.split(", ") == list(PRESETS)
    of_images = re.findall(r'^dataset = "cifar10" +# (.*), or my_images.py:load', studies, re.M)[0]
    assert of_images.split(", ") == list(DATASETS)


def test_the_page_of_recipes_is_made_from_the_docstrings() -> None:
    """`python docs/recipe_fields.py` makes it anew."""
    made = runpy.run_path(str(DOCS / "recipe_fields.py"))["page"]()
    assert (DOCS / "recipes.md").read_text() == made
    for name in written_fields():
        assert f"| `{name}` |" in made
