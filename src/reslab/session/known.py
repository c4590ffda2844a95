"""The networks and published recipes in ResLab, as Python and the verbs `models` and `presets` list them."""

from collections.abc import Sequence
from dataclasses import asdict

from reslab.arguments import check_least
from reslab.errors import ResLabError
from reslab.families import FAMILIES, IMAGENET_DEPTHS, is_depth
from reslab.presets import PRESETS, Preset, preset_recipe
from reslab.recipe import IMAGENET_FAMILIES, Scalar, differing_fields, to_mapping, written_fields
from reslab.session.listing import Listing

MOST_CLASSES = 1_000_000
"""Most classes that networks are counted with: enough for the largest sets, and fits into memory."""


def list_models(
    depths: Sequence[int] | None = None, classes: Sequence[int] | None = None, *, table_1: bool = False
) -> Listing:
    """Return networks with their parameters and multiply-adds for one image, counted on the networks themselves.

    These are the residual and plain ones of He et al. 2016, section 4.2, pre-activation and wide ones (images of
    32x32), and those of table 1 (224x224); by default at the papers' depths, with 10, 100 and 1000 classes.
    `table_1` returns the structure of the last instead, stage by stage.
    """
    from reslab.models import complexity

    for one in classes or ():
        check_least("--classes", one, 1)
        if one > MOST_CLASSES:
            raise ResLabError(f"--classes: at most {MOST_CLASSES:,} are possible, not {one:,}")
    if table_1:
        return _table_1()
    # The first list refuses a depth of neither; 50 and 152 are depths of both.
    small = complexity.PAPER_DEPTHS if depths is None else [one for one in depths if _is_small(one)]
    large = IMAGENET_DEPTHS if depths is None else [one for one in depths if one in IMAGENET_DEPTHS]
    rows = complexity.catalogue(depths=small, num_classes=classes or (10, 100))
    rows += complexity.later_catalogue(depths=depths, num_classes=classes or (10, 100))
    larger = complexity.imagenet_catalogue(depths=large, num_classes=classes or (1000,))
    sized = [{**row, "image": side} for part, side in ((rows, "32x32"), (larger, "224x224")) for row in part]
    return Listing(
        "Networks",
        rows + larger,
        [column.replace("_", "-") for column in sized[0]],
        [[f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()] for row in sized],
    )


def _is_small(depth: int) -> bool:
    """Say whether a depth belongs to the residual networks for 32 x 32 images, or to no family at all."""
    return is_depth("residual", depth) or not any(is_depth(family, depth) for family in FAMILIES)


def _table_1() -> Listing:
    from reslab.models.complexity import architecture

    columns = {family: [architecture(family, depth) for depth in IMAGENET_DEPTHS] for family in IMAGENET_FAMILIES}
    first = columns[IMAGENET_FAMILIES[0]]
    cells = [
        [stage, str(side), *(column.blocks[stage].replace("; [", "\n[").replace("; ", "\n ") for column in first)]
        for stage, side in first[0].sizes.items()
    ]
    for words, family in (("stride in the 3x3", "imagenet"), ("stride in the 1x1", "imagenet-1x1")):
        costs = [(column.multiply_adds, column.multiply_adds_and_batch_norm) for column in columns[family]]
        cells.append([f"G multiply-adds, {words}", "", *(f"{plain / 1e9:.2f}" for plain, _ in costs)])
        cells.append(["  and batch norm", "", *(f"{whole / 1e9:.2f}" for _, whole in costs)])
    cells.append(["M parameters", "", *(f"{column.parameters / 1e6:.2f}" for column in first)])
    return Listing(
        "He et al. 2016, table 1",
        [asdict(column) for family in columns.values() for column in family],
        ["stage", "output", *(f"{depth} layers" for depth in IMAGENET_DEPTHS)],
        cells,
        [
            "",
            "Multiply-adds are those of convolutions and linear layers; the row below adds two operations for each",
            "value that batch norm normalises, which with the stride in the 1x1 gives the figures of the paper's",
            "table 1, cut to one decimal.  The first block of conv3_x, conv4_x and conv5_x has stride 2.",
        ],
    )


def list_presets(name: str | None = None) -> Listing:
    """Return the published recipes and our fast one side by side in the fields that differ, or one of them in full.

    For a single one, the notes give the source of each number, and where the recipe differs from the source.
    """
    preset_recipe(name or "paper")  # refuses an unknown name
    chosen = list(PRESETS.values()) if name is None else [PRESETS[name]]
    fields = differing_fields([preset.recipe for preset in chosen]) if name is None else written_fields()
    deviating = [preset.name for preset in chosen if preset.deviations]
    differ = f"The schedules of {', '.join(deviating)} differ from their sources; reslab presets NAME says how"
    return Listing(
        "Presets" if name is None else f"Preset {name}",
        [
            {
                "name": preset.name,
                "source": preset.source,
                "recipe": to_mapping(preset.recipe),
                "evidence": dict(preset.evidence),
                "notes": list(preset.notes),
                "deviations": [asdict(one) for one in preset.deviations],
            }
            for preset in chosen
        ],
        ["field", *(preset.name for preset in chosen)],
        [[field, *(_plain(getattr(preset.recipe, field)) for preset in chosen)] for field in fields],
        ["", differ] if name is None else _sources(chosen[0]),
    )


def _sources(preset: Preset) -> list[str]:
    lines = ["", f"Source: {preset.source}"]
    lines += [f"  {', '.join(where.split())}: {place}" for where, place in preset.evidence.items()]
    lines += ["", "Notes:", *(f"  - {note}" for note in preset.notes)]
    for one in preset.deviations:
        flags = " ".join(f"--{field.replace('_', '-')} {_plain(value)}" for field, value in one.follow.items())
        lines += ["", "Differs from its source:", f"  there: {one.theirs}", f"  here: {one.ours}"]
        lines.append(f"  worth: {one.points:g} points of test error at most: {one.basis}")
        lines.append(f"  to follow the source: {flags or 'no recipe field can'}")
    return lines


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
