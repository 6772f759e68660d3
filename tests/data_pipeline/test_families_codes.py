"""Families of codes, bits, CRCs and arithmetic: their models agree with plain definitions, and near misses fail."""

from __future__ import annotations

import binascii
import random

import pytest

from data_pipeline.bench import make_bench
from data_pipeline.circuit import Clocked, Combinational, Values, signed
from data_pipeline.families import FAMILIES
from data_pipeline.render import render
from hdl_sim.icarus import Icarus

_SEGMENTS = {"digits": "decimal blank", "shapes": "usual", "level": "low", "order": "abcdefg"}
_CRC = {"generator": (8, 0x07), "start": "zeros", "order": "msb", "clear": True, "reset": "sync_high"}
_SCRAMBLER = {"taps": (4, 7), "enable": True, "output": "direct", "reset": "async_high"}
_SHIFT = {"width": 8, "operations": "hold left right load", "reset": "sync_low", "generic": False}
_STEP = {"generator": (5, 0x05), "bits": 4, "order": "msb", "form": "loop"}
_ROWS = {"widths": (6, 4), "sign": "signed", "form": "rows", "generic": True}
_MEAN = {"width": 8, "kind": ("signed", "zero"), "form": "wide", "generic": False}
_MAGNITUDE = {"width": 8, "operation": "absolute value", "overflow": "saturate", "generic": False}


def outputs(name: str, parameters: dict[str, object], values: Values) -> dict[str, int | None]:
    model = FAMILIES[name].build(**parameters).model
    assert isinstance(model, Combinational)
    return dict(model.function(values))


@pytest.mark.parametrize(
    ("name", "parameters", "right", "wrong"),
    [
        ("seven_segment", {**_SEGMENTS, "control": "blank"}, "blank ?", "!blank ?"),
        ("seven_segment", {**_SEGMENTS, "control": "none"}, "default: seg = 7'b1111111", "default: seg = 7'b1111110"),
        ("binary_to_bcd", {"width": 8, "form": "dabble", "packed": True, "blank": False}, "> 4'd4", "> 4'd5"),
        ("hamming_encoder", {"width": 8, "extended": True, "kind": "even", "numbering": "up"}, "^code", "~^code"),
        ("onehot_to_binary", {"shape": (8, "or"), "flag": "valid", "generic": True}, "|d & ~multiple", "|d"),
        ("leading_zero_count", {"run": (12, 0), "end": "leading", "generic": False}, "4'd12", "4'd11"),
        ("mask_generator", {"width": 16, "kind": "between", "marked": 1, "style": "loop"}, "<= last", "< last"),
        ("bit_field", {"field": (16, 4, 8), "kind": "sign", "place": "fixed"}, "a[11]", "a[15]"),
        ("rotate", {"shape": (12, 0, "input"), "generic": False}, "right ?", "!right ?"),
        ("crc_serial", _CRC, "8'b00000111", "8'b00000101"),
        ("crc_serial", _CRC, "if (clear)", "if (clear && en)"),
        ("crc_step", _STEP, "crc_out[4] !=", "crc_out[3] !="),
        ("scrambler", {**_SCRAMBLER, "kind": "scrambler"}, "state[5:0], coded", "state[5:0], din"),
        ("scrambler", {**_SCRAMBLER, "kind": "additive"}, "else if (en)", "else"),
        ("scrambler", {**_SCRAMBLER, "kind": "additive"}, " or posedge rst", ""),
        ("universal_shift_register", _SHIFT, "msb_in, q[7:1]", "q[7], q[7:1]"),
        ("multiplier", {"widths": (6, 4), "sign": "mixed", "form": "rows", "generic": False}, "{4{a[5]}}", "4'd0"),
        ("multiplier", _ROWS, "product - (", "product + ("),
        ("average", _MEAN, " + (wide[8]", " + (wide[7]"),
        ("saturate", {"widths": (10, 8), "kind": "clamp", "flag": True, "generic": False}, "~a[9]", "1'b1"),
        ("magnitude", _MAGNITUDE, "== {", "!= {"),
        ("modulo_adder", {"modulus": 12, "op": "adder", "flag": False}, ">=", ">"),
    ],
)  # fmt: skip
def test_a_near_miss_is_a_mismatch(name: str, parameters: dict[str, object], right: str, wrong: str) -> None:
    circuit = FAMILIES[name].build(**parameters)
    code = render(circuit, "m", {})
    assert right in code, code
    bench = make_bench(circuit, "m", {}, "one")
    assert Icarus().run(code, bench).passed
    assert Icarus().run(code.replace(right, wrong, 1), bench).status == "mismatch"


def test_every_hamming_word_of_one_code_differs_from_the_others_in_enough_bits() -> None:
    for extended, distance in ((False, 3), (True, 4)):
        parameters = {"width": 5, "extended": extended, "kind": "even", "numbering": "down"}
        words = [outputs("hamming_encoder", parameters, {"d": d})["code"] or 0 for d in range(32)]
        assert min((a ^ b).bit_count() for a in words for b in words if a != b) == distance


def test_a_crc_of_16_bits_is_the_standard_library_s() -> None:
    model = FAMILIES["crc_serial"].build(**{**_CRC, "generator": (16, 0x1021)}).model
    assert isinstance(model, Clocked)
    state, data = 0, b"any few bytes"
    for bit in "".join(f"{byte:08b}" for byte in data):
        state = model.step(state, {"en": 1, "clear": 0, "din": int(bit)})
    assert state == binascii.crc_hqx(data, 0)


@pytest.mark.parametrize("order", ["msb", "lsb"])
def test_a_crc_step_is_as_many_serial_ones(order: str) -> None:
    serial = FAMILIES["crc_serial"].build(**{**_CRC, "order": order}).model
    assert isinstance(serial, Clocked)
    for data in (0x00, 0x35, 0x80, 0xFF):
        state = 0x5A
        for k in range(7, -1, -1) if order == "msb" else range(8):
            state = serial.step(state, {"en": 1, "clear": 0, "din": data >> k & 1})
        step = {"generator": (8, 0x07), "bits": 8, "order": order, "form": "loop"}
        assert outputs("crc_step", step, {"crc_in": 0x5A, "d": data}) == {"crc_out": state}


def test_a_descrambler_undoes_a_scrambler() -> None:
    pair = [FAMILIES["scrambler"].build(**_SCRAMBLER, kind=kind).model for kind in ("scrambler", "descrambler")]
    states: list[tuple[int, int]] = [(0x2B, 0), (0x55, 0)]
    rng = random.Random("bits")
    for number in range(40):
        first = bit = rng.randrange(2)
        for k, model in enumerate(pair):
            assert isinstance(model, Clocked)
            values = {"en": 1, "din": bit}
            before = states[k]
            bit = model.out(before, values)["dout"] or 0
            states[k] = model.step(before, values)
        assert bit == first or number < 7


def test_averages_round_as_they_say() -> None:
    for way, expected in (("down", -3), ("up", -2), ("zero", -2), ("even", -2)):
        parameters = {"width": 6, "kind": ("signed", way), "form": "wide", "generic": False}
        assert signed(outputs("average", parameters, {"a": 63, "b": 60})["y"] or 0, 6) == expected  # -1 and -4
