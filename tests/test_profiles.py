"""The profiles of the tests: what is marked `deep` is skipped with the reason, and runs where it is asked for."""

import pytest
from hypothesis import settings

import profiles
from conftest import pytest_collection_modifyitems


@pytest.mark.deep
def test_deep_tests_run_in_the_deep_profile_only() -> None:
    assert profiles.DEEP


@pytest.mark.parametrize("deep", [False, True])
def test_deep_tests_are_skipped_with_the_reason(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    monkeypatch.setattr("conftest.DEEP", deep)
    marked = pytest.Function.from_parent(
        request.node.parent, name="marked", callobj=test_deep_tests_run_in_the_deep_profile_only
    )
    plain = pytest.Function.from_parent(
        request.node.parent, name="plain", callobj=test_the_profile_says_how_many_examples_are_tried
    )
    pytest_collection_modifyitems(request.config, [marked, plain])
    reasons = [[mark.kwargs["reason"] for mark in item.iter_markers("skip")] for item in (marked, plain)]
    assert reasons == [[] if deep else [profiles.WHY_SKIPPED], []]


def test_the_profile_says_how_many_examples_are_tried() -> None:
    assert settings.default is not None
    assert settings.default.max_examples == profiles.EXAMPLES
    assert settings.default.deadline is None
