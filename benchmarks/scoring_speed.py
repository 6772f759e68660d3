"""How many recorded answers are scored in a second: our harness against VerilogEval v1's own procedure, in one run.

Reads VerilogEval v1 Human and recorded answers below AUTOVCODER_DATA (or ``--data``); prints a table. The peer does for
each answer what the official evaluator does: a process with a manager of its own, a shell that runs
``iverilog -Wall -Winfloop -Wno-timescale -g2012 -s tb`` and then ``vvp -n``, and 30 seconds for both; its input is the
longest fenced block, or the whole text, behind the prompt's header where it has no ``module top_module``. Ours starts
from the same raw answers: extraction, front end, allow-list, confinement. Both use the same number of workers, take
the answers in the same order, and run one after the other on a machine that does nothing else.

    python benchmarks/scoring_speed.py [--samples recorded/gpt4o-mini-human.jsonl.gz] [--limit N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from autovcoder.files import read_jsonl
from autovcoder.records import Bench, Problem, Sample, Verdict
from eval.answers import read_answers
from eval.run import LIMITS
from eval.suites import load_suite
from hdl_sim.cache import CachedSimulator
from hdl_sim.icarus import Icarus
from hdl_sim.icarus_pool import IcarusPool
from hdl_sim.run_folders import memory_folder
from hdl_sim.simulator import Simulator, available_cores, simulate_many
from hdl_sim.testbench import bench_files
from hdl_sim.toolchain import PROGRAM, find_toolchain, preprocessed_bench

QUICK_S = 0.5
PEER_TIMEOUT_S = 30
_FENCE = re.compile(r"```(?:[a-zA-Z]*)\n(.*?)```", re.DOTALL)
_MISMATCHES = re.compile(r"Mismatches: ([0-9]*) in ([0-9]*) samples")


def naive_code(problem: Problem, raw: str) -> str:
    blocks = _FENCE.findall(raw)
    code = max(blocks, key=len) if blocks else raw
    return code if "module top_module" in code else f"{problem.interface}\n{code}"


def _in_child(text: str, results: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "problem.sv").write_text(text, encoding="utf-8", errors="replace")
        command = "iverilog -Wall -Winfloop -Wno-timescale -g2012 -s tb -o test.vvp problem.sv; vvp -n test.vvp"
        process = subprocess.Popen(  # noqa: S602 - the peer's own way
            command, shell=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            done = process.communicate(timeout=PEER_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            results.append("timed out")
            return
        finally:
            # The official evaluator leaves the simulator of a timed-out answer running; here it would slow the others.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        out, err = (text.decode(errors="replace") for text in done)
        match = _MISMATCHES.search(out)
        passed = not err and match is not None and int(match[1]) == 0
        results.append("passed" if passed else "failed")


def peer_verdict(problem: Problem, raw: str) -> bool:
    text = "\n".join([next(iter(problem.bench.sources.values())), naive_code(problem, raw)])
    with multiprocessing.Manager() as manager:
        results = manager.list()
        child = multiprocessing.Process(target=_in_child, args=(text, results))
        child.start()
        child.join(PEER_TIMEOUT_S + 1)
        if child.is_alive():
            child.kill()
        return list(results) == ["passed"]


def run_peer(jobs: Sequence[tuple[Problem, str]], workers: int) -> tuple[list[bool], float]:
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        passed = list(pool.map(lambda job: peer_verdict(*job), jobs))
    return passed, time.perf_counter() - started


def run_ours(
    path: Path, problems: Sequence[Problem], kept: set[tuple[str, int]], simulator: Simulator, workers: int
) -> tuple[list[Sample], list[Verdict], float]:
    """From the raw answers in the file to verdicts."""
    by_id = {problem.id: problem for problem in problems}
    started = time.perf_counter()
    samples = read_answers(path, problems, known=set(by_id))
    samples = [sample for sample in samples if (sample.problem_id, sample.index) in kept]
    jobs = ((sample.code, by_id[sample.problem_id].bench) for sample in samples)
    verdicts = list(simulate_many(simulator, jobs, limits=LIMITS, workers=workers))
    return samples, verdicts, time.perf_counter() - started


def run_icarus_alone(jobs: Sequence[tuple[str, Bench]], workers: int) -> float:
    """Seconds to compile and run designs that are known to compile."""
    tools = find_toolchain()

    def run(folder: Path) -> None:
        for argv in ([tools.ivl, "-Cconf", f"-C{tools.target}", "--", "all.sv"], [tools.vvp, "-N", PROGRAM]):
            subprocess.run(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    with tempfile.TemporaryDirectory(dir=memory_folder()) as place:
        folders = []
        for number, (design, bench) in enumerate(jobs):
            folder = Path(place, str(number))
            folder.mkdir()
            files = bench_files(bench, "n0")
            text = preprocessed_bench(tools, files.texts, files.compiled)
            Path(folder, "all.sv").write_text(f"{files.before}{text}{files.behind}{design}", errors="replace")
            roots = "".join(f"root:{root}\n" for root in files.roots)
            Path(folder, "conf").write_text(f"{roots}{tools.small_settings or tools.settings}\nout:{PROGRAM}\n")
            folders.append(folder)
        started = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, folders))
        return time.perf_counter() - started


def quick_problems(problems: Sequence[Problem]) -> set[str]:
    """Problems whose reference passes here in less than QUICK_S."""
    icarus = Icarus()
    icarus.compile_only("module m; endmodule\n")  # starts a worker, which is no part of any problem
    timed = {problem.id: icarus.run(problem.reference, problem.bench, LIMITS) for problem in problems}
    return {name for name, verdict in timed.items() if verdict.passed and verdict.seconds < QUICK_S}


def report(title: str, path: Path, suite: Sequence[Problem], rows: Sequence[dict[str, Any]], workers: int) -> None:
    """Measure and print one set of answers."""
    by_id = {problem.id: problem for problem in suite}
    keys = [(row["task_id"], row["index"]) for row in rows]
    print(f"{title}: {len(rows)} answers to {len({name for name, _ in keys})} problems")
    passed, peer_s = run_peer([(by_id[row["task_id"]], row["completion"]) for row in rows], workers)
    peer_passes = {key for key, ok in zip(keys, passed, strict=True) if ok}
    print(f"  {'official procedure':20} {len(rows) / peer_s:8.1f} answers/s")
    with tempfile.TemporaryDirectory() as folder:
        cached = CachedSimulator(IcarusPool(), Path(folder) / "verdicts.sqlite")
        for name, simulator in (("ours", IcarusPool()), ("ours, empty cache", cached), ("ours, full cache", cached)):
            samples, verdicts, ours_s = run_ours(path, suite, set(keys), simulator, workers)
            judged = {(s.problem_id, s.index): v for s, v in zip(samples, verdicts, strict=True)}
            passes = {key for key, verdict in judged.items() if verdict.passed}
            print(
                f"  {name:20} {len(samples) / ours_s:8.1f} answers/s, {peer_s / ours_s:6.1f} times; "
                f"{len(passes)} pass, {len(peer_passes)} in the official procedure"
            )
            for key in sorted(peer_passes - passes):
                print("    passes only in the official procedure:", *key)
    ran = {
        (sample.code, sample.problem_id)
        for sample, verdict in zip(samples, verdicts, strict=True)
        if verdict.stage == "simulate" and verdict.status != "timeout"
    }
    alone_s = run_icarus_alone([(code or "", by_id[name].bench) for code, name in sorted(ran)], workers)
    print(f"  {'Icarus alone':20} {len(rows) / alone_s:8.1f} answers/s, {peer_s / alone_s:6.1f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AUTOVCODER_DATA", ".")))
    parser.add_argument("--samples", default="recorded/gpt4o-mini-human.jsonl.gz")
    parser.add_argument("--limit", type=int, help="only so many problems")
    parser.add_argument("--quick-answers", action="store_true", help="leave out the table with the slow ones")
    arguments = parser.parse_args()
    path = arguments.data / arguments.samples
    suite = load_suite("verilogeval-v1-human", arguments.data / "verilogeval_v1")
    asked = {problem.id for problem in suite[: arguments.limit]}
    quick = asked & quick_problems(suite[: arguments.limit])
    workers = available_cores()
    print(f"{workers} workers, {IcarusPool().name}")
    rows = [row for row in read_jsonl(path) if row["task_id"] in quick]
    if not arguments.quick_answers:
        report(f"problems whose reference takes less than {QUICK_S} s", path, suite, rows, workers)
    # Where the simulation itself takes long, no harness can be quicker than another.
    keys = {(row["task_id"], row["index"]) for row in rows}
    samples, verdicts, _ = run_ours(path, suite, keys, IcarusPool(), workers)
    slow = {(s.problem_id, s.index) for s, v in zip(samples, verdicts, strict=True) if v.seconds >= QUICK_S}
    rows = [row for row in rows if (row["task_id"], row["index"]) not in slow]
    report(f"of these, answers that take less than {QUICK_S} s themselves", path, suite, rows, workers)


if __name__ == "__main__":
    main()
