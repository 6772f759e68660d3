"""The line against a model that writes down the 44 levels of a frame when it begins; read by cocotb."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Transmitter:
    """Drives the design, keeps the queue and the levels that are still to be shown, and compares around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.queue: deque[int] = deque()
        self.levels: deque[int] = deque()

    def edge(self, rst: int, write: int, data: int) -> None:
        room = len(self.queue) < 4
        if self.levels:
            self.levels.popleft()
        if self.queue and not self.levels:
            byte = self.queue.popleft()
            bits = [0, *(byte >> place & 1 for place in range(8)), byte.bit_count() % 2, 1]
            self.levels.extend(bit for bit in bits for _ in range(4))
        if write and room:
            self.queue.append(data)
        if rst:
            self.queue.clear()
            self.levels.clear()

    def check(self) -> None:
        held = len(self.queue)
        want = {"tx": str(self.levels[0] if self.levels else 1), "busy": str(int(bool(self.levels)))}
        want |= {"level": f"{held:03b}", "full": str(int(held == 4))}
        for name, value in want.items():
            seen = str(getattr(self.dut, name).value)
            assert seen == value, f"{name} is {seen}, not {value}"

    async def cycle(self, write: int = 0, data: int = 0, *, rst: int = 0, known: bool = True) -> None:
        self.dut.write.value, self.dut.data.value, self.dut.rst.value = write, data, rst
        await Timer(4, "ns")
        if known:
            self.check()
        self.dut.clk.value = 1
        self.edge(rst, write, data)
        await Timer(1, "ns")
        self.check()
        self.dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Transmitter:
    dut.clk.value = 0
    transmitter = Transmitter(dut)
    await transmitter.cycle(1, 0x55, rst=1, known=False)
    return transmitter


@cocotb.test()
async def fills_up_and_sends_without_a_gap(dut: Any) -> None:
    transmitter = await reset(dut)
    for number in range(9):
        await transmitter.cycle(1, (0x91 + 37 * number) % 256)
    for _ in range(5 * 44 + 4):
        await transmitter.cycle()
    # One byte alone, and one that comes just when its frame ends, or one edge to either side.
    for wait in (42, 43, 44, 45):
        await transmitter.cycle(1, 0x3E)
        for _ in range(wait):
            await transmitter.cycle()
        await transmitter.cycle(1, 0xC1)
        for _ in range(95):
            await transmitter.cycle()


@cocotb.test()
async def agrees_with_the_model_under_random_writes(dut: Any) -> None:
    transmitter = await reset(dut)
    rng = random.Random(179)
    for number in range(4000):
        rate = (0.5, 0.03, 0.015)[number // 300 % 3]
        write = int(rng.random() < rate)
        await transmitter.cycle(write, rng.randrange(256), rst=int(rng.random() < 0.003))
