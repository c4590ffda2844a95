"""Mistakes on the command line: exit codes, and what is said to them."""

from pathlib import Path

import pytest
from cli_runs import TINY, Reslab

from folder_fakes import write_folders
from reslab.cli import main

pytest_plugins = ["cli_fixtures"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "dpeth"], 2, "there is no study 'dpeth' (did you mean 'depth'?)"),
        (
            ["run", "depth", "learning-rte"],
            2,
            "there is no study 'learning-rte' (did you mean 'learning-rate'?)",
        ),
        (["data", "fetch", "cifar11"], 2, "there is no data set 'cifar11'"),
        (["run", "shortcuts", "--dataset", "digits", "--shortcut", "C"], 2, "shortcut has no effect on shortcuts"),
        (["run", "depth", "--fit", "12"], 2, "--fit takes a time with its unit, as in 12h"),
        (["train", "--dataset", "cifar-10"], 2, "not 'cifar-10' (did you mean 'cifar10'?)"),
        (["data", "fetch", "cifar-10"], 2, "cifar100-coarse (did you mean 'cifar10'?)"),
        (["train", "--preset", "papr"], 2, "fast (did you mean 'paper'?)"),
        (["train", "--lr", "0"], 2, "learning_rate must be above 0"),
        (["trian"], 2, "there is no command 'trian' (did you mean 'train'?); reslab --help lists them"),
        (["train", "--seed", "1.5"], 2, "--seed must be a whole number, not '1.5'"),
        (["train", "--epochs", "many"], 2, "--epochs must be a number, not 'many'"),
        (["train", "--precision", "fp16"], 2, "precision must be one of fp32, bf16; not 'fp16'"),
        (["evaluate", "x", "--precision", "fp16"], 2, "--precision must be one of fp32, bf16, not 'fp16'"),
        (["train", "extra"], 2, "reslab train takes no 'extra'; see reslab train --help"),
        (["train", "--bogus"], 2, "reslab train has no --bogus; see reslab train --help"),
        (["train", "--seed", "1", "--seed", "2"], 2, "--seed is given twice"),
        (["models", "--depths", "20", "--classes", "0"], 2, "--classes must be 1 or more, not 0"),
        (["train", "--depth", "21"], 2, "depth must be 6n+2, as in 8, 14, 20"),
        (["train", "--dataset", "mnist"], 2, "dataset must be one of digits, cifar10"),
        (["train", "--preset", "papre"], 2, "there is no preset 'papre'; the presets are paper"),
        (["train", "--dataset", "cifar10"], 4, "`reslab data fetch cifar10` downloads them"),
        (["run", "depth", "--dataset", "cifar100"], 4, "there are no images of cifar100"),
        (["run", "broken.toml"], 2, "broken.toml is not TOML: "),
        (["run", "missing.toml"], 2, "cannot read missing.toml: No such file"),
        (["run", "depth", "--depths", "20,x"], 2, "--depths takes whole numbers separated by commas"),
        (["run", "depth", "--seeds", "0"], 2, "--seeds must be 1 or more"),
        (["run", "depth", "--seeds", "9" * 20], 2, "seeds must be 10,000 or less"),
        (["run", "depth", "--dataset", "digits", "--push", "--dry-run"], 6, "--push needs a share to push to"),
        (["train", *TINY[:-1], "100000"], 2, "threads must be a whole number from 1 to 1024, not 100000"),
        (["run", "deep.toml"], 2, "deep.toml is not TOML that can be read: its brackets are nested too deep"),
        (["run", "long.toml"], 2, "long.toml is not TOML: it has a number with thousands of digits"),
        (["run", "notepad.toml"], 2, "notepad.toml: "),
        (["evaluate", "--weights", "loop"], 5, "cannot read weights from loop: it is a link that leads back to itself"),
        (["run", "depth", "--dataset", "digits", "--jobs", "0"], 2, "--jobs must be 1 or more"),
        (["run", "depth", "--time-limit", "-3", "--dry-run"], 2, "--time-limit must be 0 or more, not -3"),
        (["run", "depth", "--dataset", ""], 2, "--dataset takes names separated by commas, not ''"),
        (["run", "own.toml", "--dataset", " , "], 2, "--dataset takes names separated by commas"),
        (["run", "depth", "--prepare", "--dry-run"], 2, "choose one of them"),
        (["run", "depth", "--all"], 2, "--all lists the runs of --dry-run; add it"),
        (["run", "depth", "--watch", "--dry-run"], 2, "--watch shows runs at work, and --dry-run trains nothing"),
        (["run", "depth", "--watch", "--prepare"], 2, "--watch shows runs at work, and --prepare trains nothing"),
        (["run", "depth", "--prepare", "--on", "slurm"], 2, "--prepare creates folders and leaves their training to"),
        (["status", "--runs", "a" * 300], 2, f"reslab: {'a' * 160}... cannot be looked up: "),
        (["train", "--threads", "-2"], 2, "--threads must be 1 or more, not -2"),
        (["train", *TINY, "--checkpoint-seconds", "nan"], 2, "--checkpoint-seconds must be 0 or more, not nan"),
        (["train", *TINY, "--device", "cpu:"], 2, "device must be auto, cpu, cuda"),
        (
            ["run", "depth", "--keep-epochs", "1;2"],
            2,
            "epochs to keep must be whole numbers from 1, separated by commas",
        ),
        (["train", *TINY, "--keep-epochs", "0"], 2, "epochs to keep must be whole numbers from 1, separated by commas"),
        (["train", *TINY, "--keep-epochs", "1,5"], 2, "--keep-epochs: there is no epoch 5 in a training of length 1"),
        (["report", "--runs", "nowhere"], 2, "there is no folder nowhere"),
        (["status", "--runs", "nowhere"], 2, "there is no folder nowhere; give the folder of the runs"),
        (["status", "--runs", "a-file"], 2, "a-file is a file; give the folder of the runs"),
        (["watch", "--runs", "nowhere"], 2, "there is no folder nowhere"),
        (["watch", "--runs", "a-file"], 2, "a-file is a file"),
        (["verify", "--runs", "nowhere"], 2, "there is no folder nowhere"),
        (["evaluate", "nothing"], 2, "there is no run 'nothing'"),
        (["compare", "a", "b", "--runs", "nowhere"], 2, "there is no run 'a' here, and no folder nowhere of runs"),
        (["evaluate"], 2, "evaluate takes a run, or --weights FILE, or both"),
        (["evaluate", "--weights", "none.th"], 5, "cannot read weights from none.th: there is no such file"),
        (["train", "--device", "tpu"], 2, "device must be auto, cpu, cuda"),
        (["train", *TINY, "--runs", "a-file"], 2, "choose another folder with --runs"),
        (["data", "import", "nothing.tar.gz"], 4, "nothing.tar.gz"),
        (["frobnicate"], 2, "frobnicate"),
        (["train", "--frobnicate", "1"], 2, "--frobnicate"),
        (["train", "--depth", "many"], 2, "many"),
    ],
)
def test_mistakes_are_answered(reslab: Reslab, tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    (tmp_path / "broken.toml").write_text("question = \n")
    (tmp_path / "own.toml").write_text('name = "own"')
    (tmp_path / "a-file").write_text("")
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    (tmp_path / "long.toml").write_text("seeds = " + "9" * 5000)
    (tmp_path / "notepad.toml").write_bytes(b"\xef\xbb\xbfnmae = 'x'\n")
    (tmp_path / "loop").symlink_to("loop")
    got, out, err = reslab(*arguments)
    assert words in " ".join((out + err).split())
    assert got == code
    assert "Traceback" not in out + err
    assert err.startswith("reslab: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "A"], "reslab compare needs SECOND; see reslab compare --help"),
        (["data", "import"], "reslab data import needs PATH; see reslab data import --help"),
        (["train", "--epochs"], "--epochs needs a value; see reslab train --help"),
        (["watch", "--runs", "nowhere"], "there is no folder nowhere; give the folder of the runs"),
        (["run", "depth", "--on", "slrum"], "--on is here, slurm, ray or ray://ADDRESS, not 'slrum' (did you mean"),
    ],
)
def test_a_slip_is_told_in_the_words_of_the_help(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())


def test_an_empty_variable_is_none(reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RESLAB_RUNS", "RESLAB_DATA", "RESLAB_SHARE"):
        monkeypatch.setenv(name, "")
    _, out, err = reslab("status")
    assert "there are no runs in runs;" in out + err
    write_folders(tmp_path / "imagefolder")
    code, _, err = reslab("data", "check")
    assert (code, "there is no image folder in" in err) == (4, True)
