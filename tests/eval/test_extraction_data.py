"""Real answers: extraction loses none that a naive one had."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from autovcoder.files import read_jsonl
from eval.suites import load_suite
from hdl_sim.extract import extract_code
from hdl_sim.icarus import Icarus
from hdl_sim.simulator import simulate_many

DATA = os.environ.get("AUTOVCODER_DATA")
FILES = ["deepseek-coder-7b-human", "gpt4o-mini-human", "gpt4o-mini-machine", "origen-human", "rtlcoder-mistral-human"]


def naive(raw: str, header: str) -> str:
    fences = re.findall(r"```\w*\n(.*?)```", raw, re.DOTALL)
    text = max(fences, key=len) if fences else raw
    return text if re.search(r"module\s+top_module\b", text) else f"{header}\n{text}"


@pytest.mark.skipif(DATA is None, reason="AUTOVCODER_DATA is not set")
@pytest.mark.parametrize("name", FILES)
def test_no_naive_pass_of_sixty_answers_is_lost(name: str) -> None:
    """What differs from the naive text by white space only is not simulated again."""
    folder = Path(DATA or "")
    suite = load_suite(f"verilogeval-v1-{name.rpartition('-')[2]}", folder / "verilogeval_v1")
    problems = {problem.id: problem for problem in suite}
    rows = list(read_jsonl(folder / "recorded" / f"{name}.jsonl.gz"))
    passes = [row for row in rows if row["naive_verdict"].startswith("pass")]
    sample = passes[:: len(passes) // 60][:60]
    assert len(sample) == 60
    jobs = {}
    for row in sample:
        problem = problems[row["task_id"]]
        code = extract_code(row["completion"], header=problem.interface)
        if (code or "").split() != naive(row["completion"], problem.interface or "").split():
            jobs[row["task_id"], row["index"]] = (code, problem.bench)
    verdicts = dict(zip(jobs, simulate_many(Icarus(), jobs.values()), strict=True))
    assert {key: verdict.status for key, verdict in verdicts.items() if not verdict.passed} == {}
