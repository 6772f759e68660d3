"""Roots through both handshakes, with slow and quick neighbours; read by cocotb inside the simulator."""

from __future__ import annotations

import math
import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Unit:
    """Knows whether the unit holds a number, and what must come of it; checks around every edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.known = False
        self.held: int | None = None
        self.waited = 0
        self.shown = False

    def check(self) -> None:
        if not self.known:
            return
        ready, valid = str(self.dut.in_ready.value), str(self.dut.out_valid.value)
        assert ready == str(int(self.held is None)), f"in_ready is {ready} while the unit holds {self.held}"
        if self.held is None:
            assert valid == "0", f"out_valid is {valid} of an empty unit"
            return
        assert valid in "01", f"out_valid is {valid}"
        assert valid == "1" or not self.shown, "out_valid fell before the result was taken"
        assert valid == "1" or self.waited < 12, "no result after 12 edges"
        if valid == "1":
            self.shown = True
            root = math.isqrt(self.held)
            want = (f"{root:08b}", f"{self.held - root * root:09b}")
            said = (str(self.dut.root.value), str(self.dut.rest.value))
            assert said == want, f"root and rest of {self.held} are {said}, not {want}"

    async def edge(self, number: int, in_valid: int, out_ready: int, *, rst: int = 0) -> None:
        dut = self.dut
        dut.radicand.value, dut.in_valid.value, dut.out_ready.value, dut.rst.value = number, in_valid, out_ready, rst
        await Timer(4, "ns")
        self.check()
        dut.clk.value = 1
        if rst:
            self.known, self.held, self.shown = True, None, False
        elif self.held is None:
            self.held, self.waited = (number if in_valid else None), 0
        elif self.shown and out_ready:
            self.held, self.shown = None, False
        else:
            self.waited += 1
        await Timer(1, "ns")
        self.check()
        dut.clk.value = 0
        await Timer(1, "ns")
        # Nobody may see what the inputs do between the edges.
        dut.radicand.value, dut.in_valid.value, dut.out_ready.value, dut.rst.value = ~number & 0xFFFF, 1, 1, 1
        await Timer(1, "ns")
        self.check()

    async def through(self, number: int, *, patience: int) -> None:
        """One number in, and its result out after ``patience`` edges of looking at it."""
        await self.edge(number, 1, 0)
        while not self.shown:
            await self.edge(number ^ 0x1234, 1, 0)
        for _ in range(patience):
            await self.edge(0xFFFF, 1, 0)
        await self.edge(0x4321, 1, 1)


async def begin(dut: Any) -> Unit:
    dut.clk.value = 0
    unit = Unit(dut)
    await unit.edge(99, 1, 1, rst=1)
    return unit


@cocotb.test()
async def finds_roots_around_squares(dut: Any) -> None:
    unit = await begin(dut)
    for root in (1, 2, 3, 15, 16, 100, 127, 128, 170, 254, 255):
        for number in (root * root - 1, root * root, root * root + root):
            await unit.through(number, patience=root % 3)
    for number in (0x8000, 0xFFFF):
        await unit.through(number, patience=1)


@cocotb.test()
async def keeps_up_with_random_neighbours(dut: Any) -> None:
    unit = await begin(dut)
    rng = random.Random(137)
    for number in range(1000):
        eager = rng.random() < 0.5
        await unit.edge(rng.randrange(1 << 16), int(eager), int(rng.random() < 0.7), rst=int(number % 83 == 82))
