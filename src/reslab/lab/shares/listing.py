"""What a share has: from its listing or, if it cannot be listed, from the index kept on it."""

import json
import re
from dataclasses import dataclass

from reslab.errors import ShareError
from reslab.files import json_bytes
from reslab.lab.folder import manifest
from reslab.lab.shares.places import Place, read
from reslab.lab.shares.share import is_run

INDEX = "index.json"
INDEX_BYTES = 64 * 2**20
"""The longest index that is accepted."""

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a share has: ids of runs, and names of studies."""

    runs: list[str]
    studies: list[str]


def listed(where: Place) -> Listed:
    """Return what a share has, from its listing or else its index; raise `ShareError` if it has neither."""
    names = where.names()
    if names is None:
        index = _index(where)
        runs, studies = index["runs"], index["studies"]
    else:
        runs = [name.removesuffix(f"/{manifest.NAME}") for name in names if name.endswith(f"/{manifest.NAME}")]
        studies = [name[8:-5] for name in names if name.startswith("studies/") and name.endswith(".json")]
    return Listed([name for name in runs if is_run(name)], [name for name in studies if _STUDY.fullmatch(name)])


def write_index(where: Place) -> int:
    """Rewrite the index from what the place has, and return the number of runs.

    Includes what others push meanwhile: the index is rewritten until nothing has changed since the last listing.
    """
    lists, there = None, _sorted(listed(where))
    while there != lists:
        lists = there
        where.write(INDEX, json_bytes({"format": 1, "runs": lists.runs, "studies": lists.studies}))
        there = _sorted(listed(where))
    return len(there.runs)


def _sorted(found: Listed) -> Listed:
    return Listed(sorted(found.runs), sorted(found.studies))


def _index(where: Place) -> dict[str, list[str]]:
    content = read(where, INDEX, INDEX_BYTES)
    if content is None:
        raise ShareError(
            f"{where.shown} has no {INDEX}, and it cannot be listed; name the runs, or write the index there with "
            "`reslab push`"
        )
    try:
        found = json.loads(content)
        lists = {key: found[key] for key in ("runs", "studies")}
        if all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists.values()):
            return lists
    except (ValueError, RecursionError, LookupError, TypeError):
        pass
    raise ShareError(f"{where.shown}/{INDEX} is not an index of runs")
