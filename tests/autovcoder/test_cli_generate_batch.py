"""`generate-verilog --batch` as a user runs it: many specifications, one folder, which goes on after a kill."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autovcoder.cli.generate_batch import read_batch
from autovcoder.errors import InputError

COMMAND = [str(Path(sys.executable).with_name("generate-verilog"))]
TESTBENCH = """
module tb;
    reg clk = 0, rst = 1, en = 1;
    wire [7:0] q;
    counter dut (.clk(clk), .rst(rst), .en(en), .q(q));
    always #1 clk = ~clk;
    initial begin
        repeat (2) @(negedge clk);
        rst = 0;
        repeat (5) @(negedge clk);
        if (q === WANTED) $display("ALL GOOD");
        $finish;
    end
endmodule
"""


def run(file: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--batch", str(file), "--out", str(out), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def model(learned_model: Path) -> list[str]:
    return ["--model", str(learned_model), "--max-new-tokens", "300"]


def test_each_specification_is_a_row_and_what_is_accepted_a_file(
    model: list[str], learned: dict[str, str], tmp_path: Path
) -> None:
    counter, broken, prose = learned
    asked: list[dict[str, Any]] = [
        {"id": "up", "spec": counter},
        {"id": "tested", "spec": counter, "testbench": TESTBENCH.replace("WANTED", "8'd5")},
        {"id": "wrong", "spec": counter, "testbench": TESTBENCH.replace("WANTED", "8'd6")},
        {"id": "broken", "spec": broken},
        {"id": "prose", "spec": prose},
        {"id": "empty", "spec": " "},
        {"id": "bad-header", "spec": counter, "header": "no header"},
        {"id": "bad-bench", "spec": counter, "testbench": "module ("},
        {"id": "long", "spec": counter * 60},
        {"id": "old", "spec": prose, "language": "verilog-2001"},
    ]
    file, out = write(tmp_path / "specs.jsonl", asked), tmp_path / "out"
    options = [*model, "--pass-line", "^ALL GOOD$", "--lint", "--seed", "3"]
    done = run(file, out, *options)
    counts = "2 of 10 accepted, 4 not, 4 with an error (results.jsonl, designs/)"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"{out}: {counts}\n")
    rows = {row["id"]: row for row in rows_of(out)}
    assert list(rows) == [one["id"] for one in asked]
    assert {name for name, row in rows.items() if row["accepted"]} == {"up", "tested"}
    assert sorted(path.name for path in (out / "designs").iterdir()) == ["tested.v", "up.v"]
    assert (out / "designs" / "up.v").read_text() == learned[counter].removeprefix("```verilog\n").removesuffix("```")
    assert rows["tested"]["verdicts"]["testbench"] == "pass"
    # Asked in other words, the small model may answer anything but must be judged.
    assert rows["old"]["verdicts"]["language"] in ("yes", "no")
    assert rows["up"]["verdicts"]["language"] is None
    assert rows["wrong"]["verdicts"]["testbench"] == "no_result"
    assert rows["up"]["error"] is None
    assert rows["up"]["lint"]["findings"] == []
    assert rows["up"]["seed"] == 3
    assert rows["broken"]["verdicts"]["compiles"] == "elaboration_error"
    assert rows["empty"]["error"].startswith("the specification is empty")
    assert rows["bad-header"]["error"].startswith("the header is not Verilog")
    assert rows["bad-bench"]["error"].startswith("the testbench has a syntax error")
    assert "context" in rows["long"]["error"]
    # The same command again does nothing, and says so; another one is refused.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run(file, out, *options)
    assert (again.returncode, again.stderr) == (3, f"{out}: already done, nothing to do; {counts}\n")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    other = run(file, out, *options, "-n", "2")
    assert other.returncode == 1
    assert other.stderr.startswith("error: the folder was made with another config (")


def test_a_batch_that_was_killed_goes_on_where_it_stopped(
    model: list[str], learned: dict[str, str], tmp_path: Path
) -> None:
    counter = next(iter(learned))
    file = write(tmp_path / "specs.jsonl", [{"id": f"n{at}", "spec": counter} for at in range(12)])
    out = tmp_path / "out"
    results = out / "results.jsonl"
    command = [*COMMAND, "--batch", str(file), "--out", str(out), *model]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(3000):
            if results.exists() and results.read_text().count("\n") >= 2:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    written = rows_of(out) if results.read_text().endswith("\n") else rows_of_torn(results)
    assert 2 <= len(written) < 12
    with results.open("a") as torn:
        torn.write('{"id": "n11", "acc')
    done = run(file, out, *model)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"{out}: going on with {12 - len(written)} of 12"
    rows = rows_of(out)
    assert [row["id"] for row in rows] == [f"n{at}" for at in range(12)]
    assert rows[: len(written)] == written
    assert len(list((out / "designs").iterdir())) == 12
    assert json.loads((out / "manifest.json").read_text())["facts"]["accepted"] == 12


def test_a_batch_of_an_adapter_whose_base_was_changed_is_refused(
    learned_model: Path, random_model: Path, learned: dict[str, str], tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from autovcoder.models.transformers_engine import quiet

    base, adapter, out = tmp_path / "base", tmp_path / "adapter", tmp_path / "out"
    shutil.copytree(learned_model, base)
    with quiet():
        settings = LoraConfig(r=2, target_modules=["q_proj"])
        get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings).save_pretrained(adapter)
    file = write(tmp_path / "specs.jsonl", [{"id": "up", "spec": next(iter(learned))}])
    options = ["--model", str(adapter), "--max-new-tokens", "300"]
    assert run(file, out, *options).returncode == 0
    again = run(file, out, *options)
    assert again.returncode == 0, again.stderr
    assert "already done" in again.stderr
    shutil.copy(random_model / "model.safetensors", base)
    changed = run(file, out, *options)
    assert (changed.returncode, changed.stderr.count("\n")) == (1, 1), changed.stderr
    assert "the folder was made with another config (weights)" in changed.stderr


def rows_of_torn(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().split("\n")[:-1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no specification"),
        ('{"id": "a", "spec": "x"}\n\n{"id": "b"', "line 3"),
        ('{"id": "a", "spec": "x"}\n[1]\n', "expected a JSON object: {file}, line 2"),
        ('{"id": "../a", "spec": "x"}\n', "cannot use 'id': {file}, line 1"),
        ('{"id": "a/b", "spec": "x"}\n', "cannot use 'id'"),
        ('{"id": ".a", "spec": "x"}\n', "cannot use 'id'"),
        ('{"id": "a\\n", "spec": "x"}\n', "cannot use 'id'"),
        ('{"id": 5, "spec": "x"}\n', "cannot use 'id'"),
        ('{"id": "a"}\n', "cannot use 'spec': {file}, line 1"),
        ('{"id": "a", "spec": "x", "spce": "y"}\n', "cannot use 'spce'"),
        ('{"id": "a", "spec": "x", "language": "vhdl"}\n', "cannot use 'language'"),
        ('{"id": "a", "spec": "x"}\n{"id": "A", "spec": "y"}\n', "the id is taken: {file}, line 2: A; see line 1"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "specs.jsonl"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_batch(file)
    assert said.format(file=file) in str(caught.value)


def test_a_bad_file_and_a_missing_model_are_one_clear_line_and_no_folder(tmp_path: Path) -> None:
    file, out = tmp_path / "specs.jsonl", tmp_path / "out"
    nothing = run(file, out)
    assert nothing.returncode == 1
    assert nothing.stderr == f"error: cannot read the file: {file}; No such file or directory\n"
    write(file, [{"id": "a", "spec": "an inverter"}])
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "adapter_config.json").write_text("{")
    for arguments, said in (
        (["--model", "./nowhere"], "no such model folder"),
        (["--model", str(damaged)], "the adapter's settings cannot be read"),
        (["--rag", "--library", str(tmp_path / "none")], "no library is here"),
        (["--endpoint", "http://127.0.0.1:9", "--model", "any"], "cannot reach the model server"),
    ):
        done = run(file, out, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert said in done.stderr
        if "endpoint" not in arguments[0]:
            assert not out.exists()
