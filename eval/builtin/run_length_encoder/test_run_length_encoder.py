"""Symbols cut into runs by a model that keeps the symbols themselves; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Encoder:
    """Drives the design, and keeps the symbols of the open run and what the last edge put out."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.open: list[int] = []
        self.out = (0, 0, 0)

    def edge(self, rst: int, valid: int, symbol: int, flush: int) -> None:
        closed: list[int] = []
        if rst:
            self.open = []
        elif valid:
            self.open.append(symbol)
            if len(set(self.open)) > 1 or len(self.open) > 15:
                closed, self.open = self.open[:-1], self.open[-1:]
        elif flush:
            closed, self.open = self.open, []
        self.out = (1, closed[0], len(closed)) if closed else (0, 0, 0)

    def check(self) -> None:
        names = ("out_valid", "out_symbol", "out_length")
        for name, width, want in zip(names, (1, 4, 4), self.out, strict=True):
            value = str(getattr(self.dut, name).value)
            assert value == f"{want:0{width}b}", f"{name} is {value}, not {want}"

    async def cycle(self, symbol: int, *, rst: int = 0, valid: int = 1, flush: int = 0, known: bool = True) -> None:
        dut = self.dut
        dut.rst.value, dut.valid.value, dut.symbol.value, dut.flush.value = rst, valid, symbol, flush
        await Timer(4, "ns")
        if known:
            self.check()
        dut.clk.value = 1
        self.edge(rst, valid, symbol, flush)
        await Timer(1, "ns")
        self.check()
        dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Encoder:
    dut.clk.value = 0
    encoder = Encoder(dut)
    await encoder.cycle(3, rst=1, known=False)
    return encoder


@cocotb.test()
async def cuts_runs_of_every_length(dut: Any) -> None:
    encoder = await reset(dut)
    for length in range(1, 34):
        for _ in range(length):
            await encoder.cycle(length % 16)
    await encoder.cycle(0, valid=0, flush=1)
    await encoder.cycle(0, valid=0, flush=1)
    for _ in range(15):
        await encoder.cycle(9)
    await encoder.cycle(9, valid=0, flush=1)
    await encoder.cycle(9)


@cocotb.test()
async def agrees_with_the_model_on_random_streams(dut: Any) -> None:
    encoder = await reset(dut)
    rng = random.Random(163)
    symbol = 0
    for number in range(2500):
        if rng.random() < (0.5 if number // 100 % 2 else 0.07):
            symbol = rng.randrange(16) if rng.random() < 0.5 else symbol ^ 1 << rng.randrange(4)
        valid, flush = int(rng.random() < 0.8), int(rng.random() < 0.3)
        await encoder.cycle(symbol, rst=int(rng.random() < 0.02), valid=valid, flush=flush)
