"""Provenance: what an attempt and its images are told by."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_runs import small

import reslab
from reslab.data.sources import load
from reslab.kernels.build import kernels
from reslab.lab.folder import provenance
from reslab.lab.folder.provenance import attempt, describe_data

CPU = torch.device("cpu")
FIELDS = [
    "started",
    "from_iteration",
    "reslab",
    "commit",
    "dirty",
    "source_digest",
    "python",
    "torch",
    "numpy",
    "platform",
    "device",
    "device_name",
    "threads",
    "threads_follow_load",
    "kernels",
    "checkpoint_activations",
]


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Read the source anew in each test."""
    provenance._source.cache_clear()


def test_an_attempt_tells_code_versions_and_machine() -> None:
    found = attempt(CPU, 17, kernels_used="some")
    assert list(found) == FIELDS
    assert found["from_iteration"] == 17
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["started"])
    assert (found["reslab"], found["torch"], found["numpy"]) == (reslab.__version__, torch.__version__, np.__version__)
    assert (found["device"], found["kernels"], found["checkpoint_activations"]) == ("cpu", "some", False)
    assert found["threads"] == torch.get_num_threads()
    assert re.fullmatch(r"[0-9a-f]{64}", found["source_digest"])


def test_outside_a_checkout_there_is_no_commit_but_a_digest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "lib" / "python" / "reslab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("one = 1\n")
    monkeypatch.setattr(reslab, "__file__", str(package / "__init__.py"))
    first = attempt(CPU, 0, kernels_used="some")
    assert (first["commit"], first["dirty"]) == (None, None)
    provenance._source.cache_clear()
    assert attempt(CPU, 0, kernels_used="some")["source_digest"] == first["source_digest"]
    (package / "__init__.py").write_text("one = 2\n")
    (package / "kernel.cpp").write_text("int one = 1;\n")
    provenance._source.cache_clear()
    second = attempt(CPU, 0, kernels_used="some")["source_digest"]
    (package / "kernel.cpp").write_text("int one = 2;\n")
    provenance._source.cache_clear()
    assert len({first["source_digest"], second, attempt(CPU, 0, kernels_used="some")["source_digest"]}) == 3


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels()  # found while there is a compiler, and kept
    monkeypatch.setenv("PATH", "")
    found = attempt(CPU, 0, kernels_used="some")
    assert (found["commit"], found["dirty"]) == (None, None)


def test_images_are_counted_as_they_are_used() -> None:
    digits = load("digits")
    found = describe_data(small(2, train_share=0.5, holdout=100), digits)
    assert found == {
        "name": "digits",
        "fingerprint": digits.fingerprint,
        "official": True,
        "num_train": (len(digits.train) - 100) // 2,
        "num_holdout": 100,
        "num_test": len(digits.test),
        "num_classes": 10,
    }
    assert describe_data(small(2), digits)["num_holdout"] == 0


def test_what_git_says_may_be_in_any_encoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nprintf ' M caf\\351.py'\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert provenance._git(tmp_path, "status") == "M caf\N{REPLACEMENT CHARACTER}.py"
