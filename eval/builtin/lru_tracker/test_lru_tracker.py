"""Orders as lists of ways under random touches and retirements; read by cocotb inside the simulator."""

from __future__ import annotations

import itertools
import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Tracker:
    """Drives the design and eight lists of ways, last used first, and looks at every way of a set at each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.orders: list[list[int]] = []

    def check(self, index: int, way: int) -> None:
        order = self.orders[index]
        said = (str(self.dut.victim.value), str(self.dut.age.value))
        want = (f"{order[3]:02b}", f"{order.index(way):02b}")
        assert said == want, f"victim and age are {said}, not {want}, of way {way} in set {index} with order {order}"

    async def look(self, index: int, way: int) -> None:
        self.dut.index.value, self.dut.way.value = index, way
        await Timer(1, "ns")
        self.check(index, way)

    async def edge(self, index: int, way: int, *, touch: int = 0, retire: int = 0, rst: int = 0) -> None:
        dut = self.dut
        dut.touch.value, dut.retire.value, dut.rst.value = touch, retire, rst
        dut.index.value, dut.way.value = index, way
        await Timer(1, "ns")
        if self.orders:
            self.check(index, way)
        if rst:
            self.orders = [[3, 2, 1, 0] for _ in range(8)]
        elif touch or retire:
            self.orders[index].remove(way)
            self.orders[index].insert(0 if touch else 3, way)
        dut.clk.value = 1
        await Timer(1, "ns")
        self.check(index, way)
        # Nobody may see what the inputs do between the edges.
        dut.touch.value, dut.retire.value, dut.rst.value = 1 - touch, 1 - retire, 1 - rst
        await self.look((index + 3) % 8, 3 - way)
        dut.clk.value = 0

    async def look_at_all(self) -> None:
        for index, way in itertools.product(range(8), range(4)):
            await self.look(index, way)


async def begin(dut: Any) -> Tracker:
    dut.clk.value = 0
    tracker = Tracker(dut)
    await tracker.edge(2, 1, touch=1, rst=1)
    await tracker.look_at_all()
    return tracker


@cocotb.test()
async def moves_every_way_of_every_order(dut: Any) -> None:
    tracker = await begin(dut)
    for index, order in zip(itertools.cycle(range(8)), itertools.permutations(range(4))):
        for way in range(4):
            for move in ("touch", "retire"):
                for used in reversed(order):
                    await tracker.edge(index, used, touch=1)
                await tracker.edge(index, way, touch=int(move == "touch"), retire=int(move == "retire"))
                for other in range(4):
                    await tracker.look(index, other)
    await tracker.look_at_all()
    await tracker.edge(0, 0, retire=1, rst=1)
    await tracker.look_at_all()


@cocotb.test()
async def agrees_with_lists_under_random_traffic(dut: Any) -> None:
    tracker = await begin(dut)
    rng = random.Random(223)
    for number in range(1000):
        touch, retire = rng.random() < 0.5, rng.random() < 0.4
        rst = int(number % 211 == 210)
        await tracker.edge(rng.randrange(8), rng.randrange(4), touch=int(touch), retire=int(retire), rst=rst)
        if number % 50 == 49:
            await tracker.look_at_all()
