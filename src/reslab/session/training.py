"""One run from what a user names: started, resumed, or left alone if it has ended."""

import contextlib
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reslab.data.sources import check_present
from reslab.errors import LockedError, ReplacedError, ResLabError
from reslab.host import default_precision
from reslab.lab.folder.own_networks import keep_sources, read_sources, with_source, words_of_former
from reslab.lab.folder.status import Status
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.settings import Settings
from reslab.lab.stopping import StopRequest
from reslab.naming import run_name
from reslab.own_code import Source
from reslab.own_running import check_not_running
from reslab.presets import muon_left, preset_recipe
from reslab.recipe import OWN_NETWORK, Recipe, Run, check_heeded, check_plays_a_part, stretch, vary
from reslab.session.own_images import OwnImages, fingerprints, look_at, tell_former, tell_unofficial
from reslab.session.progress import Board, Tell, aside

DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Trained:
    """A run, its files, and its status after training."""

    run: Run
    files: RunFiles
    status: Status
    stopped: bool
    """Whether a signal stopped it."""


def recipe_of(
    preset: str, fields: Mapping[str, Any] | None = None, *, epochs: float | None = None, device: str = "auto"
) -> Recipe:
    """Return the preset's recipe with these fields changed; `epochs` stretches its schedule first.

    Unless given, the precision is the faster one on this machine.  Raises `ResLabError` for an unknown preset, field or
    value.
    """
    given = dict(fields or {})
    described = [name.replace("_", "-") for name in OWN_NETWORK if name in given]
    if described and given.get("network"):
        raise ResLabError(f"--network replaces --{' and --'.join(described)}: give one or the other")
    base = preset_recipe(preset, dataset=given.get("dataset"), depth=given.get("depth"), family=given.get("family"))
    if epochs is not None:
        base = stretch(base, epochs)
    given.setdefault("precision", default_precision(device))
    recipe = vary(base, **given)
    check_plays_a_part([recipe], given)
    check_heeded(recipe, given)
    return recipe


@dataclass(frozen=True, slots=True)
class Brought:
    """What recipes take from the user: images that no name identifies, and network sources, by `Recipe.network`."""

    images: list[OwnImages]
    fingerprints: dict[str, str]
    """Fingerprints of these images, by data set."""
    sources: dict[str, Source]

    def identified(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the fingerprints of these images and sources."""
        images = self.fingerprints.get(recipe.dataset, recipe.images)
        return with_source(vary(recipe, images=images), self.sources)


def look_at_brought(recipes: Sequence[Recipe], data_root: Path | None, tell: Tell) -> Brought:
    """Read the user's own images and networks that recipes name (see `look_at`, `read_sources`).

    Raises `ResLabError` if called from the user's own file while it is being loaded: training there would never end.
    """
    check_not_running()
    images = look_at((recipe.dataset for recipe in recipes), data_root, tell)
    return Brought(images, fingerprints(images), read_sources(recipes))


def tell_remarks(root: Path, runs: Sequence[Run], tell: Tell) -> None:
    """Report runs below `root` that bear on these, and a learning rate that was changed without Muon's."""
    tell_former(root, runs, tell)
    tell_unofficial(root, runs, tell)
    for words in words_of_former(root, runs):
        tell(f"remark: {words}")
    for words in dict.fromkeys(filter(None, (muon_left(run.recipe) for run in runs))):
        tell(f"remark: {words}")


def train_run(
    asked: Run,
    root: Path,
    settings: Settings = DEFAULTS,
    *,
    time_limit: float | None = None,
    tell: Tell = aside,
    ids: bool = False,
) -> Trained:
    """Train a run below `root` in this process, from its last checkpoint; do nothing if it has ended.

    Ctrl-C and SIGTERM (on the main thread), and `time_limit` in minutes, make it write a checkpoint and return; calling
    again resumes.  Raises `DataError` where the images are missing, `LockedError` where another process trains the run,
    other subclasses of `ResLabError` for what a user can fix.
    """
    check_kept(asked.recipe, settings.keep_epochs)
    check_present(asked.recipe.dataset, settings.data_root)
    brought = look_at_brought([asked.recipe], settings.data_root, tell)
    run = Run(brought.identified(asked.recipe), asked.seed)
    for one in brought.images:
        tell(one.words)
    tell_remarks(root, [run], tell)
    files = run_files(root, run)
    is_new = not files.path.exists()
    keep_sources(root, [run], brought.sources)
    files.create(run)
    from reslab.lab.one_run import execute

    trusted = settings.trust_code or bool(brought.sources)  # its code is from a file named here
    settings = replace(settings, trust_code=trusted)
    try:
        with (
            StopRequest(time_limit) as stop,
            Board(
                {run.id: (1.0, 1.0)}, names={} if ids else {run.id: run_name(run)}, tell=tell, on_closed=stop.ask
            ) as board,
        ):
            status = execute(files, settings, on_event=board, stop=stop)
    except (LockedError, ReplacedError):
        raise  # the folder belongs to another process
    except ResLabError:
        if is_new and not (files.path / "provenance.json").exists():
            shutil.rmtree(files.path, ignore_errors=True)  # a mistake in the request: nothing has been trained
            with contextlib.suppress(OSError):  # other seeds of the recipe are there
                files.path.parent.rmdir()
        raise
    return Trained(run, files, status, stop.interrupted)


def check_kept(recipe: Recipe, kept: tuple[int, ...] | None) -> None:
    """Raise `ResLabError` for an epoch that a single training does not reach; in a study, runs differ in length."""
    if kept and recipe.schedule_unit == "epochs" and kept[-1] > math.ceil(recipe.length):
        raise ResLabError(f"--keep-epochs: there is no epoch {kept[-1]} in a training of length {recipe.length:g}")
