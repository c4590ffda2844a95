"""The records of studies fetched from a share and pushed to one, beside their runs."""

import tempfile
from pathlib import Path

from reslab.errors import ResLabError
from reslab.lab.places import Place, read
from reslab.studies.asked import read_record, record, record_path
from reslab.studies.study import Study

_RECORD_BYTES = 16 * 2**20


def fetch_study(where: Place, name: str, root: Path) -> Study | None:
    """Return a share's record of a study, and keep it below `root` unless one of this name is there.

    None where the share has none.  Raises `ResLabError` where it is no record of a study.
    """
    content = read(where, f"studies/{name}.json", _RECORD_BYTES)
    if content is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.json"
        path.write_bytes(content)
        try:
            study = read_record(path)
        except (ResLabError, RecursionError) as error:
            raise ResLabError(f"{where.shown}/studies/{name}.json: {error}".replace(f"{path}", "it")) from None
    if study.name != name:
        raise ResLabError(f"{where.shown}/studies/{name}.json is of the study {study.name!r}")
    if not record_path(root, name).exists():
        record(root, study)
    return study


def push_study(where: Place, name: str, root: Path) -> None:
    """Push the record of a study; the last one pushed under a name stays."""
    where.write(f"studies/{name}.json", record_path(root, name))
