"""Turns at the half turn's borders, at full scale and at random, edge by edge; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

TURNS = (8192, 4836, 2555, 1297, 651, 326, 163, 81)
Vector = tuple[int, int, int]


def turned(x: int, y: int, z: int) -> Vector:
    """The results of a half turn, where it is needed, and eight steps with one sign each."""
    if abs(z) > 16384:
        x, y, z = -x, -y, z - 32768 if z > 0 else z + 32768
    for number, turn in enumerate(TURNS):
        sign = -1 if z < 0 else 1
        x, y, z = x - sign * (y >> number), y + sign * (x >> number), z - sign * turn
    return x, y, z


class Rotator:
    """Gives one edge at a time; checks busy and done always, and the results while they must hold."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.left = 0
        self.done = False
        self.coming: Vector | None = None
        self.result: Vector | None = None

    def check(self) -> None:
        dut = self.dut
        said = (str(dut.busy.value), str(dut.done.value))
        assert said == (str(int(self.left > 0)), str(int(self.done))), f"busy and done are {said}, {self.left} left"
        if self.result is not None:
            ports = (dut.x_out.value, dut.y_out.value, dut.z_out.value)
            assert all(port.is_resolvable for port in ports), f"the results are {ports}"
            numbers = tuple(port.to_signed() for port in ports)
            assert numbers == self.result, f"the results are {numbers}, not {self.result}"

    async def edge(self, vector: Vector, start: int, *, rst: int = 0, known: bool = True) -> None:
        dut = self.dut
        dut.x_in.value, dut.y_in.value, dut.angle.value = vector
        dut.start.value, dut.rst.value = start, rst
        await Timer(5, "ns")
        if known:
            self.check()
        self.done = not rst and self.left == 1
        if rst:
            self.left, self.result = 0, None
        elif self.left:
            self.left -= 1
            self.result = self.coming if self.done else None
        elif start:
            self.left, self.coming, self.result = 8, turned(*vector), None
        dut.clk.value = 1
        await Timer(1, "ns")
        self.check()
        dut.clk.value, dut.start.value, dut.rst.value = 0, 1 - start, 1 - rst
        await Timer(4, "ns")

    async def turn(self, vector: Vector, other: Vector) -> None:
        """Start with ``vector``, show ``other`` while the work goes on, and look at the results once."""
        await self.edge(vector, 1)
        for number in range(8):
            await self.edge(other, number % 2)


async def begin(dut: Any) -> Rotator:
    dut.clk.value = 0
    rotator = Rotator(dut)
    await rotator.edge((1, 2, 3), 1, rst=1, known=False)
    await rotator.edge((4, 5, 6), 0)
    return rotator


@cocotb.test()
async def turns_at_borders_and_at_full_scale(dut: Any) -> None:
    rotator = await begin(dut)
    borders = (-32768, -16385, -16384, -16383, -1, 0, 1, 8191, 8192, 16383, 16384, 16385, 32767)
    corners = ((-2048, -2048), (2047, -2048), (-2048, 2047), (1234, 0))
    for number, angle in enumerate(borders):
        for x, y in (corners[number % 4], corners[(number + 1) % 4]):
            await rotator.turn((x, y, angle), (y, x, -1 - angle))


@cocotb.test()
async def turns_random_vectors(dut: Any) -> None:
    rotator = await begin(dut)
    rng = random.Random(197)
    for _ in range(120):
        vectors = [(rng.randrange(-2048, 2048), rng.randrange(-2048, 2048), rng.randrange(-32768, 32768)) for _ in "ab"]
        await rotator.turn(*vectors)


@cocotb.test()
async def waits_for_starts_and_gives_up_on_reset(dut: Any) -> None:
    rotator = await begin(dut)
    rng = random.Random(199)
    for number in range(500):
        vector = (rng.randrange(-2048, 2048), rng.randrange(-2048, 2048), rng.randrange(-32768, 32768))
        await rotator.edge(vector, int(rng.random() < 0.2), rst=int(number % 61 == 60))
