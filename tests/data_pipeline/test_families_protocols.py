"""Families of handshakes, arbiters, serial lines and memories: a wrong design is a mismatch, and models do as told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from data_pipeline.bench import make_bench
from data_pipeline.circuit import Clocked, Values
from data_pipeline.families import FAMILIES
from data_pipeline.families.sizes import Size
from data_pipeline.render import render
from hdl_sim.icarus import Icarus

_REGISTER = {"width": 8, "throughput": "full", "reset": "sync_high", "generic": False}
_SKID = {"width": 8, "kind": "registered", "reset": "sync_high", "generic": False}
_CATCHER = {"width": 4, "capture": "rising", "clearing": "each", "wins": "set", "reset": "sync_low", "generic": True}
_RECEIVER = {"width": 8, "delay": 4, "reset": "async_low", "generic": False}
_SENDER = {"width": 8, "done": "pulse", "reset": "sync_high", "generic": False}
_PIPELINE = {"width": 8, "stages": 3, "control": "stall", "reset": "sync_high", "generic": True}
_ADDER = {"width": 16, "latency": 3, "carry": True, "reset": "none"}
_MULTIPLIER = {"width": 8, "latency": 2, "sign": "signed", "enable": True, "reset": "none", "generic": False}
_FIXED = {"requesters": 4, "first": "lowest", "idle": "keeps", "reset": "sync_high", "generic": True}
_LOCKED = {"requesters": 3, "first": "highest", "release": "gap", "reset": "sync_high", "generic": False}
_ROBIN = {"requesters": 3, "update": "after grant", "output": "registered", "style": "case", "reset": "sync_high"}
_WEIGHTED = {"weight": 3, "output": "combinational", "reset": "sync_high", "generic": False}
_TX = {"bits": 8, "parity": "odd", "stops": 2, "clocks": 4, "reset": "sync_high", "generic": False}
_RX = {"bits": 8, "parity": "even", "clocks": 6, "reset": "sync_high", "generic": True}
_MASTER = {"bits": 8, "mode": 3, "order": "MSB", "half": 2, "reset": "sync_high"}
_SLAVE = {"bits": 8, "mode": 0, "order": "LSB", "reset": "sync_high", "generic": False}
_PARITY = {"length": 6, "kind": "odd", "enable": True, "reset": "sync_high", "generic": False}
_STUFFER = {"run": 5, "rule": "ones", "enable": False, "reset": "sync_high", "generic": False}
_DESTUFFER = {"run": 5, "rule": "equal", "enable": False, "reset": "sync_high", "generic": False}
_RAM = {"width": 8, "depth": 16, "read": "read-first", "enable": True, "generic": False}
_DUAL = {"width": 8, "depth": 16, "read": "new", "enable": True, "generic": True}
_FILE = {"width": 8, "count": 8, "zero": True, "bypass": True, "reset": "sync_high", "generic": False}
_ROM = {"words": 12, "width": 8, "enable": True, "reset": "sync_high", "seed": 0}
_FIFO = {"width": 8, "depth": 6, "read": "registered", "count": True, "reset": "sync_high", "generic": False}
_STACK = {"width": 8, "depth": 4, "both": "replace", "reset": "sync_high", "generic": False}


@pytest.mark.parametrize(
    ("name", "parameters", "right", "wrong"),
    [
        ("valid_ready_register", _REGISTER, "!out_valid || out_ready", "!out_valid"),
        ("skid_buffer", _SKID, "spare_full ? spare : in_data", "in_data"),
        ("pulse_catcher", _CATCHER, "(q & ~clear) | event_now", "(q | event_now) & ~clear"),
        ("req_ack_receiver", _RECEIVER, "timer == 2'd3", "timer == 2'd2"),
        ("req_ack_sender", _SENDER, "if (!ack)", "if (1'b1)"),
        ("valid_pipeline", _PIPELINE, "words[WIDTH*STAGES-1 -: WIDTH]", "words[WIDTH*(STAGES-1)-1 -: WIDTH]"),
        ("pipelined_adder", _ADDER, "rest_b0[5:0] + carry0", "rest_b0[5:0]"),
        ("pipelined_multiplier", _MULTIPLIER, "$signed(a) * $signed(b)", "a * b"),
        ("fixed_priority_arbiter", _FIXED, "(|req)", "(1'b1)"),
        ("fixed_priority_arbiter", _FIXED, "i = N - 1; i >= 0; i = i - 1", "i = 0; i < N; i = i + 1"),
        ("locked_arbiter", _LOCKED, "(grant & req) == 3'd0", "1'b1"),
        ("round_robin_arbiter", _ROBIN, "turn <= 2'd2", "turn <= 2'd1"),
        ("weighted_arbiter", _WEIGHTED, "wins == 2'd3", "wins == 2'd2"),
        ("uart_tx", _TX, "~^d", "^d"),
        ("uart_tx", _TX, "2'b11, ", "2'b01, "),
        ("uart_rx", _RX, "rx && !(^bits)", "rx"),
        ("uart_rx", _RX, "CLKS_PER_BIT / 2 - 1", "CLKS_PER_BIT / 2"),
        ("spi_master_tx", _MASTER, "!(active && !phase[0])", "!(active && phase[0])"),
        ("spi_slave_rx", _SLAVE, "sclk && !last", "!sclk && last"),
        ("spi_slave_rx", _SLAVE, "if (cs_n)", "if (1'b0)"),
        ("serial_parity", _PARITY, "sync ? din : ones ^ din", "ones ^ din"),
        ("bit_stuffer", _STUFFER, "run != 3'd5", "run != 3'd4"),
        ("bit_destuffer", _DESTUFFER, "full && din == dout", "1'b0"),
        ("single_port_ram", _RAM, "        q <= mem[addr]", "        q <= we ? d : mem[addr]"),
        ("dual_port_ram", _DUAL, "we && waddr == raddr", "1'b0"),
        ("register_file", _FILE | {"bypass": False}, "we && waddr != 3'd0", "we"),
        ("register_file", _FILE, "(raddr2 == 3'd0)", "(1'b0)"),
        ("registered_rom", _ROM, "default: word = 8'd0", "default: word = 8'd1"),
        ("sync_fifo", _FIFO, "wr_en && !full", "wr_en && (!full || rd_en)"),
        ("sync_fifo", _FIFO, "level == 3'd6", "level == 3'd5"),
        ("lifo_stack", _STACK, "mem[top] <= d", "mem[level] <= d"),
    ],
)
def test_a_wrong_design_is_a_mismatch(name: str, parameters: dict[str, object], right: str, wrong: str) -> None:
    circuit = FAMILIES[name].build(**parameters)
    code = render(circuit, "m", {})
    assert right in code
    bench = make_bench(circuit, "m", {}, "seed")
    assert Icarus().run(code, bench).passed
    verdict = Icarus().run(code.replace(right, wrong), bench)
    assert verdict.status == "mismatch", verdict


def run(name: str, parameters: dict[str, object], inputs: Sequence[Values]) -> list[dict[str, Any]]:
    """The outputs of a family's model after each clock edge, from reset."""
    model = FAMILIES[name].build(**parameters).model
    assert isinstance(model, Clocked)
    state, outputs = model.reset_state, []
    for values in inputs:
        state = model.step(state, values)
        outputs.append(dict(model.out(state, values)))
    return outputs


def test_a_transmitter_sends_what_a_receiver_reads() -> None:
    shape = {"bits": 7, "parity": "odd", "clocks": 4, "reset": "sync_high", "generic": False}
    sent = run("uart_tx", shape | {"stops": 1}, [{"start": 1, "d": 0x53}, *([{"start": 0, "d": 0}] * 45)])
    assert [o["busy"] for o in sent] == [1] * 40 + [0] * 6
    assert [o["tx"] for o in sent[::4]] == [0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1]
    got = run("uart_rx", shape, [{"rx": o["tx"]} for o in sent])
    assert [(o["q"], o["error"]) for o in got if o["valid"]] == [(0x53, 0)]
    wrong = run("uart_rx", shape | {"parity": "even"}, [{"rx": o["tx"]} for o in sent])
    assert [sum(o[flag] for o in wrong) for flag in ("valid", "error")] == [0, 1]


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize("order", ["MSB", "LSB"])
def test_an_spi_master_and_slave_of_one_mode_understand_each_other(mode: int, order: str) -> None:
    shape = {"bits": 8, "mode": mode, "order": order, "reset": "sync_high"}
    sent = run("spi_master_tx", shape | {"half": 2}, [{"start": 1, "d": 0xB2}, *([{"start": 0, "d": 0}] * 40)])
    lines = [{"cs_n": o["cs_n"], "sclk": o["sclk"], "mosi": o["mosi"]} for o in sent]
    got = run("spi_slave_rx", shape | {"generic": False}, lines)
    assert [o["q"] for o in got if o["valid"]] == [0xB2]


@pytest.mark.parametrize("rule", ["ones", "equal"])
def test_what_is_stuffed_comes_out_of_the_destuffer_unchanged(rule: str) -> None:
    shape = {"run": 3, "rule": rule, "enable": False, "reset": "sync_high", "generic": False}
    rng = random.Random(rule)
    bits = [int(rng.random() < 0.7) for _ in range(200)]
    model = FAMILIES["bit_stuffer"].build(**shape).model
    assert isinstance(model, Clocked)
    state, stream, taken = model.reset_state, [], 0
    while taken < len(bits):
        ready = model.out(state, {})["ready"]
        state = model.step(state, {"din": bits[taken]})
        stream.append({"din": model.out(state, {})["dout"] or 0})
        taken += ready or 0
    assert len(stream) > len(bits) + 20
    got = run("bit_destuffer", shape, stream)
    assert [o["dout"] for o in got if o["valid"]] == bits
    assert not any(o["error"] for o in got)


def test_a_round_robin_serves_all_in_turn_and_a_weighted_one_by_weight() -> None:
    grants = run("round_robin_arbiter", _ROBIN, [{"req": 7}] * 6)
    assert [o["grant"] for o in grants] == [1, 2, 4, 1, 2, 4]
    grants = run("weighted_arbiter", _WEIGHTED | {"output": "registered"}, [{"req_a": 1, "req_b": 1}] * 8)
    assert [o["grant_b"] for o in grants] == [0, 0, 0, 1, 0, 0, 0, 1]


def test_sizes_are_written_as_numbers_or_as_a_parameter() -> None:
    assert (Size(8).range, Size(8).zero, Size(8).parameters) == ("[7:0] ", "8'd0", {})
    named = Size(8, "WIDTH")
    assert (named.range, named.zero, named.parameters) == ("[WIDTH-1:0] ", "{WIDTH{1'b0}}", {"WIDTH": 8})
    assert named.ranges("d") == {"d": "[WIDTH-1:0]"}
    assert (Size(8).less(2), named.less(2)) == ("6", "WIDTH-2")
    assert [Size(9, "WIDTH+2").less(n) for n in (1, 2, 3)] == ["WIDTH+1", "WIDTH", "WIDTH-1"]
