"""The words in which something from a share is refused."""

from pathlib import Path

import pytest

from reslab.errors import DamagedError, ShareError
from reslab.lab.shares.vetting import RefusedError, vetting


def test_only_the_folder_is_cut_out_of_the_words(tmp_path: Path) -> None:
    folder = tmp_path / "kit" / "digits"
    with pytest.raises(RefusedError) as refused, vetting(folder):
        raise DamagedError(f"{folder}/network/kit/net.py is unlike git/x, and {folder} is damaged; remove {folder}")
    assert str(refused.value) == "network/kit/net.py is unlike git/x, and it is damaged"


@pytest.mark.parametrize(
    "error", [TypeError("'int' object is not iterable"), KeyError("epoch"), OverflowError("large")]
)
def test_python_s_own_words_go_to_nobody(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(RefusedError, match=r"^its files are not those of a run$"), vetting(tmp_path):
        raise error


def test_a_share_that_does_not_answer_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="gone"), vetting(tmp_path):
        raise ShareError("gone")
