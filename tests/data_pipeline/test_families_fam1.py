"""Families of data paths, controllers and timers: their benches tell near misses from the right design."""

from __future__ import annotations

import json
import random

import pytest

from data_pipeline.bench import make_bench
from data_pipeline.families import (
    FAMILIES,
    control,
    data_path,
    down_timers,
    entry,
    run_control,
    sample_sets,
    sampling,
    tallies,
    timers,
)
from data_pipeline.parametric import Design, is_held_out
from data_pipeline.phrasing import word
from data_pipeline.render import render
from hdl_sim.icarus import Icarus

GROUPS = (control, data_path, down_timers, entry, run_control, sample_sets, sampling, tallies, timers)
NAMES = [family.name for group in GROUPS for family in group.FAMILIES]

_LIGHT = {"times": "7-5-2", "phases": "four", "form": "lamps", "enable": True, "reset": "sync_high", "generic": False}
_COINS = {"coins": "5-10-25", "more": 3, "reset": "sync_high"}
_LOCK = {"code": "0312", "wrong": "first", "closing": "next", "reset": "async_low"}
_WATCHDOG = {"limit": 5, "mode": "kick", "enable": True, "reset": "sync_high", "generic": False}
_SHOT = {"length": 5, "retrigger": False, "trigger": "edge", "reset": "sync_high", "generic": False}
_TIMER = {"width": 5, "enable": True, "reset": "sync_high", "generic": False}


def test_no_family_is_lost() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 18
    assert set(NAMES) <= set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_has_enough_different_designs_some_of_them_held_out(name: str) -> None:
    family = FAMILIES[name]
    designs = {Design(family, p, family.build(**p)).key for p in family.parameters()}
    assert 40 <= len(designs) <= 250
    assert sum(map(is_held_out, designs)) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_parameters_survive_json(name: str) -> None:
    family = FAMILIES[name]
    parameters = next(family.parameters())
    again = family.build(**json.loads(json.dumps(parameters)))
    assert render(again, "m", {}) == render(family.build(**parameters), "m", {})


@pytest.mark.parametrize("name", NAMES)
def test_problem_texts_are_short(name: str) -> None:
    choices = list(FAMILIES[name].parameters())
    rng = random.Random(name)
    for _ in range(30):
        circuit = FAMILIES[name].build(**rng.choice(choices))
        facts = [sentence for fact in circuit.facts for sentence in fact.sentences[:1] or fact.features[:1]]
        assert 5 <= len(" ".join([circuit.headlines[0], *facts]).split()) <= 140
        assert word(circuit, rng).text[-1] != " "


@pytest.mark.parametrize(
    ("name", "parameters", "right", "wrong"),
    [
        ("traffic_light", _LIGHT, "length - 3'd1", "length"),
        ("traffic_light", _LIGHT, "else if (en)", "else"),
        ("coin_machine", {**_COINS, "policy": "keep"}, "paid - 7'd40", "7'd0"),
        ("coin_machine", {**_COINS, "policy": "change"}, ">=", ">"),
        ("code_lock", _LOCK, "(key == 2'd0) ? 3'd1 : 3'd0;\n                3'd2", "3'd0;\n                3'd2"),
        ("code_lock", _LOCK, "or negedge rst_n", ""),
        ("watchdog", _WATCHDOG, "3'd4", "3'd5"),
        ("watchdog", _WATCHDOG, "if (en) begin", "begin"),
        ("one_shot", _SHOT, "trig && !earlier", "trig"),
        ("one_shot", {**_SHOT, "trigger": "level"}, "3'd5", "3'd4"),
        ("down_timer", {**_TIMER, "mode": "pulse"}, "(q == 5'd1)", "(q == 5'd0)"),
        ("down_timer", {**_TIMER, "mode": "reload"}, "? period :", "? 5'd31 :"),
        (
            "saturating_adder",
            {"width": 10, "sign": "signed", "op": "adder", "flag": False, "generic": False},
            "~wide",
            "wide",
        ),
        (
            "sorter",
            {"count": 4, "width": 6, "sign": "signed", "order": "ascending", "generic": True},
            "$signed(a)",
            "a",
        ),
    ],
)
def test_a_near_miss_is_a_mismatch(name: str, parameters: dict[str, object], right: str, wrong: str) -> None:
    circuit = FAMILIES[name].build(**parameters)
    code = render(circuit, "m", {})
    assert right in code, code
    for seed in ("one", "two"):
        bench = make_bench(circuit, "m", {}, seed)
        assert Icarus().run(code, bench).passed
        assert Icarus().run(code.replace(right, wrong, 1), bench).status == "mismatch"


@pytest.mark.parametrize("seed", range(7))
def test_a_told_machine_has_no_state_too_many(seed: int) -> None:
    """From every state the other states are reached; no two states behave alike."""
    for kind in ("Moore", "Mealy"):
        circuit = FAMILIES["told_machine"].build(states=4, kind=kind, width=1, seed=seed, reset="sync_high")
        model = circuit.model
        words = [[rng.randrange(2) for _ in range(40)] for rng in map(random.Random, range(8))]

        def run(state: int, bits: list[int], model: object = model) -> tuple[int, ...]:
            seen = []
            for bit in bits:
                seen.append(model.out(state, {"din": bit})["y"])  # type: ignore[attr-defined]
                state = model.step(state, {"din": bit})  # type: ignore[attr-defined]
            return tuple(seen)

        assert len({tuple(run(state, bits) for bits in words) for state in range(4)}) == 4
