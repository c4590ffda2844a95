"""A network of the user's own is built from its kept source, always the same, or refused in words before training."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reslab.errors import ResLabError
from reslab.models.complexity import multiply_adds, own_multiply_adds
from reslab.models.networks import build as build_ours
from reslab.models.own_network import build_own
from reslab.own_code import parse

SHAPE = (3, 8, 8)
HEAD = "import torch\nfrom torch import nn\n"
LINEAR = "nn.Sequential(nn.Flatten(), nn.Linear(192, num_classes))"


def built(
    folder: Path,
    body: str,
    *,
    seed: int = 1,
    head: str = HEAD,
    tell: Callable[[str], object] = lambda _: None,
    **beside: str,
) -> nn.Module:
    """Return the network of `build(num_classes, seed)` with this body."""
    folder.mkdir(exist_ok=True)
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (folder / "net.py").write_text(f"{head}\ndef build(num_classes, seed):\n{lines}\n")
    for name, content in beside.items():
        (folder / f"{name}.py").write_text(content)
    reference = parse("net.py:build@0123456789abcdef")
    assert reference is not None
    return build_own(folder, reference, 4, seed, SHAPE, tell)


def test_the_weights_are_those_of_the_seed_and_no_global_state_moves(tmp_path: Path) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    networks = [built(tmp_path, f"return {LINEAR}", seed=seed) for seed in (1, 1, 2)]
    first, again, other = (network.state_dict()["1.weight"] for network in networks)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert str(np.random.get_state(legacy=False)) == str(before[2])  # noqa: NPY002
    assert all(network.training for network in networks)


def test_folders_with_modules_of_the_same_name_do_not_meet(tmp_path: Path) -> None:
    head = HEAD + "from helper import WIDTH\n"
    body = "import helper\nreturn nn.Sequential(nn.Flatten(), nn.Linear(192, WIDTH), nn.Linear(helper.WIDTH, 4))"
    path, modules = list(sys.path), set(sys.modules)
    for width in (5, 7):
        network = built(tmp_path / str(width), body, head=head, helper=f"WIDTH = {width}")
        assert network.state_dict()["2.weight"].shape == (4, width)
    assert sys.path == path
    assert not {"net", "helper"} & (set(sys.modules) - modules)
    assert not list(tmp_path.rglob("__pycache__"))


UNUSED = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.LazyLinear(num_classes)
        self.unused = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
    def forward(self, x):
        return self.fc(x.flatten(1))
return Net()"""


def test_lazy_layers_get_their_sizes_and_what_is_trained_stays_the_users_choice(tmp_path: Path) -> None:
    remarks: list[str] = []
    network = built(tmp_path, UNUSED, tell=remarks.append)
    assert network.get_parameter("fc.weight").shape == (4, 192)
    assert {name.split(".")[0] for name, one in network.named_parameters() if not one.requires_grad} == {"frozen"}
    assert remarks == [
        "build (net.py): unused.weight and 1 other had no gradient in a trial step; a step without one leaves a "
        "parameter as it is"
    ]


HIDDEN = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(192, 4)]
        self.last = nn.Linear(4, num_classes)
    def forward(self, x):
        return self.last(self.layers[0](x.flatten(1)))
return Net()
"""


def test_networks_that_are_likely_slips_are_told_of(tmp_path: Path) -> None:
    remarks: list[str] = []
    built(tmp_path / "a", f"torch.manual_seed(0)\nreturn {LINEAR}", tell=remarks.append)
    built(tmp_path / "b", f"return nn.Sequential({LINEAR}, nn.Softmax(1))", tell=remarks.append)
    built(tmp_path / "c", f"return nn.Sequential({LINEAR}, nn.Sigmoid())", tell=remarks.append)
    built(tmp_path / "d", HIDDEN, tell=remarks.append)
    assert remarks == [
        "build (net.py): it starts from the same weights with seeds 1 and 2, so seeds differ only in the order of "
        "images; leave out manual_seed, unless they are weights that you load",
        "build (net.py): its outputs look like probabilities; the loss applies the softmax itself, so leave that "
        "out of the network",
        "build (net.py): its outputs all lie between 0 and 1, as after a sigmoid; the loss applies a softmax to "
        "numbers of any size, so leave that out of the network",
        "build (net.py): layers is a layer in a list or a dictionary, which torch does not see, so it is never "
        "trained: use nn.ModuleList or nn.ModuleDict",
    ]


def test_a_file_that_gives_another_network_each_time_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import os\nfrom torch import nn\n"
        "WIDTH = int.from_bytes(os.urandom(3), 'big') % 1000 + 1\n"
        "def build(num_classes, seed):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(192, WIDTH), nn.Linear(WIDTH, num_classes))\n"
    )
    reference = parse(f"{tmp_path}/net.py:build")
    assert reference is not None
    with pytest.raises(ResLabError, match=r"other values when its file is run again .* not at the top of the file"):
        build_own(tmp_path, reference, 4, 1, (3, 8, 8))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 3", r"build \(net.py\) must return a torch.nn.Module, not int"),
        ("x = 1\nraise KeyError('width')", r"it fails with \(4, 1\), net.py, line 6: KeyError: 'width'"),
        ("raise SystemExit(3)", r"it fails with \(4, 1\), net.py, line 5: SystemExit: 3"),
        ("return nn.Flatten()", "without parameters: there is nothing to train"),
        ("return nn.Linear(8, num_classes)", r"must give 2 x 4 numbers, one for each class; it gives 2 x 3 x 8 x 4"),
        (
            "return nn.Sequential(nn.Flatten(), nn.Linear(192, 5))",
            "for 2 images of 3 x 8 x 8 its network must give 2 x 4 numbers, one for each class; it gives 2 x 5",
        ),
        ("return nn.Conv2d(1, 4, 3)", "its network fails on images of 2 x 3 x 8 x 8"),
        (f"net = {LINEAR}\nnn.init.constant_(net[1].weight, float('inf'))\nreturn net", "1.weight has values that are"),
        (
            f"net = {LINEAR}\nnet[1].weight.data.fill_(3e38)\nreturn net",
            "the outputs are not finite numbers before training",
        ),
        (
            f"import os\nnet = {LINEAR}\nnet[1].bias.data += int.from_bytes(os.urandom(4)) / 2**32\nreturn net",
            "gives 1.bias other values when its file is run again with the same seed",
        ),
        (f"return {LINEAR}.requires_grad_(False)", "do not depend on a parameter that can be trained"),
        (f"return {LINEAR}.to('meta')", "must build its network on the CPU"),
        ("import nowhere", r"line 5: ModuleNotFoundError: No module named 'nowhere'.*from a copy of the file"),
        (
            f"net = {LINEAR}\nnet.register_forward_hook(lambda m, x, y: y if m.training else y.argmax(1))\nreturn net",
            "in evaluation its network gives 2 of int64 for 2 images of 3 x 8 x 8; it must give 2 x 4, as in training",
        ),
        (
            f"net = {LINEAR}\nnet.register_forward_hook(lambda m, x, y: y.squeeze())\nreturn net",
            "in evaluation its network gives 4 for 1 images of 3 x 8 x 8; it must give 1 x 4",
        ),
        ("open('weights.csv')", r"FileNotFoundError.*cannot read other files"),
    ],
)
def test_a_network_that_cannot_be_trained_is_refused_in_words(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(ResLabError, match=words):
        built(tmp_path, body)


COUNTING = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(192, num_classes)
        self.register_buffer("mean", torch.zeros(192), persistent={persistent})
        self.steps = 0
    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.steps += 1
            self.mean.lerp_(x.detach().mean(0), 0.1)
        return {out}
return Net()"""


@pytest.mark.parametrize(
    ("persistent", "out"), [(False, "self.fc(x - self.mean)"), (True, "self.fc(x) * (1 + 0.1 * self.steps)")]
)
def test_a_state_that_no_weight_holds_is_refused(tmp_path: Path, persistent: bool, out: str) -> None:
    with pytest.raises(ResLabError, match="differ from those of a new network with the same weights; a run keeps"):
        built(tmp_path, COUNTING.format(persistent=persistent, out=out))


def test_a_state_that_the_weights_hold_is_taken_and_one_of_training_alone_is_told(tmp_path: Path) -> None:
    remarks: list[str] = []
    built(tmp_path, COUNTING.format(persistent=True, out="self.fc(x - self.mean)"), tell=remarks.append)
    assert not remarks
    counted = "self.fc(x) * (1 + 0.1 * self.steps * self.training)"
    built(tmp_path, COUNTING.format(persistent=True, out=counted), tell=remarks.append)
    assert len(remarks) == 1
    assert "a resumed run differs from one that was not stopped" in remarks[0]


EXTRA = """
class Net(nn.Linear):
    def get_extra_state(self):
        return {"steps": 3}
    def set_extra_state(self, state):
        pass
return nn.Sequential(nn.Flatten(), Net(192, num_classes))"""


def test_a_state_that_is_no_tensor_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        ResLabError, match=r"build \(net.py\): 1._extra_state in its state_dict is not a tensor but dict"
    ):
        built(tmp_path, EXTRA)


@pytest.mark.parametrize("where", ["head", "body"])
def test_numbers_of_another_type_are_refused_and_the_default_is_put_back(tmp_path: Path, where: str) -> None:
    line = "torch.set_default_dtype(torch.float64)\n"
    given = (line, "") if where == "head" else ("", line)
    with pytest.raises(ResLabError, match=r"build \(net.py\): 1.weight is float64; its parameters must be float32"):
        built(tmp_path, f"{given[1]}return {LINEAR}", head=HEAD + given[0])
    assert torch.get_default_dtype() == torch.float32


def test_the_default_type_of_numbers_is_put_back_after_a_trial(tmp_path: Path) -> None:
    body = """
class Net(nn.Linear):
    def forward(self, x):
        torch.set_default_dtype(torch.float64)
        return super().forward(x)
return nn.Sequential(nn.Flatten(), Net(192, num_classes))"""
    built(tmp_path, body)
    assert torch.get_default_dtype() == torch.float32


def test_a_file_without_the_function_says_what_it_has(tmp_path: Path) -> None:
    for content, words in (
        ("def make(num_classes, seed): ...", r"net.py has no function build; it has make"),
        ("x = 1\nboom\n", r"cannot be run, net.py, line 2: NameError: name 'boom'"),
        ("build = 3", r"build \(net.py\) is not a function but int"),
        ("def build(classes): ...", r"must take \(num_classes, seed\), and takes \(classes\)"),
    ):
        (tmp_path / "net.py").write_text(content)
        reference = parse("net.py:build@0123456789abcdef")
        assert reference is not None
        with pytest.raises(ResLabError, match=words):
            build_own(tmp_path, reference, 4, 0, SHAPE)


def test_multiply_adds_are_counted_whatever_computes_them(tmp_path: Path) -> None:
    ours = build_ours("residual", 8, "B", 10, initialisation="he-fan-in", seed=0)
    assert own_multiply_adds(ours, (3, 32, 32)) == multiply_adds(ours)
    body = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(192, num_classes))
    def forward(self, x):
        return x.flatten(1) @ self.weight
return Net()"""
    assert own_multiply_adds(built(tmp_path, body), SHAPE) == 192 * 4
