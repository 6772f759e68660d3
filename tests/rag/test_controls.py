"""`autovcoder rag controls`: every control in one table, no answer given away, and what is done is not done again."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, NamedTuple

import pytest

from autovcoder.cli.main import main
from autovcoder.cli.rag_control_search import CONTROLS, ON_REQUEST
from autovcoder.cli.rag_controls import Row
from autovcoder.files import read_jsonl, read_records
from autovcoder.models import TextModel, open_model
from autovcoder.prompt import plain, user_text
from autovcoder.records import Bench, Entry, Hit, PassRule, Problem
from eval.suites import write_problems
from rag.chunks import example
from rag.embed import StaticEmbedder
from rag.library import add_to, create_library, open_library
from rag.measure import draw_intervals
from rag.retrieve import Retriever

from .conftest import entry, make_encoder

HEADER = "module top_module(input a, input b, output y);"
BENCH = """module tb;
  reg a = 0, b = 0;
  wire y;
  integer bad = 0, i;
  top_module dut(.a(a), .b(b), .y(y));
  initial begin
    for (i = 0; i < 4; i = i + 1) begin
      {{a, b}} = i[1:0];
      #1 if (y !== ({want})) bad = bad + 1;
    end
    $display("Mismatches: %0d in %0d samples", bad, 4);
    $finish;
  end
endmodule
"""
WRONG = f"{HEADER}\n  assign y = 1'b0;\nendmodule\n"


def design(body: str) -> str:
    return f"{HEADER}\n  {body}\nendmodule\n"


def problem(name: str, topic: str, spec: str, want: str) -> Problem:
    rule = PassRule(kind="mismatch_count")
    return Problem(
        id=name,
        suite="two",
        category=topic,
        spec=spec,
        interface=HEADER,
        bench=Bench(kind="verilog", sources={"tb.v": BENCH.format(want=want)}, top="tb", pass_rule=rule),
        reference=design(f"assign y = {want};"),
    )


INVERTER = problem("inverter", "inversion", "Drive the output y with the inverse of the input a whatever b does.", "~a")
BOTH = problem("both", "conjunction", "Drive the output y high exactly while the inputs a and b are high.", "a & b")
PROBLEMS = [INVERTER, BOTH]
# A suite's own answers: by the words, and by the code under other words.
OWN = [
    *(example(one.spec, str(one.reference), topic=one.category, source="own words") for one in PROBLEMS),
    example(
        "With the inverse of the input a drive the output y.",
        design("assign y = ~a;"),
        topic="inversion",
        source="own code",
    ),
]
# The same circuits, told and built in another way.
HELPFUL = [
    example("The output y is the inverse of the input a and b does nothing.", design("nand g (y, a, a);"),
            topic="inversion", source="helpful"),
    example("The output y is high only while both inputs a and b are high.",
            design("wire n;\n  nand g (n, a, b);\n  not h (y, n);"), topic="conjunction", source="helpful"),
]  # fmt: skip
OTHERS = [
    example("Parity of two flags.", design("xor g (y, a, b);"), topic="parity", source="others"),
    example("At least one of two requests.", design("or g (y, a, b);"), topic="disjunction", source="others"),
    example("A line that is tied to the supply.", design("supply1 y;"), topic="constant", source="others"),
]
KNOWLEDGE = [entry("Names end in _n when active low."), entry("Nets are declared before use.")]


class Copier(BaseHTTPRequestHandler):
    """A server whose model copies the first module it is shown, and else writes what is wrong."""

    prompts: ClassVar[list[str]] = []
    fail_after: ClassVar[int] = 10**9

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(self.prompts) >= self.fail_after:
            self.send_error(401)
            return
        prompt = request["messages"][-1]["content"]
        self.prompts.append(prompt)
        shown = prompt.rpartition("Problem:\n")[0]
        code = HEADER + shown.partition(HEADER)[2].partition("endmodule")[0] + "endmodule\n" if shown else WRONG
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": request["model"]}
        for delta, finish in (({"role": "assistant", "content": code}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            self.wfile.write(f"data: {json.dumps({**head, 'choices': [choice]})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def controls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], encoder: StaticEmbedder
) -> Command:
    """The command on the suite and the library, both of which are made here."""
    (tmp_path / "suite").mkdir()
    write_problems(PROBLEMS, tmp_path / "suite")
    add_to(create_library(tmp_path / "library", encoder), [*OWN, *HELPFUL, *OTHERS, *KNOWLEDGE])
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        given = {"--suite": "problems", "--data": "suite", "--library": "library", "--out": "out", "--least": "-1"}
        asked = list(map(str, arguments))
        usual = [text for name, value in given.items() if name not in asked for text in (name, value)]
        monkeypatch.setattr(sys, "argv", ["autovcoder", "rag", "controls", *usual, *asked])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Ended(int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def served() -> Iterator[list[str]]:
    """The options that name the copier."""
    Copier.prompts, Copier.fail_after = [], 10**9
    with ThreadingHTTPServer(("127.0.0.1", 0), Copier) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        yield ["--model", "copier", "--endpoint", f"http://127.0.0.1:{listening.server_port}", "-n", "1"]
        listening.shutdown()
        thread.join()


def cells(table: str) -> dict[str, list[str]]:
    """The table's rows by their first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert len({len(row) for row in rows}) == 1
    return {row[0]: row[1:] for row in rows}


def shown_ids(folder: Path, control: str) -> dict[str, list[str]]:
    return {row["problem_id"]: row["ids"] for row in read_jsonl(folder / f"{control}.contexts.jsonl")}


def test_every_control_has_its_row_and_no_answer_of_the_suite_is_shown(
    controls: Command, served: list[str], encoder: StaticEmbedder, tmp_path: Path
) -> None:
    stock = make_encoder(tmp_path / "stock", seed=1)
    done = controls(*served, "--stock", stock)
    assert done.code == 0, done.err
    table = cells(done.out)
    usual = [name for name in CONTROLS if name not in ON_REQUEST]
    assert list(table) == ["context", "---", *usual]
    assert table["context"] == [
        "pass@1", "recall@1", "recall@2", "recall@5", "recall@10", "nDCG@10", "entries", "tokens",
    ]  # fmt: skip
    assert done.out == (tmp_path / "out" / "controls.md").read_text()
    assert (tmp_path / "out" / "controls.png").read_bytes().startswith(b"\x89PNG")
    rows = {row.control: row for row in read_records(tmp_path / "out" / "controls.jsonl", Row)}

    # A model that copies is as good as what it is shown.
    assert (rows["none"].passed[1][0], rows["none"].shown, rows["none"].tokens) == (0, 0, 0)
    assert rows["oracle"].passed[1][0] == rows["bm25"].passed[1][0] == 1
    assert rows["oracle"].recall[1][0] == 1
    assert rows["oracle"].ndcg == (1, 1, 1)
    assert not rows["none"].recall
    assert table["none"][1:6] == [""] * 5
    for name in usual[1:]:
        assert rows[name].shown == (2.5 if name == "bm25" else 4)  # two of each store, where they share a word
        assert rows[name].tokens > 40
        assert set(shown_ids(tmp_path / "out", name)) == {"inverter", "both"}
    helpful = [one.id for one in HELPFUL]
    assert [ids[0] for ids in shown_ids(tmp_path / "out", "oracle").values()] == helpful

    # What the suite asks for is in the library, is found first, and never reaches the model.
    library = create_library(tmp_path / "again", encoder)
    add_to(library, [*OWN, *HELPFUL, *OTHERS])
    assert library.examples is not None
    found = Retriever(library.examples).search_many([one.spec for one in PROBLEMS], 1)
    assert [hits[0].source for hits in found] == ["own words", "own words"]
    assert len(Copier.prompts) == 12
    for one in OWN:
        assert all(one.id not in ids for name in usual[1:] for ids in shown_ids(tmp_path / "out", name).values())
        assert not any(one.text.strip() in prompt for prompt in Copier.prompts)


def test_the_solution_itself_is_shown_where_it_is_asked_for(
    controls: Command, served: list[str], tmp_path: Path
) -> None:
    done = controls(*served, "--control", "solution", "--control", "none")
    assert done.code == 0, done.err
    none, solution = read_records(tmp_path / "out" / "controls.jsonl", Row)
    assert (none.passed[1][0], solution.passed[1][0]) == (0, 1)
    assert (solution.shown, solution.recall) == (1, {})
    assert len(Copier.prompts) == 4
    for one in PROBLEMS:  # the server may see them in any order
        [prompt] = [prompt for prompt in Copier.prompts[2:] if f"Problem:\n{one.spec.strip()}" in prompt]
        assert prompt.count(str(one.reference).strip()) == 1
        assert not any(other.text.strip() in prompt for other in [*HELPFUL, *OTHERS, *KNOWLEDGE])


def test_the_solution_is_shown_whatever_store_is_measured(controls: Command, served: list[str], tmp_path: Path) -> None:
    done = controls(*served, "--control", "solution", "--only", "knowledge")
    assert done.code == 0, done.err
    [row] = read_records(tmp_path / "out" / "controls.jsonl", Row)
    assert (row.shown, row.passed[1][0]) == (1, 1)


def test_each_of_two_problems_in_one_text_is_shown_its_own_solution(
    controls: Command, served: list[str], tmp_path: Path
) -> None:
    twins = [INVERTER, INVERTER.model_copy(update={"id": "twin", "reference": design("assign y = !a;")})]
    (tmp_path / "twins").mkdir()
    write_problems(twins, tmp_path / "twins")
    done = controls(*served, "--control", "solution", "--data", "twins")
    assert done.code == 0, done.err
    for one in twins:
        [prompt] = [prompt for prompt in Copier.prompts if str(one.reference).strip() in prompt]
        assert not any(str(other.reference).strip() in prompt for other in twins if other is not one)


def test_the_oracle_tells_two_problems_in_one_text_apart(controls: Command, served: list[str], tmp_path: Path) -> None:
    update = {"id": "twin", "category": "parity", "reference": design("assign y = a ^ b;")}
    (tmp_path / "twins").mkdir()
    write_problems([INVERTER, INVERTER.model_copy(update=update)], tmp_path / "twins")
    done = controls(*served, "--control", "oracle", "--only", "example", "--data", "twins")
    assert done.code == 0, done.err
    shown = shown_ids(tmp_path / "out", "oracle")
    [parity] = [one.id for one in OTHERS if one.topic == "parity"]
    assert HELPFUL[0].id in shown["inverter"]
    assert HELPFUL[0].id not in shown["twin"]
    assert parity in shown["twin"]


def test_an_interrupted_run_goes_on_and_a_finished_one_asks_nothing(
    controls: Command, served: list[str], tmp_path: Path
) -> None:
    Copier.fail_after = 2
    asked = (*served, "--control", "random", "--control", "none", "--control", "oracle")
    cut = controls(*asked)
    assert (cut.code, cut.out) == (1, "")
    # The server of the test says on stderr who went away.
    assert [line for line in cut.err.splitlines() if line.endswith(": asking")] == ["none: asking", "random: asking"]
    assert cut.err.splitlines()[-1].startswith("error: the server refuses the key")
    of_none = list(Copier.prompts)
    assert len(of_none) == 2
    Copier.fail_after = 10**9
    done = controls(*asked)
    assert done.code == 0, done.err
    assert list(cells(done.out))[2:] == ["none", "random", "oracle"]
    # Those of "none" not again. Another may have come twice: the run that was cut had it under way when it ended.
    assert [Copier.prompts.count(prompt) for prompt in of_none] == [1, 1]
    assert len(set(Copier.prompts)) == 6
    answered = len(Copier.prompts)
    again = controls(*asked)
    assert again.out == done.out
    assert len(Copier.prompts) == answered
    # The draw is the seed's, and another seed is another run.
    assert controls(*served, "--control", "random", "--out", "same").code == 0
    assert shown_ids(tmp_path / "same", "random") == shown_ids(tmp_path / "out", "random")
    assert controls(*served, "--control", "random", "--out", "other", "--seed", "5").code == 0
    assert shown_ids(tmp_path / "other", "random") != shown_ids(tmp_path / "out", "random")
    refused = controls(*served, "--control", "random", "--seed", "5")
    assert refused.code == 1
    assert refused.err.splitlines()[-1].startswith("error: ")


def test_what_the_leak_guard_refuses_counts_neither_as_found_nor_as_there(
    controls: Command, served: list[str], encoder: StaticEmbedder, tmp_path: Path
) -> None:
    def row(name: str, *entries: Entry) -> Row:
        add_to(create_library(tmp_path / name, encoder), entries)
        done = controls(*served, "--control", "trained", "--library", name, "--out", f"{name}-out")
        assert done.code == 0, done.err
        [found] = read_records(tmp_path / f"{name}-out" / "controls.jsonl", Row)
        return found

    # All of the problems' topics that the first has are the problems themselves.
    assert row("refused", *OWN, *OTHERS).recall == {}
    # The one that may be shown is the farthest of five; what is nearer and refused does not push it back.
    far = example("Parity of requests.", design("nand g (y, a, a);"), topic="inversion", source="far")
    one = row("one", *OWN, far, *OTHERS)
    fair = [hit for hit in ranked(tmp_path / "one", encoder, INVERTER.spec) if not hit.source.startswith("own")]
    place = [hit.source for hit in fair].index("far") + 1
    assert {k: rate[0] for k, rate in one.recall.items()} == {k: float(place <= k) for k in (1, 2, 5, 10)}
    assert one.ndcg is not None
    assert one.ndcg[0] == pytest.approx(1 / math.log2(place + 1))


def ranked(library: Path, encoder: StaticEmbedder, spec: str) -> list[Hit]:
    examples = open_library(library, encoder).examples
    assert examples is not None
    return Retriever(examples, hybrid=True).search(spec, 10)


def test_only_the_problems_that_are_asked_count(controls: Command, served: list[str], tmp_path: Path) -> None:
    asked = (*served, "--control", "bm25", "--only", "knowledge")
    assert controls(*asked).code == 0
    assert set(shown_ids(tmp_path / "out", "bm25")) == {"inverter", "both"}
    whole = [row["shown"] for row in read_jsonl(tmp_path / "out" / "bm25.contexts.jsonl")]
    assert whole == [0, 1]  # only the second shares a word with what is known
    shutil.rmtree(tmp_path / "out" / "bm25")
    assert controls(*asked, "--limit", "1").code == 0
    [row] = read_records(tmp_path / "out" / "controls.jsonl", Row)
    assert row.shown == 0
    assert set(shown_ids(tmp_path / "out", "bm25")) == {"inverter"}


def test_the_model_is_loaded_once_for_all_controls(
    controls: Command, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counting(model: str, *rest: Any) -> TextModel:
        opened.append(model)
        return open_model(model, *rest)

    monkeypatch.setattr("autovcoder.models.open_model", counting)
    assert controls(*served, "--control", "none", "--control", "random", "--control", "oracle").code == 0
    assert opened == ["copier"]
    assert controls(*served, "--control", "none", "--control", "random", "--control", "oracle").code == 0
    assert opened == ["copier"]  # nothing to ask


@pytest.mark.parametrize(("only", "told"), [("knowledge", "knowledge"), ("example", "examples")])
def test_a_store_that_is_empty_or_not_there_is_one_line(
    only: str, told: str, controls: Command, served: list[str], encoder: StaticEmbedder, tmp_path: Path
) -> None:
    add_to(create_library(tmp_path / "half", encoder), KNOWLEDGE if only == "example" else HELPFUL)
    if only == "knowledge":
        shutil.rmtree(tmp_path / "half" / "knowledge")
    done = controls(*served, "--only", only, "--library", "half")
    assert (done.code, done.out) == (1, "")
    assert (
        done.err == f"error: the library has no {told}: half; add some with `autovcoder rag add`, or leave --only out\n"
    )
    assert not Copier.prompts
    assert not (tmp_path / "out").exists()


def test_one_store_alone_can_be_measured(controls: Command, served: list[str], tmp_path: Path) -> None:
    done = controls(*served, "--control", "random", "--only", "knowledge", "--limit", "1")
    assert done.code == 0, done.err
    [row] = read_records(tmp_path / "out" / "controls.jsonl", Row)
    assert (row.shown, row.recall) == (2, {})
    assert shown_ids(tmp_path / "out", "random").keys() == {"inverter"}
    assert all(KNOWLEDGE[0].text in prompt and HELPFUL[0].text not in prompt for prompt in Copier.prompts)


def test_a_stock_library_that_was_not_finished_is_made_anew(
    controls: Command, served: list[str], encoder: StaticEmbedder, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = (*served, "--control", "stock", "--stock", make_encoder(tmp_path / "stock", seed=1))
    assert controls(*asked).code == 0
    [made] = out.glob("stock-library-*")
    shutil.rmtree(out)
    out.mkdir()
    create_library(out / f".{made.name}-killed" / "library", encoder)  # before the first entry
    done = controls(*asked)
    assert done.code == 0, done.err
    [row] = read_records(tmp_path / "out" / "controls.jsonl", Row)
    assert row.shown == 4


def test_a_model_on_this_machine_is_shown_no_more_than_it_has_room_for(
    controls: Command, random_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from autovcoder.models.local import LocalModel

    folder = tmp_path / "model"
    AutoTokenizer.from_pretrained(random_model).save_pretrained(folder)
    tokens_in = LocalModel(str(random_model)).count_tokens
    largest, least = (of(tokens_in(one.text) for one in (*HELPFUL, *OTHERS)) for of in (max, min))
    assert largest < 2 * least
    # Beside a prompt and 512 tokens for the answer there is room for one entry and not for two.
    model: Any = AutoModelForCausalLM.from_pretrained(random_model)
    around = tokens_in(plain(user_text(INVERTER.spec, HEADER))) + tokens_in(HEADER) + tokens_in("Reference:Problem:")
    model.config.max_position_embeddings = around + 512 + 50 + largest
    model.save_pretrained(folder)
    done = controls("--model", folder, "-n", "1", "--control", "trained", "--limit", "1", "--only", "example")
    assert done.code == 0, done.err
    [row] = read_records(tmp_path / "out" / "controls.jsonl", Row)
    [ids] = shown_ids(tmp_path / "out", "trained").values()
    [shown] = [one for one in (*HELPFUL, *OTHERS) if one.id in ids]
    assert row.tokens == tokens_in(user_text("", context=[shown.text]))
    assert row.passed[1][0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--control", "luck"], "no such control: luck; known: none, random, bm25, stock, trained, oracle"),
        (["--control", "stock"], "the control 'stock' needs an encoder; name one with --stock"),
        (["--suite", "nosuch"], "unknown suite: nosuch"),
        (["--data", "nowhere"], "cannot read the file: nowhere"),
        (["--library", "nowhere"], "no library is here: nowhere"),
        (["--stock", "./nowhere"], "the encoder cannot be loaded: ./nowhere"),
        (["--out", "suite/problems.jsonl"], "cannot write: suite/problems.jsonl"),
    ],
)
def test_a_mistake_is_one_line_before_any_question(
    arguments: list[str], told: str, controls: Command, served: list[str], tmp_path: Path
) -> None:
    done = controls(*served, *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {told}")
    assert len(done.err.splitlines()) == 1
    assert not Copier.prompts
    assert not list(tmp_path.glob("out/*"))


def test_a_stock_encoder_may_be_added_to_a_finished_run(controls: Command, served: list[str], tmp_path: Path) -> None:
    assert controls(*served, "--control", "random").code == 0
    asked = len(Copier.prompts)
    done = controls(
        *served, "--control", "random", "--control", "stock", "--stock", make_encoder(tmp_path / "s", seed=1)
    )
    assert done.code == 0, done.err
    assert list(cells(done.out))[2:] == ["random", "stock"]
    assert len(Copier.prompts) == 2 * asked
    other = controls(*served, "--control", "stock", "--stock", make_encoder(tmp_path / "t", seed=2))
    assert other.code == 1


def test_a_rate_that_rounding_puts_beyond_its_bounds_is_drawn(tmp_path: Path) -> None:
    draw_intervals({"low": (0.3, 0.1 + 0.2, 0.4), "high": (0.1 + 0.2, 0.2, 0.3)}, "rate", tmp_path / "rates.png")
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("wrong", [("--only", "neither"), ("--least", "2"), ("--least", "-1.5")])
def test_wrong_usage_is_exit_code_2(wrong: tuple[str, str], controls: Command, served: list[str]) -> None:
    done = controls(*served, *wrong)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
