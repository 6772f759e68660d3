"""`generate-verilog` as a user runs it: real processes, a real model, a real simulator."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import autovcoder

COMMAND = [str(Path(sys.executable).with_name("generate-verilog"))]
TESTBENCH = """
module tb;
    reg clk = 0, rst = 1, en = 0;
    wire [7:0] q;
    reg [7:0] first [0:0];
    counter dut (.clk(clk), .rst(rst), .en(en), .q(q));
    always #1 clk = ~clk;
    initial begin
        $readmemh("first.hex", first);
        repeat (2) @(negedge clk);
        rst = 0; en = 1;
        repeat (5) @(negedge clk);
        if (q === first[0] + 5) $display("ALL GOOD");
        $finish;
    end
endmodule
"""


def run(
    *arguments: str, stdin: str | None = None, path: str | None = None, command: list[str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": path} if path is not None else {})
    return subprocess.run(
        [*command, *arguments],
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )


def assert_one_clear_line(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.fixture(scope="module")
def model(learned_model: Path) -> list[str]:
    return ["--model", str(learned_model), "--max-new-tokens", "300"]


@pytest.fixture(scope="module")
def specs(learned: dict[str, str]) -> list[str]:
    """Specifications that are answered with a good module, a broken one, and prose."""
    return list(learned)


def code_of(answer: str) -> str:
    return answer.removeprefix("```verilog\n").removesuffix("```")


def test_code_goes_to_stdout_and_checks_to_stderr(model: list[str], specs: list[str], learned: dict[str, str]) -> None:
    done = run(specs[0], *model)
    assert done.returncode == 0
    assert done.stdout == code_of(learned[specs[0]])
    lines = done.stderr.splitlines()
    assert lines[0].startswith("compiles: yes (Icarus Verilog ")
    assert lines[1:4] == ["module name: not stated", "ports: not stated", "header: not stated"]
    assert lines[4].startswith("seconds: ")


def test_autovcoder_generate_is_the_same_command(model: list[str], specs: list[str]) -> None:
    both = str(Path(sys.executable).with_name("autovcoder"))
    assert run("generate", specs[0], *model, command=[both]).stdout == run(specs[0], *model).stdout


def test_the_specification_comes_from_a_file_or_stdin_as_well(
    model: list[str], specs: list[str], tmp_path: Path
) -> None:
    expected = run(specs[0], *model).stdout
    file = tmp_path / "spec.txt"
    file.write_text(specs[0] + "\n")
    assert run("--spec-file", str(file), *model).stdout == expected
    assert run("-", *model, stdin=specs[0]).stdout == expected
    assert run(*model, stdin=specs[0]).stdout == expected


def test_a_broken_design_is_printed_with_its_diagnostics_and_exit_code_3(
    model: list[str], specs: list[str], learned: dict[str, str]
) -> None:
    done = run(specs[1], *model)
    assert done.returncode == 3
    assert done.stdout == code_of(learned[specs[1]])
    assert "compiles: no (elaboration error; Icarus Verilog " in done.stderr
    assert "line 2: error: " in done.stderr


def test_an_answer_without_code_prints_none(model: list[str], specs: list[str], learned: dict[str, str]) -> None:
    done = run(specs[2], *model)
    assert (done.returncode, done.stdout) == (3, "")
    assert "compiles: no (there is no Verilog in the answer)" in done.stderr
    assert learned[specs[2]] in done.stderr


def test_a_header_fixes_the_interface(model: list[str], specs: list[str], tmp_path: Path) -> None:
    header = tmp_path / "header.v"
    header.write_text("module counter (input clk, input rst, input en, output reg [3:0] q);\n")
    done = run("--header", str(header), *model, specs[0])
    # The small model knows one sentence by heart; asked in other words, it may answer anything but must be judged.
    assert done.returncode == 3
    assert "header: no (" in done.stderr or "there is no Verilog" in done.stderr


def test_several_answers_are_chosen_by_consensus_and_explained(model: list[str], specs: list[str]) -> None:
    done = run(specs[0], *model, "-n", "3", "--temperature", "0.01", "--explain")
    assert "choice: 3 of 3 do the same (confidence 0." in done.stderr
    assert "agree: 1, 2, 3" in done.stderr
    alone = run(specs[0], *model, "-n", "3", "--temperature", "0.01", "--select", "first", "--explain")
    assert "choice: the first of the best, not by consensus" in alone.stderr
    for wrong in (["--sure", "0.5"], ["--most", "4", "-n", "2"], ["--sure", "0.5", "-n", "4", "--most", "2"]):
        assert run(specs[0], *model, *wrong).returncode == 2


def test_json_holds_every_candidate_and_its_checks(model: list[str], specs: list[str]) -> None:
    done = run(specs[0], *model, "-n", "2", "--temperature", "0.01", "--json", "--lint")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["accepted"] is True
    assert document["code"].startswith("module counter")
    assert [c["compiled"]["status"] for c in document["candidates"]] == ["pass", "pass"]
    assert document["candidates"][0]["agreement"]["name"]["value"] == "not stated"
    assert set(document["seconds"]) == {"import", "load", "generate", "check", "select", "lint"}
    assert document["lint"]["findings"] == []
    assert "\nlint: no findings" in done.stderr


def test_several_answers_are_drawn_with_temperature_and_the_same_seed_draws_the_same(
    model: list[str], specs: list[str]
) -> None:
    first, second = (run(specs[0], *model, "-n", "3", "--seed", "5", "--json") for _ in range(2))
    a, b = json.loads(first.stdout), json.loads(second.stdout)
    assert a["sampling"]["temperature"] == 0.8
    assert a["sampling"]["top_p"] == 0.95
    assert [c["raw"] for c in a["candidates"]] == [c["raw"] for c in b["candidates"]]
    assert json.loads(run(specs[0], *model, "--json").stdout)["sampling"]["temperature"] == 0


def test_a_testbench_decides_with_its_data_files_beside_it(model: list[str], specs: list[str], tmp_path: Path) -> None:
    (tmp_path / "tb.v").write_text(TESTBENCH)
    (tmp_path / "first.hex").write_text("00\n")
    asked = [specs[0], *model, "--testbench", str(tmp_path / "tb.v")]
    passed = run(*asked, "--pass-line", "^ALL GOOD$")
    assert (passed.returncode, "testbench: pass" in passed.stderr) == (0, True), passed.stderr
    unrecognised = run(*asked)
    assert (unrecognised.returncode, "testbench: no result" in unrecognised.stderr) == (3, True)
    assert unrecognised.stdout == passed.stdout
    (tmp_path / "first.hex").write_text("40\n")
    failed = run(*asked, "--pass-line", "^ALL GOOD$")
    assert (failed.returncode, "testbench: no result" in failed.stderr) == (3, True)


COCOTB = """
import cocotb
from cocotb.triggers import Timer
from start import reset


@cocotb.test()
async def counts(dut):
    await reset(dut)
    dut.en.value = 1
    for _ in range(3):
        await tick(dut)
    assert int(dut.q.value) == WANTED, f"q is {int(dut.q.value)}"


async def tick(dut):
    dut.clk.value = 0
    await Timer(1, "ns")
    dut.clk.value = 1
    await Timer(1, "ns")
"""
START = """
from cocotb.triggers import Timer


async def reset(dut):
    dut.clk.value, dut.rst.value, dut.en.value = 0, 1, 0
    await Timer(1, "ns")
    dut.clk.value = 1
    await Timer(1, "ns")
    dut.rst.value = 0
"""


def test_a_cocotb_test_decides_as_well_and_what_it_fails_goes_back_to_the_model(
    model: list[str], specs: list[str], tmp_path: Path
) -> None:
    (tmp_path / "start.py").write_text(START)  # imported from beside the test
    test = tmp_path / "test_counter.py"
    test.write_text(COCOTB.replace("WANTED", "3"))
    (tmp_path / "tb.v").write_text(TESTBENCH)
    (tmp_path / "first.hex").write_text("00\n")
    both = ["--testbench", str(tmp_path / "tb.v"), "--pass-line", "^ALL GOOD$", "--cocotb", str(test)]
    passed = run(specs[0], *model, *both)
    assert passed.returncode == 0, passed.stderr
    assert "testbench: pass\ncocotb: pass (0 failures in 1 tests)\n" in passed.stderr
    test.write_text(COCOTB.replace("WANTED", "4"))
    failed = run(specs[0], *model, *both, "--repair", "1", "--json")
    assert failed.returncode == 3
    assert "cocotb: mismatch (1 failures in 1 tests)" in failed.stderr
    assert "AssertionError: q is 3" in failed.stderr
    assert "repaired answers: 1, none of them better" in failed.stderr
    document = json.loads(failed.stdout)
    assert (document["verdicts"]["testbench"], document["verdicts"]["cocotb"]) == ("pass", "mismatch")
    assert document["candidates"][0]["cocotb"]["samples"] == 1
    [repair] = document["repairs"]
    assert (repair["candidate"], repair["answers_to"], repair["told"]) == (1, 0, "what the user's testbench says")
    assert "AssertionError: q is 3" in repair["lines"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("test_empty.py", "import cocotb\n\nasync def counts(dut):\n    pass\n", "there is no cocotb test"),
        ("test_broken.py", "import cocotb\n@cocotb.test(\n", "the cocotb test is not Python"),
        ("counter.py", COCOTB, "call it test_NAME.py"),
        ("test_bytes.py", b"# \xff", "the cocotb test is not text in UTF-8"),
        ("test_none.py", None, "No such file or directory"),
    ],
)
def test_a_cocotb_file_that_cannot_be_used_is_one_clear_line_before_the_model_is_loaded(
    name: str, text: str | bytes | None, said: str, specs: list[str], tmp_path: Path
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    # The model does not exist either.
    done = run(specs[0], "--model", "./nowhere", "--cocotb", str(file))
    assert_one_clear_line(done, said)
    assert name in done.stderr


def test_without_cocotb_the_line_says_what_to_install(specs: list[str], tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(START)
    (tmp_path / "test_counter.py").write_text(COCOTB)
    look = (
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'cocotb' else found(name, *more)\n"
        "from autovcoder.cli import main; main.generate_verilog()"
    )
    arguments = [specs[0], "--model", "./nowhere", "--cocotb", str(tmp_path / "test_counter.py")]
    done = run(*arguments, command=[sys.executable, "-c", look])
    assert_one_clear_line(done, "cocotb is not installed; pip install cocotb")


def test_the_json_document_has_its_keys_in_their_order_and_a_repair_that_does_not_fit_loses_nothing(
    model: list[str], specs: list[str]
) -> None:
    done = run(specs[1], *model, "--repair", "1", "--json", "--lint")
    document = json.loads(done.stdout)
    assert list(document) == [
        "accepted", "code", "verdicts", "selection", "unsure", "mended", "repairs", "notes", "context_ids", "lint",
        "seconds", "seed", "model", "versions", "spec", "header", "sampling", "effort", "context", "best", "candidates",
    ]  # fmt: skip
    assert document["verdicts"] == {
        "compiles": "elaboration_error", "module_name": "not stated", "ports": "not stated", "header": "not stated",
        "language": None, "testbench": None, "cocotb": None, "complete": True,
    }  # fmt: skip
    assert document["versions"]["autovcoder"] == autovcoder.__version__
    assert document["versions"]["simulator"].startswith("Icarus Verilog ")
    assert document["lint"] is None
    assert "lint: not done, for the design does not compile" in done.stderr
    # What the model would be told is longer than its context of 512 tokens: what there is is kept.
    assert document["repairs"] == []
    [note] = document["notes"]
    assert note.startswith("not repaired: ")
    assert f"{note}\n" in done.stderr


def test_a_missing_library_shows_before_the_model_is_loaded(specs: list[str], tmp_path: Path) -> None:
    done = run(specs[0], "--model", "./nowhere", "--rag", "--library", str(tmp_path))
    assert_one_clear_line(done, "no library is here")


def test_python_callers_need_one_name(learned_model: Path, learned: dict[str, str]) -> None:
    look = (
        "import sys, autovcoder\n"
        "assert not {'pydantic', 'torch', 'importlib.metadata'} & set(sys.modules)\n"
        f"result = autovcoder.generate_verilog({next(iter(learned))!r}, model={str(learned_model)!r})\n"
        "assert result.accepted\n"
        "print(result.code)\n"
    )
    done = run(command=[sys.executable, "-c", look])
    assert done.stdout.strip() == code_of(next(iter(learned.values()))).strip(), done.stderr
    with pytest.raises(AttributeError, match="nothing_like_it"):
        autovcoder.nothing_like_it  # noqa: B018


def test_out_writes_the_file_and_nothing_to_stdout(
    model: list[str], specs: list[str], learned: dict[str, str], tmp_path: Path
) -> None:
    done = run(specs[0], *model, "--out", str(tmp_path / "counter.v"))
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "counter.v").read_text() == code_of(learned[specs[0]])
    assert list(tmp_path.iterdir()) == [tmp_path / "counter.v"]


@pytest.mark.parametrize("spec", ["", "  \n"])
def test_an_empty_specification_is_one_clear_line(model: list[str], spec: str) -> None:
    assert_one_clear_line(run(spec, *model), "the specification is empty")
    assert_one_clear_line(run("-", *model, stdin=spec), "the specification is empty")


def test_a_model_that_is_not_there_is_one_clear_line(specs: list[str]) -> None:
    assert_one_clear_line(run(specs[0], "--model", "./nowhere"), "no such model folder: ./nowhere")


def test_no_simulator_on_path_is_one_clear_line_that_says_what_to_install(
    model: list[str], specs: list[str], tmp_path: Path
) -> None:
    done = run(specs[0], *model, path=str(tmp_path))
    assert_one_clear_line(done, "iverilog is not on PATH")
    assert "apt install iverilog" in done.stderr


def test_an_endpoint_that_is_not_there_is_one_clear_line(specs: list[str]) -> None:
    done = run(specs[0], "--endpoint", "http://127.0.0.1:9", "--model", "any")
    assert_one_clear_line(done, "cannot reach the model server: http://127.0.0.1:9/v1")
    assert_one_clear_line(run(specs[0], "--endpoint", "nowhere", "--model", "any"), "not a server's address: nowhere")


def test_output_that_cannot_be_written_is_one_clear_line_before_any_work(specs: list[str], tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "no" / "folder.v", Path("/dev/null"), Path("/proc/counter.v")):
        # The model does not exist either: the output is looked at first.
        assert_one_clear_line(run(specs[0], "--model", "./nowhere", "--out", str(out)), f"cannot write: {out}")
    assert list(tmp_path.iterdir()) == []


def test_an_old_output_survives_a_failure(specs: list[str], tmp_path: Path) -> None:
    (tmp_path / "old.v").write_text("old")
    assert_one_clear_line(run(specs[0], "--model", "./nowhere", "--out", str(tmp_path / "old.v")), "no such model")
    assert (tmp_path / "old.v").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("option", ["--header", "--testbench", "--spec-file"])
def test_a_file_that_is_not_there_is_one_clear_line(
    option: str, model: list[str], specs: list[str], tmp_path: Path
) -> None:
    spec = [] if option == "--spec-file" else [specs[0]]
    assert_one_clear_line(run(*spec, *model, option, str(tmp_path / "none.v")), "none.v; No such file or directory")


def test_files_that_are_no_verilog_are_one_clear_line(model: list[str], specs: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.v").write_text("this is no module")
    (tmp_path / "bytes.v").write_bytes(b"module \xff")
    assert_one_clear_line(run(specs[0], *model, "--header", str(tmp_path / "bad.v")), "the header is not Verilog")
    assert_one_clear_line(run(specs[0], *model, "--header", str(tmp_path / "bytes.v")), "not text in UTF-8")
    assert_one_clear_line(run(specs[0], *model, "--testbench", str(tmp_path / "bad.v")), "testbench")


@pytest.mark.parametrize(
    "arguments",
    [
        ["x", "--no-such-option"],
        ["x", "-n", "0"],
        ["x", "--temperature", "nan"],
        ["x", "--top-p", "0"],
        ["x", "--language", "vhdl"],
        ["x", "--pass-line", "good"],
        ["x", "--endpoint", "http://127.0.0.1:9"],
        ["x", "--spec-file", "y"],
        ["x", "--testbench", "y", "--pass-line", "("],
        ["x", "--testbench", "y", "--pass-line", "a" * 1001],
        ["x", "-n", "2", "--sure", "0.5", "--select", "first"],
        ["--batch", "y"],
        ["x", "--batch", "y", "--out", "z"],
        ["--batch", "y", "--out", "z", "--cocotb", "test_y.py"],
        ["--batch", "y", "--out", "z", "--json"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_nothing_heavy() -> None:
    look = (
        "import sys; from autovcoder.cli import main\n"
        "try: main.generate_verilog()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'pyslang', 'openai', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = run("--help", command=[sys.executable, "-c", look])
    assert "--max-new-tokens" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_ends_without_a_traceback(specs: list[str], random_model: Path) -> None:
    endless = [specs[0], "--model", str(random_model), "-n", "16", "--max-new-tokens", "100000"]
    with subprocess.Popen(
        [*COMMAND, *endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_listen_to_ctrl_c,
    ) as process:
        _wait_for_module(process.pid, "_multiarray_umath")
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (output, "Traceback" in said) == ("", False)


def test_a_reader_that_goes_away_is_no_traceback(model: list[str], specs: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, specs[0], *model], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_behind_stdout_is_one_clear_line(model: list[str], specs: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, specs[0], *model], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write: stdout; No space left on device\n"


def test_streams_that_are_closed_are_no_traceback(model: list[str], specs: list[str]) -> None:
    quoted = shlex.join([*COMMAND, specs[0], *model])
    done = run("-c", f"{quoted} >&-", command=["sh"])
    assert (done.returncode, done.stderr) == (1, "error: cannot write: stdout; it is closed\n")
    quiet = run("-c", f"{quoted} 2>&-", command=["sh"])
    assert (quiet.returncode, quiet.stdout[:14]) == (0, "module counter")
    assert run("-c", f"{shlex.join(COMMAND)} <&-", command=["sh"]).returncode == 2


def test_a_spinner_turns_only_on_a_terminal(model: list[str], specs: list[str]) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run([*COMMAND, specs[0], *model], stdout=subprocess.PIPE, stderr=theirs, text=True, check=False)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.stdout.startswith("module counter")
    assert "loading the model" in shown
    assert "loading the model" not in run(specs[0], *model).stderr


def test_the_command_is_on_path_after_installation() -> None:
    assert shutil.which(COMMAND[0])


def _listen_to_ctrl_c() -> None:
    """A shell starts background jobs, and so perhaps these tests, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_for_module(pid: int, part: str) -> None:
    """Until a process has mapped a library with ``part`` in its name, which is when it is at work."""
    maps = Path(f"/proc/{pid}/maps")
    for _ in range(600):
        if part in maps.read_text():
            time.sleep(0.2)
            return
        time.sleep(0.05)
    raise TimeoutError(part)
