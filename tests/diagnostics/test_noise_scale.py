"""The noise scale of gradients whose mean and covariance are planted."""

import numpy as np
import pytest
import torch
from diagnostics_fakes import batches, gradients_by_name, network
from torch import Tensor, nn

from reslab.diagnostics.noise_scale import NoiseScale, gradient_noise_scale
from reslab.errors import ResLabError

SIZE = 40
GRADIENT = torch.linspace(0.1, 0.3, SIZE, dtype=torch.float64)
DEVIATIONS = torch.linspace(0.2, 1.4, SIZE, dtype=torch.float64)
TRUE_NORM = float(GRADIENT.square().sum())
TRUE_TRACE = float(DEVIATIONS.square().sum())

pytestmark = pytest.mark.usefixtures("torch_settings")


def output(outputs: Tensor, _: Tensor) -> Tensor:
    """As a loss: of a linear layer without bias, whose gradient for an image then is the image itself."""
    return outputs.mean()


def planted(seed: int, *, signal: float = 1.0, num_groups: int = 8, per_group: int = 8, size: int = 8) -> NoiseScale:
    generator = torch.Generator().manual_seed(seed)
    count = num_groups * per_group
    images = signal * GRADIENT + DEVIATIONS * torch.randn(count, size, SIZE, generator=generator, dtype=torch.float64)
    labels = torch.zeros(size, dtype=torch.long)
    module = nn.Linear(SIZE, 1, bias=False, dtype=torch.float64)
    return gradient_noise_scale(
        module,
        [(batch, labels) for batch in images],
        num_groups=num_groups,
        batches_per_group=per_group,
        loss=output,
    )


def test_both_parts_are_unbiased_and_their_errors_are_what_they_say() -> None:
    found = [planted(seed) for seed in range(120)]
    parts = (
        ([(each.squared_gradient_norm, each.squared_gradient_norm_error) for each in found], TRUE_NORM),
        ([(each.trace, each.trace_error) for each in found], TRUE_TRACE),
    )
    for pairs, truth in parts:
        estimates, errors = np.array(pairs).T
        spread = estimates.std(ddof=1)
        assert abs(estimates.mean() - truth) < 3 * spread / np.sqrt(len(estimates))
        assert np.sqrt((errors**2).mean()) == pytest.approx(spread, rel=0.25)
        within = np.mean(np.abs(estimates - truth) < 2.36 * errors)  # Student's t with 7 degrees of freedom: 95%
        assert 0.88 <= within <= 0.99


def test_the_noise_scale_is_within_its_stated_uncertainty() -> None:
    truth = TRUE_TRACE / TRUE_NORM
    found = [planted(seed, per_group=16) for seed in range(60)]
    assert sum(each.noise_scale is not None for each in found) >= 55
    within = [
        abs(each.noise_scale - truth) < 2.36 * each.noise_scale_error
        for each in found
        if each.noise_scale is not None and each.noise_scale_error is not None
    ]
    assert np.mean(within) >= 0.85
    assert np.mean([each.at_least is not None and each.at_least < truth for each in found]) >= 0.9


def test_the_batch_size_makes_no_difference() -> None:
    small, large = planted(1, per_group=64, size=4), planted(2, per_group=16, size=16)
    assert small.trace == pytest.approx(large.trace, abs=3 * (small.trace_error + large.trace_error))
    assert small.trace == pytest.approx(TRUE_TRACE, rel=0.1)
    assert large.trace == pytest.approx(TRUE_TRACE, rel=0.1)


def test_a_gradient_lost_in_noise_has_no_noise_scale() -> None:
    found = [planted(seed, signal=0.0, per_group=2) for seed in range(50)]
    assert sum(each.noise_scale is None for each in found) >= 45
    for each in found:
        assert (each.noise_scale is None) == (each.noise_scale_error is None)
        assert each.at_least is None or each.at_least > 0


def test_without_noise_there_is_none() -> None:
    images = GRADIENT.expand(4, SIZE)
    module = nn.Linear(SIZE, 1, bias=False, dtype=torch.float64)
    labels = torch.zeros(4, dtype=torch.long)
    found = gradient_noise_scale(module, [(images, labels)] * 6, num_groups=3, batches_per_group=2, loss=output)
    assert found.squared_gradient_norm == pytest.approx(TRUE_NORM)
    assert found.noise_scale == pytest.approx(0, abs=1e-9)
    assert (found.batch_size, found.num_batches) == (4, 6)


def test_it_is_the_formula_of_the_paper() -> None:
    """Appendix A.1 with B_small the batches' size and B_big all images together."""
    images = batches((4,) * 4, dtype=torch.float64)
    module = network().double()
    gradients = []
    for batch, labels in images:
        found_there = gradients_by_name(network().double(), batch, labels)
        gradients.append(torch.cat([gradient.flatten() for gradient in found_there.values()]))
    small = float(np.mean([gradient.square().sum().item() for gradient in gradients]))
    big = torch.stack(gradients).mean(0).square().sum().item()
    found = gradient_noise_scale(module, images, num_groups=2, batches_per_group=2)
    assert found.squared_gradient_norm == pytest.approx((16 * big - 4 * small) / (16 - 4), rel=1e-9)
    assert found.trace == pytest.approx((small - big) / (1 / 4 - 1 / 16), rel=1e-9)


@pytest.mark.parametrize("sizes", [(4, 4, 4), (4, 4, 4, 3)])
def test_batches_that_are_missing_or_unlike(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ResLabError, match="4 batches of one size"):
        gradient_noise_scale(network(), batches(sizes), num_groups=2, batches_per_group=2)


def test_one_group_has_no_spread() -> None:
    with pytest.raises(ResLabError, match="two groups"):
        gradient_noise_scale(network(), batches(), num_groups=1)
