"""What fits into a time: the order of what is left out, and that a choice stays."""

import json
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from reslab.errors import ResLabError
from reslab.session import fitting
from reslab.session.asking import ask
from reslab.session.fitting import MEMORY, Size, digest_of, fit, remember, seconds_of
from reslab.studies.study import Options, Plan

HOUR = 3600.0


def asked(size: Size) -> Plan:
    options = Options(
        preset=size.preset,
        epochs=size.epochs,
        seeds=size.seeds,
        datasets=("cifar10",),
        depths=(20,),
        precision="fp32",
    )
    return ask(["depth"], options)


def cost(plan: Plan) -> float:
    """Return a second for each epoch of each run."""
    return sum(run.recipe.length for run in plan.runs())


@pytest.mark.parametrize(
    ("limit", "size", "num_left_out"),
    [
        (492, Size(), 0),  # 3 seeds of 164 epochs
        (491, Size(seeds=2), 1),
        (327, Size("fast"), 2),  # 3 seeds of 16 epochs
        (47, Size("fast", seeds=2), 3),
        (31, Size("fast", 12, 2), 4),
        (23, Size("fast", 8, 2), 5),
        (1.5, Size("fast", 1, 1), None),
    ],
)
def test_what_is_left_out_goes_in_the_order_that_is_stated(limit: float, size: Size, num_left_out: int | None) -> None:
    found = fit(limit, Size(), asked, cost)
    assert found.size == size
    assert found.seconds == cost(asked(size)) <= limit
    assert num_left_out is None or len(found.left_out) == num_left_out
    assert all(seconds > limit for _, seconds in found.left_out)
    assert all(left.words in found.words for left, _ in found.left_out)


def test_what_was_given_stays(tmp_path: Path) -> None:
    found = fit(
        100, Size("paper", None, 3), asked, lambda plan: cost(plan) if plan.runs()[0].recipe.length < 300 else 1e9
    )
    assert (found.size.preset, found.size.seeds) == ("paper", 3)
    assert found.size.epochs is not None
    with pytest.raises(ResLabError, match="there is no preset 'papr'"):
        fit(100, Size("papr"), asked, cost)


def test_no_more_seeds_are_chosen_than_the_plan_has() -> None:
    found = fit(0.9, Size(), lambda size: asked(replace(size, seeds=size.seeds or 1)), lambda plan: cost(plan) / 2)
    assert found.size == Size("fast", 1, 1)
    assert {size.seeds for size, _ in found.left_out} <= {None, 1}


def test_what_comes_to_the_same_runs_is_left_out_once() -> None:
    found = fit(100, Size(), lambda size: asked(replace(size, seeds=size.seeds or 2)), cost)
    assert found.size == Size("fast")
    assert [size for size, _ in found.left_out] == [Size()]


def test_where_nothing_fits_the_least_is_told() -> None:
    with pytest.raises(
        ResLabError, match=r"nothing fits 0\.4 s: the shortest, the recipe fast for 1 epoch, 1 seed, takes 1 s"
    ):
        fit(0.4, Size(), asked, cost)


def test_a_choice_stays_although_the_machine_has_become_faster(tmp_path: Path) -> None:
    memory, question = tmp_path / "runs" / MEMORY, {"questions": ["depth"]}
    first = fit(100, Size(), asked, cost, memory=memory, question=question)
    assert first.size == Size("fast")
    assert fit(100, Size(), asked, lambda plan: 1.0, memory=memory, question=question).size == Size()
    remember(first, Size(), memory, question)
    again = fit(100, Size(), asked, lambda plan: 1.0, memory=memory, question=question)
    assert (again.size, again.remembered) == (first.size, True)
    other = fit(100, Size(seeds=1), asked, lambda plan: 1.0, memory=memory, question=question)
    assert (other.size, other.remembered) == (Size(seeds=1), False)  # another question


def test_a_choice_that_no_longer_fits_is_kept_and_told_with_its_time(tmp_path: Path) -> None:
    """The same command resumes what it began, on a machine that has become slower, too."""
    memory, question = tmp_path / "runs" / MEMORY, {"questions": ["depth"]}
    first = fit(100, Size(), asked, cost, memory=memory, question=question)
    remember(first, Size(), memory, question)
    assert "as chosen before" in fit(100, Size(), asked, cost, memory=memory, question=question).words
    again = fit(100, Size(), asked, lambda plan: 7200.0, memory=memory, question=question)
    assert again.size == first.size
    assert again.words.startswith("Chosen before for 1 min 40 s: the recipe fast at its own length.")
    assert "It now takes longer, about 2 h 00 min in all; remove fits.json" in again.words


def test_a_digest_is_of_the_runs() -> None:
    assert digest_of(asked(Size())) == digest_of(asked(Size(seeds=3)))
    different = {digest_of(asked(size)) for size in (Size(), Size(seeds=2), Size("fast"), Size(epochs=4.0))}
    assert len(different) == 4


def test_two_choices_at_a_time_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / MEMORY
    first = fit(100, Size(), asked, cost)
    known, other = fitting._known, Thread(target=remember, args=(first, Size(), memory, {"questions": ["other"]}))

    def known_while_another_writes(path: Path) -> dict[str, object]:
        found = known(path)
        monkeypatch.setattr(fitting, "_known", known)
        other.start()
        other.join(0.3)
        return found

    monkeypatch.setattr(fitting, "_known", known_while_another_writes)
    remember(first, Size(), memory, {"questions": ["depth"]})
    other.join()
    assert len(known(memory)) == 2


def test_times_have_units() -> None:
    assert [seconds_of(text) for text in ("12h", "90min", "1.5d", "30 m", "45s")] == [43200, 5400, 129600, 1800, 45]
    for wrong in ("12", "", "h", "-3h", "0h", "soon", "12 hours of sleep"):
        with pytest.raises(ResLabError, match="a time with its unit"):
            seconds_of(wrong)
    for long in ("10001d", f"{'9' * 400}h"):
        with pytest.raises(ResLabError, match="--fit takes at most 10000d"):
            seconds_of(long)


@pytest.mark.parametrize(
    "kept", [7, {"preset": "fast"}, {"preset": "fast", "epochs": "x", "seeds": 2}, {"depth": 3}, None]
)
def test_a_choice_that_cannot_be_read_is_made_again(tmp_path: Path, kept: object) -> None:
    memory, question = tmp_path / MEMORY, {"names": ["depth"]}
    first = fit(47, Size(), asked, cost, memory=memory, question=question)
    remember(first, Size(), memory, question)
    (key,) = json.loads(memory.read_text())
    for text in (json.dumps({key: kept}), "[1]", "{"):
        memory.write_text(text)
        found = fit(47, Size(), asked, cost, memory=memory, question=question)
        assert (found.size, found.remembered) == (first.size, False)
    remember(first, Size(), memory, question)
    assert fit(47, Size(), asked, cost, memory=memory, question=question).remembered
