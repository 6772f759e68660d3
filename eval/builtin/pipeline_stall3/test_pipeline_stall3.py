"""Items with their places, moved from the oldest on, against the pipeline; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

Item = tuple[int, int, int]


class Pipeline:
    """Drives the design and a list of [place, result], oldest first, and compares them around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.items: list[list[int]] = []

    def moved(self, out_ready: int) -> list[list[int]]:
        """Every item takes one step unless the one before it stays in its way; place 4 is outside."""
        limit, after = 4 if out_ready else 3, []
        for place, result in self.items:
            after.append([min(place + 1, limit), result])
            limit = 4 if after[-1][0] == 4 else after[-1][0] - 1
            limit = min(limit, 3)
        return after

    def check(self, out_ready: int) -> None:
        after = self.moved(out_ready)
        assert str(self.dut.in_ready.value) == str(int(not after or after[-1][0] > 1)), "in_ready"
        out = self.items[0][1] if self.items and self.items[0][0] == 3 else None
        assert str(self.dut.out_valid.value) == str(int(out is not None)), "out_valid"
        assert out is None or str(self.dut.result.value) == f"{out:016b}", f"result is not {out}"

    async def cycle(self, item: Item, valid: int, ready: int, *, rst: int = 0, known: bool = True) -> None:
        dut = self.dut
        dut.a.value, dut.b.value, dut.c.value = item
        dut.in_valid.value, dut.out_ready.value, dut.rst.value = valid, 1 - ready, rst
        await Timer(2, "ns")
        if known:
            self.check(1 - ready)
        dut.out_ready.value = ready
        await Timer(2, "ns")
        if known:
            self.check(ready)
        dut.clk.value = 1
        after = self.moved(ready)
        if valid and (not after or after[-1][0] > 1):
            a, b, c = item
            after.append([1, min((a + b) * c, 65535)])
        self.items = [] if rst else [entry for entry in after if entry[0] < 4]
        await Timer(1, "ns")
        self.check(ready)
        dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Pipeline:
    dut.clk.value = 0
    pipeline = Pipeline(dut)
    await pipeline.cycle((1, 1, 1), 1, 1, rst=1, known=False)
    return pipeline


@cocotb.test()
async def computes_corners(dut: Any) -> None:
    pipeline = await reset(dut)
    corners = [(255, 255, 255), (255, 2, 255), (255, 1, 255), (255, 0, 255), (255, 255, 128), (255, 255, 129)]
    corners += [(0, 0, 255), (255, 255, 0), (1, 0, 1), (0, 1, 1), (128, 128, 255), (254, 3, 255), (128, 128, 1)]
    for item in [*corners, *[(0, 0, 0)] * 3]:
        await pipeline.cycle(item, 1, 1)


@cocotb.test()
async def agrees_with_the_places_under_random_traffic(dut: Any) -> None:
    pipeline = await reset(dut)
    rng = random.Random(139)
    for number in range(2000):
        offers, takes = ((0.9, 0.3), (0.3, 0.9), (0.6, 0.6), (0.3, 0.3))[number // 40 % 4]
        item = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        rst = int(rng.random() < 0.02)
        await pipeline.cycle(item, int(rng.random() < offers), int(rng.random() < takes), rst=rst)
