"""Networks of the user's own in the folders of runs: their source read, kept in each run, and trusted before it runs.

A run directory from elsewhere holds code like any download.  It is run only where the user has said so: by naming
their own file with the same content, once on this machine, or with --trust-code.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from reslab.cache import cached
from reslab.datasets import known
from reslab.errors import DamagedError, ResLabError
from reslab.files import writing
from reslab.lab.folder.store import RunFiles, run_files
from reslab.own_code import Source, kept_source, read_source
from reslab.recipe import Recipe, Run, vary


def read_sources(recipes: Iterable[Recipe]) -> dict[str, Source]:
    """Return the sources of the networks that are files so far, by `Recipe.network`; nothing of them is run.

    Raises `ResLabError` where one cannot be read, or has a file that no run can keep.
    """
    found: dict[str, Source] = {}
    for recipe in recipes:
        own = recipe.own_network
        if own is not None and not own.digest and recipe.network not in found:
            found[recipe.network] = read_source(own.path)
            found[recipe.network].check_names()
    return found


def with_source(recipe: Recipe, sources: Mapping[str, Source]) -> Recipe:
    """Return the recipe with the fingerprint of its network's source, if that was read; others as they are."""
    own = recipe.own_network
    if own is None or recipe.network not in sources:
        return recipe
    return vary(recipe, network=f"{own.file}:{own.function}@{sources[recipe.network].digest}")


def keep_sources(root: Path, runs: Iterable[Run], sources: Mapping[str, Source]) -> None:
    """Create the folders of the runs of these networks, each with a copy of the source, which is trusted from now on.

    Raises `ResLabError` where a run's network is not among the sources and its folder has none.
    """
    by_digest = {source.digest: source for source in sources.values()}
    for run in runs:
        own = run.recipe.own_network
        if own is None:
            continue
        files = run_files(root, run)
        source = by_digest.get(own.digest)
        if source is not None:
            trust(source)
            with contextlib.suppress(DamagedError):
                kept = kept_source(files.network, own)
                if kept.sha256 != source.sha256:
                    raise ResLabError(
                        f"{files.network} has other code that happens to have the same fingerprint; use another "
                        "--runs folder"
                    )
                source = None  # it is there
        if source is not None:
            with writing(files.path):
                source.write(files.network)
        files.create(run)


def try_networks(recipes: Iterable[Recipe], sources: Mapping[str, Source], data_root: Path | None = None) -> None:
    """Build each of these networks once and do a step of it, on images of the shape that its runs would train on.

    Raises `ResLabError` as `reslab.models.own_network.build_own` does.  This runs the user's code, and imports torch.
    """
    by_digest = {source.digest: source for source in sources.values()}
    forms: dict[tuple[str, str, int], tuple[int, tuple[int, int, int]]] = {}
    tried = {}
    for recipe in recipes:
        own, images = recipe.own_network, (recipe.dataset, recipe.images, recipe.image_size)
        if own is not None and own.digest in by_digest:
            if images not in forms:
                forms[images] = _form(recipe, data_root)
            tried[own, forms[images]] = by_digest[own.digest]
    for (own, (num_classes, shape)), source in tried.items():
        from reslab.models.own_network import build_own

        with tempfile.TemporaryDirectory() as folder:
            source.write(Path(folder, "network"))
            build_own(Path(folder, "network"), own, num_classes, 0, shape)


def _form(recipe: Recipe, data_root: Path | None) -> tuple[int, tuple[int, int, int]]:
    """Return the classes of a recipe's images and their shape, C x H x W."""
    size = known(recipe.dataset).size
    if size is not None:
        return size.num_classes, (3, recipe.image_size, recipe.image_size)
    from reslab.data.sources import load_for
    from reslab.lab.assembly import shape_of

    dataset = load_for(recipe, data_root)
    return len(dataset.class_names), shape_of(dataset, recipe)


def words_of_former(root: Path, runs: Iterable[Run]) -> list[str]:
    """Return remarks on the networks whose files have changed since runs below `root` that are otherwise the same."""
    found = {}
    for run in runs:
        own = run.recipe.own_network
        if own is not None and (others := _former(root, run)):
            found[own] = (
                f"the source of {own.words} has changed since {' and '.join(other.id for other in others)}: it is "
                f"another network now, and {run.id} is a new run"
            )
    return list(found.values())


def _former(root: Path, run: Run) -> list[Run]:
    if (root / run.id).exists():
        return []
    found = []
    for path in root.glob(f"{run.recipe.id.rsplit('-', 1)[0]}-*/seed{run.seed}/run.json"):
        with contextlib.suppress(ResLabError):  # a damaged run is told of where it is asked for
            other = RunFiles(path.parent).read_run()
            if other != run and Run(vary(other.recipe, network=run.recipe.network), other.seed) == run:
                found.append(other)
    return found


def source_to_run(files: RunFiles, run: Run, trusted: bool = False) -> Path | None:
    """Return the folder that holds the code of a run's network, None where the network is ResLab's.

    Raises `DamagedError` where the copy is not the one of the recipe, and `ResLabError` where neither `trusted` nor a
    file of the user's own of the same content says that it may be run.
    """
    own = run.recipe.own_network
    if own is None:
        return None
    kept = kept_source(files.network, own)
    if not (trusted or is_trusted(kept)):
        raise ResLabError(
            f"{run.id} is of a network whose code is in {files.network}, and no file of that content was used on this "
            "machine: read it, then give --trust-code to run it"
        )
    return files.network


def trust(source: Source) -> None:
    """Remember that this user runs this code; where nothing can be remembered, they are asked."""
    with contextlib.suppress(ResLabError, OSError):
        path = _trusted(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def is_trusted(source: Source) -> bool:
    """Return whether a file of this content was given by this user on this machine, by its whole SHA-256."""
    with contextlib.suppress(ResLabError, OSError):
        return _trusted(source).exists()
    return False


def _trusted(source: Source) -> Path:
    """Return the empty file that says so: one for each, as several processes may add some at a time."""
    return cached("trusted", source.sha256)
