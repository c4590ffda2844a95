"""Computation in the user's own process: one call at a time, unaffected by the user's settings of torch."""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_COMPUTING = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Compute as in a separate process; calls from other threads wait, because the process has one torch random state.

    Turns gradients on, and autocast, inference mode, faster fp32 matrix products and changed defaults of torch off;
    restores all of them at the end.
    """
    with _COMPUTING, ExitStack() as stack:
        if (torch := sys.modules.get("torch")) is not None:  # otherwise the user cannot have changed its settings
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
            torch.set_float32_matmul_precision("highest")
            if (device := torch.get_default_device()).type != "cpu":
                stack.callback(torch.set_default_device, device)
                torch.set_default_device(None)
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.enable_grad())
            for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
