"""Whether a GPU runs our kernels, and if not, why; and in which type it multiplies."""

import contextlib
import threading
from contextlib import AbstractContextManager
from functools import cache

import torch

from reslab.errors import first_line
from reslab.kernels.build import gpu_reason, triton_version
from reslab.kernels.gpu_sizes import COLUMNS

_GIVEN_UP: dict[torch.device, str] = {}
"""Devices on which the kernels failed, and how."""


def available(device: torch.device) -> bool:
    """Say whether the kernels run on a device: NVIDIA GPUs from Ampere on, with Triton, unless RESLAB_KERNELS=0."""
    return device.type == "cuda" and device not in _GIVEN_UP and not _reason(device)


def give_up(device: torch.device, error: Exception) -> str:
    """Stop using our kernels on a device because of an error that they raised; return the reason in words."""
    _GIVEN_UP[device] = f"Triton's gave an error ({first_line(error)})"
    return _GIVEN_UP[device]


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which Triton launches kernels on this device, not on the first."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def stream_of_thread(device: torch.device, name: str) -> "torch.cuda.Stream | None":
    """Return this thread's stream of that name on a CUDA device, the same at every call; None elsewhere.

    PyTorch hands out a few dozen streams in turn: a thread that requested a new one for every run would in time get one
    that another thread is using.
    """
    if device.type != "cuda":
        return None
    known: dict[str, torch.cuda.Stream] = vars(_OF_THREAD)
    key = f"{name} {device}"
    if key not in known:
        known[key] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return known[key]


_OF_THREAD = threading.local()


def words(device: torch.device) -> str:
    """Say which kernels a GPU uses."""
    if reason := _GIVEN_UP.get(device) or _reason(device):
        return f"those of PyTorch: {reason}"
    return f"convolution with batch norm, images and loss by Triton {triton_version()}; else those of PyTorch"


@cache
def _reason(device: torch.device) -> str:
    if device.type != "cuda" or torch.version.hip is not None:
        return "ours are for NVIDIA's cards"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "ours are for cards from Ampere on"
    return gpu_reason() or failure(device)


@cache
def failure(device: torch.device) -> str:
    """Return why Triton cannot compile and run a kernel on a device, in words; "" if it can.

    Without a C compiler, for example, it cannot build the launcher of its kernels.
    """
    try:
        from reslab.kernels import gpu

        pieces, table = torch.ones(3 * 16, device=device), torch.tensor([0, 0, 16, 16, 3], device=device)
        sums = torch.zeros(16, device=device)
        with on_device(device):
            gpu.add_pieces[(1,)](pieces, sums, table, 16, COLUMNS)
        return "" if sums.tolist() == [3.0] * 16 else "Triton adds wrongly here"
    except Exception as error:  # whatever it is, torch's operations are used instead
        return f"Triton does not work here ({first_line(error)})"


def multiplied(device: torch.device) -> torch.dtype | None:
    """Return the type to multiply float32 maps in: bfloat16 under its autocast; None under any other autocast."""
    if not torch.is_autocast_enabled(device.type):
        return torch.float32
    return torch.bfloat16 if torch.get_autocast_dtype(device.type) == torch.bfloat16 else None
