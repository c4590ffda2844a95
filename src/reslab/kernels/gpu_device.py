"""Whether a graphics card runs our kernels, and if not, why; and in which type it multiplies."""

import contextlib
import threading
from contextlib import AbstractContextManager
from functools import cache

import torch

from reslab.kernels.build import gpu_reason, triton_version
from reslab.kernels.gpu_sizes import COLUMNS

_GIVEN_UP: dict[torch.device, str] = {}
"""Why kernels are not used on a device, where that was found out by trying."""


def available(device: torch.device) -> bool:
    """Say whether the kernels run on a device: NVIDIA's from Ampere on, with Triton, unless RESLAB_KERNELS is 0."""
    return device.type == "cuda" and device not in _GIVEN_UP and not _reason(device)


def give_up(device: torch.device, error: Exception) -> str:
    """Use no kernels on a device from now on, for an error that they gave; return in words what it was."""
    _GIVEN_UP[device] = f"Triton's gave an error ({_first_line(error)})"
    return _GIVEN_UP[device]


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which Triton starts kernels on this device, and not on the first."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def stream_of_thread(device: torch.device, name: str) -> "torch.cuda.Stream | None":
    """Return this thread's stream of that name on a CUDA device, the same at every call; None elsewhere.

    PyTorch deals out a few dozen streams in turn: a thread that asked for a new one with every run would in time get
    one that another thread is using.
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
    """Say which kernels a graphics card uses."""
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
    """Return what keeps Triton from compiling and running a kernel on a device, in words; "" where nothing does.

    Where there is no C compiler, for one, it cannot make what launches its kernels.
    """
    try:
        from reslab.kernels import gpu

        pieces, table = torch.ones(3 * 16, device=device), torch.tensor([0, 0, 16, 16, 3], device=device)
        sums = torch.zeros(16, device=device)
        with on_device(device):
            gpu.add_pieces[(1,)](pieces, sums, table, 16, COLUMNS)
        return "" if sums.tolist() == [3.0] * 16 else "Triton adds wrongly here"
    except Exception as error:  # whatever it is, torch's operations serve
        return f"Triton does not work here ({_first_line(error)})"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]


def multiplied(device: torch.device) -> torch.dtype | None:
    """Return the type in which float32 maps are to be multiplied: bfloat16 under its autocast; None for another."""
    if not torch.is_autocast_enabled(device.type):
        return torch.float32
    return torch.bfloat16 if torch.get_autocast_dtype(device.type) == torch.bfloat16 else None
