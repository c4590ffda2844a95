"""Checkpoints: exact, whole or not at all, and the one before where the newest is damaged."""

import errno
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training_fakes import CPU, Images, begin, bits, events, network, recipe, reloaded

from reslab.errors import CheckpointError, UnreadableError
from reslab.files import write_whole
from reslab.recipe import Recipe
from reslab.training import checkpoint
from reslab.training.checkpoint import load_checkpoint, restore, save_checkpoint
from reslab.training.loop import State, start

pytestmark = pytest.mark.usefixtures("torch_settings")

FILES = ["manifest.json", "optimiser.safetensors", "state.json", "weights.safetensors"]


def trained(iterations: int, of: Recipe | None = None) -> State:
    """Return a training after so many iterations, of 11."""
    of, images = of or recipe(warmup="until-error"), Images()
    state = begin(of, images)
    for _ in events(state, of, images):
        if state.iteration == iterations:
            return state
    raise AssertionError


def saved_at(folder: Path, *iterations: int) -> list[Path]:
    return [save_checkpoint(folder, trained(iteration)) for iteration in iterations]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_goes_there_and_back_exactly(tmp_path: Path) -> None:
    state = trained(6)
    path = save_checkpoint(tmp_path, state)
    assert path == tmp_path / "000000006"
    assert names(path) == FILES
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 6
    fresh = begin(recipe(warmup="until-error"), Images(), seed=5)
    assert bits(fresh) != bits(state)
    restore(fresh, saved)
    assert bits(fresh) == bits(state)
    assert fresh.totals.to_mapping() == state.totals.to_mapping()
    assert (fresh.iteration, fresh.rate, fresh.warming, fresh.seconds) == (6, state.rate, state.warming, state.seconds)
    assert state.totals.images > 0
    assert state.seconds > 0


def test_averages_go_there_and_back_exactly(tmp_path: Path) -> None:
    of = recipe(ema_decay=0.8)
    state = trained(6, of)
    assert bits(reloaded(state, of, Images(), tmp_path)) == bits(state)


def test_a_training_that_is_at_its_end_comes_back(tmp_path: Path) -> None:
    state = trained(11)
    assert reloaded(state, recipe(), Images(), tmp_path).iteration == 11


def test_averages_are_not_taken_for_a_training_without_nor_the_other_way_round(tmp_path: Path) -> None:
    recipes = recipe(), recipe(ema_decay=0.8)
    for of, other in (recipes, recipes[::-1]):
        save_checkpoint(tmp_path, trained(6, of))
        saved = load_checkpoint(tmp_path)
        assert saved is not None
        with pytest.raises(CheckpointError, match="only one of the two averages its weights"):
            restore(begin(other, Images()), saved)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("momentum", {"other": torch.ones(1)}, "momentum is not that of this network"),
        ("averages", {"5.bias": torch.ones(7)}, "not of this network: 5.bias"),
        ("averages", {"5.bias": torch.ones(3, dtype=torch.float64)}, "not of this network: 5.bias"),
        ("state", {"rate": math.nan}, "does not describe a training"),
        ("state", {"seconds": math.inf}, "does not describe a training"),
        ("state", {"warming": None}, "does not describe a training"),
        ("state", {"totals": {}}, "does not describe a training"),
        ("state", {"iteration": 12}, "is at iteration 12 of 11"),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path: Path, part: str, change: dict[str, Any], message: str) -> None:
    of = recipe(ema_decay=0.8)
    save_checkpoint(tmp_path, trained(6, of))
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    fresh = begin(of, Images(), seed=5)
    before = bits(fresh)
    with pytest.raises(CheckpointError, match=message):
        restore(fresh, replace(saved, **{part: {**getattr(saved, part), **change}}))
    assert bits(fresh) == before


def test_weights_and_momentum_come_back_in_the_layout_of_the_network(tmp_path: Path) -> None:
    """The fused optimiser reads memory as it lies: a momentum laid out otherwise would be another one."""
    state = trained(6)
    save_checkpoint(tmp_path, state)
    fresh = begin(recipe(), Images(), seed=5)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    restore(fresh, saved)
    for parameter in fresh.module.parameters():
        assert fresh.optimiser.state[parameter]["momentum_buffer"].stride() == parameter.stride()
    convolution = next(fresh.module.parameters())
    assert convolution.is_contiguous(memory_format=torch.channels_last)
    assert not convolution.is_contiguous()


def test_a_state_before_the_first_step_has_a_momentum_of_zero(tmp_path: Path) -> None:
    state = begin(recipe(), Images())
    save_checkpoint(tmp_path, state)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.momentum
    assert not any(value.any() for value in saved.momentum.values())
    fresh = begin(recipe(), Images(), seed=5)
    restore(fresh, saved)
    assert bits(fresh) == bits(state)


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "missing") is None
    assert load_checkpoint(tmp_path) is None


def test_the_newest_two_are_kept_in_order_of_number_not_of_text(tmp_path: Path) -> None:
    saved_at(tmp_path, 2, 6, 10)
    assert names(tmp_path) == ["000000006", "000000010"]
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 10


def test_one_whose_writing_was_cut_short_does_not_count(tmp_path: Path) -> None:
    _, newest = saved_at(tmp_path, 2, 6)
    (newest / "manifest.json").unlink()
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 2
    shutil.rmtree(tmp_path / "000000002")
    assert load_checkpoint(tmp_path) is None


@pytest.mark.parametrize("cut", range(4))
def test_a_write_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    save_checkpoint(tmp_path, trained(2))
    state, written = trained(6), 0

    def full(path: Path, content: bytes) -> None:
        nonlocal written
        if written == cut:
            raise OSError(28, "No space left on device")
        written += 1
        write_whole(path, content)

    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, state)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 2
    monkeypatch.undo()
    save_checkpoint(tmp_path, state)  # there is room again: in the same place
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 6


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "gone"])
def test_where_the_newest_is_damaged_the_one_before_serves(tmp_path: Path, name: str, damage: str) -> None:
    _, newest = saved_at(tmp_path, 2, 6)
    hurt(newest / name, damage)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 2


@pytest.mark.parametrize("content", ["[]", "null", "{}", '{"weights.safetensors": 1}'])
def test_a_manifest_that_is_no_manifest_is_damage(tmp_path: Path, content: str) -> None:
    _, newest = saved_at(tmp_path, 2, 6)
    (newest / "manifest.json").write_text(content)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 2


def test_where_all_are_damaged_the_folder_is_named(tmp_path: Path) -> None:
    for path in saved_at(tmp_path, 2, 6):
        hurt(path / "weights.safetensors", "flipped")
    with pytest.raises(CheckpointError, match="SHA-256") as caught:
        load_checkpoint(tmp_path)
    message = str(caught.value)
    assert f"Remove {tmp_path} to train the run again" in message
    assert "000000002" in message
    assert "000000006" in message


def test_one_that_the_system_does_not_let_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_at(tmp_path, 2, 6)

    def refusing(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(Path, "read_bytes", refusing)
    with pytest.raises(UnreadableError, match="cannot be read: Too many open files") as caught:
        load_checkpoint(tmp_path)
    assert "Remove" not in str(caught.value)


@pytest.mark.parametrize("cut", range(4))
def test_one_saved_again_at_its_iteration_is_never_without_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """An evaluation that was broken off and done again saves at one iteration twice; a kill comes at any file."""
    state = trained(6)
    save_checkpoint(tmp_path, state)

    class KilledError(BaseException):
        pass

    written = 0

    def dying(path: Path, content: bytes) -> None:
        nonlocal written
        if written == cut:
            raise KilledError
        written += 1
        write_whole(path, content)

    monkeypatch.setattr(checkpoint, "write_whole", dying)
    with pytest.raises(KilledError):
        save_checkpoint(tmp_path, state)
    monkeypatch.undo()
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.iteration == 6
    state.seconds += 1000.0
    assert save_checkpoint(tmp_path, state).name == "000000006.1"
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert saved.state["seconds"] == state.seconds
    assert save_checkpoint(tmp_path, state).name == "000000006.2"
    assert names(tmp_path) == ["000000006.1", "000000006.2"]
    assert names(save_checkpoint(tmp_path, trained(10))) == FILES
    assert names(tmp_path) == ["000000006.2", "000000010"]


def test_what_a_kill_leaves_of_an_old_one_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(BaseException):
        pass

    def dying(path: Path, *_: object, **__: object) -> None:
        (path / "weights.safetensors").unlink()
        raise KilledError

    saved_at(tmp_path, 2, 6)
    monkeypatch.setattr(shutil, "rmtree", dying)
    with pytest.raises(KilledError):
        saved_at(tmp_path, 10)
    assert [path.parent.name for path in sorted(tmp_path.glob("*/manifest.json"))] == ["000000006", "000000010"]


def test_what_was_cut_short_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    _, cut_short = saved_at(tmp_path, 2, 6)
    (cut_short / "manifest.json").unlink()
    saved_at(tmp_path, 10)
    assert names(tmp_path) == ["000000002", "000000010"]


@pytest.mark.parametrize("other", [network(width=8), nn.Linear(3, 3)])
def test_another_network_is_refused(tmp_path: Path, other: nn.Module) -> None:
    saved_at(tmp_path, 6)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    state = start(other, recipe(), 4, CPU)
    with pytest.raises(CheckpointError, match="not of this network"):
        restore(state, saved)


def test_the_manifest_is_the_sums_of_the_files(tmp_path: Path) -> None:
    (path,) = saved_at(tmp_path, 2)
    manifest = json.loads((path / "manifest.json").read_text())
    assert sorted(manifest) == [name for name in FILES if name != "manifest.json"]
    assert all(len(digest) == 64 for digest in manifest.values())


def hurt(path: Path, damage: str) -> None:
    """Damage a file in one of the ways that disks and people do."""
    content = path.read_bytes()
    if damage == "gone" and path.name != "manifest.json":
        path.unlink()
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.write_bytes(b"" if damage == "emptied" else content[: len(content) // 2])
