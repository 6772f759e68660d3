"""The buffer against a deque: filled, drained, and under random traffic; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Buffer:
    """Drives the design and a model together, one clock cycle at a time, and compares them around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.words: deque[int] = deque()

    def check(self) -> None:
        assert str(self.dut.empty.value) == str(int(not self.words)), f"empty, with {len(self.words)} words"
        assert str(self.dut.full.value) == str(int(len(self.words) == 4)), f"full, with {len(self.words)} words"
        if self.words:
            assert str(self.dut.dout.value) == f"{self.words[0]:08b}", "dout is not the oldest word"

    async def cycle(self, push: bool, pop: bool, din: int, *, rst: bool = False, known: bool = True) -> None:
        self.dut.push.value, self.dut.pop.value = int(push), int(pop)
        self.dut.din.value, self.dut.rst.value = din, int(rst)
        await Timer(4, "ns")
        if known:
            self.check()
        self.dut.clk.value = 1
        was_full = len(self.words) == 4
        if pop and self.words:
            self.words.popleft()
        if push and not was_full:
            self.words.append(din)
        if rst:
            self.words.clear()
        await Timer(1, "ns")
        self.check()
        self.dut.clk.value = 0
        await Timer(5, "ns")


async def reset(dut: Any) -> Buffer:
    dut.clk.value = 0
    buffer = Buffer(dut)
    await buffer.cycle(False, False, 0, rst=True, known=False)
    return buffer


@cocotb.test()
async def keeps_the_order_from_empty_to_full_and_back(dut: Any) -> None:
    buffer = await reset(dut)
    for word in range(6):
        await buffer.cycle(True, False, 0xA0 + word)
    for word in range(3):
        await buffer.cycle(True, True, 0xB0 + word)
    for _ in range(6):
        await buffer.cycle(False, True, 0xFF)
    await buffer.cycle(True, True, 0xC0)
    await buffer.cycle(False, False, 0)


@cocotb.test()
async def agrees_with_a_queue_under_random_traffic(dut: Any) -> None:
    buffer = await reset(dut)
    rng = random.Random(41)
    for number in range(2000):
        busy = 0.75 if number // 50 % 2 else 0.35
        rst = rng.random() < 0.01
        await buffer.cycle(rng.random() < busy, rng.random() > busy, rng.randrange(256), rst=rst)
