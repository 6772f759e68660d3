"""The pass rate of real small models, by a real simulator."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from autovcoder.errors import InputError
from autovcoder.files import write_jsonl
from autovcoder.models.local import LocalModel
from autovcoder.records import Bench, PassRule, Problem
from finetune.pass_rate import PassRate, ValidationSettings
from hdl_sim.icarus import Icarus

RULE = PassRule(kind="mismatch_count")
BENCH = """module tb;
  reg a; wire y; integer bad;
  top dut(.a(a), .y(y));
  initial begin
    bad = 0;
    a = 0; #1 if (y !== 1) bad = bad + 1;
    a = 1; #1 if (y !== 0) bad = bad + 1;
    $display("Mismatches: %0d in 2 samples", bad); $finish;
  end
endmodule
"""
SPEC = "Write the module top with input a and output y, the inverse of a."
RIGHT = "module top(input a, output y);\nassign y = ~a;\nendmodule\n"
WRONG = "module top(input a, output y);\nassign y = a;\nendmodule\n"


def problem(name: str, spec: str = SPEC, reference: str | None = RIGHT) -> Problem:
    bench = Bench(kind="verilog", sources={"tb.v": BENCH}, top="tb", pass_rule=RULE)
    return Problem(id=name, suite="test", category="all", spec=spec, bench=bench, reference=reference)


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "problems.jsonl"
    write_jsonl(path, [problem("inverse")])
    return path


@pytest.fixture(scope="module")
def settings(problems: Path) -> ValidationSettings:
    return ValidationSettings(problems=problems, max_new_tokens=4)


@pytest.fixture(scope="module")
def model(random_model: Path) -> Any:
    """One that writes rubbish."""
    return AutoModelForCausalLM.from_pretrained(random_model, dtype=torch.float32)


@pytest.fixture(scope="module")
def tokenizer(random_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(random_model)


def test_a_model_that_learned_nothing_solves_nothing(settings: ValidationSettings, model: Any, tokenizer: Any) -> None:
    measured = PassRate(settings, tokenizer, Icarus()).measure(model)
    assert (measured.passed, measured.compiled, measured.count) == (0, 0, 1)


def test_a_measurement_leaves_the_model_and_the_random_streams_as_they_were(
    settings: ValidationSettings, model: Any, tokenizer: Any
) -> None:
    model.train()
    model.model.layers[0].eval()
    model.config.use_cache = False

    def state() -> str:
        modes = [module.training for module in model.modules()]
        streams = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        return json.dumps([modes, model.config.use_cache, model.generation_config.to_dict(), streams], default=str)

    before = state()
    PassRate(settings, tokenizer, Icarus()).measure(model)
    assert state() == before


def test_problems_are_drawn_once_and_keep_their_order(tmp_path: Path, tokenizer: Any) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem(f"{number:02}") for number in range(30)])
    few = ValidationSettings(problems=tmp_path / "problems.jsonl", limit=5)

    def drawn(settings: ValidationSettings) -> list[str]:
        return [one.id for one in PassRate(settings, tokenizer, Icarus()).problems]

    assert len(drawn(few)) == 5
    assert drawn(few) == sorted(drawn(few)) == drawn(few)
    assert drawn(few) != drawn(few.model_copy(update={"seed": 1}))
    assert len(drawn(few.model_copy(update={"limit": 64}))) == 30


def test_a_problem_that_nothing_can_pass_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    write_jsonl(path, [problem("good"), problem("bad", reference=WRONG), problem("unknown", reference=None)])
    with pytest.warns(
        UserWarning, match="1 of 3 validation problems are left out, .* references do not pass here: bad"
    ):
        pass_rate = PassRate(ValidationSettings(problems=path), None, Icarus())
    assert [one.id for one in pass_rate.problems] == ["good", "unknown"]
    assert pass_rate.left_out == ("bad",)
    write_jsonl(path, [problem("bad", reference=WRONG)])
    with pytest.raises(InputError, match="none of the problems to validate with can be passed"):
        PassRate(ValidationSettings(problems=path), None, Icarus())
    path.write_text("")
    with pytest.raises(InputError, match="no problems to validate with"):
        PassRate(ValidationSettings(problems=path), None, Icarus())


def test_the_problems_that_were_kept_are_asked_again(tmp_path: Path, settings: ValidationSettings) -> None:
    path, kept = tmp_path / "problems.jsonl", tmp_path / "kept.jsonl"
    settings = settings.model_copy(update={"problems": path})
    write_jsonl(path, [problem("one"), problem("two")])
    PassRate(settings, None, Icarus()).keep(kept)
    # As if another simulator refused one of them now.
    write_jsonl(path, [problem("one"), problem("two", reference=WRONG)])
    with pytest.warns(UserWarning, match="two"):
        again = PassRate(settings, None, Icarus())
    again.keep(kept)
    assert [one.id for one in again.problems] == ["one", "two"]
    assert again.left_out == ()


def test_problems_longer_than_the_context_are_not_solved_and_found_once(
    tmp_path: Path, model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem("short"), problem("long", SPEC * 100), problem("third")])
    settings = ValidationSettings(problems=tmp_path / "problems.jsonl", max_new_tokens=4)
    pass_rate, asked, complete = PassRate(settings, tokenizer, Icarus()), [], LocalModel.complete

    def noted(self: LocalModel, prompts: list[str], *arguments: Any, **more: Any) -> Any:
        asked.append(len(prompts))
        return complete(self, prompts, *arguments, **more)

    monkeypatch.setattr(LocalModel, "complete", noted)
    assert [pass_rate.measure(model).count for _ in range(2)] == [3, 3]
    assert asked == [3, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        (SPEC, True),
        (f"// {SPEC.upper()}\nmodule top;\nendmodule", True),
        (SPEC.replace(" the", "\n  the"), True),
        (SPEC.replace("inverse", "square"), False),
        ("Write the module top with input a and output y.", False),
        (RIGHT, False),
    ],
)
def test_a_problem_that_is_in_the_training_data_is_named(
    settings: ValidationSettings, tokenizer: Any, text: str, copied: bool
) -> None:
    pass_rate = PassRate(settings, tokenizer, Icarus())
    if copied:
        with pytest.warns(UserWarning, match="1 of 1 validation problems are in the training data.*: inverse"):
            assert pass_rate.copies(["something else", text]) == ("inverse",)
    else:
        assert pass_rate.copies(["something else", text]) == ()


def test_a_short_problem_is_known_by_the_whole_of_it(tmp_path: Path, tokenizer: Any) -> None:
    write_jsonl(tmp_path / "problems.jsonl", [problem("short", "An inverter named top.")])
    pass_rate = PassRate(ValidationSettings(problems=tmp_path / "problems.jsonl"), tokenizer, Icarus())
    assert pass_rate.copies(["An inverter named top, twice."]) == ()
    with pytest.warns(UserWarning, match="short"):
        assert pass_rate.copies(["an  inverter named TOP"]) == ("short",)
