"""`make library` in small: the same files every time, and nothing in them that is measured."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autovcoder.files import read_jsonl, sha256_file, write_jsonl
from autovcoder.records import Problem
from data_pipeline.parametric import ParametricTeacher, code_key
from rag.embed import StaticEmbedder
from rag.library import open_library
from rag.retrieve import Retriever

from .conftest import FAMILIES

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_library.py"


def make(out: Path, *arguments: object, seed: int = 0) -> subprocess.CompletedProcess[str]:
    out.mkdir()
    command = [sys.executable, str(SCRIPT), "--out", str(out), *map(str, arguments)]
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


@pytest.fixture(scope="module")
def data(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs and held-out problems, among the pairs one that is a held-out problem's in other words and shorter."""
    folder = tmp_path_factory.mktemp("data")
    problems = list(ParametricTeacher(FAMILIES).problems(0, 40))
    write_jsonl(folder / "problems.jsonl", problems)
    rows = list(read_jsonl(pairs))
    counter = next(row for row in rows if "FAMILIES['counter']" in row["draft"]["reference_model"])
    held = next(problem for problem in problems if problem.category == "counter")
    leak = {**counter["draft"], "problem": "Count.", "code": held.reference}
    write_jsonl(folder / "pairs.jsonl", [*rows, {**counter, "draft": leak}])
    return folder


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # What is measured on: a pair of the training, as a benchmark would have it.
    suite = data / "suite" / "problems.jsonl"
    suite.parent.mkdir()
    [row] = [row for row in read_jsonl(data / "pairs.jsonl") if row["draft"]["topic"]][:1]
    [problem] = ParametricTeacher(FAMILIES).problems(5, 1)
    changed = {"id": "copied", "suite": "bench", "spec": row["draft"]["problem"], "reference": row["draft"]["code"]}
    write_jsonl(suite, [Problem.model_validate({**problem.model_dump(), **changed})])
    out = tmp_path_factory.mktemp("made") / "rag"
    done = make(out, "--pairs", data, "--against", suite, "--each", 4)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["the", "the", str(out / "encoder")]
    return out


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


def test_every_family_is_there_alike_and_what_is_measured_is_not(made: Path, data: Path) -> None:
    library = open_library(made / "library", StaticEmbedder(made / "encoder"))
    examples = [entry for _, entry in library.searched("example")[0].entries()]
    assert sorted(entry.topic for entry in examples) == sorted(FAMILIES * 4)
    assert {entry.source for entry in examples} == {f"families/{name}" for name in FAMILIES}
    held = {code_key(row["reference"]) for row in read_jsonl(data / "problems.jsonl")}
    assert not any(code_key("module" + entry.text.partition("\n\nmodule")[2]) in held for entry in examples)
    assert "Count." not in {entry.key for entry in examples}
    [copied] = read_jsonl(data / "suite" / "problems.jsonl")
    assert copied["spec"].strip() not in {entry.key for entry in examples}
    assert all(store.state.encoder == "static" for store in library.stores)
    [hit] = Retriever(*library.searched("example")).search("an 8-bit up counter", 1)
    assert hit.source == "families/counter"


def test_the_same_pairs_make_the_same_files(made: Path, data: Path, tmp_path: Path) -> None:
    done = make(tmp_path / "rag", "--pairs", data, "--against", data / "suite/problems.jsonl", "--each", 4, seed=7)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "rag") == files(made)


def test_the_cards_say_what_is_there_and_how_it_was_made(made: Path, data: Path) -> None:
    for part, rows in (("encoder", 3), ("library", 18)):
        card = (made / part / "README.md").read_text()
        listed = dict(re.findall(r"^\| (\S+) \| [\d,]+ \| (\w{64}) \|$", card, re.MULTILINE))
        assert listed == {name: text for name, text in files(made / part).items() if name != "README.md"}
        assert len(listed) == rows
        assert "make_library.py --pairs" in card
        assert re.search(r"^- `python .* --against suite/problems.jsonl --each 4`$", card, re.MULTILINE)
        for path in ("pairs.jsonl", "problems.jsonl", "suite/problems.jsonl"):
            assert sha256_file(data / path) in card
        assert str(made.parent.parent) not in card
        assert re.search(r"^\| this encoder \| [01]\.\d{3} \(", card, re.MULTILINE)
        assert re.search(r"^\| the same, untrained \| [01]\.\d{3} \(", card, re.MULTILINE)
        assert re.search(r"^\| BM25 \| [01]\.\d{3} \(", card, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "compared with no benchmark: {data}; give --against problems.jsonl"),
        (["--against", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_what_is_missing_is_one_line_and_nothing_is_replaced(
    arguments: list[str], told: str, data: Path, tmp_path: Path
) -> None:
    done = make(tmp_path / "rag", "--pairs", data, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert told.format(data=data) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list((tmp_path / "rag").iterdir()) == []
    shutil.rmtree(tmp_path / "rag")
