"""Which networks external weights may belong to: what flags, presets, a run.json and the file say or leave open."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab.datasets import DATASETS, known
from reslab.errors import CheckpointError, ResLabError
from reslab.lab.folder.store import RunFiles
from reslab.lab.weights.given import Given
from reslab.models.entries import listed
from reslab.models.fitting import (
    fits_recipe,
    infer_classes,
    infer_depth,
    infer_families,
    infer_shortcut,
    infer_width,
)
from reslab.models.networks import skeleton, with_memory
from reslab.models.weights import WeightsFile, load_into
from reslab.presets import preset_recipe
from reslab.recipe import CHOICES, IMAGENET_FAMILIES, Recipe, Scalar, vary
from reslab.recipe.checks import UNMEASURED

DEFAULT_PRESET = "assignment"
"""Source of the recipe fields that evaluation does not need (rates, lengths), if no preset is named."""

FILE, RUN = "the file", "run.json next to the weights"
"""Sources of decisions, besides flags and presets."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network and a normalisation that the weights fit, and the flags that select them among the candidates."""

    recipe: Recipe
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Everything that the weights may be, and what decided each field of the recipe, in a few words."""

    every: tuple[Candidate, ...]
    decided: dict[str, str]
    remarks: tuple[str, ...] = ()
    run: RunFiles | None = None
    """The run that the weights belong to, according to its run.json."""


@dataclass
class _Decided:
    """The possible values, and what narrowed them."""

    options: tuple[str, ...]
    by: str = ""


def candidates(weights: WeightsFile, path: Path, given: Given) -> Candidates:
    """Return the networks and normalisations that the weights may be of, the usual ones first.

    The user's flags take precedence, then a preset that the user names, then a run.json next to the weights, then the
    file itself.  Shortcut A, A-centred and a plain network have the same weights, as have the two ImageNet families,
    and no file says how images were normalised: whatever stays open gives one candidate for each possibility.  Raises
    `CheckpointError` if the weights do not fit what was given.
    """
    state = weights.weights
    run, remarks = (None, []) if given.preset is not None else _run_beside(path, weights)
    said = None if run is None else run.read_run().recipe
    dataset, dataset_by = _dataset(state, given, said)
    families = _families(state, given, said)
    depth = given.depth or infer_depth(state, families.options[0]) or (said.depth if said else None)
    if depth is None:
        raise CheckpointError(
            f"{path} does not fit any of ResLab's networks: its arrays do not show a depth.  Their names should be "
            f"those of torchvision or of this repository's networks, such as layer1.0.conv1.weight; "
            f"they are {listed(state)}"
        )
    shortcuts = _shortcuts(state, given, said)
    if given.shortcut is not None and given.family is None and given.shortcut != "none":
        families = _Decided(tuple(one for one in families.options if one != "plain") or ("residual",), families.by)
    normalisations = _normalisations(dataset, given, said)
    base = said if said is not None and said.dataset == dataset else _base(given, dataset, depth, families.options[0])
    if given.precision is not None:
        base = vary(base, precision=given.precision)
    found = []
    for family in families.options:
        for shortcut in ("none",) if family == "plain" else shortcuts.options:
            for normalisation in normalisations.options:
                fields: dict[str, Scalar] = {
                    "family": family,
                    "depth": depth,
                    "width": infer_width(state),
                    "shortcut": shortcut,
                    "normalisation": normalisation,
                }
                flags = _flags(family, shortcut, normalisation, families, shortcuts, normalisations)
                found.append(Candidate(vary(base, **fields), flags))
    _check_fits(found[0].recipe, state, given, path)
    _check_classes(dataset, infer_classes(state), path)
    by = {
        "dataset": dataset_by,
        "network": "--depth" if given.depth is not None else FILE,
        "family": families.by,
        "shortcut": families.by if families.options == ("plain",) else shortcuts.by,
        "normalisation": normalisations.by,
        "precision": "--precision" if given.precision else RUN if base is said else "default",
    }
    remarks += _also_fits(state, given, families, shortcuts)
    return Candidates(tuple(found), by, tuple(remarks), run)


def _run_beside(path: Path, weights: WeightsFile) -> tuple[RunFiles | None, list[str]]:
    """Return the run whose folder the weights are in, if they may be its own; else why not."""
    absolute = path.absolute()
    folders = [absolute.parent, *([absolute.parent.parent] if absolute.parent.name == "weights" else [])]
    folder = next((one for one in folders if (one / "run.json").is_file()), None)
    if folder is None:
        return None, []
    files = RunFiles(folder)
    try:
        recipe = files.read_run().recipe
    except ResLabError:
        return None, ["the run.json next to the weights is ignored: it is not that of a run of this version"]
    if not fits_recipe(recipe, weights.weights):
        return None, [
            f"the run.json next to the weights is ignored: it describes {recipe.network_name}, which does not fit them"
        ]
    return files, []


def _dataset(state: Mapping[str, Any], given: Given, said: Recipe | None) -> tuple[str, str]:
    if given.dataset is not None:
        return given.dataset, "--dataset"
    if said is not None:
        return said.dataset, RUN
    if given.preset is not None and preset_recipe(given.preset).dataset == "imagefolder":
        return "imagefolder", f"preset {given.preset}"
    if infer_families(state)[0] in IMAGENET_FAMILIES:
        return "imagefolder", "default for networks of ImageNet"
    classes = infer_classes(state)
    if classes in (None, 10):
        return "cifar10", "default for 10 classes"
    for name, what in DATASETS.items():
        if what.size is not None and what.size.num_classes == classes:
            return name, f"default for {classes} classes"
    raise ResLabError(f"the weights are for {classes} class{'es' * (classes != 1)}: give their data set with --dataset")


def _families(state: Mapping[str, Any], given: Given, said: Recipe | None) -> _Decided:
    options = infer_families(state)
    if given.family is not None:
        return _Decided((given.family,), "--family")
    if said is not None:
        return _Decided((said.family,), RUN)
    if given.preset is not None:
        recipe = preset_recipe(given.preset)
        is_told = recipe.family in IMAGENET_FAMILIES or recipe.shortcut in _looking_like(infer_shortcut(state))
        if recipe.family in options and is_told:
            return _Decided((recipe.family,), FILE if len(options) == 1 else f"preset {given.preset}")
    return _Decided(options, FILE if len(options) == 1 else "")


def _shortcuts(state: Mapping[str, Any], given: Given, said: Recipe | None) -> _Decided:
    options = _looking_like(infer_shortcut(state))
    if given.shortcut is not None:
        return _Decided((given.shortcut,), "--shortcut")
    if len(options) == 1:
        return _Decided(options, FILE)
    if said is not None and said.shortcut in options:
        return _Decided((said.shortcut,), RUN)
    if given.preset is not None and (shortcut := preset_recipe(given.preset).shortcut) in options:
        return _Decided((shortcut,), f"preset {given.preset}")
    return _Decided(options)


def _looking_like(shortcut: str) -> tuple[str, ...]:
    return ("A", "A-centred") if shortcut == "A" else (shortcut,)


def _normalisations(dataset: str, given: Given, said: Recipe | None) -> _Decided:
    if given.normalisation is not None:
        return _Decided((given.normalisation,), "--normalisation")
    if said is not None:
        return _Decided((said.normalisation,), RUN)
    if given.preset is not None:
        return _Decided((preset_recipe(given.preset).normalisation,), f"preset {given.preset}")
    return _Decided(UNMEASURED if known(dataset).in_files else CHOICES["normalisation"])


def _base(given: Given, dataset: str, depth: int, family: str) -> Recipe:
    """Return a recipe for the data set and network; its normalisation and shortcut are chosen elsewhere."""
    usual = "imagenet" if dataset == "imagefolder" and family in IMAGENET_FAMILIES else DEFAULT_PRESET
    return preset_recipe(given.preset or usual, dataset=dataset, depth=depth, family=family)


def _flags(
    family: str, shortcut: str, normalisation: str, families: _Decided, shortcuts: _Decided, normalisations: _Decided
) -> str:
    flags = []
    several = len(families.options) > 1
    if several and (family == "plain" or family in IMAGENET_FAMILIES):
        flags.append(f"--family {family}")
    if family != "plain" and (len(shortcuts.options) > 1 or (several and family == "residual")):
        flags.append(f"--shortcut {shortcut}")
    if len(normalisations.options) > 1:
        flags.append(f"--normalisation {normalisation}")
    return " ".join(flags)


def _check_fits(recipe: Recipe, state: Mapping[str, Any], given: Given, path: Path) -> None:
    """Raise `CheckpointError` if the weights do not fit the network, naming the flags that may be wrong."""
    network = skeleton(recipe.family, recipe.depth, recipe.shortcut, infer_classes(state) or 10, width=recipe.width)
    try:
        load_into(with_memory(network), state)
    except CheckpointError as error:
        named = {"--depth": given.depth, "--family": given.family, "--shortcut": given.shortcut}
        flags = [flag for flag, value in named.items() if value is not None]
        advice = (
            f"without {' and '.join(flags)} the file itself decides"
            if flags
            else "the file is incomplete or of another network: give all weights of one that `reslab models` lists"
        )
        what = str(error).replace("this network", f"{recipe.network_name} (family {recipe.family})", 1)
        raise CheckpointError(f"{path}: {what}\n  {advice}") from None


def _check_classes(dataset: str, classes: int | None, path: Path) -> None:
    size = known(dataset).size
    if size is not None and classes is not None and size.num_classes != classes:
        sizes = {name: what.size for name, what in DATASETS.items() if what.size is not None}
        fitting = [name for name, other in sizes.items() if other.num_classes == classes]
        advice = (
            f": --dataset {' or '.join(fitting)}"
            if fitting
            else f".  No data set of ResLab has {classes}: for images of your own, give --dataset imagefolder"
        )
        raise CheckpointError(
            f"{path}: the weights are for {classes} class{'es' * (classes != 1)}, and {dataset} has "
            f"{size.num_classes}{advice}"
        )


def _also_fits(state: Mapping[str, Any], given: Given, families: _Decided, shortcuts: _Decided) -> Iterable[str]:
    """Yield what else the weights fit, if a preset decided: they may not have been trained with it."""
    if not (families.by.startswith("preset") or shortcuts.by.startswith("preset")):
        return
    others = [f"--shortcut {one}" for one in _looking_like(infer_shortcut(state)) if one not in shortcuts.options]
    others += [f"--family {one}" for one in infer_families(state) if one not in families.options]
    if others:
        yield f"the weights fit {', '.join(others)} as well; preset {given.preset} decided"
