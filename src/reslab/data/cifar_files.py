"""Find and read CIFAR in the data root or the user's cache, as an unpacked folder or an archive."""

from pathlib import Path

from reslab.data.cifar import LABELS, read_cifar
from reslab.data.images import Dataset
from reslab.data.places import cifar_in, places
from reslab.errors import DataError


def load(name: str, data_root: Path | None, _: object = None) -> Dataset:
    """Return cifar10, cifar100 or cifar100-coarse; raise `DataError` if it is damaged."""
    path = find(name, data_root)
    assert path is not None
    try:
        return read_cifar(path, LABELS[name][0])[1][name]
    except DataError as error:
        if not path.is_dir() or path == data_root:
            raise
        raise DataError(f"{error}.  The folder {path} is read before any archive: move it away first") from error


def find(name: str, data_root: Path | None = None) -> Path | None:
    """Return the folder or archive that `load` would read, or None."""
    found = (cifar_in(place, LABELS[name][0]) for place in places(data_root))
    return next(filter(None, found), None)
