"""A master that writes, reads, breaks off and resets, against a model that works on whole pulses; read by cocotb."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Wire:
    """Plays the master's side and the wire, keeps the pulses of the message, and compares around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.registers = [0, 0, 0, 0]
        self.message: list[int] | None = None  # the lengths of its pulses
        self.length = 0
        self.now, self.release = 0, 0  # pull is 1 up to the edge number `release`

    def level(self, bits: list[int]) -> int:
        return sum(1 << place for place, length in enumerate(reversed(bits)) if length <= 5)

    def falls(self) -> None:
        if self.message is None or len(self.message) < 3 or self.message[0] > 5:
            return
        register = self.registers[self.level(self.message[1:3])]
        if f"{register:08b}"[len(self.message) - 3] == "0":
            self.release = self.now + 7

    def rises(self) -> None:
        if self.length >= 16:
            self.message = []
        elif self.message is not None:
            self.message.append(self.length)
            if len(self.message) == 11:
                if self.message[0] > 5:
                    self.registers[self.level(self.message[1:3])] = self.level(self.message[3:])
                self.message = None

    def edge(self, rst: int, line: int) -> None:
        self.now += 1
        if rst:
            self.registers, self.message, self.length, self.release = [0, 0, 0, 0], None, 0, 0
        elif line:
            if self.length:
                self.rises()
            self.length = 0
        else:
            if not self.length:
                self.falls()
            self.length += 1

    def check(self) -> None:
        pull, value = str(self.dut.pull.value), str(self.dut.value.value)
        assert pull == str(int(self.now < self.release)), f"pull is {pull}"
        assert value == f"{self.registers[0]:08b}", f"value is {value}, not {self.registers[0]:08b}"

    async def cycle(self, master: int, *, rst: int = 0, known: bool = True) -> int:
        line = master & (self.now >= self.release)
        self.dut.line.value, self.dut.rst.value = line, rst
        await Timer(4, "ns")
        if known:
            self.check()
        self.dut.clk.value = 1
        self.edge(rst, line)
        await Timer(1, "ns")
        self.check()
        self.dut.clk.value = 0
        self.dut.line.value = master & (self.now >= self.release)
        await Timer(2, "ns")
        return line

    async def pulse(self, length: int, pause: int) -> int:
        """Pulls the wire for ``length`` edges, lets go, and waits until it has been 1; the pulse's length as seen."""
        seen = 0
        for _ in range(length):
            seen += 1 - await self.cycle(0)
        while not await self.cycle(1):
            seen += 1
        for _ in range(pause - 1):
            await self.cycle(1)
        return seen


async def reset(dut: Any) -> Wire:
    dut.clk.value = 0
    wire = Wire(dut)
    await wire.cycle(0, rst=1, known=False)
    return wire


@cocotb.test()
async def reads_back_what_was_written(dut: Any) -> None:
    wire = await reset(dut)
    await wire.pulse(3, 2)
    for address, byte in ((0, 0xA7), (1, 0x1E), (2, 0x80), (3, 0x7F)):
        await wire.pulse(16, 2)
        for bit in f"0{address:02b}{byte:08b}":
            await wire.pulse(5 if bit == "1" else 6, 1)
        await wire.pulse(3, 1)  # beyond the end of the message
    for address, byte in ((3, 0x7F), (0, 0xA7), (2, 0x80), (1, 0x1E)):
        await wire.pulse(20, 1)
        for bit in f"1{address:02b}":
            await wire.pulse(1 if bit == "1" else 15, 1)
        read = [await wire.pulse(1 + place % 3, 2) <= 5 for place in range(8)]
        assert read == [bit == "1" for bit in f"{byte:08b}"]
        await wire.pulse(1, 1)


@cocotb.test()
async def agrees_with_the_model_on_random_pulses(dut: Any) -> None:
    wire = await reset(dut)
    rng = random.Random(191)
    for _ in range(50):
        if rng.random() < 0.9:
            await wire.pulse(rng.choice((16, 16, 17, 33, 40)), rng.randrange(1, 4))
        for _ in range(11 if rng.random() < 0.8 else rng.randrange(14)):
            reading = wire.message is not None and len(wire.message) > 2 and wire.message[0] <= 5
            length = rng.choice((1, 2, 3, 9) if reading and rng.random() < 0.9 else (1, 3, 4, 5, 6, 7, 15))
            if rng.random() < 0.015:
                for _ in range(rng.randrange(length)):
                    await wire.cycle(0)
                await wire.cycle(rng.randrange(2), rst=1)
            await wire.pulse(length, rng.randrange(1, 3))
