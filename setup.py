"""What pyproject.toml cannot say: the README as PyPI shows it, where a relative link would lead nowhere."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
LINK = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def readme() -> str:
    """Return README.md with links and pictures at the repository's address, as of the tag of this version."""
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Source"]
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "src/reslab/__init__.py").read_text("utf-8"), re.MULTILINE)
    assert version is not None

    def absolute(link: re.Match[str]) -> str:
        picture, words, path = link.groups()
        return f"{picture}{words}({repository}/{'raw' if picture else 'blob'}/v{version[1]}/{path})"

    return LINK.sub(absolute, (ROOT / "README.md").read_text("utf-8"))


if __name__ == "__main__":
    setup(long_description=readme(), long_description_content_type="text/markdown")
