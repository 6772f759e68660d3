"""`autovcoder eval run` as a user meets it: real processes, real simulator, a real server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from autovcoder.files import read_jsonl
from autovcoder.records import Bench, PassRule, Problem
from autovcoder.store import read_manifest
from eval.suites import write_problems

from .suite_of_two import A_AND_B, NOT_A, design

ROOT = Path(__file__).parents[2]


def command(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    code = "from autovcoder.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "eval", "run", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    folder.mkdir()
    write_problems([NOT_A, A_AND_B], folder)
    return folder


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"task_id": "not_a", "completion": f"Sure:\n```verilog\n{design('~a')}```\n"},
        {"task_id": "a_and_b", "completion": design("a | b")},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Answering(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that answers every question with an AND gate, and counts the questions."""

    asked: ClassVar[list[dict[str, Any]]] = []
    fail_after: ClassVar[int] = 10**9

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(self.asked) >= self.fail_after:
            self.send_error(401)
            return
        self.asked.append(request)
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": request["model"]}
        text = f"```verilog\n{design('a & b')}```\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta, finish in (({"role": "assistant", "content": text}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            self.wfile.write(f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Answering.asked, Answering.fail_after = [], 10**9
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_recorded_answers_are_scored_and_the_table_is_on_stdout(tmp_path: Path, suite: Path, answers: Path) -> None:
    done = command("--suite", "problems", "--data", suite, "--samples", answers, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| function pass@1 | 0.5000 |" in done.stdout
    (folder,) = (tmp_path / "runs" / "eval").iterdir()
    assert str(folder.relative_to(tmp_path)) in done.stderr
    assert [row["status"] for row in read_jsonl(folder / "verdicts.jsonl")] == ["pass", "mismatch"]
    again = command("--suite", "problems", "--data", suite, "--samples", answers, cwd=tmp_path)
    assert again.stdout == done.stdout
    assert len(list((tmp_path / "runs" / "eval").iterdir())) == 1


def test_json_is_all_that_stdout_holds(tmp_path: Path, suite: Path, answers: Path) -> None:
    done = command("--suite", "problems", "--data", suite, "--samples", answers, "--json", "--limit", 1, cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (report["problems"], report["raw"]["overall"]["function"]["1"]["value"]) == (1, 1.0)


def test_the_official_rule_gets_a_folder_of_its_own(tmp_path: Path, suite: Path, answers: Path) -> None:
    options = ("--suite", "problems", "--data", suite, "--samples", answers)
    for rule in ("ours", "official"):
        assert command(*options, "--rule", rule, cwd=tmp_path).returncode == 0
    rules = [read_manifest(folder).config["rule"] for folder in (tmp_path / "runs" / "eval").iterdir()]
    assert sorted(map(str, rules)) == ["official", "ours"]


def test_a_served_model_is_asked_and_scored_and_resumes(tmp_path: Path, suite: Path, server: str) -> None:
    options = ("--suite", "problems", "--data", suite, "--model", "m", "--endpoint", server, "-n", 2, "--out", "out")
    Answering.fail_after = 0
    failed = command(*options, cwd=tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: the server refuses the key")
    assert not (tmp_path / "out").exists()
    Answering.fail_after = 10**9
    done = command(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| function pass@1 | 0.5000 |" in done.stdout
    assert len(Answering.asked) == 4
    assert {request["temperature"] for request in Answering.asked} == {0.8}
    (tmp_path / "out" / "manifest.json").rename(tmp_path / "old.json")
    rows = (tmp_path / "out" / "samples.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "out" / "samples.jsonl").write_text("".join(rows[:2]))
    (tmp_path / "out" / "verdicts.jsonl").unlink()
    again = command(*options, cwd=tmp_path)
    assert again.stdout == done.stdout
    assert len(Answering.asked) == 6


COUNTER_BENCH = """module tb;
  reg clk = 0, rst = 1, en = 1;
  wire [7:0] q;
  counter dut(clk, rst, en, q);
  always #5 clk = ~clk;
  initial begin
    #12 rst = 0;
    #100 $display("Mismatches: %0d in 1 samples", q !== 8'd10);
    $finish;
  end
endmodule
"""


def test_a_model_on_this_machine_is_asked_and_what_it_cannot_read_is_no_answer(
    tmp_path: Path, learned_model: Path, learned: dict[str, str]
) -> None:
    spec = next(iter(learned))
    rule = PassRule(kind="mismatch_count")
    bench = Bench(kind="verilog", sources={"tb.v": COUNTER_BENCH}, top="tb", pass_rule=rule)
    easy = Problem(id="counter", suite="two", category="c", spec=spec, bench=bench)
    write_problems([easy, easy.model_copy(update={"id": "long", "spec": f"{spec} " * 200})], tmp_path)
    done = command("--suite", "problems", "--data", tmp_path, "--model", learned_model, "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("counted as no answer: the prompt has")
    rows = {row["problem_id"]: row["status"] for row in read_jsonl(tmp_path / "out" / "verdicts.jsonl")}
    assert rows == {"counter": "pass", "long": "no_code"}
    assert len(str(read_manifest(tmp_path / "out").config["source"]["weights"])) == 64


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--suite", "nosuch", "--data", "suite", "--model", "m"], 1, "unknown suite: nosuch; known: verilogeval"),
        (["--suite", "problems", "--model", "m"], 1, "--data"),
        (["--suite", "problems", "--data", "absent", "--model", "m"], 1, "cannot read the file: absent"),
        (["--suite", "verilogeval-v1-human", "--data", "suite", "--model", "m"], 1, "expected VerilogEval_Human.jsonl"),
        (["--suite", "problems", "--data", "suite", "--samples", "absent"], 1, "cannot read the file: absent"),
        (["--suite", "problems", "--data", "suite", "--model", "./absent"], 1, "no such model folder"),
        (
            ["--suite", "problems", "--data", "suite", "--model", "m", "--endpoint", "http://127.0.0.1:9"],
            1,
            "cannot reach",
        ),
        (["--suite", "problems", "--data", "suite"], 2, "give either --model or --samples"),
        (
            ["--suite", "problems", "--data", "suite", "--model", "m", "--samples", "s"],
            2,
            "either --model or --samples",
        ),
        (["--suite", "problems", "--data", "suite", "--model", "m", "-n", "0"], 2, "-n"),
        (["--suite", "problems", "--data", "suite", "--model", "m", "--top-p", "0"], 2, "--top-p"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(
    tmp_path: Path, suite: Path, options: list[str], code: int, message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = command(*options, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    if code == 1:
        assert len(done.stderr.splitlines()) == 1
    assert [path for path in sorted(tmp_path.rglob("*.json*")) if path not in before] == []


def test_without_a_simulator_the_line_says_what_to_install(tmp_path: Path, suite: Path, answers: Path) -> None:
    done = command(
        "--suite", "problems", "--data", suite, "--samples", answers, cwd=tmp_path, env={"PATH": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "iverilog is not on PATH; install it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, suite: Path, answers: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("--suite", "problems", "--data", suite, "--samples", answers, "--out", "file", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: cannot use the folder: file")


def test_help_answers_without_loading_a_model_or_a_simulator() -> None:
    code = (
        "import sys\nfrom autovcoder.cli import evaluate\n"
        "heavy = {'torch', 'transformers', 'pyslang', 'openai', 'eval.run', 'hdl_sim.icarus'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
