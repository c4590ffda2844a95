"""Addresses as users write them: right ones, folders, and mistyped ones, which are never taken for folders."""

from pathlib import Path

import pytest

from reslab.errors import ShareError
from reslab.lab.shares.addresses import absolute, as_address, kind_of, without_password
from reslab.lab.shares.web_place import Web

MISTYPED = {
    "s3//bucket/runs": "s3://bucket/runs",
    "S3//bucket": "s3://bucket",
    "s3:/bucket": "s3://bucket",
    "s3:///bucket": "s3://bucket",
    "s3:bucket": "s3://bucket",
    "s3:://bucket": "s3://bucket",
    "s3 ://bucket": "s3://bucket",
    " s3://bucket": "s3://bucket",
    "'s3://bucket'": "s3://bucket",
    "s3/bucket": "s3://bucket",
    "s3.//bucket": "s3://bucket",
    "s33://bucket": "s3://bucket",
    "gs;//bucket": "gs://bucket",
    "hf\\\\bucket": "hf://bucket",
    "htp://example.org/runs": "http://example.org/runs",
    "htps//example.org/runs": "https://example.org/runs",
    "https:/example.org": "https://example.org",
    "sftp:/host/runs": "sftp://host/runs",
    "anna@host:runs": "sftp://host/runs",
    "file:/tmp/runs": "file:///tmp/runs",
    "memory:/runs": "memory://runs",
}


@pytest.mark.parametrize("text", MISTYPED)
def test_a_mistyped_address_is_refused_with_the_likely_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (kind_of, absolute):
        with pytest.raises(ShareError) as found:
            call(text)
        assert f"did you mean {MISTYPED[text]}?" in str(found.value)
    assert as_address(text) == MISTYPED[text]


def test_an_address_of_no_kind_or_of_nothing_is_refused() -> None:
    with pytest.raises(ShareError, match="an address starts with its kind, as in s3://bucket"):
        kind_of("://bucket")
    with pytest.raises(ShareError, match="is empty"):
        kind_of(" ")
    with pytest.raises(ShareError, match="is not the address of a share: Invalid IPv6 URL"):
        kind_of("http://[1")


def test_a_refusal_shows_no_password() -> None:
    for text in ("htps://me:secret@example.org/runs?token=secret", "https//me:secret@example.org/runs"):
        with pytest.raises(ShareError, match=r"did you mean https://example\.org/runs\?") as found:
            kind_of(text)
        assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("s3://bucket", "s3"),
        ("S3://bucket", "s3"),
        ("https://me:secret@example.org/runs?token=1", "https"),
        ("memory:///runs", "memory"),
        ("gopher://example.org", "gopher"),
        ("zip://a.zip::s3://bucket", "zip"),
        ("file:///tmp/runs", "file"),
    ],
)
def test_a_right_address_has_its_kind(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    "text",
    ["runs", "/mnt//runs", "./s3//bucket", "../s3", "~/runs", "runs//one", "data//runs", "git//x", "run;1", "s3"],
)
def test_a_folder_stays_one(text: str) -> None:
    assert kind_of(text) == "file"
    assert as_address(text) is None


def test_a_folder_that_is_there_is_no_typing_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s3").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute("s3/runs") == str(tmp_path / "s3" / "runs")
    assert absolute("file:///tmp/runs") == "/tmp/runs"


def test_addresses_are_shown_without_passwords() -> None:
    assert without_password("https://me:secret@example.org/runs?token=secret") == "https://example.org/runs"
    assert Web("https://me:secret@example.org/runs").shown == "https://example.org/runs"
