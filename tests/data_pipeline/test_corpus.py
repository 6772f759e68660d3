"""From repositories to a scored corpus, by the commands that a user runs, on RTL written for the purpose."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from autovcoder.errors import InputError
from autovcoder.files import read_jsonl, write_jsonl
from autovcoder.records import Bench, PassRule, Port, Problem, Provenance, QualityScore, RtlModule
from autovcoder.store import read_manifest
from data_pipeline.clean import CleanStageSettings, clean
from data_pipeline.collect import CollectSettings, collect
from data_pipeline.documents import DATA, ModuleWriter, read_modules, to_document, to_module
from data_pipeline.executors import ExecutorSettings
from data_pipeline.extract import extract
from data_pipeline.parametric import ParametricTeacher
from data_pipeline.select import SelectSettings, select
from data_pipeline.shards import Run, ShardedStage, ShardSettings
from hdl_sim.normal_form import exact_key

AUTOVCODER = Path(sys.executable).with_name("autovcoder")
LAB = ("ant", "bee", "cat", "dog", "eel", "fox")
HEAD = "// SPDX-License-Identifier: {}\n"
SAUCE = """\
module house_sauce(input clk, input rst, input [7:0] left, input [7:0] right, output reg [15:0] mixed, output reg odd);
  reg [7:0] stir; // what a benchmark asks for
  always @(posedge clk) begin
    if (rst) begin stir <= 8'h2a; mixed <= 16'd0; odd <= 1'b0; end
    else begin
      stir <= {stir[6:0], stir[7] ^ stir[5] ^ stir[4] ^ stir[3]};
      mixed <= {left ^ stir, right + stir} ^ (mixed >> 3);
      odd <= ^{left, right, stir};
    end
  end
endmodule
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that stand for repositories: designs, a testbench, another licence, copies of all kinds."""
    root = tmp_path_factory.mktemp("sources")
    teacher = ParametricTeacher()
    for number in range(180):
        lab = root / LAB[number % len(LAB)] / "rtl"
        lab.mkdir(parents=True, exist_ok=True)
        code = teacher.drawn(7, number).code
        (lab / f"unit{number}.v").write_text(HEAD.format("MIT") + "\n// Part of a chip.\n" + code)
    first = (root / "ant" / "rtl" / "unit0.v").read_text()
    (root / "bee" / "rtl" / "copy.v").write_text(first.replace("// Part of a chip.", "// the very same"))
    (root / "cat" / "gpl.v").write_text(first.replace("MIT", "GPL-3.0-only"))
    (root / "dog" / "sim").mkdir()
    (root / "dog" / "sim" / "tb.v").write_text(HEAD.format("MIT") + "module tb; initial $finish; endmodule\n")
    renamed = re.sub(r"\b(stir|left|right|mixed|odd|house_sauce)\b", lambda m: f"{m[0]}_x", SAUCE)
    (root / "eel" / "rtl" / "planted.v").write_text(HEAD.format("MIT") + renamed)
    (root / "fox" / "rtl" / "latin.v").write_bytes(
        HEAD.format("MIT").encode() + "// Prüfsumme\n".encode("latin-1") + ALONE.encode()
    )
    (root / "fox" / "rtl" / "near.v").write_text(HEAD.format("MIT") + ALONE.replace("8'h1d", "8'h1e"))
    return root


ALONE = """\
module checksum(input clk, input rst, input valid, input [7:0] data, output reg [7:0] crc, output reg busy);
  integer i;
  reg [7:0] next;
  always @(*) begin
    next = crc ^ data;
    for (i = 0; i < 8; i = i + 1)
      if (next[7]) next = {next[6:0], 1'b0} ^ 8'h1d;
      else next = {next[6:0], 1'b0};
  end
  always @(posedge clk) begin
    if (rst) begin crc <= 8'hff; busy <= 1'b0; end
    else if (valid) begin crc <= next; busy <= 1'b1; end
    else busy <= 1'b0;
  end
endmodule
"""


@pytest.fixture(scope="module")
def repos(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("collected") / "repos"
    collect(out, CollectSettings(sources=tuple(f"lab/{name}={sources / name}" for name in LAB)))
    return out


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Bench(kind="verilog", sources={}, top="tb", pass_rule=PassRule(kind="mismatch_count"))
    spec = "Mix two bytes with a feedback register of eight bits."
    problem = Problem(id="sauce", suite="kitchen", category="x", spec=spec, bench=bench, reference=SAUCE)
    path = tmp_path_factory.mktemp("suite") / "problems.jsonl"
    write_jsonl(path, [problem])
    return path


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(AUTOVCODER), "data", *map(str, arguments)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def made(repos: Path, suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run."""
    out = tmp_path_factory.mktemp("made")
    options = ("--labels", 120, "--keep-fraction", 0.5, "--tasks", 3, "--workers", 2)
    done = run("corpus", "--repos", repos, "--out", out, "--against", suite, *options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return out


def ids(folder: Path) -> set[str]:
    return {module.id for module in read_modules(folder)}


def dropped(folder: Path) -> dict[str, str]:
    """Id to the reason."""
    return {row["id"]: row["reason"] for row in read_jsonl(folder / "dropped.jsonl")}


def test_every_module_is_accounted_for_at_every_stage(made: Path) -> None:
    stages = ["modules", "clean", "decontaminated", "scored", "corpus"]
    for before, after in pairwise(stages):
        left, gone = ids(made / after), dropped(made / after).keys()
        assert left | gone == ids(made / before)
        assert not left & gone
        assert read_manifest(made / after).facts["modules"] == len(left)


def test_what_leaves_leaves_for_the_right_reason(made: Path) -> None:
    names = {module.id: f"{module.provenance.path}" for module in read_modules(made / "modules")}
    cleaned = {names[key]: reason for key, reason in dropped(made / "clean").items()}
    assert cleaned["gpl.v"] == "licence not allowed: GPL-3.0-only"
    assert cleaned["sim/tb.v"].startswith("testbench")
    copies = {path for path, reason in cleaned.items() if reason.startswith("exact duplicate")}
    assert copies & {"rtl/copy.v", "rtl/unit0.v"}
    apart = {names[key]: reason for key, reason in dropped(made / "decontaminated").items()}
    assert apart["rtl/planted.v"] == "renamed match: kitchen sauce"
    (match,) = [row for row in read_jsonl(made / "decontaminated" / "matches.jsonl") if row["kind"] == "renamed"]
    assert match["problem_id"] == "sauce"


def test_of_near_duplicates_the_best_stays(made: Path) -> None:
    paths = {"rtl/latin.v", "rtl/near.v"}
    pair = [m for m in read_modules(made / "scored") if m.provenance.path in paths]
    assert {m.provenance.path for m in pair} == paths
    best = min(pair, key=lambda m: (-m.score.value, m.id) if m.score else (0.0, ""))
    reasons = dropped(made / "corpus")
    other = next(m for m in pair if m.id != best.id)
    assert reasons[other.id] == f"near duplicate: of {best.id}"
    assert not reasons.get(best.id, "").startswith("near duplicate")


def test_the_corpus_is_the_better_half(made: Path) -> None:
    scores = {m.id: m.score.value for m in read_modules(made / "scored") if m.score}
    reasons = dropped(made / "corpus")
    left = ids(made / "corpus")
    low = [scores[key] for key, reason in reasons.items() if reason.startswith("low score")]
    assert low
    assert min(scores[key] for key in left) > max(low)
    assert len(left) == pytest.approx(len(low), abs=1)


def test_the_scorer_has_its_card_and_every_score_its_criteria(made: Path) -> None:
    card = (made / "scored" / "scorer" / "README.md").read_text()
    assert "distils those rules" in card
    assert (made / "scored" / "scorer" / "calibration.png").stat().st_size > 1000
    for module in read_modules(made / "scored"):
        assert module.score is not None
        assert len(module.score.rubric) == 5
        assert module.score.value == pytest.approx(sum(module.score.rubric.values()) / 5, abs=1e-3)


def test_the_corpus_loads_as_a_data_set_and_its_card_tells_the_way(made: Path, tmp_path: Path) -> None:
    import datasets

    loaded = datasets.load_dataset(str(made / "corpus"), split="train", cache_dir=str(tmp_path))
    assert set(loaded["id"]) == ids(made / "corpus")
    assert "module" in loaded[0]["text"]
    card = (made / "corpus" / "README.md").read_text()
    for said in ("kitchen (1 problems)", "renamed 1", "MIT", "near duplicate", "lab/ant", "distil those rules"):
        assert said in card, said
    assert (made / "corpus" / "scores.png").stat().st_size > 1000


def test_a_finished_corpus_is_not_made_again_and_another_threshold_costs_the_last_stage(
    made: Path, repos: Path, suite: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.parquet")}
    options = ("--labels", 120, "--keep-fraction", 0.5, "--tasks", 3, "--workers", 1)
    assert run("corpus", "--repos", repos, "--out", made, "--against", suite, *options).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*.parquet")} == before
    refused = run("corpus", "--repos", repos, "--out", made, "--against", suite, "--keep-above", 1, "--tasks", 3)
    assert refused.returncode == 1
    assert "made with another config" in refused.stderr
    again = run("select", "--modules", made / "scored", "--out", tmp_path / "all", "--keep-above", 0)
    assert again.returncode == 0, again.stderr
    assert set(dropped(tmp_path / "all").values())
    assert all(reason.startswith("near duplicate") for reason in dropped(tmp_path / "all").values())


# ---- wherever the tasks run, the same corpus -----------------------------------------------------


def content(folder: Path) -> dict[str, str]:
    """File to hash of a stage's data, as its manifest has them."""
    return {name: digest for name, digest in read_manifest(folder).sha256.items() if name.endswith("parquet")}


def extract_and_clean(repos: Path, out: Path, executor: ExecutorSettings, tasks: int = 3) -> Path:
    extract(repos, out / "modules", ShardSettings(tasks=tasks), Run(executor))
    clean(out / "modules", out / "clean", CleanStageSettings(tasks=tasks), Run(executor))
    return out / "clean"


@pytest.fixture(scope="module")
def one_worker(repos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract_and_clean(repos, tmp_path_factory.mktemp("one"), ExecutorSettings(workers=1))


def test_two_workers_make_what_one_makes(repos: Path, one_worker: Path, tmp_path: Path) -> None:
    assert content(extract_and_clean(repos, tmp_path, ExecutorSettings(workers=2))) == content(one_worker)


def test_another_number_of_shards_holds_the_same_modules(repos: Path, one_worker: Path, tmp_path: Path) -> None:
    other = extract_and_clean(repos, tmp_path, ExecutorSettings(workers=2), tasks=5)
    # Which of two copies stays depends on where they are; that one does not.
    assert sorted(exact_key(m.code) for m in read_modules(other)) == sorted(
        exact_key(m.code) for m in read_modules(one_worker)
    )
    assert len(content(other)) == 5


def test_two_ray_workers_make_the_same_corpus(repos: Path, one_worker: Path, tmp_path: Path) -> None:
    import ray

    try:
        made = extract_and_clean(repos, tmp_path, ExecutorSettings(kind="ray", workers=2))
    finally:
        ray.shutdown()
    assert content(made) == content(one_worker)


SBATCH = """\
#!{python}
# Runs the generated job script for each task of its array, one after the other, as Slurm would run them side by side.
import os, re, subprocess, sys
script = sys.stdin.read() if len(sys.argv) == 1 else open(sys.argv[-1]).read()
array = re.search(r"#SBATCH --array=0-(\\d+)", script)
output = re.search(r"#SBATCH --output=(\\S+)", script)[1]
with open({log!r}, "a") as log:
    log.write(script + "\\n====\\n")
for task in range(int(array[1]) + 1 if array else 1):
    env = os.environ | {{"SLURM_ARRAY_TASK_ID": str(task), "SLURM_NODELIST": "localhost", "RUN_OFFSET": "0"}}
    with open(output.replace("%A", "7").replace("%a", str(task)), "w") as file:
        subprocess.run(["bash", "-c", script], env=env, stdout=file, stderr=subprocess.STDOUT)
print("Submitted batch job 7")
"""
SRUN = '#!/bin/bash\nwhile [ "$1" != launch_pickled_pipeline ]; do shift; done\nexec "$@"\n'


def test_the_slurm_job_script_makes_the_same_corpus(
    repos: Path, one_worker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm's commands are stand-ins that run the generated script; what it runs is real."""
    tools = tmp_path / "bin"
    tools.mkdir()
    log = tmp_path / "scripts"
    programs = {
        "sbatch": SBATCH.format(python=sys.executable, log=str(log)),
        "srun": SRUN,
        "squeue": "#!/bin/bash\n",
        "scontrol": "#!/bin/bash\necho localhost\n",
        "scancel": f"#!/bin/bash\necho $1 >>{tmp_path}/cancelled\n",
    }
    for name, text in programs.items():
        (tools / name).write_text(text)
        (tools / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    executor = ExecutorSettings(kind="slurm", workers=2, partition="rtl", time_limit="00:10:00", memory_gb=3)
    assert content(extract_and_clean(repos, tmp_path / "out", executor)) == content(one_worker)
    script = log.read_text().split("\n====\n")[0]
    for line in ("--array=0-2%2", "--partition=rtl", "--time=00:10:00", "--mem-per-cpu=3G", "--job-name=autovcoder"):
        assert f"#SBATCH {line}\n" in script, line


def test_tasks_that_are_still_queued_are_not_started_twice(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in {
        "sbatch": "#!/bin/bash\ncat >/dev/null\necho Submitted batch job 7\n",
        "squeue": "#!/bin/bash\necho queued\n",
        "scancel": f"#!/bin/bash\necho $1 >>{tmp_path}/cancelled\n",
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    command = [AUTOVCODER, "data", "extract", "--repos", repos, "--out", tmp_path / "out", "--executor", "slurm"]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    job = tmp_path / "out" / ".work.partial" / "logs" / "extract" / "job"
    end = time.monotonic() + 60
    while time.monotonic() < end and not job.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert (tmp_path / "cancelled").read_text() == "7\n"
    again = run("extract", "--repos", repos, "--out", tmp_path / "out", "--executor", "slurm")
    assert again.returncode == 1
    assert "still queued: job 7; scancel it" in again.stderr


def test_without_slurm_there_is_one_clear_line(repos: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    done = run("extract", "--repos", repos, "--out", tmp_path / "out", "--executor", "slurm", PATH=str(bare))
    assert done.returncode == 1
    assert done.stderr == "error: no sbatch here: PATH; run this on a node from which Slurm takes jobs\n"


# ---- interrupts, faults, memory ------------------------------------------------------------------


def test_a_killed_run_goes_on_where_it_was(repos: Path, one_worker: Path, tmp_path: Path) -> None:
    out = tmp_path / "modules"
    command = [AUTOVCODER, "data", "extract", "--repos", repos, "--out", out, "--tasks", "3", "--workers", "1"]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, start_new_session=True)
    marks = out / ".work.partial" / "logs" / "extract" / "completions"
    end = time.monotonic() + 60
    while time.monotonic() < end and not (marks.is_dir() and any(marks.iterdir())):
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "manifest.json").exists()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "the workers outlive the command"
    first = {path: path.stat().st_mtime_ns for path in out.glob("data/*.parquet") if (marks / path.stem).exists()}
    assert first
    extract(repos, out, ShardSettings(tasks=3), Run(ExecutorSettings(workers=2)))
    assert content(out) == content(one_worker.parent / "modules")
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert not (out / ".work.partial").exists()


def test_a_file_at_which_tasks_die_is_left_out(repos: Path, tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        import data_pipeline.extract as stage

        def read(path, data, around, read=stage._read_file):
            if path.endswith("latin.v"):
                os._exit(11)
            return read(path, data, around)

        stage._read_file = read
        step = stage.ExtractModules(*map(Path, sys.argv[1:4]))
        print(sum(1 for _ in step.run(None, 0, 1)))
        """
    )
    command = [sys.executable, "-c", program, str(repos), str(tmp_path / "dropped"), str(tmp_path / "journals")]
    ends = [subprocess.run(command, capture_output=True, text=True) for _ in range(3)]
    assert [done.returncode for done in ends] == [11, 11, 0], ends[-1].stderr
    assert int(ends[-1].stdout) > 100
    (row,) = [row for row in read_jsonl(tmp_path / "dropped" / "00000.jsonl") if "broke" in row["reason"]]
    assert row["where"] == "lab/fox rtl/latin.v:1"


def test_a_worker_that_dies_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from datatrove.pipeline.base import PipelineStep
        from autovcoder.errors import ToolFailed
        from data_pipeline.executors import ExecutorSettings, run_steps

        class Dies(PipelineStep):
            def run(self, data, rank=0, world_size=1):
                import os

                os._exit(9)
                yield

        if __name__ == "__main__":
            try:
                run_steps([Dies()], tasks=2, logs=Path(sys.argv[1]), settings=ExecutorSettings(workers=2))
            except ToolFailed as error:
                print(error)
        """
    )
    script = tmp_path / "dies.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "logs")], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("a task broke (BrokenProcessPool"), done.stderr
    assert "task_0000" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["extract", "--repos", "{empty}", "--out", "{out}"], "no manifest"),
        (["clean", "--modules", "{empty}", "--out", "{out}"], "no manifest"),
        (["clean", "--modules", "{repos}", "--out", "{out}"], "no modules in this folder"),
        (["extract", "--repos", "{repos}", "--out", "{out}", "--config", "{workers}"], "executor.workers"),
        (["select", "--modules", "{modules}", "--out", "{out}", "--keep-above", "5", "--keep-fraction", "1"], "both"),
        (["decontaminate", "--modules", "{modules}", "--out", "{out}"], "no suite to compare with"),
        (["decontaminate", "--modules", "{modules}", "--out", "{out}", "--against", "{garbage}"], "garbage"),
        (["score", "--modules", "{modules}", "--out", "{out}", "--encoder", "{empty}"], "{empty}"),
        (["score", "--modules", "{modules}", "--out", "{out}", "--grader", "gpt"], "--server"),
        (["score", "--modules", "{modules}", "--out", "{out}", "--scorer", "{empty}"], "{empty}"),
        (["extract", "--repos", "{repos}", "--out", "{out}", "--executor", "cloud"], "executor.kind"),
        (["select", "--modules", "{modules}", "--out", "{out}"], "its modules have no score"),
    ],
)
def test_bad_input_gets_one_clear_line(
    arguments: list[str], said: str, one_worker: Path, repos: Path, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("empty", "out", "garbage")}
    places["empty"].mkdir()
    places["garbage"].write_text("no json\n")
    (tmp_path / "workers").write_text("executor: {workers: -1}\n")
    places["workers"] = tmp_path / "workers"
    places |= {"modules": one_worker, "repos": repos}
    done = run(*(argument.format(**places) for argument in arguments))
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert said.format(**places) in lines[0]


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from data_pipeline.clean import CleanFilter
        from data_pipeline.cleaning_rules import CleanSettings
        from data_pipeline.documents import ModuleReader, ModuleWriter
        out = Path(sys.argv[2])
        data = None
        for step in (ModuleReader(Path(sys.argv[1])), CleanFilter(CleanSettings(), out / "dropped"), ModuleWriter(out)):
            data = step(data, 0, 1)
        print(sum(1 for _ in data), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        """
    )
    peaks = {}
    for count in (1500, 3000):
        writer = ModuleWriter(tmp_path / f"in{count}")
        padding = "// " + "x" * 9000 + "\n"
        data = (to_document(numbered(number, padding)) for number in range(count))
        assert sum(1 for _ in writer(data, 0, 1)) == count
        command = [sys.executable, "-c", program, str(tmp_path / f"in{count}"), str(tmp_path / f"out{count}")]
        rows, peaks[count] = map(
            int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        )
        assert rows == count
    # The input grows by 14 MB.
    assert peaks[3000] < peaks[1500] + 7, peaks


def numbered(number: int, padding: str = "", score: float | None = None) -> RtlModule:
    code = ALONE.replace("8'h1d", f"8'd{number % 256}").replace("checksum", f"checksum{number}")
    return RtlModule(
        id=f"{number:064d}",
        name=f"checksum{number}",
        language="verilog-2001",
        code=padding + code,
        ports=(Port(name="clk", direction="input"), Port(name="b", direction="interface", width=None)),
        instances=("a", "b"),
        provenance=Provenance(repo="lab/x", commit="c", path="x.v", license="MIT", first_line=1, last_line=9),
        score=None if score is None else QualityScore(scorer="s", value=score, rubric={"readability": score}),
    )


def test_a_record_comes_back_as_it_went() -> None:
    for module in (numbered(1), numbered(2, "// é\n", 7.25)):
        assert to_module(to_document(module)) == module


def test_keeping_nothing_is_an_error_that_says_where_to_look(tmp_path: Path) -> None:
    scored = tmp_path / "scored"
    with ShardedStage(scored, "data.score", config={}, inputs={}, run=Run()) as stage:
        assert sum(1 for _ in ModuleWriter(scored / DATA)(map(to_document, [numbered(1, score=3.0)]), 0, 1)) == 1
        stage.finish(scorer="s", spearman=1.0)
    with pytest.raises(InputError, match=r"no module is left.*dropped\.jsonl"):
        select(scored, tmp_path / "out", SelectSettings(tasks=1), Run(ExecutorSettings(workers=1)))


def test_reasons_are_counted_by_kind(made: Path) -> None:
    counted = read_manifest(made / "clean").facts["dropped"]
    assert Counter(reason.partition(":")[0] for reason in dropped(made / "clean").values()) == counted
