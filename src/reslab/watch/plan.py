"""The plan as JSON values: every study, variant and seed with its state, its error so far, and the time left."""

from collections.abc import Iterable, Iterator
from statistics import median

from reslab.datasets import Size, images_used, known
from reslab.lab.folder.status import share_done
from reslab.lab.planner import Planned, estimate_seconds, num_epochs, sides_of, size_in, work_of, work_per_image
from reslab.recipe import Recipe, Run
from reslab.studies.study import OTHERS, Study
from reslab.watch.blocks import Values
from reslab.watch.laboratory import Laboratory
from reslab.watch.reading import Watched


def plan_values(laboratory: Laboratory) -> Values:
    """Return all studies with their runs, and the total time left."""
    clock = Clock(laboratory)
    everything = dict.fromkeys(run for study in laboratory.studies for run in study.runs())
    return {
        "studies": [_study(laboratory, study, clock) for study in laboratory.studies],
        "seconds_left": clock.left(everything),
        "num_running": clock.jobs if clock.running else 0,
        "problems": [
            *({"run": one.id, "message": one.damage} for one in laboratory.runs.values() if one.damage),
            *({"run": "", "message": problem.message} for problem in laboratory.problems),
        ],
        "folder": str(laboratory.root),
    }


_COUNTS = ("num_train", "num_holdout", "num_test", "num_classes")
"""What a run records about its images."""


class Clock:
    """Time left for runs, estimated as the planner does from the speeds of runs with metrics."""

    def __init__(self, laboratory: Laboratory) -> None:
        """Take the current speeds of the runs."""
        self._laboratory = laboratory
        self.running = [one for one in laboratory.runs.values() if one.status == "running"]
        self.jobs = max(1, len(self.running))
        self._known_sides: dict[str, tuple[int, int] | None] = {}
        self._sizes = dict(_sizes(laboratory.runs.values()))
        speeds: dict[str, list[float]] = {}
        for one in self.running or laboratory.runs.values():
            found = one.curve.median("images_per_second")
            if found and one.run is not None and not one.run.recipe.network:
                recipe = one.run.recipe
                speeds.setdefault(recipe.precision, []).append(found * work_per_image(recipe, self._sides(recipe)))
        self._speeds = {precision: median(values) for precision, values in speeds.items()}

    def epochs(self, run: Run) -> float | None:
        """Return the length of a run in epochs; None where it is in iterations and the number of images is unknown."""
        if run.recipe.schedule_unit == "epochs":
            return run.recipe.length
        images = self._images(run.recipe)
        return None if images is None else num_epochs(run.recipe, max(1, -(-images[0] // run.recipe.batch_size)))

    def left(self, runs: Iterable[Run]) -> float | None:
        """Return the seconds left for these runs together; None where a speed or a number of images is unknown."""
        planned = [self._planned(run) for run in runs]
        todo = [one for one in planned if one is not None and one.work_left]
        if None in planned or any(one.run.recipe.precision not in self._speeds for one in todo):
            return None
        return estimate_seconds(todo, self._speeds, self.jobs)

    def left_of(self, run: Run) -> float | None:
        """Return the seconds left for a run in training, by its own speed; None where unknown."""
        watched, planned = self._laboratory.runs.get(run.id), self._planned(run)
        speed = None if watched is None else watched.curve.median("images_per_second")
        if planned is None or not speed:
            return None
        return planned.work_left / (speed * work_per_image(run.recipe, self._sides(run.recipe)))

    def _planned(self, run: Run) -> Planned | None:
        watched, epochs = self._laboratory.runs.get(run.id), self.epochs(run)
        images = self._images(run.recipe)
        if epochs is None or images is None:
            return None
        work = work_of(run.recipe, epochs, *images, self._sides(run.recipe))
        done = watched.curve.last_epoch if watched is not None else 0
        status = "pending" if watched is None else watched.status
        return Planned(run, status, done, work, work * (1 - share_done(status, done, epochs)), 0)

    def _images(self, recipe: Recipe) -> tuple[int, int] | None:
        """Return how many images are trained and tested on; None where neither the data set's name nor a run tells."""
        size = known(recipe.dataset).size or self._sizes.get((recipe.dataset, recipe.images))
        if size is None:
            return None
        return images_used(size.num_train, train_share=recipe.train_share, holdout=recipe.holdout), size.num_test

    def _sides(self, recipe: Recipe) -> tuple[int, int] | None:
        """Return the image sides of the user's own arrays, looked up once for each."""
        if recipe.images not in self._known_sides:
            self._known_sides[recipe.images] = sides_of(recipe, self._laboratory.data_root)
        return self._known_sides[recipe.images]


def _sizes(runs: Iterable[Watched]) -> Iterator[tuple[tuple[str, str], Size]]:
    """Yield the number of images by data set and fingerprint, from the records of runs on them."""
    for one in runs:
        data = one.record("provenance.json").get("data") or {}
        if one.run is not None and all(isinstance(data.get(name), int) for name in _COUNTS):
            recipe = one.run.recipe
            yield (recipe.dataset, recipe.images), size_in(data, recipe)


def _study(laboratory: Laboratory, study: Study, clock: Clock) -> Values:
    variants = [
        {
            "label": variant.label,
            "dataset": variant.recipe.dataset,
            "seeds": [seed_values(laboratory, Run(variant.recipe, seed), clock) for seed in study.seeds_of(variant)],
        }
        for variant in study.variants
    ]
    return {
        "name": study.name,
        "title": study.title,
        "question": study.question,
        "gathering": study.kind == OTHERS,
        "seconds_left": clock.left(study.runs()),
        "variants": variants,
    }


def seed_values(laboratory: Laboratory, run: Run, clock: Clock) -> Values:
    """Return the state of a run of a plan."""
    watched = laboratory.runs.get(run.id)
    found: Values = {"run": run.id, "seed": run.seed, "status": "pending", "epoch": 0, "epochs": clock.epochs(run)}
    if watched is None:
        return found
    latest = watched.curve.latest
    found |= {"status": watched.shown, "epoch": watched.curve.last_epoch}
    found |= {
        "test_error": latest.get("test_error"),
        "train_error": latest.get("train_error"),
        "written": watched.changed,
    }
    if watched.status == "running":
        found["seconds_left"] = clock.left_of(run)
    if watched.status in ("failed", "diverged"):
        found["message"] = watched.record("failure.json").get("message")
    return found
