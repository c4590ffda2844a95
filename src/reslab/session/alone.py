"""What computes in the user's own process: one call at a time, whatever the user has set in torch around it."""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_COMPUTING = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Compute as in a process of its own; calls of other threads wait, for torch's random numbers are the process's.

    Gradients are on, and autocast, inference mode, faster products in fp32 and other defaults of torch's are off; all
    are put back.
    """
    with _COMPUTING, ExitStack() as stack:
        if (torch := sys.modules.get("torch")) is not None:  # else the user cannot have set anything in it
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
