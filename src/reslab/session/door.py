"""The functions that `import reslab` offers; the verbs of the command line do the same."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from reslab.arguments import as_plain, check_least
from reslab.errors import ResLabError
from reslab.files import Json, as_path
from reslab.lab.settings import Settings, kept_epochs
from reslab.recipe import OWN_NETWORK, Recipe, check_heeded, check_plays_a_part, stretch, vary
from reslab.recipe import Run as RecipeRun
from reslab.recipe import vary as changed
from reslab.session.alone import alone
from reslab.session.bringing import NetworkGiven, brought_fields, brought_images, network_text
from reslab.session.fields import RecipeFields, StudyFields
from reslab.session.progress import aside
from reslab.session.run import Run, where_to_compute
from reslab.session.training import recipe_of, train_run

if TYPE_CHECKING:  # each function imports what it needs: training needs no charts
    from reslab.session.comparison import Comparison
    from reslab.session.evaluation import Evaluation
    from reslab.session.runs import Runs
    from reslab.session.study import Study

    Side: TypeAlias = Run | Sequence[Run] | Runs | str | Path
    """What can be compared: a run, some runs of one recipe, or a run's id or folder."""

Path_ = str | Path


@alone()
def train(
    recipe: Recipe | None = None,
    *,
    network: NetworkGiven | None = None,
    images: Any = None,
    preset: str | None = None,
    epochs: float | None = None,
    seed: int = 0,
    runs: Path_ = "runs",
    data_root: Path_ | None = None,
    device: str = "auto",
    threads: int | None = None,
    checkpoint_seconds: float = 60.0,
    checkpoint_activations: bool = False,
    keep_epochs: Iterable[int] | None = None,
    time_limit: float | None = None,
    **fields: Unpack[RecipeFields],
) -> Run:
    """Train one run, resume it, or leave it alone if it has ended; return it, however it ended.

    The recipe is the one given, or the preset's (assignment unless you say otherwise); `fields` change it, as in
    depth=56 or learning_rate=0.2, and `epochs` stretches its schedule.  Ctrl-C writes a checkpoint and raises
    KeyboardInterrupt; after `time_limit` minutes a checkpoint is written and the run returned; the same call resumes.
    A run that diverged is a result: its `status` says so.  Raises `ResLabError` for anything you can fix.

    `network` is a function of your own from (num_classes, seed) to a torch.nn.Module, or where it is, as in
    "my_net.py:build" (docs/own_network.md).  `images` are your own: (x_train, y_train, x_test, y_test), a pair of torch
    datasets, or "my_images.py:load" (docs/own_images.md).
    """
    fields = brought_fields(fields, network, images, data_root)
    chosen = _recipe(recipe, preset, fields, epochs, device)
    settings = Settings(
        as_path(data_root),
        device,
        threads,
        checkpoint_seconds,
        checkpoint_activations,
        kept_epochs(keep_epochs),
    )
    check_least("time_limit", time_limit, 0)
    trained = train_run(RecipeRun(chosen, seed), as_path(runs), settings, time_limit=time_limit)
    if trained.stopped and trained.status == "interrupted":
        raise KeyboardInterrupt
    return Run(trained.files.path, data_root=data_root, device=device)


def study(
    *questions: Path_,
    preset: str | None = None,
    dataset: str | Sequence[str] | None = None,
    depths: int | Sequence[int] | None = None,
    epochs: float | None = None,
    seeds: int | Sequence[int] | None = None,
    precision: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    fit: str | None = None,
    network: NetworkGiven | None = None,
    images: Any = None,
    runs: Path_ = "runs",
    data_root: Path_ | None = None,
    device: str = "auto",
    **fields: Unpack[StudyFields],
) -> "Study":
    """Return a study, or several as one plan: by name, as in "depth", or TOML files; nothing is trained yet.

    `seeds` is their number, counted from 0, or a list of them, as in seeds=[3, 4].  `fields` change the base recipe.
    `vary` makes a study of your own, with the name that you give; its variants are all combinations of these values:
    reslab.study("batches", vary={"batch_size": [32, 64]}, dataset="digits", depths=8).  `fit`, as in "12h", chooses
    seeds, recipe and epochs that fit into a time, and says what is left out.  `network` and `images` are your own, as
    in `train`; networks may be varied, too, as in vary={"network": ["", build]}.
    """
    from reslab.session.asking import ask, ask_fitting, asked_grid
    from reslab.session.study import Study
    from reslab.studies.study import Options

    if network is not None:
        fields["network"] = network_text(network)  # type: ignore[typeddict-unknown-key]
    if vary is not None:
        vary = {
            name: [network_text(one) if name == "network" else as_plain(one) for one in own]
            for name, own in vary.items()
        }
    datasets = None if dataset is None else (dataset,) if isinstance(dataset, str) else tuple(dataset)
    fingerprint = ""
    if images is not None:
        name, fingerprint = brought_images(images, data_root)
        if datasets is not None or (fit is not None and fingerprint):
            other = "dataset" if datasets is not None else 'fit, which takes a function in a file ("my_images.py:load")'
            raise ResLabError(f"images as arrays cannot be combined with {other}")
        datasets = (name,)
    asked_depths = None if depths is None else (depths,) if isinstance(depths, int) else tuple(depths)
    settings = Settings(as_path(data_root), device)
    recipe = tuple(dict[str, Any](fields).items())
    number, listed = (seeds, None) if isinstance(seeds, int | None) else (None, tuple(map(as_plain, seeds)))
    if asked_depths is not None and network is not None:
        raise ResLabError("network replaces depths: give one or the other")
    if listed is not None and fit is not None:
        raise ResLabError("fit chooses the number of seeds; leave seeds out, or give the largest number to use")
    options = Options(preset, datasets, asked_depths, epochs, number, precision, recipe, device)
    if vary is not None:
        if fit is not None:
            raise ResLabError("fit chooses the size of named studies; with vary, give seeds and epochs yourself")
        plan = asked_grid(questions, vary, options)
    elif fit is not None:
        plan, found = ask_fitting(fit, questions, options, as_path(runs), settings, tell=aside, keep=True)
        aside(found.words)
    else:
        plan = ask(questions, options)
    if listed is not None:
        plan = plan.with_seeds(listed)
    if fingerprint:
        plan = plan.with_recipes(lambda recipe: changed(recipe, images=fingerprint))
    return Study(plan, as_path(runs), settings)


def runs(runs: Path_ = "runs", *, data_root: Path_ | None = None, device: str = "auto") -> "Runs":
    """Return all runs below a folder, by id.  Runs that cannot be read are left out and reported on standard error."""
    from reslab.session.runs import Runs

    return Runs.below(runs, data_root=data_root, device=device)


def compare(first: "Side", second: "Side", *, runs: Path_ = "runs") -> "Comparison":
    """Compare the second with the first: difference of test errors, interval, verdict, how the recipes differ.

    Each side is a run, runs of one recipe (several seeds), or an id below `runs`: a run's, or a recipe's, which means
    all its seeds.  Raises `ResLabError` where there is nothing to compare.
    """
    from reslab.session.comparison import compare_sides

    (found,) = compare_sides([(_side(first, as_path(runs)), _side(second, as_path(runs)))])
    return found


@alone()
def evaluate(
    run: Run | Path_ | None = None,
    *,
    weights: Path_ | None = None,
    preset: str | None = None,
    dataset: str | None = None,
    depth: int | None = None,
    family: str | None = None,
    shortcut: str | None = None,
    normalisation: str | None = None,
    entry: str | None = None,
    precision: str | None = None,
    runs: Path_ = "runs",
    data_root: Path_ | None = None,
    device: str = "auto",
    trust_code: bool = False,
) -> "Evaluation":
    """Measure a trained run, or weights from elsewhere, on the test images.  No code in a weights file is run.

    With both, these weights are measured in the run's network: for example, ones that you trained further, as in
    evaluate(run, weights="tuned.pt") after torch.save(network.state_dict(), "tuned.pt").
    The other arguments say what the file does not; otherwise, every possibility is measured, best first (see
    docs/weights.md).  `trust_code` runs the run's network code even if it is not from a file of yours
    (docs/own_network.md).  Raises `CheckpointError` for weights that cannot be read or fit no network.
    """
    from reslab.lab.weights.given import Given
    from reslab.session.evaluation import evaluated

    data_root, device = where_to_compute(run, data_root, device)
    return evaluated(
        run.path if isinstance(run, Run) else run,
        as_path(weights),
        Given(preset, dataset, depth, family, shortcut, normalisation, precision, entry),
        root=as_path(runs),
        data_root=as_path(data_root),
        device=device,
        trust_code=trust_code,
    )


def preset(
    name: str,
    *,
    network: NetworkGiven | None = None,
    images: Any = None,
    epochs: float | None = None,
    data_root: Path_ | None = None,
    device: str = "auto",
    **fields: Unpack[RecipeFields],
) -> Recipe:
    """Return the recipe of a preset, as in preset("paper", depth=56), with some fields changed.

    `network` and `images` are your own, as in `train`.  Unless given, the precision is the faster one on this machine.
    """
    return recipe_of(name, brought_fields(fields, network, images, data_root), epochs=epochs, device=device)


@alone()
def diagnose(
    run: Run | Path_,
    *which: str,
    epochs: Iterable[int] | None = None,
    budget: str = "standard",
    force: bool = False,
    runs: Path_ = "runs",
    data_root: Path_ | None = None,
    device: str = "auto",
    threads: int | None = None,
    trust_code: bool = False,
) -> Json:
    """Measure why a run came out as it did, keep it, and return all that was measured (docs/diagnostics.md).

    `run` is a run, its folder, or its id below `runs`; the rest is as in `Run.diagnose`.
    """
    from reslab.session.diagnosing import diagnose_one, run_to_diagnose

    data_root, device = where_to_compute(run, data_root, device)
    files = run_to_diagnose(run.path if isinstance(run, Run) else run, as_path(runs))
    settings = Settings(as_path(data_root), device, threads, trust_code=trust_code)
    return diagnose_one(files, settings, which or None, epochs=epochs, budget=budget, force=force)


DEMO_DEPTHS, DEMO_SEEDS, DEMO_EPOCHS = (8, 14, 20), 2, 10


def demo(*, runs: Path_ = "runs", out: Path_ = "report", device: str = "auto", jobs: int | None = None) -> "Study":
    """Train the depth study on scanned digits, write its report, and return the study: a first look.

    Nothing is downloaded.  It trains ResNet-8, 14 and 20 for 10 epochs with two seeds each, which takes a minute or
    two.
    """
    asked = study(
        "depth",
        dataset="digits",
        depths=DEMO_DEPTHS,
        seeds=DEMO_SEEDS,
        epochs=DEMO_EPOCHS,
        runs=runs,
        device=device,
    )
    asked.run(jobs=jobs)
    asked.report(out)
    return asked


def _recipe(
    recipe: Recipe | None, preset: str | None, fields: RecipeFields, epochs: float | None, device: str
) -> Recipe:
    if recipe is None:
        return recipe_of(preset or "assignment", fields, epochs=epochs, device=device)
    if preset is not None:
        raise ResLabError(f"a recipe was given, and the preset {preset} as well; leave out one of them")
    if described := [name for name in OWN_NETWORK if name in fields and fields.get("network")]:
        raise ResLabError(f"network replaces {' and '.join(described)}: give one or the other")
    changed = vary(recipe if epochs is None else stretch(recipe, epochs), **fields)
    check_plays_a_part([changed], fields)
    check_heeded(changed, fields)
    return changed


def _side(side: "Side", root: Path) -> list[Run]:
    from reslab.lab.folder.finding import find_seeds
    from reslab.session.runs import Runs

    if isinstance(side, Run):
        return [side]
    if isinstance(side, Runs):
        return list(side.values())
    if isinstance(side, str | Path):
        return [Run(files.path) for files in find_seeds(str(side), root)]
    given: object = side  # from a caller without a type checker
    if isinstance(given, Iterable):
        found = list(given)
        if all(isinstance(run, Run) for run in found):
            return found
    raise ResLabError(f"a side is a run, some runs of one recipe, or an id; not {side!r}")
