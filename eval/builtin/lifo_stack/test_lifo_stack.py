"""The stack against a Python list: filled, emptied and under random traffic; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Stack:
    """Drives the design and a model together, one clock cycle at a time, and compares them around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.words: list[int] = []
        self.over = self.under = False
        self.known = False

    def check(self) -> None:
        dut = self.dut
        said = tuple(str(port.value) for port in (dut.empty, dut.full, dut.overflow, dut.underflow))
        state = (not self.words, len(self.words) == 6, self.over, self.under)
        want = tuple(str(int(flag)) for flag in state)
        assert said == want, f"empty, full, overflow, underflow are {said}, not {want}, with {len(self.words)} words"
        if self.words:
            assert str(dut.dout.value) == f"{self.words[-1]:08b}", f"dout is {dut.dout.value}, not the top word"

    def step(self, push: int, pop: int, din: int) -> None:
        if push and pop and self.words:
            self.words[-1] = din
        elif push and len(self.words) < 6:
            self.words.append(din)
        elif push:
            self.over = True
        elif pop and self.words:
            self.words.pop()
        elif pop:
            self.under = True

    async def cycle(self, push: int, pop: int, din: int = 0, *, rst: int = 0) -> None:
        dut = self.dut
        dut.push.value, dut.pop.value, dut.din.value, dut.rst.value = push, pop, din, rst
        await Timer(4, "ns")
        if self.known:
            self.check()
        dut.clk.value = 1
        if rst:
            self.words, self.over, self.under, self.known = [], False, False, True
        else:
            self.step(push, pop, din)
        await Timer(1, "ns")
        self.check()
        # Nobody may see what the inputs do between the edges.
        dut.push.value, dut.pop.value, dut.din.value, dut.rst.value = 1 - push, 1 - pop, ~din & 0xFF, 1 - rst
        await Timer(1, "ns")
        self.check()
        dut.clk.value = 0
        await Timer(4, "ns")


async def reset(dut: Any) -> Stack:
    dut.clk.value = 0
    stack = Stack(dut)
    await stack.cycle(1, 0, 0x77, rst=1)
    return stack


@cocotb.test()
async def gives_words_back_in_the_opposite_order(dut: Any) -> None:
    stack = await reset(dut)
    for word in range(8):
        await stack.cycle(1, 0, 0xA0 + word)
    await stack.cycle(1, 1, 0xC6)
    for _ in range(8):
        await stack.cycle(0, 1)
    await stack.cycle(1, 1, 0xD1)
    await stack.cycle(1, 0, 0xD2)
    await stack.cycle(1, 1, 0xD3)
    for _ in range(2):
        await stack.cycle(0, 1)
    await stack.cycle(0, 0, rst=1)


@cocotb.test()
async def sets_neither_flag_for_both_at_once(dut: Any) -> None:
    stack = await reset(dut)
    await stack.cycle(1, 1, 1)
    for word in range(5):
        await stack.cycle(1, 0, word)
    await stack.cycle(1, 1, 99)
    await stack.cycle(1, 0, 98)
    await stack.cycle(0, 1)
    await stack.cycle(0, 1, rst=1)
    await stack.cycle(0, 1)


@cocotb.test()
async def agrees_with_a_list_under_random_traffic(dut: Any) -> None:
    stack = await reset(dut)
    rng = random.Random(163)
    for number in range(1200):
        share = 0.75 if number // 40 % 2 else 0.3
        push, pop, rst = rng.random() < share, rng.random() > share, rng.random() < 0.03
        await stack.cycle(int(push), int(pop), rng.randrange(256), rst=int(rst))
