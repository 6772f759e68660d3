"""`autovcoder reproduce` as a user runs it, on a small model and the first problems of the built-in suite."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autovcoder.cli.reproduce import _Opened, _train
from autovcoder.cli.reproduce_arms import ARMS, PRESETS, is_whole, stage_models
from autovcoder.cli.reproduce_report import Cell, Reproduction, to_markdown
from autovcoder.store import Stage, read_manifest
from eval.report import Rate
from eval.suites import load_suite

COMMAND = [str(Path(sys.executable).with_name("autovcoder")), "reproduce"]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *args], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def stages(learned_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and a second round; what the first one would be is not there."""
    folder = tmp_path_factory.mktemp("stages")
    for name in ("base", "round2"):
        shutil.copytree(learned_model, folder / name)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody's own problems."""
    folder = tmp_path_factory.mktemp("own") / "team"
    folder.mkdir()
    (folder / "problems.jsonl").write_text(load_suite("builtin", None)[5].model_dump_json() + "\n")
    return folder


@pytest.fixture(scope="module")
def out(stages: Path, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduced")
    done = run("--stages", str(stages), "--problems", str(own), "--out", str(folder), "--limit", "2", "-n", "2")
    assert done.returncode == 0, done.stderr
    return folder


def test_every_arm_that_can_be_measured_has_a_row_and_the_others_a_reason(out: Path, stages: Path) -> None:
    found = json.loads((out / "reproduction.json").read_text())
    measured = {cell["arm"] for cell in found["cells"]}
    assert measured == {arm.name for arm in ARMS if arm.stage in ("base", "round2")}
    assert found["missing"] == {name: f"there is no {stages / name}" for name in ("round1", "round2-only")}
    text = (out / "reproduction.md").read_text()
    assert found["suites"] == ["builtin", "team"]
    assert text.count("| + consensus") == 2  # a table each
    assert "paper" not in text.partition("## builtin")[2].partition("\n\nThe paper")[0]
    assert "| round 1 " not in text


def test_what_the_paper_published_stands_in_the_tables_of_its_suites_alone() -> None:
    rate = Rate(value=0.5, low=0.4, high=0.6, count=2)
    suites = ("builtin", "rtllm-v1.1", "verilogeval-v1-human")
    cells = [Cell(arm=arm.name, suite=suite, pass1=rate, pass5=rate, syntax=rate) for suite in suites for arm in ARMS]
    text = to_markdown(Reproduction(preset="paper", sampling="", suites=suites, cells=tuple(cells)))
    rows = {
        (part.partition("\n")[0], cells[0]): cells[1:]
        for part in text.split("\n## ")[1:]
        for line in part.splitlines()
        if (cells := [cell.strip() for cell in line.strip("|").split("|")])
    }
    ours = "50.0 (40.0 to 60.0)"
    assert rows["builtin", "base"] == [ours] * 3
    assert rows["rtllm-v1.1", "both rounds"] == [ours, ours, ours, "51.7", ""]
    assert rows["verilogeval-v1-human", "base"] == [ours, ours, ours, "28.1", ""]
    assert rows["verilogeval-v1-human", "+ both retrievers"] == [ours, ours, ours, "55.9", "48.5"]
    assert rows["verilogeval-v1-human", "+ examples"] == [ours, ours, ours, "", ""]


def test_a_folder_of_stages_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run("--stages", str(tmp_path / "typo"), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no such folder for --stages" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_two_suites_of_one_name_are_refused(own: Path, tmp_path: Path) -> None:
    done = run("--problems", str(own), "--problems", str(own), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "two suites have one name" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_page_needs_nothing_from_elsewhere_and_has_a_figure(out: Path) -> None:
    page = (out / "reproduction.html").read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert 'src="http' not in page
    for cell in json.loads((out / "reproduction.json").read_text())["cells"]:
        assert (out / cell["folder"] / "report.html").is_file()


def test_the_same_command_again_asks_nobody(out: Path, own: Path, stages: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in out.rglob("samples.jsonl")}
    assert len(before) == 2 * sum(arm.stage in ("base", "round2") and not arm.chosen for arm in ARMS)
    flags = ["--stages", str(stages), "--problems", str(own), "--limit", "2", "-n", "2", "--json"]
    again = run("--out", str(out), *flags)
    assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime_ns for file in out.rglob("samples.jsonl")} == before
    assert json.loads(again.stdout)["preset"] == "nano"


def test_arms_that_follow_each_other_share_the_model(stages: Path) -> None:
    opened = _Opened()
    base = opened(str(stages / "base"))
    assert opened(str(stages / "base")) is base
    assert opened(str(stages / "round2")) is not base
    assert opened(str(stages / "base")) is not base  # one at a time


def test_a_stage_that_is_not_finished_is_named(stages: Path, tmp_path: Path) -> None:
    there = tmp_path / "stages"
    shutil.copytree(stages / "round2", there / "round2")
    (there / "round1").mkdir()
    done = run("--stages", str(there), "--limit", "1", "-n", "1", "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["missing"] == {
        "base": f"there is no {there / 'base'}",
        "round1": f"{there / 'round1'} holds no finished model",
        "round2-only": f"there is no {there / 'round2-only'}",
    }


def test_without_stages_the_packaged_model_is_measured_and_a_half_trained_one_is_not(tmp_path: Path) -> None:
    half = tmp_path / "stages" / "round1"
    half.mkdir(parents=True)
    (half / "adapter_model.safetensors").write_bytes(b"")
    (half / "stage.json").write_text("{}")
    assert not is_whole(half)
    (tmp_path / "sharded").mkdir()
    (tmp_path / "sharded" / "model.safetensors.index.json").write_text("{}")
    assert is_whole(tmp_path / "sharded")
    assert stage_models(tmp_path / "stages", PRESETS["nano"]) == {"round2": "nano"}
    assert stage_models(tmp_path / "stages", PRESETS["paper"]) == {"base": "Qwen/CodeQwen1.5-7B"}


def test_the_plan_says_what_will_be_needed_and_does_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "rtl.jsonl").write_text(json.dumps({"id": "one", "text": "x" * 3_200_000}))
    (corpus / "dropped.jsonl").write_text("y" * 1_000_000)  # nothing that is trained on
    nano = run("--pairs", str(corpus), "--out", str(tmp_path / "out"), "--plan")
    assert nano.returncode == 1
    assert "the preset nano trains nothing: --pairs" in nano.stderr
    mistyped = run("--preset", "paper", "--pairs", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--plan")
    assert mistyped.returncode == 1
    assert "there is no such folder for --pairs" in mistyped.stderr
    done = run("--preset", "paper", "--corpus", str(corpus), "--out", str(tmp_path / "out"), "--plan")
    assert done.returncode == 0
    assert "tokens to train on   1.0 million" in done.stderr
    assert "GPU memory" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_papers_rounds_are_trained_from_the_base_that_is_there(
    learned_model: Path, learned: dict[str, str], tmp_path: Path
) -> None:
    there, corpus, pairs = tmp_path / "stages", tmp_path / "texts", tmp_path / "pairs"
    shutil.copytree(learned_model, there / "base")
    with Stage(corpus, "data.texts", config={}) as texts, Stage(pairs, "data.pairs", config={}) as drafts:
        for number, (problem, code) in enumerate(learned.items()):
            texts.append("rtl.jsonl", {"id": f"t{number}", "text": code})
            drafts.append("pairs.jsonl", {"draft": {"id": f"p{number}", "problem": problem, "code": code}})
        texts.finish()
        drafts.finish()
    assert _train(PRESETS["paper"], there, None, pairs) == {"round1": "it needs --corpus", "round2": "it needs round 1"}
    assert _train(PRESETS["paper"], there, corpus, pairs) == {}
    for name, below in (("round1", "base"), ("round2-only", "base"), ("round2", "round1")):
        stacked_on = read_manifest(there / name).facts.get("stacked_on")
        assert stacked_on == (str(there / "round1") if below == "round1" else None)
        adapter = json.loads((there / name / "adapter_config.json").read_text())
        assert adapter["base_model_name_or_path"] == str(there / "base")
