"""Divisions edge by edge: corners, random numbers, starts too early, resets; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Divider:
    """Gives one clock edge at a time; looks at done, and at the results that must hold, around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.done: int | None = None
        self.result = (0, 0)

    def check(self) -> None:
        if self.done is not None:
            assert str(self.dut.done.value) == str(self.done), f"done is {self.dut.done.value}"
        if self.done:
            said = (str(self.dut.quotient.value), str(self.dut.remainder.value))
            want = (f"{self.result[0]:016b}", f"{self.result[1]:08b}")
            assert said == want, f"quotient and remainder are {said}, not {want}"

    async def edge(self, done: int, start: int = 0, *, rst: int = 0) -> None:
        self.dut.start.value, self.dut.rst.value = start, rst
        await Timer(4, "ns")
        self.check()
        self.dut.clk.value = 1
        await Timer(1, "ns")
        self.done = done
        self.check()
        self.dut.clk.value = 0
        await Timer(5, "ns")

    async def divide(self, dividend: int, divisor: int, *, hold: int, early: int) -> None:
        """One division with ``early`` as start while it works, and ``hold`` edges to look at its result."""
        self.dut.dividend.value, self.dut.divisor.value = dividend, divisor
        await self.edge(0, 1)
        self.dut.dividend.value, self.dut.divisor.value = dividend ^ 0x5A3C, divisor ^ 0x6D
        for _ in range(15):
            await self.edge(0, early)
        self.result = divmod(dividend, divisor) if divisor else (0xFFFF, dividend & 0xFF)
        await self.edge(1, early)
        for _ in range(hold):
            await self.edge(1)


async def begin(dut: Any) -> Divider:
    dut.clk.value, dut.dividend.value, dut.divisor.value = 0, 0, 0
    divider = Divider(dut)
    await divider.edge(0, 1, rst=1)
    await divider.edge(0)
    return divider


@cocotb.test()
async def divides_corners_and_random_numbers(dut: Any) -> None:
    divider = await begin(dut)
    rng = random.Random(131)
    pairs = [(n, d) for n in (0, 1, 255, 0x8000, 0xFFFF) for d in (0, 1, 2, 127, 128, 255)]
    pairs += [(rng.randrange(1 << 16), rng.randrange(256)) for _ in range(30)]
    pairs += [(rng.randrange(1 << 16), rng.randrange(1, 8)) for _ in range(10)]
    for d in (3, 100, 254):
        q = rng.randrange(256)
        pairs += [(q * d - 1, d), (q * d, d), (q * d + d - 1, d)]
    for number, (dividend, divisor) in enumerate(pairs):
        await divider.divide(max(dividend, 0), divisor, hold=number % 3, early=number // 3 % 2)


@cocotb.test()
async def gives_up_on_reset_at_any_time(dut: Any) -> None:
    divider = await begin(dut)
    for edges in (0, 1, 8, 15, 16):
        dut.dividend.value, dut.divisor.value = 50_000, 7
        await divider.edge(0, 1)
        for number in range(edges):
            divider.result = (50_000 // 7, 50_000 % 7)
            await divider.edge(int(number == 15))
        await divider.edge(0, 1, rst=1)
        for _ in range(18 if edges == 8 else 0):
            await divider.edge(0)
        await divider.divide(1000 + edges, 9, hold=1, early=0)


@cocotb.test()
async def sees_rst_at_the_edge_only(dut: Any) -> None:
    divider = await begin(dut)
    await divider.divide(12345, 67, hold=0, early=0)
    for port in (dut.rst, dut.start):
        port.value = 1
        await Timer(1, "ns")
        divider.check()
        port.value = 0
        await divider.edge(1)
