"""Products against exact arithmetic: special numbers, limits, ties and noise; read by cocotb inside the simulator."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import Timer

SPECIAL = (
    *(0x0000, 0x0001, 0x03FF),  # zeros
    *(0x0400, 0x0401, 0x07FF, 0x2AAA, 0x3BFF, 0x3C00, 0x3C01, 0x5555, 0x7800, 0x7BFF),
    *(0x7C00, 0x7C01, 0x7E00, 0x7FFF),  # infinity, and no numbers
)


def value(word: int) -> float:
    exponent, fraction = word >> 10 & 31, word & 1023
    if exponent == 31:
        size = math.nan if fraction else math.inf
    else:
        size = math.ldexp(1024 + fraction, exponent - 25) if exponent else 0.0
    return -size if word >> 15 else size


def times(a: int, b: int) -> int:
    """The product's encoding; a double holds the exact product of two such numbers."""
    exact = value(a) * value(b)
    if math.isnan(exact):
        return 0x7E00
    sign = 0x8000 if math.copysign(1, exact) < 0 else 0
    if math.isinf(exact):
        return sign | 0x7C00
    significand, power = math.frexp(abs(exact))
    size = math.ldexp(round(significand * 2048), power - 11)  # round() goes to the even one from half way
    if size >= 65536:
        return sign | 0x7C00
    if size < 2**-14:
        return sign
    significand, power = math.frexp(size)
    return sign | power + 14 << 10 | int(significand * 2048) - 1024


class Pipeline:
    """Gives one edge at a time and knows what must come out at the next one."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.inside: int | None = None
        self.shown: int | None = None

    def check(self) -> None:
        valid = str(self.dut.out_valid.value)
        assert valid == str(int(self.shown is not None)), f"out_valid is {valid}"
        if self.shown is not None:
            assert str(self.dut.y.value) == f"{self.shown:016b}", f"y is {self.dut.y.value}, not {self.shown:016b}"

    async def edge(self, a: int, b: int, *, valid: int = 1, rst: int = 0, known: bool = True) -> None:
        dut = self.dut
        dut.a.value, dut.b.value, dut.in_valid.value, dut.rst.value = a, b, valid, rst
        await Timer(5, "ns")
        if known:
            self.check()
        self.shown = None if rst else self.inside
        self.inside = times(a, b) if valid and not rst else None
        dut.clk.value = 1
        await Timer(1, "ns")
        self.check()
        dut.clk.value, dut.in_valid.value, dut.rst.value = 0, 1 - valid, 1 - rst
        await Timer(4, "ns")


async def begin(dut: Any) -> Pipeline:
    dut.clk.value = 0
    pipeline = Pipeline(dut)
    await pipeline.edge(0x3C00, 0x4000, rst=1, known=False)
    await pipeline.edge(0, 0, valid=0)
    return pipeline


def hard_pairs(rng: random.Random) -> Iterator[tuple[int, int]]:
    """Ties, products next to the limits, and significands whose product is next to a power of two."""
    for _ in range(300):
        # Few significant digits each, so that what rounding drops is often exactly a half.
        fractions = [rng.randrange(64) << rng.randrange(5), rng.randrange(64) << rng.randrange(5)]
        yield (rng.randrange(8, 22) << 10 | fractions[0], rng.randrange(8, 22) << 10 | fractions[1])
    for number in range(300):
        # One more than half way by a single binary digit: significands with such a product modulo 4096.
        first = rng.randrange(1025, 2048, 2)
        other = (1024 + (1 << number % 10)) * pow(first, -1, 4096) % 4096
        if other >> 10 == 1:
            yield (15 << 10 | first - 1024, 15 << 10 | other - 1024)
    for total in (14, 15, 16, 44, 45, 46):
        for _ in range(25):
            first = rng.randrange(max(1, total - 30), min(30, total - 1) + 1)
            yield (first << 10 | rng.randrange(1024), total - first << 10 | rng.randrange(1024))
        for fraction in range(0, 1024, 41):
            # The other fraction makes the product of the significands close to 2.
            other = min(max((2 * 1024 * 1024) // (1024 + fraction) - 1024 + rng.randrange(-1, 2), 0), 1023)
            first = rng.randrange(max(1, total - 30), min(30, total - 1) + 1)
            yield (first << 10 | fraction, total - first << 10 | other)


@cocotb.test()
async def multiplies_special_numbers(dut: Any) -> None:
    pipeline = await begin(dut)
    for number, a in enumerate(SPECIAL):
        for place, b in enumerate(SPECIAL):
            await pipeline.edge(a | (number + place) % 2 << 15, b | place % 2 << 15)
    for a in SPECIAL[:4]:
        await pipeline.edge(0x8000 | a, 0xFC00)
        await pipeline.edge(0x8000 | a, 0x8000)
    await pipeline.edge(0, 0, valid=0)


@cocotb.test()
async def rounds_ties_and_stops_at_the_limits(dut: Any) -> None:
    pipeline = await begin(dut)
    rng = random.Random(191)
    for a, b in hard_pairs(rng):
        await pipeline.edge(a | rng.getrandbits(1) << 15, b | rng.getrandbits(1) << 15)
    for _ in range(600):
        await pipeline.edge(rng.getrandbits(16), rng.getrandbits(16))
    await pipeline.edge(0, 0, valid=0)


@cocotb.test()
async def passes_gaps_on_and_forgets_on_reset(dut: Any) -> None:
    pipeline = await begin(dut)
    rng = random.Random(193)
    for _ in range(300):
        valid, rst = rng.random() < 0.6, rng.random() < 0.1
        await pipeline.edge(rng.getrandbits(16), rng.getrandbits(16), valid=int(valid), rst=int(rst))
