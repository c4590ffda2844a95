"""Evaluation against a count image by image."""

import math
import platform

import pytest
import torch
from torch import Tensor, nn
from training_fakes import NUM_CLASSES, Images, network

from reslab.training import hardware
from reslab.training.evaluation import Evaluation, evaluate

pytestmark = pytest.mark.usefixtures("torch_settings")


def naive(module: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> tuple[float, list[list[int]]]:
    """Return the mean loss and the counts by true and predicted class, image by image."""
    counts = [[0] * NUM_CLASSES for _ in range(NUM_CLASSES)]
    losses = []
    module.eval()
    for images, labels in batches:
        for image, label in zip(images, labels.tolist(), strict=True):
            with torch.no_grad():
                scores = module(image[None])[0].double().tolist()
            losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[label])
            counts[label][scores.index(max(scores))] += 1
    return sum(losses) / len(losses), counts


@pytest.mark.parametrize("training", [True, False])
def test_loss_error_and_confusion_are_those_of_a_count_by_hand(training: bool) -> None:
    module = network()
    list(module.children())[1].running_mean.fill_(0.3)  # type: ignore[operator]
    batches = list(Images(37, 10, seed=3).batches(0))
    module.train(training)
    found = evaluate(module, batches, precision="fp32")
    assert module.training is training
    assert all(part.training is training for part in module.modules())
    loss, counts = naive(module, batches)
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert [list(row) for row in found.confusion] == counts
    assert found.num_images == 37
    wrong = sum(counts[i][j] for i in range(NUM_CLASSES) for j in range(NUM_CLASSES) if i != j)
    assert 0 < wrong < 37
    assert found.error == pytest.approx(100 * wrong / 37)
    for i, error in enumerate(found.error_by_class):
        assert error == pytest.approx(100 * (1 - counts[i][i] / sum(counts[i])))


def test_nothing_of_the_network_changes() -> None:
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    evaluate(module, list(Images().batches(0)), precision="fp32")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_one_batch_or_many_is_the_same() -> None:
    module = network()
    many = evaluate(module, list(Images(37, 5).batches(0)), precision="fp32")
    one = evaluate(module, list(Images(37, 37).batches(0)), precision="fp32")
    assert many.confusion == one.confusion
    assert many.loss == pytest.approx(one.loss, rel=1e-6)


@pytest.mark.parametrize("fast", ["fp32", "bf16"])
def test_bf16_is_near_fp32_and_is_fp32_where_the_processor_only_emulates_it(
    fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "cpu_precision", lambda: fast)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    module = network(width=16)
    batches = list(Images(37, 10).batches(0))
    exact, coarse = (evaluate(module, batches, precision=precision) for precision in ("fp32", "bf16"))
    assert (exact.loss == coarse.loss) == (fast == "fp32")
    assert coarse.loss == pytest.approx(exact.loss, rel=0.02)


def test_a_class_without_images_has_no_error() -> None:
    found = Evaluation(loss=0.5, confusion=((3, 1, 0), (0, 0, 0), (2, 2, 0)))
    assert found.error_by_class == (25.0, None, 100.0)
    assert found.error == pytest.approx(100 * 5 / 8)


def test_the_mode_is_restored_where_the_images_fail() -> None:
    module = network()
    module.train()

    def failing() -> object:
        yield from Images().batches(0)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        evaluate(module, failing(), precision="fp32")  # type: ignore[arg-type]
    assert module.training
