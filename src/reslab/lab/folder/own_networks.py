"""Users' own networks in run folders: their source is read, kept in each run, and must be trusted before it runs.

A run folder from elsewhere holds downloaded code.  It is run only with the user's consent: having once used a file of
their own with the same content on this machine, or with --trust-code.
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
    """Return the sources of networks still given as files, by `Recipe.network`; nothing in them is run.

    Raises `ResLabError` if one cannot be read, or has a file that a run cannot keep.
    """
    found: dict[str, Source] = {}
    for recipe in recipes:
        own = recipe.own_network
        if own is not None and not own.digest and recipe.network not in found:
            found[recipe.network] = read_source(own.path)
            found[recipe.network].check_names()
    return found


def with_source(recipe: Recipe, sources: Mapping[str, Source]) -> Recipe:
    """Return the recipe with the fingerprint of its network's source, if that was read; else unchanged."""
    own = recipe.own_network
    if own is None or recipe.network not in sources:
        return recipe
    return vary(recipe, network=f"{own.file}:{own.function}@{sources[recipe.network].digest}")


def keep_sources(root: Path, runs: Iterable[Run], sources: Mapping[str, Source]) -> None:
    """Create the folders of runs with their own networks, each with a copy of the source, which is trusted from now on.

    Raises `ResLabError` if a run's network is not among the sources and its folder has no copy.
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
    """Build each of these networks and run it for one step, on images of the shape that its runs would train on.

    Raises `ResLabError` as `reslab.models.own_network.build_own` does.  Runs the user's code, and imports torch.
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
    """Return the number of classes of a recipe's images, and their shape, C x H x W."""
    size = known(recipe.dataset).size
    if size is not None:
        return size.num_classes, (3, recipe.image_size, recipe.image_size)
    from reslab.data.sources import load_for
    from reslab.lab.assembly import shape_of

    dataset = load_for(recipe, data_root)
    return len(dataset.class_names), shape_of(dataset, recipe)


def words_of_former(root: Path, runs: Iterable[Run]) -> list[str]:
    """Return remarks on networks whose files have changed since otherwise identical runs below `root`."""
    found = {}
    for run in runs:
        own = run.recipe.own_network
        if own is not None and (others := _former(root, run)):
            found[own] = (
                f"the source of {own.words} has changed since {' and '.join(other.id for other in others)}: it is now "
                f"a different network, and {run.id} is a new run"
            )
    return list(found.values())


def _former(root: Path, run: Run) -> list[Run]:
    if (root / run.id).exists():
        return []
    found = []
    for path in root.glob(f"{run.recipe.id.rsplit('-', 1)[0]}-*/seed{run.seed}/run.json"):
        with contextlib.suppress(ResLabError):  # a damaged run is reported when it is requested
            other = RunFiles(path.parent).read_run()
            if other != run and Run(vary(other.recipe, network=run.recipe.network), other.seed) == run:
                found.append(other)
    return found


def source_to_run(files: RunFiles, run: Run, trusted: bool = False) -> Path | None:
    """Return the folder with the code of a run's network; None if the network is ResLab's.

    Raises `DamagedError` if the copy is not that of the recipe, and `ResLabError` unless it may be run: it is `trusted`
    or the user has used a file of the same content.
    """
    own = run.recipe.own_network
    if own is None:
        return None
    kept = kept_source(files.network, own)
    if not (trusted or is_trusted(kept)):
        raise ResLabError(
            f"{run.id} has its network's code in {files.network}, and no file with that content was used on this "
            "machine: read it, then give --trust-code to run it"
        )
    return files.network


def trust(source: Source) -> None:
    """Remember that this user trusts this code; if nothing can be stored, they must confirm each time."""
    with contextlib.suppress(ResLabError, OSError):
        path = _trusted(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def is_trusted(source: Source) -> bool:
    """Return whether this user has used code with this exact content (its full SHA-256) on this machine."""
    with contextlib.suppress(ResLabError, OSError):
        return _trusted(source).exists()
    return False


def _trusted(source: Source) -> Path:
    """Return the empty file that marks a source as trusted: one for each, as processes may add some concurrently."""
    return cached("trusted", source.sha256)
