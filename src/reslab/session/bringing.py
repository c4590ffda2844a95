"""Turn a network and images given in Python into what a recipe names."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from reslab.datasets import SHORT
from reslab.errors import ResLabError
from reslab.files import as_path, one_line
from reslab.own_code import parse, read_source
from reslab.own_running import check_installed
from reslab.session.cell_check import check_built, check_values
from reslab.session.cells import file_of
from reslab.session.fields import RecipeFields
from reslab.session.progress import aside

DOCS = "docs/own_images.md"

NetworkGiven = str | Callable[[int, int], Any]
"""A function from (num_classes, seed) to a torch.nn.Module, or where it is, as in my_net.py:build."""


def brought_fields(
    fields: RecipeFields, network: NetworkGiven | None, images: Any, data_root: str | Path | None
) -> RecipeFields:
    """Return a recipe's fields with the user's own network and images (see `network_text`, `brought_images`)."""
    found: dict[str, Any] = dict(fields)
    if not isinstance(found.get("dataset", ""), str):
        kind = type(found["dataset"]).__name__
        raise ResLabError(f"dataset must be a name, not {kind}; for images of your own use images=... ({DOCS})")
    if network is not None:
        found["network"] = network_text(network)
    if images is not None:
        if "dataset" in found:
            raise ResLabError("give dataset or images, not both: your own images have no other name")
        name, fingerprint = brought_images(images, data_root)
        found |= {"dataset": name, **({"images": fingerprint} if fingerprint else {})}
    return cast(RecipeFields, found)


def brought_images(images: Any, data_root: str | Path | None) -> tuple[str, str]:
    """Return the name of images in a recipe, and their fingerprint: "" for a function in a file, not called yet.

    Arrays and torch datasets are kept below the data root.
    """
    if callable(images):
        images = _called(images)  # its result is what is kept
    if isinstance(images, str):
        return images, ""
    from reslab.data.doubts import doubts
    from reslab.data.given_images import from_given
    from reslab.data.own_images import keep

    dataset = from_given(images)
    for words in doubts(dataset):
        aside(f"remark: {words}")
    keep(dataset, as_path(data_root), lambda words: aside(f"remark: {words}"))
    return dataset.name, dataset.fingerprint[:SHORT]


def _called(function: Callable[[], Any]) -> Any:
    what = "the function that was given as images"
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ResLabError(f"{what} must take no argument: {error}") from None
    except ValueError:  # it has no readable signature
        pass
    try:
        return function()
    except SystemExit as error:
        raise ResLabError(f"{what} calls sys.exit") from error
    except ResLabError:
        raise
    except Exception as error:
        raise ResLabError(f"{what} fails: {type(error).__name__}: {one_line(str(error))}") from error


def network_text(network: object) -> str:
    """Return the text by which a recipe names a network: its file and function.

    A function that is in no file, as in a notebook, is written to one with everything it refers to
    (`reslab.session.cells`).  Raises `ResLabError` where that is impossible, or where a function cannot be found under
    its own name.
    """
    if isinstance(network, str):
        return network
    name = getattr(network, "__name__", "")
    shown = name or type(network).__name__
    advice = 'put it in a file of its own, as in network="my_net.py:build" (docs/own_network.md)'
    if not callable(network) or inspect.ismodule(network):
        raise ResLabError(f"network must be a function from (num_classes, seed) to a torch.nn.Module; {advice}")
    if not name:
        raise ResLabError(
            f"network is a {shown}, which has no name to find it by: define a function that calls it, as in def "
            f"build(num_classes, seed), or {advice}"
        )
    path = _file(network)
    if path is None:
        path = file_of(network)
    if not name.isidentifier() or getattr(network, "__qualname__", name) != name:
        raise ResLabError(f"{getattr(network, '__qualname__', shown)} cannot be found again in {path}: {advice}")
    text = f"{path.as_posix()}:{name}"
    reference = parse(text)
    if reference is None:
        raise ResLabError(f"{text} is not the name of a function in a file: {advice}")
    check_installed(read_source(path), path.parent)
    check_values(network, reference)
    check_built(network, reference)
    return text


def _file(function: object) -> Path | None:
    """Return the file that defines a function or class; None where there is none, as in a notebook.

    For a decorated one, that is its own file, not the decorator's.
    """
    try:
        path = Path(str(inspect.getsourcefile(inspect.unwrap(function))))  # type: ignore[arg-type]
    except (TypeError, OSError):  # its source is unknown
        return None
    return path if path.is_file() and path.suffix == ".py" else None
