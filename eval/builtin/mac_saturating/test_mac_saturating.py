"""Long runs towards both limits and random traffic, against whole numbers; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

LOW, HIGH = -131072, 131071


class Unit:
    """Drives the design and keeps the two values that it must show."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.acc = 0
        self.overflow = False

    def check(self) -> None:
        assert self.dut.acc.value.is_resolvable, f"acc is {self.dut.acc.value}, not {self.acc}"
        assert self.dut.acc.value.to_signed() == self.acc, f"acc is {self.dut.acc.value.to_signed()}, not {self.acc}"
        assert str(self.dut.overflow.value) == str(int(self.overflow)), f"overflow is not {int(self.overflow)}"

    async def edge(self, a: int, b: int, *, en: int = 1, clear: int = 0, rst: int = 0) -> None:
        dut = self.dut
        dut.a.value, dut.b.value, dut.en.value, dut.clear.value, dut.rst.value = a, b, en, clear, rst
        await Timer(5, "ns")
        if rst or clear:
            self.acc, self.overflow = 0, False
        if en and not rst:
            exact = self.acc + a * b
            self.acc = min(max(exact, LOW), HIGH)
            self.overflow |= exact != self.acc
        dut.clk.value = 1
        await Timer(1, "ns")
        self.check()
        dut.en.value, dut.clear.value, dut.rst.value = 1, 1, 1
        dut.clk.value = 0
        await Timer(4, "ns")
        self.check()


async def begin(dut: Any) -> Unit:
    dut.clk.value = 0
    unit = Unit(dut)
    await unit.edge(11, 13, clear=1, rst=1)
    return unit


@cocotb.test()
async def stops_at_both_limits(dut: Any) -> None:
    unit = await begin(dut)
    # Eight of the greatest products are one more than the upper limit; so the seventh leaves room for 16383.
    for factors in [(-128, -128)] * 7 + [(127, 127), (2, 127), (0, 5), (-1, 1), (1, 1), (1, 1), (-1, 5)]:
        await unit.edge(*factors)
    await unit.edge(0, 0, en=0, clear=1)
    for factors in [(-128, -128)] * 9 + [(1, -1)]:
        await unit.edge(*factors)
    await unit.edge(3, -7, clear=1)
    await unit.edge(0, 0, en=0, clear=1)
    for factors in [(127, -128)] * 8 + [(8, -128), (0, 0), (-1, 1), (1, 1), (-128, 127)]:
        await unit.edge(*factors)
    await unit.edge(5, 6, en=0)
    await unit.edge(5, 6, en=1, rst=1)


@cocotb.test()
async def agrees_with_whole_numbers(dut: Any) -> None:
    unit = await begin(dut)
    rng = random.Random(151)
    for number in range(1200):
        side = 1 if number // 100 % 2 else -1
        a, b = rng.randrange(-128, 128), rng.randrange(-128, 128)
        if rng.random() < 0.6 and a * b * side < 0:
            a = max(min(-a, 127), -128)
        en, clear, rst = rng.random() < 0.8, rng.random() < 0.03, rng.random() < 0.01
        await unit.edge(a, b, en=int(en), clear=int(clear), rst=int(rst))
