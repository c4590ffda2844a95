"""Single layers by our kernels, in any network, for training and evaluation on the CPU.

Layers fall back on torch when differentiated in evaluation mode, and for maps that the kernels do not support.
"""

import torch
from torch import Tensor, nn

from reslab.kernels import convolution, norm
from reslab.kernels.build import kernels


class KernelConv2d(nn.Conv2d):
    """Torch's convolution, computed by our kernels."""

    def forward(self, maps: Tensor) -> Tensor:
        is_usual = self.training or not torch.is_grad_enabled()
        if is_usual and _is_plain(maps) and convolution.usable(self, maps):
            return convolution.by_kernel(self, maps)
        return super().forward(maps)


class KernelBatchNorm2d(nn.BatchNorm2d):
    """Torch's batch norm, computed by our kernels."""

    def forward(self, maps: Tensor) -> Tensor:
        if _is_plain(maps) and norm.usable(self, maps):
            return norm.norm_only(self, maps)
        return super().forward(maps)


convolution.KINDS.add(KernelConv2d)
norm.KINDS.add(KernelBatchNorm2d)
TORCHS: dict[type[nn.Module], type[nn.Module]] = {KernelConv2d: nn.Conv2d, KernelBatchNorm2d: nn.BatchNorm2d}
"""Our layer types, and torch's that they replace."""


def use_kernels(network: nn.Module, precision: str = "fp32") -> int:
    """Switch every layer that our kernels support and speed up to them; return the number of these layers.

    In "bf16" on a CPU without bfloat16 products there are more of them, since torch emulates these products.

    The modules stay the same objects, with their parameters, hooks and names.
    """
    count = 0
    for layer in network.modules():
        if "forward" in layer.__dict__:  # overridden by the user
            continue
        if type(layer) is nn.Conv2d and _is_worth_it(layer, precision):
            layer.__class__ = KernelConv2d
        elif type(layer) is nn.BatchNorm2d and kernels().library is not None and norm.fits(layer):
            layer.__class__ = KernelBatchNorm2d
        else:
            continue
        count += 1
    return count


def use_torch(network: nn.Module) -> None:
    """Undo `use_kernels`."""
    for layer in network.modules():
        plain = TORCHS.get(type(layer))
        if plain is not None:
            layer.__class__ = plain


def _is_worth_it(layer: nn.Conv2d, precision: str) -> bool:
    # For other layers only gradients are ours, to fix the order of their sums.
    is_ours = layer.kernel_size == (3, 3) and layer.stride == (1, 1)
    is_emulated = precision == "bf16" and not kernels().multiplies_bfloat16
    return kernels().convolves and (is_ours or is_emulated) and convolution.fits(layer)


def _is_plain(maps: Tensor) -> bool:
    """Say whether this is a plain tensor, not one that a compiler or a function transform passes around."""
    return (
        type(maps) is Tensor
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_functorch_wrapped_tensor(maps)
    )
