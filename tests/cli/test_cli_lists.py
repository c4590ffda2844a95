"""The verb `models`: published figures, and the depths asked for."""

import json
import re

from cli_runs import Reslab

pytest_plugins = ["cli_fixtures"]


def test_models_prints_the_paper_s_figures(reslab: Reslab) -> None:
    code, out, _ = reslab("models", "--json")
    rows = json.loads(out)
    assert code == 0
    keys = ["family", "depth", "width", "shortcut", "num_classes", "parameters", "multiply_adds"]
    assert all(list(row) == keys for row in rows)
    later = {(row["family"], row["depth"], row["width"]): row for row in rows if row["num_classes"] == 10}
    assert later["wide", 28, 10]["parameters"] == 36_479_194
    assert later["wide", 28, 10]["multiply_adds"] == 5_243_328_768
    assert later["preact-bottleneck", 164, 1]["parameters"] == 1_703_258
    assert later["preact-bottleneck", 1001, 1]["parameters"] == 10_327_706
    assert later["preact", 110, 1]["multiply_adds"] == 252_887_680
    ours = [row for row in rows if row["family"] in ("residual", "plain", "imagenet", "imagenet-1x1")]
    found = {(row["depth"], row["shortcut"], row["num_classes"]): row["parameters"] for row in ours}
    assert found[20, "A", 10] == 269_722
    assert found[1202, "B", 10] == 19_424_026
    assert found[110, "A", 100] == 1_727_962 + 5_850
    assert found[50, "B", 1000] == 25_557_032
    families = {row["depth"]: row["multiply_adds"] for row in rows if row["family"] == "imagenet-1x1"}
    assert list(families) == [50, 101, 152]
    assert families[50] == 3_857_973_248


def test_models_lists_the_depths_asked_for(reslab: Reslab) -> None:
    code, out, _ = reslab("models", "--depths", "20,56", "--classes", "10", "--json")
    assert code == 0
    assert [(row["depth"], row["shortcut"]) for row in json.loads(out)] == [
        (depth, shortcut) for shortcut in ("A", "B", "C", "none") for depth in (20, 56)
    ]
    _, out, _ = reslab("models", "--depths", "18", "--json")
    assert [(row["family"], row["num_classes"]) for row in json.loads(out)] == [("imagenet", 1000)]
    _, out, _ = reslab("models", "--depths", "28", "--classes", "10", "--json")
    assert [(row["family"], row["depth"], row["width"]) for row in json.loads(out)] == [
        ("wide", 28, width) for width in (1, 2, 4, 8, 10, 12)
    ]
    code, _, err = reslab("models", "--depths", "19")
    assert code == 2
    assert "depth must be 6n+2" in err


def test_models_shows_table_1(reslab: Reslab) -> None:
    code, out, _ = reslab("models", "--table-1")
    assert code == 0
    assert re.search(r"and batch norm +1\.82 +3\.67 +4\.11 +7\.83 +11\.56", out)
    assert re.search(r"M parameters +11\.69 +21\.80 +25\.56 +44\.55 +60\.19", out)
    _, out, _ = reslab("models", "--table-1", "--json")
    columns = json.loads(out)
    assert [column["depth"] for column in columns] == [18, 34, 50, 101, 152] * 2
    assert all(list(column["sizes"].values()) == [112, 56, 28, 14, 7, 1] for column in columns)
