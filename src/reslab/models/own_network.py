"""Users' own networks: loaded from a kept copy of their source, built from a seed, and tried before training.

This runs the user's code: callers must have checked the user's consent (`reslab.lab.folder.own_networks`).
"""

import contextlib
import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reslab.errors import ResLabError
from reslab.own_code import Reference
from reslab.own_running import load_function, modules_of, told
from reslab.recipe import random_stream

Build = Callable[[int, int], nn.Module]

TRIED_IMAGES = 2
"""Images that a network is tried on."""

TOLERANCE = 1e-4
"""Largest relative difference between the outputs of two networks with the same weights: rounding is far below."""

_KEPT = (
    "a run keeps the state_dict: whatever steps change belongs in a parameter or register_buffer(...) without "
    "persistent=False"
)


def build_own(
    folder: Path,
    reference: Reference,
    num_classes: int,
    seed: int,
    image_shape: tuple[int, int, int],
    tell: Callable[[str], object] = lambda _: None,
) -> nn.Module:
    """Return the network that the function builds for images of C x H x W, on the CPU, after a trial.

    The global random generators of torch, NumPy and Python are seeded while it is built, and restored afterwards.
    `tell` receives remarks, such as on parameters that had no gradient in the trial.  Raises `ResLabError` that names
    the function and, for an exception in the user's code, the line.
    """

    def built(seed: int) -> nn.Module:
        """Run the file again, as every process that resumes or measures the run does."""
        with modules_of(folder, reference.file):
            function = load_function(folder, reference, "num_classes", "seed")
            return _called(function, reference, num_classes, seed, image_shape, folder)

    network, again = built(seed), built(seed)
    _check_repeatable(reference, network, again)
    remarks = []
    if _starts_alike(network, built(seed + 1)):
        remarks.append(
            f"it starts from the same weights with seeds {seed} and {seed + 1}, so seeds differ only in the order of "
            "images; leave out manual_seed, unless they are weights that you load"
        )
    if hidden := _hidden(network):
        remarks.append(
            f"{hidden} is a layer in a list or a dictionary, which torch does not see, so it is never trained: use "
            "nn.ModuleList or nn.ModuleDict"
        )
    for words in (*remarks, *_try(network, again, reference, num_classes, image_shape, folder)):
        tell(f"{reference.words}: {words}")
    return network


def _hidden(network: nn.Module) -> str:
    """Return the name of a plain container that holds a layer with unregistered parameters; "" if there is none."""
    known = {id(one) for one in network.parameters()}
    for name, part in network.named_modules():
        for key, value in vars(part).items():
            if key.startswith("_"):
                continue
            inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
            layers = (one for one in inside if isinstance(one, nn.Module))
            if any(id(one) not in known for layer in layers for one in layer.parameters()):
                return f"{name}.{key}" if name else key
    return ""


def _starts_alike(network: nn.Module, other: nn.Module) -> bool:
    """Say whether networks of two seeds have equal parameters, of which some could be random."""
    pairs = zip(network.parameters(), other.parameters(), strict=False)
    same = all(one.shape == two.shape and torch.equal(one, two) for one, two in pairs)
    return same and any(one.numel() > 1 and one.std() > 0 for one in network.parameters())


def _called(
    function: Build,
    reference: Reference,
    num_classes: int,
    seed: int,
    image_shape: tuple[int, int, int],
    folder: Path,
) -> nn.Module:
    """Return the network that the function builds, with its lazy layers initialised."""
    with seeded(seed, "initialisation"):
        try:
            network = function(num_classes, seed)
        except (Exception, SystemExit) as error:
            raise _told(error, reference, folder, f"it fails with ({num_classes}, {seed})") from error
        if not isinstance(network, nn.Module):
            raise ResLabError(f"{reference.words} must return a torch.nn.Module, not {type(network).__name__}")
        if any(isinstance(one, nn.parameter.UninitializedParameter) for one in network.parameters()):
            _forward(network.eval(), torch.zeros(1, *image_shape), reference, folder)
    if not list(network.parameters()):
        raise ResLabError(f"{reference.words} returns a network without parameters: there is nothing to train")
    if any(one.device.type != "cpu" for one in network.parameters()):
        raise ResLabError(f"{reference.words} must build its network on the CPU; ResLab moves it to the device")
    for name, one in network.named_parameters():
        if one.dtype != torch.float32:
            raise ResLabError(
                f"{reference.words}: {name} is {_dtype(one)}; its parameters must be float32, torch's default: leave "
                "out set_default_dtype, double() and half().  The recipe's precision is what ResLab computes in"
            )
    return network.train()


def _check_repeatable(reference: Reference, network: nn.Module, again: nn.Module) -> None:
    first, second = network.state_dict(), again.state_dict()
    for name, value in first.items():
        if not isinstance(value, Tensor):
            raise ResLabError(
                f"{reference.words}: {name} in its state_dict is not a tensor but {type(value).__name__}, as from "
                "get_extra_state, and a run keeps tensors only: use register_buffer instead"
            )
    if first.keys() != second.keys():
        raise ResLabError(f"{reference.words} builds a different network when its file is run again with the same seed")
    for name, value in first.items():
        if value.shape != second[name].shape or not torch.equal(value, second[name]):
            raise ResLabError(
                f"{reference.words} gives {name} other values when its file is run again with the same seed: draw all "
                "random numbers from the global generator of torch, NumPy or Python, in the function and not at the "
                "top of the file, or from torch.Generator().manual_seed(seed)"
            )
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ResLabError(f"{reference.words}: {name} has values that are not finite before training starts")


def _try(
    network: nn.Module,
    again: nn.Module,
    reference: Reference,
    num_classes: int,
    image_shape: tuple[int, int, int],
    folder: Path,
) -> list[str]:
    """Check two steps of a copy: its outputs must have the right shape, be finite, have gradients and be reproducible.

    `again` is the same network built a second time; with the copy's weights, it must give the same outputs.  Return
    remarks on parameters without gradients, on outputs in training mode that differ from those of `again` with the
    same random numbers, and on outputs that look like probabilities.
    """
    with seeded(0, "trial"):
        images = torch.randn(TRIED_IMAGES, *image_shape)
        try:
            twin = copy.deepcopy(network)
        except (Exception, SystemExit) as error:
            raise _told(error, reference, folder, "its network cannot be copied") from error
        logits = _forward(twin.train(), images, reference, folder)
        size = " x ".join(map(str, image_shape))
        if logits.shape != (TRIED_IMAGES, num_classes) or not logits.is_floating_point():
            raise ResLabError(
                f"{reference.words}: for {TRIED_IMAGES} images of {size} its network must give {TRIED_IMAGES} x "
                f"{num_classes} numbers, one for each class; it gives {_shape(logits)}"
            )
        tested = _forward(twin.eval(), images, reference, folder)
        for few, out in ((images, tested), (images[:1], _forward(twin, images[:1], reference, folder))):
            if out.shape != (len(few), num_classes):
                raise ResLabError(
                    f"{reference.words}: in evaluation its network gives {_shape(out)} for {len(few)} images of "
                    f"{size}; it must give {len(few)} x {num_classes}, as in training"
                )
        for mode in (logits, tested):
            if not torch.isfinite(mode).all():
                raise ResLabError(
                    f"{reference.words}: the outputs are not finite numbers before training starts; look at the "
                    "initial weights"
                )
        if not logits.requires_grad:
            raise ResLabError(f"{reference.words}: its outputs do not depend on a parameter that can be trained")
        trained = {name: one for name, one in twin.named_parameters() if one.requires_grad}
        try:
            gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
                logits.logsumexp(1).sum(), [*trained.values()], allow_unused=True
            )
        except (Exception, SystemExit) as error:
            raise _told(error, reference, folder, "the backward pass fails") from error
        with torch.no_grad():
            for one, gradient in zip(trained.values(), gradients, strict=True):
                if gradient is not None:
                    one.sub_(gradient, alpha=0.01)
        _forward(twin.train(), images, reference, folder)
    try:
        again.load_state_dict(twin.state_dict())
    except (Exception, SystemExit) as error:
        raise _told(error, reference, folder, "a new network cannot load its weights after two trial steps") from error

    def outputs(one: nn.Module) -> Tensor:
        with seeded(0, "trial"), torch.no_grad():
            return _forward(one, images, reference, folder)

    if not are_alike(outputs(twin.eval()), outputs(again.eval()), TOLERANCE):
        raise ResLabError(
            f"{reference.words}: after two trial steps its outputs differ from those of a new network with the same "
            f"weights; {_KEPT}"
        )
    changed = not are_alike(outputs(twin.train()), outputs(again.train()), TOLERANCE)
    remarks = []
    if idle := [name for name, gradient in zip(trained, gradients, strict=True) if gradient is None]:
        others = f" and {len(idle) - 1} other{'s' if idle[2:] else ''}" if idle[1:] else ""
        remarks.append(
            f"{idle[0]}{others} had no gradient in a trial step; a step without one leaves a parameter as it is"
        )
    if changed:
        remarks.append(
            "after two trial steps its outputs in training differ from those of a new network with the same weights, "
            f"so a resumed run differs from one that was not stopped; {_KEPT}"
        )
    if (tested >= 0).all() and torch.allclose(tested.sum(1), torch.ones(len(tested)), atol=1e-4):
        remarks.append(
            "its outputs look like probabilities; the loss applies the softmax itself, so leave that out of the network"
        )
    elif ((tested > 0) & (tested < 1)).all():
        remarks.append(
            "its outputs all lie between 0 and 1, as after a sigmoid; the loss applies a softmax to numbers of any "
            "size, so leave that out of the network"
        )
    return remarks


def are_alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Say whether outputs are the same except for rounding, and not finite in the same places."""
    one, other = one.double(), other.double()
    finite = torch.isfinite(one) & torch.isfinite(other)
    far = (one - other)[finite].norm() > tolerance * one[finite].norm()
    return not far and torch.equal(torch.isfinite(one), torch.isfinite(other))


def _forward(network: nn.Module, images: Tensor, reference: Reference, folder: Path) -> Tensor:
    size = " x ".join(map(str, images.shape))
    try:
        out: Any = network(images)
    except (Exception, SystemExit) as error:
        raise _told(error, reference, folder, f"its network fails on images of {size}") from error
    if not isinstance(out, Tensor):
        raise ResLabError(
            f"{reference.words}: its network must return one tensor, N x classes, not {type(out).__name__}: return "
            "only the outputs of its last layer"
        )
    return out


def _told(error: BaseException, reference: Reference, folder: Path, what: str) -> ResLabError:
    beside = ""
    if isinstance(error, ImportError):
        beside = (
            ".  It runs from a copy of the file and of the files beside it that its import statements name: import "
            "those by name at the top of the file, and install packages from elsewhere"
        )
    elif isinstance(error, FileNotFoundError):
        beside = ".  It runs from a copy of its Python files: it cannot read other files beside them"
    elif "not compiled with CUDA" in str(error) or "Found no NVIDIA driver" in str(error):
        beside = ".  Leave out .cuda() and .to(device): ResLab moves the network, and its images, to the device"
    elif "modified by an inplace operation" in str(error):
        beside = (
            ".  An in-place operation has changed what the backward pass needs: leave out inplace=True, and += on it"
        )
    elif isinstance(error, RuntimeError) and "channels" in str(error):
        beside = ".  Every network gets 3 channels; those of grey images are equal"
    return told(error, reference, folder, what, beside)


def _shape(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" of {_dtype(tensor)}"
    return (" x ".join(map(str, tensor.shape)) or "a single number") + kind


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@contextlib.contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Seed all global random generators from a stream of the seed; then restore them and torch's default dtype."""
    key = random_stream(seed, purpose)
    python, old = random.getstate(), np.random.get_state()  # noqa: NPY002 (the user's code may use it)
    dtype = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key)
        random.seed(key)
        np.random.seed(key % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            random.setstate(python)
            np.random.set_state(old)  # noqa: NPY002
