"""Studies by name, and what is said to a name that is none."""

import pytest

from reslab.errors import ResLabError
from reslab.studies.catalogue import ANSWERS, STUDIES, ask
from reslab.studies.study import Options


def test_every_study_can_be_asked_and_answered() -> None:
    for name in STUDIES:
        study = ask(name, Options(seeds=1))
        assert study.name == name
        assert study.kind in ANSWERS


def test_an_unknown_study_gets_the_nearest_and_the_known() -> None:
    with pytest.raises(ResLabError) as caught:
        ask("dept", Options())
    message = str(caught.value)
    assert "no study 'dept'" in message
    assert "did you mean 'depth'?" in message
    assert "TOML file" in message
