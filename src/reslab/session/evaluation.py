"""How a network does on the test images, as Python and the verb `evaluate` show it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError
from reslab.lab.folder.finding import find_run, remark_seed
from reslab.lab.weights.given import Given
from reslab.session.display import Bundle, bundle, html_table, text_table
from reslab.session.progress import Tell, aside, tell_of_kernels


class Evaluation:
    """Error, loss and confusions of a network on the test images, and what is known of its weights."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Take the facts, as `reslab evaluate --json` prints them."""
        self.facts = dict(facts)

    @property
    def test_error(self) -> float:
        """Error on the test images, in percent."""
        return float(self.facts["test_error"])

    @property
    def test_loss(self) -> float | None:
        """Mean cross-entropy in nats; None where it is not finite."""
        loss = self.facts["test_loss"]
        return None if loss is None else float(loss)

    @property
    def num_images(self) -> int:
        """How many test images were measured."""
        return int(self.facts["num_images"])

    @property
    def network(self) -> str:
        """The network, as in resnet20."""
        return str(self.facts["network"])

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """Every network and normalisation that the weights fit, best first."""
        return list(self.facts["candidates"])

    @property
    def confusion(self) -> list[list[int]]:
        """Number of images of each class (rows) that were predicted as each class (columns)."""
        return [list(row) for row in self.facts["confusion"]]

    @property
    def remarks(self) -> list[str]:
        """Reasons to doubt the figures."""
        return list(self.facts["remarks"])

    def _rows(self) -> list[list[str | None]]:
        loss = None if self.test_loss is None else f"{self.test_loss:.4f} nats"
        return [
            ["test error", f"{self.test_error:.2f}%"],
            ["test loss", loss],
            ["images", f"{self.num_images:,}, {self.facts['dataset']}"],
            ["network", self.network],
            ["shortcut", str(self.facts["shortcut"])],
            ["normalisation", str(self.facts["normalisation"])],
            ["precision", str(self.facts["precision"])],
            ["weights", str(self.facts["weights"])],
        ]

    def __repr__(self) -> str:
        return text_table("Evaluation", ("", ""), self._rows(), self.remarks)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return bundle(repr(self), html_table("Evaluation", ("", ""), self._rows(), self.remarks))


def evaluated(
    run: str | Path | None,
    weights: Path | None,
    given: Given,
    *,
    root: Path = Path("runs"),
    data_root: Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
    tell: Tell = aside,
) -> Evaluation:
    """Measure a run, by its id below `root` or its folder, with its weights or others; or weights alone."""
    from reslab.lab.weights.evaluate import evaluate_run, evaluate_weights

    seed = None
    if run is None and weights is None:
        raise ResLabError("evaluate takes a run, or --weights FILE, or both: other weights in the run's network")
    if run is not None:
        kept = ("precision", "entry") if weights is not None else ("precision",)
        said = {name: value for name, value in asdict(given).items() if value is not None and name not in kept}
        if said:
            flags = " and ".join(f"--{name}" for name in said)
            raise ResLabError(f"a run has its own recipe; {flags} only goes with --weights FILE alone")
        files = find_run(str(run), root)
        seed = remark_seed(str(run), files)
        tell_of_kernels(device, tell)
        found = evaluate_run(
            files,
            others=weights,
            entry=given.entry,
            precision=given.precision,
            data_root=data_root,
            device=device,
            trust_code=trust_code,
        )
    else:
        assert weights is not None
        tell_of_kernels(device, tell)
        found = evaluate_weights(weights, given, data_root=data_root, device=device, on_progress=tell)
    facts = found.to_mapping()
    if seed is not None:
        facts["remarks"] = [seed, *facts["remarks"]]
    for remark in facts["remarks"]:
        tell(f"reslab: {remark}")
    return Evaluation(facts)
