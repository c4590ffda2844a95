"""The largest eigenvalue of Hessians that are known, or small enough to be written out."""

from typing import Any

import numpy as np
import pytest
import torch
from diagnostics_fakes import batches, network
from torch import Tensor
from torch.nn import functional as F

from reslab.diagnostics.curvature import extreme_eigenvalues, hessian_extremes, hessian_product, stability_limit
from reslab.diagnostics.measuring import DoesNotApplyError
from reslab.errors import ResLabError

pytestmark = pytest.mark.usefixtures("torch_settings")


def matrix(eigenvalues: list[float], seed: int = 0) -> Tensor:
    """Return a symmetric matrix with these eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    size = len(eigenvalues)
    vectors, _ = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    known: Tensor = vectors @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ vectors.T
    return known


def start(size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


SPECTRA = {
    "well apart": [10.0, 3.0, *np.linspace(-2, 1, 30).tolist()],
    "a negative end that is larger": [4.0, -50.0, *np.linspace(-1, 1, 30).tolist()],
    "two alike": [5.0, 5.0, *np.linspace(0, 1, 30).tolist()],
    "all negative": np.linspace(-9, -1, 20).tolist(),
    "one only": [2.5],
    "close together": [7.0, 6.9, 6.8, *np.linspace(0, 6, 60).tolist()],
}


@pytest.mark.parametrize("name", SPECTRA)
def test_a_known_matrix(name: str) -> None:
    spectrum = SPECTRA[name]
    known = matrix(spectrum)
    found = extreme_eigenvalues(lambda vector: known @ vector, start(len(spectrum)), max_iterations=70, tolerance=1e-6)
    assert found.converged
    assert found.largest == pytest.approx(max(spectrum), abs=1e-6)
    assert found.residual <= 1e-6 * abs(found.largest) + 1e-9
    assert found.smallest == pytest.approx(min(spectrum), abs=max(found.smallest_residual, 1e-6))


def test_the_residual_bounds_the_distance_to_an_eigenvalue() -> None:
    spectrum = SPECTRA["close together"]
    known = matrix(spectrum)
    for iterations in (1, 2, 4, 8, 16):
        found = extreme_eigenvalues(
            lambda vector: known @ vector, start(len(spectrum)), max_iterations=iterations, tolerance=0.0
        )
        assert found.iterations == iterations
        assert not found.converged
        for value, residual in ((found.largest, found.residual), (found.smallest, found.smallest_residual)):
            assert min(abs(value - each) for each in spectrum) <= residual + 1e-9


def test_the_hessian_of_a_quadratic() -> None:
    known = matrix(SPECTRA["well apart"])
    parts = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((4, 5), (3, 2, 2))]

    def product(vector: Tensor) -> Tensor:
        point = torch.cat([part.reshape(-1) for part in parts])
        return hessian_product(point @ known @ point / 2, parts, vector)

    vector = start(32)
    assert torch.allclose(product(vector), known @ vector)
    found = extreme_eigenvalues(product, vector, tolerance=1e-8, max_iterations=32)
    assert found.largest == pytest.approx(10.0, rel=1e-9)


def test_what_the_loss_does_not_depend_on_has_no_curvature() -> None:
    points = [torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)]
    product = hessian_product(points[0].square().sum(), points, torch.arange(5.0))
    assert product.tolist() == [0, 2, 0, 0, 0]


def test_a_small_network_against_its_whole_hessian() -> None:
    module = network(width=2, smooth=True).double().train()
    images = batches((6, 6, 4), dtype=torch.float64)
    names = [name for name, _ in module.named_parameters()]
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}

    def loss(*parameters: Tensor) -> Tensor:
        values: dict[str, Any] = {**dict(zip(names, parameters, strict=True)), **buffers}
        total = torch.zeros((), dtype=torch.float64)
        for batch, labels in images:
            logits = torch.func.functional_call(module, values, (batch,))
            total = total + F.cross_entropy(logits, labels, reduction="sum")
        return total / 16

    parameters = tuple(parameter.detach() for parameter in module.parameters())
    blocks = torch.autograd.functional.hessian(loss, parameters)  # type: ignore[no-untyped-call]
    rows = [
        torch.cat([block.reshape(own.numel(), -1) for block in row], dim=1)
        for own, row in zip(parameters, blocks, strict=True)
    ]
    eigenvalues = torch.linalg.eigvalsh(torch.cat(rows))
    found = hessian_extremes(module, images, max_iterations=60, tolerance=1e-7)
    assert found.converged
    assert found.largest == pytest.approx(eigenvalues[-1].item(), rel=1e-6)
    assert found.smallest == pytest.approx(eigenvalues[0].item(), abs=max(1e-6, found.smallest_residual))
    coarse = hessian_extremes(module, images, tolerance=0.03)
    assert coarse.iterations < found.iterations
    assert coarse.largest == pytest.approx(found.largest, rel=0.03)


def test_the_mean_is_over_images() -> None:
    module = network(smooth=True).double()
    (batch,) = batches((8,), dtype=torch.float64)
    once, twice = (hessian_extremes(module, [batch] * times, tolerance=1e-5) for times in (1, 2))
    assert once.largest == pytest.approx(twice.largest, rel=1e-9)


def test_another_start_finds_the_same() -> None:
    module = network(smooth=True).double()
    one, two = (hessian_extremes(module, batches(dtype=torch.float64), seed=seed, tolerance=1e-5) for seed in (0, 1))
    assert one != two
    assert one.largest == pytest.approx(two.largest, rel=1e-4)


def test_a_loss_that_is_not_finite() -> None:
    module = network()
    with torch.no_grad():
        module.fc.weight[0, 0] = float("nan")
    with pytest.raises(ResLabError, match="not finite"):
        hessian_extremes(module, batches())


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)])
def test_descent_on_a_parabola_runs_away_just_above_the_limit(momentum: float, nesterov: bool) -> None:
    rate = 0.1
    limit = stability_limit(rate, momentum, nesterov=nesterov)
    for factor, stable in ((0.99, True), (1.01, False)):
        point = torch.ones(1, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.SGD([point], lr=rate, momentum=momentum, nesterov=nesterov)
        for _ in range(2000):
            point.grad = factor * limit * point.detach()  # of factor x limit x point^2 / 2
            optimiser.step()
        assert (abs(point.item()) < 1) == stable


def test_an_operation_that_torch_differentiates_once_only_has_no_curvature(monkeypatch: pytest.MonkeyPatch) -> None:
    def attending(*_: Any) -> Tensor:
        raise RuntimeError("derivative for aten::_flash_attention_backward is not implemented")

    monkeypatch.setattr("reslab.diagnostics.curvature.hessian_product", attending)
    with pytest.raises(DoesNotApplyError, match="torch cannot differentiate an operation of it twice"):
        hessian_extremes(network(), batches((4,)))
