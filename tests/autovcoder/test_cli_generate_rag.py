"""`generate-verilog --rag` as a user runs it: what is found goes before the specification, and is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("generate-verilog"))
SPEC = "an 8-bit up counter with synchronous active-high reset and enable"
STYLE = "# Resets of counters\n\nA counter has a synchronous reset, which is active high.\n"
SOLVED = """// An 8-bit down counter with a reset and an enable.
module down (input clk, input rst, input en, output reg [7:0] q);
    always @(posedge clk)
        if (rst) q <= 8'd0;
        else if (en) q <= q - 8'd1;
endmodule
"""
UNKNOWN = "[UNK]"
FAR = "# Licences\n\nWrite the licence into the first line of every file.\n"


def run(*arguments: object, library: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command; where no library is named, the user's is ``library``."""
    environment = os.environ | {"AUTOVCODER_LIBRARY": str(library or "/nonexistent/library")}
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def model(random_model: Path) -> list[str]:
    """It writes rubbish: nothing here depends on what it answers."""
    return ["--model", str(random_model), "--max-new-tokens", "40"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three entries under an encoder that counts words: each word of theirs has a number of its own."""
    import numpy as np
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    from rag.chunks import folder_entries
    from rag.embed import StaticEmbedder
    from rag.library import add_to, create_library

    folder = tmp_path_factory.mktemp("team")
    for name, text in (("style.md", STYLE), ("down.v", SOLVED), ("legal.md", FAR)):
        (folder / name).write_text(text)
    words = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    words.normalizer = normalizers.Lowercase()  # type: ignore[assignment]
    words.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    words.train_from_iterator([STYLE, SOLVED, FAR, SPEC], trainers.WordLevelTrainer(special_tokens=[UNKNOWN]))
    encoder = folder / "encoder"
    encoder.mkdir()
    words.save(str(encoder / "tokenizer.json"))
    save_file({"embedding.weight": np.eye(words.get_vocab_size(), dtype=np.float16)}, encoder / "model.safetensors")
    made = tmp_path_factory.mktemp("libraries") / "library"
    entries, _ = folder_entries(folder)
    assert add_to(create_library(made, StaticEmbedder(encoder)), entries) == {"example": 1, "knowledge": 2}
    return made


def test_what_is_found_is_shown_on_stderr_and_named_in_json(model: list[str], library: Path) -> None:
    done = run(SPEC, "--rag", "--library", library, "--show-context", "--json", *model)
    assert done.returncode == 3, done.stderr  # it is rubbish
    document = json.loads(done.stdout)
    shown = document["context"]["shown"]
    lines = done.stderr.splitlines()
    head, body = lines[0], lines[1 : 1 + len(shown) + sum(len(hit["text"].splitlines()) for hit in shown)]
    assert head == f"context: {len(shown)} entries, {document['context']['tokens']} tokens"
    assert [hit["source"] for hit in shown] == ["down.v"]
    expected = [f"  {shown[0]['title']} [{shown[0]['doc_id']}, {shown[0]['score']:.2f}, down.v]"]
    expected += [f"    {line}" for line in shown[0]["text"].splitlines()]
    assert body == expected
    assert "    module down (input clk, input rst, input en, output reg [7:0] q);" in body
    left_out = document["context"]["left_out"]
    assert {item["hit"]["source"] for item in left_out} == {"style.md", "legal.md"}
    for item in left_out:
        assert f"  left out: {item['hit']['title']} [{item['hit']['doc_id']}]: {item['reason']}" in lines
        assert item["reason"].startswith("not near enough")
    assert "retrieve" in document["seconds"]


def test_the_users_own_library_is_used_unasked_and_changes_the_answer(model: list[str], library: Path) -> None:
    nothing = json.loads(run(SPEC, "--json", *model).stdout)  # the packaged library alone is used where it is asked for
    plain = json.loads(run(SPEC, "--no-rag", "--json", *model, library=library).stdout)
    assert nothing["candidates"][0]["raw"] == plain["candidates"][0]["raw"]
    assert nothing["context"] == plain["context"]
    assert plain["context"] == {"shown": [], "tokens": 0, "left_out": []}
    assert "retrieve" not in plain["seconds"]
    # The user's own library is the one that is searched, and what was found is told in one line each.
    done = run(SPEC, "--json", *model, library=library)
    helped = json.loads(done.stdout)
    [hit] = helped["context"]["shown"]
    assert done.stderr.splitlines()[:2] == [
        f"context: 1 entries, {helped['context']['tokens']} tokens",
        f"  {hit['title']} [{hit['doc_id']}, {hit['score']:.2f}, down.v]",
    ]
    assert "module down" not in done.stderr.partition("compiles:")[0]
    assert helped["candidates"][0]["raw"] != plain["candidates"][0]["raw"]


def test_what_does_not_fit_beside_the_answer_is_left_out(model: list[str], library: Path) -> None:
    # The model's context holds 512 tokens, and the answer may take nearly all of them.
    done = run(SPEC, "--library", library, *model[:2], "--max-new-tokens", "500", "--json")
    context = json.loads(done.stdout)["context"]
    assert context["shown"] == []
    [reason] = [item["reason"] for item in context["left_out"] if item["hit"]["source"] == "down.v"]
    assert reason.startswith("does not fit (")


def test_a_library_that_is_not_there_is_one_clear_line(model: list[str], tmp_path: Path) -> None:
    done = run(SPEC, "--rag", "--library", tmp_path / "none", *model)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no library is here: {tmp_path / 'none'}; make one with `autovcoder rag add`\n"


@pytest.mark.parametrize("option", [["--library", "somewhere"], ["--show-context"]])
def test_options_of_retrieval_contradict_no_rag(option: list[str]) -> None:
    done = run(SPEC, "--no-rag", *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--library and --show-context go with --rag" in " ".join(done.stderr.split())
