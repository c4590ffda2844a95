"""Processes that are killed, stopped, signalled or started twenty times: what was trained ends with the same bits."""

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from plan import (
    INTERRUPTED,
    LOCKED,
    Child,
    Ended,
    Plan,
    Tally,
    children_of,
    differences,
    must,
    only_run,
    outcome,
    reslab,
    run_arguments,
    timed,
    train_arguments,
)

from reslab.lab.folder import locks
from reslab.lab.folder.finding import find_runs

EPOCHS = 2
SAME = "weights, metrics (but times) and result equal to the undisturbed run's, manifest whole"
STORM = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGPIPE", "SIGCHLD")
)


def arguments(verb: str, root: Path, precision: str) -> list[str]:
    """Return the command of a verb."""
    return (train_arguments if verb == "train" else run_arguments)(root, precision, EPOCHS)


def undisturbed(plan: Plan, verb: str, precision: str) -> tuple[dict[str, object], float]:
    """Return what a command comes to when it is left in peace, and how long it takes."""
    place = plan.fresh(f"undisturbed {verb} {precision}")
    begun = time.monotonic()
    must(arguments(verb, place / "runs", precision), place)
    return outcome(place / "runs"), time.monotonic() - begun


def random_kills(plan: Plan, verb: str, precision: str) -> Tally:
    """SIGKILL at random instants, to all processes of a command, which then is given again until it is done."""
    tally = Tally("kills", f"SIGKILL at a random instant, `{verb}`, {precision}", SAME)
    wanted, chance = (2 if plan.is_short else 50), plan.chance(tally.fault)
    with timed(tally):
        expected, seconds = undisturbed(plan, verb, precision)
        kills = number = 0
        while kills < wanted:
            number += 1
            place, here = plan.fresh(f"kills {number}"), 0
            while True:
                child = reslab(arguments(verb, place / "runs", precision), place)
                if kills + here < wanted:
                    time.sleep(chance.uniform(0, seconds / 2))
                    here += _kill_all(child)
                ended = child.wait()
                if ended.code == 0:
                    break
                if ended.code != -signal.SIGKILL:
                    tally.note(False, f"ended with {ended.code}: {ended.err[-200:]}")
                    break
            wrong = differences(place / "runs", expected)
            for _ in range(here):  # a run vouches for all the kills that it went through
                tally.note(not wrong, f"{verb} {precision}, folder {number}: {wrong}")
            kills += here
            shutil.rmtree(place)
    return tally


def _kill_all(child: Child) -> bool:
    """Kill a command and its workers; return whether it was still there."""
    if child.has_ended():
        return False
    workers = children_of(child.pid)
    child.send(signal.SIGKILL)
    for pid in workers:
        _send(pid, signal.SIGKILL)
    return child.wait().code == -signal.SIGKILL


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def launcher_or_worker_alone(plan: Plan) -> Tally:
    """SIGKILL to the launcher alone, whose workers leave with a checkpoint, or to one worker."""
    tally = Tally("alone", "SIGKILL to the launcher alone, or to one of its workers", SAME)
    chance, number = plan.chance(tally.fault), 1 if plan.is_short else 8
    with timed(tally):
        expected, seconds = undisturbed(plan, "run --jobs 2", "fp32")
        for whom in plan.some("launcher", "worker"):
            for attempt in range(number):
                place = plan.fresh(f"alone {whom} {attempt}")
                command = arguments("run --jobs 2", place / "runs", "fp32")
                child = reslab(command, place)
                time.sleep(chance.uniform(0.3, 0.8) * seconds)
                workers = children_of(child.pid)
                if whom == "launcher":
                    child.send(signal.SIGKILL)
                elif workers:
                    _send(chance.choice(workers), signal.SIGKILL)
                child.wait()
                left = _wait_for(partial(_all_free, place / "runs"))
                ended = reslab(command, place).wait()
                wrong = differences(place / "runs", expected)
                words = f"{whom} {attempt}: {ended.code} {wrong} {ended.err[-200:]}"
                tally.note(left and ended.code == 0 and not wrong, words)
    return tally


def _all_free(root: Path) -> bool:
    return not any(locks.is_held(files.path) for files in find_runs(root))


def _has_checkpoint(root: Path) -> bool:
    return any(root.glob("*/seed0/checkpoint/*"))


def _wait_for(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def signal_storms(plan: Plan) -> Tally:
    """Many signals of many kinds, some of which end the process and some do not."""
    tally = Tally("signals", f"storms of 30 signals ({', '.join(number.name for number in STORM)})", SAME)
    chance, number = plan.chance(tally.fault), 1 if plan.is_short else 8
    with timed(tally):
        for verb in plan.some("train", "run --jobs 2"):
            expected, seconds = undisturbed(plan, verb, "fp32")
            for attempt in range(number):
                place = plan.fresh(f"storm {verb} {attempt}")
                command = arguments(verb, place / "runs", "fp32")
                codes, strange, left = [], [], 30
                while True:
                    child = reslab(command, place)
                    while left and not child.has_ended():
                        time.sleep(chance.uniform(0, seconds / 15))
                        child.send(chance.choice(STORM))
                        left -= 1
                    ended = child.wait()
                    codes.append(ended.code)
                    if ended.code not in (0, LOCKED, INTERRUPTED) and -ended.code not in STORM:
                        strange.append(ended.err)
                    if ended.code == 0 or len(codes) > 40:
                        break
                wrong = differences(place / "runs", expected)
                tally.note(not wrong and not strange, f"{verb} {attempt}: {codes} {wrong} {strange}")
    return tally


def stopped(plan: Plan) -> Tally:
    """SIGSTOP and SIGCONT to everything, at random instants, as a laptop that sleeps does."""
    tally = Tally("stops", "SIGSTOP and SIGCONT, at random instants", "ends as if nothing had been, in one go")
    chance, number = plan.chance(tally.fault), 1 if plan.is_short else 6
    with timed(tally):
        for verb in plan.some("train", "run --jobs 2"):
            expected, seconds = undisturbed(plan, verb, "fp32")
            for attempt in range(number):
                place = plan.fresh(f"stopped {verb} {attempt}")
                child = reslab(arguments(verb, place / "runs", "fp32"), place)
                for _ in range(4):
                    time.sleep(chance.uniform(0, seconds / 4))
                    pids = [child.pid, *children_of(child.pid)]
                    _stop_and_go(child, pids, chance)
                ended = child.wait()
                wrong = differences(place / "runs", expected)
                tally.note(ended.code == 0 and not wrong, f"{verb} {attempt}: {ended.code} {wrong} {ended.err[-200:]}")
    return tally


def _stop_and_go(child: Child, pids: list[int], chance: random.Random) -> None:
    if child.has_ended():
        return
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            _send(pid, number)
        time.sleep(chance.uniform(0, 0.2))


def folder_removed(plan: Plan) -> Tally:
    """The folder of the run, or of all runs, is removed or moved away while it is trained."""
    tally = Tally(
        "removed", "folder removed or moved while it is trained", "ends in words; the same command trains anew"
    )
    chance, number = plan.chance(tally.fault), 1 if plan.is_short else 5
    with timed(tally):
        expected, seconds = undisturbed(plan, "train", "fp32")
        for what in plan.some("run removed", "all removed", "run moved", "made anew"):
            for attempt in range(number):
                place = plan.fresh(f"{what} {attempt}")
                root = place / "runs"
                command = train_arguments(root, "fp32", 200)
                child = reslab(command, place)
                _wait_for(partial(_has_checkpoint, root))
                time.sleep(chance.uniform(0, seconds))
                folder = only_run(root).path
                if what == "run moved":
                    folder.rename(place / "moved")
                else:
                    _remove(root if what == "all removed" else folder)
                if what == "made anew":
                    folder.mkdir(parents=True, exist_ok=True)
                ended = child.wait(60)
                in_words = ended.code == 2 and ended.is_in_words
                again = reslab(arguments("train", root, "fp32"), place).wait()
                same = again.code == 0 and expected.items() <= outcome(root).items()
                tally.note(in_words and same, f"{what}: {ended.code} {ended.err[-300:]}; {again.err[-200:]}")
                shutil.rmtree(place)
    return tally


def _remove(folder: Path) -> None:
    """Remove a folder that a process still writes to."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def many_starts(plan: Plan) -> Tally:
    """Twenty starts of one run at once."""
    number = 5 if plan.is_short else 20
    tally = Tally(
        "starts", f"{number} simultaneous starts of one run", "one trains, the others say so and leave (exit code 8)"
    )
    with timed(tally):
        place = plan.fresh("starts")
        command = train_arguments(place / "runs", "fp32", 10 if plan.is_short else 40)
        starts = [reslab(command, place / str(one)) for one in range(number)]
        ends: list[Ended] = [child.wait() for child in starts]
        files = only_run(place / "runs")
        attempts = len((files.provenance() or {"attempts": []})["attempts"])
        codes = sorted(ended.code for ended in ends)
        trained = sum(ended.code == 0 and "starts" in ended.err for ended in ends)
        tally.note(
            trained == attempts == 1 and set(codes) <= {0, LOCKED} and files.status() == "finished",
            f"{attempts} attempts, codes {codes}, {[one.err[-200:] for one in ends if one.code not in (0, LOCKED)]}",
        )
        tally.fault += f": {trained} trained, {codes.count(LOCKED)} left, {codes.count(0) - trained} found it finished"
    return tally


KINDS: dict[str, Callable[[Plan], list[Tally]]] = {
    "kill-train": lambda plan: [random_kills(plan, "train", precision) for precision in ("fp32", "bf16")],
    "kill-run": lambda plan: [random_kills(plan, "run --jobs 2", one) for one in plan.some("bf16", "fp32")],
    "kill-one": lambda plan: [launcher_or_worker_alone(plan)],
    "signals": lambda plan: [signal_storms(plan), stopped(plan)],
    "starts": lambda plan: [many_starts(plan), folder_removed(plan)],
}
