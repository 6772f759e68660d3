"""Corners and random factors through the handshake of the multiplier; read by cocotb inside the simulator."""

from __future__ import annotations

import itertools
import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

CORNERS = (-128, -127, -1, 0, 1, 2, 127)


async def edge(dut: Any) -> None:
    """One rising edge, with the outputs settled behind it; nothing happens between it and the next one."""
    before = str(dut.busy.value)
    await Timer(5, "ns")
    assert str(dut.busy.value) == before, "busy changes before an edge"
    dut.clk.value = 1
    await Timer(1, "ns")
    after = str(dut.busy.value)
    dut.clk.value = 0
    await Timer(4, "ns")
    assert str(dut.busy.value) == after, "busy changes at a falling edge"


async def reset(dut: Any) -> None:
    dut.clk.value, dut.start.value, dut.a.value, dut.b.value = 0, 0, 0, 0
    dut.rst.value = 1
    await edge(dut)
    dut.rst.value = 0
    assert str(dut.busy.value) == "0", "busy after a reset"


async def multiply(dut: Any, a: int, b: int) -> None:
    """Start, disturb the inputs while the work goes on, and look at the product when it is ready and later."""
    dut.a.value, dut.b.value, dut.start.value = a, b, 1
    await edge(dut)
    assert str(dut.busy.value) == "1", "not busy after a start"
    dut.a.value, dut.b.value = ~a, 85
    for _ in range(20):
        # The last edge may already take another start, so none is asked for there.
        dut.start.value = 0
        await edge(dut)
        if str(dut.busy.value) == "0":
            break
    else:
        raise AssertionError("still busy after 20 edges")
    for _ in range(2):
        assert dut.product.value.is_resolvable, f"{a} * {b} is {dut.product.value}"
        assert dut.product.value.to_signed() == a * b, f"{a} * {b} is {dut.product.value.to_signed()}"
        await edge(dut)


@cocotb.test()
async def multiplies_corners_and_random_numbers(dut: Any) -> None:
    await reset(dut)
    rng = random.Random(43)
    pairs = list(itertools.product(CORNERS, repeat=2))
    pairs += [(rng.randrange(-128, 128), rng.randrange(-128, 128)) for _ in range(150)]
    for a, b in pairs:
        await multiply(dut, a, b)


@cocotb.test()
async def ignores_a_start_while_busy(dut: Any) -> None:
    await reset(dut)
    dut.a.value, dut.b.value, dut.start.value = 9, -7, 1
    await edge(dut)
    dut.a.value, dut.b.value = 100, 100
    await edge(dut)
    if str(dut.busy.value) == "1":  # a design that needs one edge only has already taken the second start
        dut.start.value = 0
        for _ in range(20):
            await edge(dut)
        assert str(dut.busy.value) == "0", "still busy after 20 edges"
        assert dut.product.value.is_resolvable
        assert dut.product.value.to_signed() == -63, "another start was taken while busy"


@cocotb.test()
async def gives_up_on_reset(dut: Any) -> None:
    await reset(dut)
    dut.a.value, dut.b.value, dut.start.value = 5, 5, 1
    await edge(dut)
    await reset(dut)
    await multiply(dut, 6, 7)
