"""Recompute the figures of a report from the plain files of its runs.

python bench/recompute.py [RUNS] [REPORT]      results/runs and results/report, if not given

Reads run.json, result.json, metrics.jsonl, provenance.json and diagnostics.json, does what the captions say, and
compares every number with the CSV files in REPORT/tables.  Intervals, p, verdicts and the seeds that would detect a
difference are compared there and in the report's sentences; recompute_tests.py computes them.  Prints how many numbers
agree, by table, and each that does not (exit code 1).  Uses none of ResLab's code, so that a mistake there is not
repeated here.
"""

import sys
from pathlib import Path

from recompute_appendix import appendix
from recompute_chapters import chapters
from recompute_records import Tally, read_runs


def main() -> None:
    """Print what agrees; exit with 1 if anything does not."""
    given = [Path(text) for text in sys.argv[1:]]
    runs, report = (given + [Path("results/runs"), Path("results/report")][len(given) :])[:2]
    recipes, tally = read_runs(runs), Tally()
    appendix(report, recipes, tally)
    chapters(report, runs, recipes, tally)
    for table, count in tally.agreed.items():
        print(f"{count:5d}  {table}")
    print(f"{sum(tally.agreed.values()):5d}  numbers agree with the records, {len(tally.wrong)} do not")
    print("\n".join(tally.wrong))
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
