"""Families of data paths, controllers and timers: their benches tell near misses from the right design."""

from __future__ import annotations

import pytest

from data_pipeline.bench import make_bench
from data_pipeline.families import FAMILIES
from data_pipeline.render import render
from hdl_sim.icarus import Icarus

_LIGHT = {"times": "7-5-2", "phases": "four", "form": "lamps", "enable": True, "reset": "sync_high", "generic": False}
_COINS = {"coins": "5-10-25", "more": 3, "reset": "sync_high"}
_LOCK = {"code": "0312", "wrong": "first", "closing": "next", "reset": "async_low"}
_WATCHDOG = {"limit": 5, "mode": "kick", "enable": True, "reset": "sync_high", "generic": False}
_SHOT = {"length": 5, "retrigger": False, "trigger": "edge", "reset": "sync_high", "generic": False}
_TIMER = {"width": 5, "enable": True, "reset": "sync_high", "generic": False}


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
