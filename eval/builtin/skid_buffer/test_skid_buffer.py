"""The buffer against a queue of two, with either side the slower one; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import Timer

Item = tuple[int, int]


class Stream:
    """Drives both sides of the design, one clock cycle at a time, and compares it with a queue around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.items: deque[Item] = deque()

    def check(self) -> None:
        held = len(self.items)
        assert str(self.dut.s_ready.value) == str(int(held < 2)), f"s_ready, with {held} items"
        assert str(self.dut.m_valid.value) == str(int(held > 0)), f"m_valid, with {held} items"
        if self.items:
            data, last = self.items[0]
            assert str(self.dut.m_data.value) == f"{data:08b}", "m_data is not the oldest item's"
            assert str(self.dut.m_last.value) == str(last), "m_last is not the oldest item's"

    async def cycle(self, offered: Item | None, ready: int, item: Item, *, rst: int = 0, known: bool = True) -> None:
        """One cycle; ``item`` is on the wires, and means something when it is ``offered``."""
        self.dut.s_valid.value, self.dut.m_ready.value = int(offered is not None), ready
        self.dut.s_data.value, self.dut.s_last.value = item
        self.dut.rst.value = rst
        await Timer(4, "ns")
        if known:
            self.check()
        self.dut.clk.value = 1
        enters = offered is not None and len(self.items) < 2
        if ready and self.items:
            self.items.popleft()
        if enters:
            self.items.append(item)
        if rst:
            self.items.clear()
        await Timer(1, "ns")
        self.check()
        self.dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Stream:
    dut.clk.value = 0
    stream = Stream(dut)
    await stream.cycle((7, 1), 1, (7, 1), rst=1, known=False)
    return stream


@cocotb.test()
async def lets_one_item_through_at_every_edge(dut: Any) -> None:
    stream = await reset(dut)
    for number in range(20):
        await stream.cycle((number, number % 2), 1, (number, number % 2))
    assert len(stream.items) == 1


@cocotb.test()
async def agrees_with_a_queue_under_random_traffic(dut: Any) -> None:
    stream = await reset(dut)
    rng = random.Random(137)
    for number in range(2500):
        offers, takes = ((0.9, 0.3), (0.3, 0.9), (0.6, 0.6), (0.95, 0.95))[number // 40 % 4]
        item = (rng.randrange(256), rng.randrange(2))
        offered = item if rng.random() < offers else None
        await stream.cycle(offered, int(rng.random() < takes), item, rst=int(rng.random() < 0.01))
