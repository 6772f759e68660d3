"""What our extraction gains over a naive one, on answers that real models gave: passes gained and passes lost.

Reads a folder with ``recorded/*.jsonl.gz`` (task_id, index, completion, naive_verdict) and ``verilogeval_v1/``; prints
a table. ``naive_verdict`` is what the benchmark's own rule said after the longest fence was taken, or else the whole
text, behind the prompt's header where it has no ``module top_module``. A pass that only a message on stderr spoilt
counts as a naive pass.

    python benchmarks/extraction.py [FOLDER] [--files NAME ...] [--workers N]

Without FOLDER, the one that AUTOVCODER_DATA names.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.files import read_jsonl
from autovcoder.records import Bench, Problem
from eval.answers import read_answers
from eval.run import LIMITS
from eval.suites import load_suite
from hdl_sim.icarus import Icarus
from hdl_sim.simulator import simulate_many

FAILED_TO_COMPILE = ("syntax", "compile")


def measure(path: Path, problems: list[Problem], workers: int | None) -> str:
    """One row of the table."""
    asked = {problem.id: problem for problem in problems}
    samples = read_answers(path, problems, known=set(asked))
    naive = {(row["task_id"], row["index"]): str(row["naive_verdict"]) for row in read_jsonl(path)}
    # The same code for the same problem is simulated once.
    jobs: dict[tuple[str, str | None], Bench] = {(s.problem_id, s.code): asked[s.problem_id].bench for s in samples}
    verdicts = simulate_many(
        Icarus(), ((code, jobs[name, code]) for name, code in jobs), limits=LIMITS, workers=workers
    )
    passed = {job: verdict.passed for job, verdict in zip(jobs, verdicts, strict=True)}
    count: Counter[str] = Counter()
    lost: list[str] = []
    for sample in samples:
        before = naive[sample.problem_id, sample.index]
        ours, theirs = passed[sample.problem_id, sample.code], before.startswith("pass")
        count["naive"] += theirs
        count["ours"] += ours
        count["gained"] += ours and not theirs
        count["compiles now"] += ours and before.partition("+")[0] in FAILED_TO_COMPILE
        if theirs and not ours:
            lost.append(f"{sample.problem_id}/{sample.index}")
    cells = (path.name.removesuffix(".jsonl.gz"), len(samples), len(jobs), count["naive"], count["ours"],
             count["gained"], count["compiles now"], len(lost))  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |" + (f"  lost: {', '.join(lost)}" if lost else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("AUTOVCODER_DATA"))
    parser.add_argument("--files", nargs="*", default=[], help="names in recorded/; all when not given")
    parser.add_argument("--workers", type=int, default=None)
    args = parser.parse_args()
    if args.folder is None:
        raise InputError("no folder with recorded answers", fix="name it, or set AUTOVCODER_DATA")
    folder = Path(args.folder)
    suites = {part: load_suite(f"verilogeval-v1-{part}", folder / "verilogeval_v1") for part in ("human", "machine")}
    print("| answers | number | different | naive passes | ours | gained | of these, from syntax or compile | lost |")
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted((folder / "recorded").glob("*.jsonl.gz")):
        if not args.files or path.name in args.files:
            print(measure(path, suites["machine" if "machine" in path.name else "human"], args.workers), flush=True)


if __name__ == "__main__":
    main()
