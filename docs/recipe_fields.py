"""Writes docs/recipes.md, every field of a recipe with its default and source, from the docstrings of `Recipe`."""

from dataclasses import MISSING, fields
from pathlib import Path

from reslab.cli.flags import field_help
from reslab.recipe import CHOICES, FILLED_IN, Recipe

PAGE = Path(__file__).with_name("recipes.md")

HEAD = """\
# Recipes, field by field

A recipe is everything that decides the result of a training, up to rounding; its fields are listed here with their
defaults and, where a method has one, its source.  Each is a flag of `reslab train` and `reslab run`, as in
`--learning-rate`, a key below `[recipe]` or `[vary]` in a [study's TOML file](studies.md), and an argument of
[`reslab.train`](python.md).  `reslab presets` shows the values of the published recipes, and `reslab presets NAME`
where each is taken from.  The defaults below are those of a bare `Recipe()`; a preset sets its own.

This page is made from the docstrings in `src/reslab/recipe/recipe.py` by `python docs/recipe_fields.py`.
"""

GROUPS = {
    "dataset": "Images",
    "network": "Network",
    "batch_size": "Optimiser",
    "schedule_unit": "Schedule",
    "precision": "Precision",
}
"""The headings, by the first field below each."""


def page() -> str:
    """Return the page."""
    docs, lines = field_help(), [HEAD]
    for field in fields(Recipe):
        if field.name in GROUPS:
            lines.append(f"\n## {GROUPS[field.name]}\n\n| field | default | meaning |\n|---|---|---|\n")
        if field.name in FILLED_IN:
            continue
        assert field.default is not MISSING
        default = f"`{field.default}`" if field.default != "" else "none"
        words = " ".join(docs[field.name].split()).replace("|", "\\|")
        allowed = CHOICES.get(field.name, ())
        unsaid = [one for one in allowed if one not in words]
        more = f"  Also: {', '.join(unsaid)}." if unsaid and field.name != "dataset" else ""
        lines.append(f"| `{field.name}` | {default} | {words}{more} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
