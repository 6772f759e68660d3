"""Characters with noise, false starts, breaks and resets, against a model that keeps all samples; read by cocotb."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Receiver:
    """Drives the line, keeps the samples of the character that is under way, and compares around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.samples: list[int] = []
        self.broken = False
        self.want = {"data": 0, "valid": 0, "framing_error": 0}

    def edge(self, rst: int, rx: int) -> None:
        self.want.update(valid=0, framing_error=0)
        if rst:
            self.samples, self.broken = [], False
            self.want.update(data=0)
        elif self.broken:
            self.broken = not rx
        elif self.samples or not rx:
            self.samples.append(rx)
            if len(self.samples) == 6 and self.bit(0):
                self.samples = []
            if len(self.samples) == 78:
                self.character()
                self.samples = []

    def bit(self, number: int) -> int:
        return int(sum(self.samples[8 * number + 3 : 8 * number + 6]) >= 2)

    def character(self) -> None:
        if self.bit(9):
            self.want.update(valid=1, data=sum(self.bit(1 + place) << place for place in range(8)))
        else:
            self.broken = True
            self.want.update(framing_error=1)

    def check(self) -> None:
        for name, want in self.want.items():
            value = str(getattr(self.dut, name).value)
            assert value == f"{want:0{8 if name == 'data' else 1}b}", f"{name} is {value}, not {want:b}"

    async def cycle(self, rx: int, *, rst: int = 0, known: bool = True) -> None:
        self.dut.rx.value, self.dut.rst.value = rx, rst
        await Timer(4, "ns")
        if known:
            self.check()
        self.dut.clk.value = 1
        self.edge(rst, rx)
        await Timer(1, "ns")
        self.check()
        self.dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Receiver:
    dut.clk.value = 0
    receiver = Receiver(dut)
    await receiver.cycle(0, rst=1, known=False)
    return receiver


def line(byte: int, stop: int = 1) -> list[int]:
    bits = [0, *(byte >> place & 1 for place in range(8)), stop]
    return [bit for bit in bits for _ in range(8)]


@cocotb.test()
async def receives_clean_characters_without_a_pause(dut: Any) -> None:
    receiver = await reset(dut)
    for byte in (0x00, 0xFF, 0xA6, 0x01, 0x80, 0x5B):
        for rx in line(byte):
            await receiver.cycle(rx)
        assert receiver.want["data"] == byte
    # Too short a stop bit: the next character begins at the first edge at which it can.
    for rx in [*line(0x39)[:78], *line(0xC7), 1, 1]:
        await receiver.cycle(rx)
    assert receiver.want["data"] == 0xC7


@cocotb.test()
async def tells_false_starts_and_breaks(dut: Any) -> None:
    receiver = await reset(dut)
    for length in range(1, 8):
        for rx in [0] * length + [1] * 90:
            await receiver.cycle(rx)
    for length in (76, 77, 78, 79, 90, 170):
        for rx in [0] * length + line(0x2D) + [1] * 8:
            await receiver.cycle(rx)
    # A reset ends the wait for the end of a break.
    for rx in [0] * 80:
        await receiver.cycle(rx)
    await receiver.cycle(0, rst=1)
    for rx in line(0xB4):
        await receiver.cycle(rx)
    assert receiver.want["data"] == 0xB4


def noisy(rng: random.Random) -> Iterator[int]:
    """Characters where the outer edges of each bit say anything, and one of the inner three is wrong now and then."""
    for _ in range(45):
        bits = line(rng.randrange(256), int(rng.random() < 0.85))
        for edge, bit in enumerate(bits):
            inner = edge % 8 in (3, 4, 5)
            wrong = edge > 0 and rng.random() < (0.12 if inner else 0.5)
            yield 1 - bit if wrong else bit
        yield from [1] * rng.randrange(12)
        yield from [0] * rng.choice((0, 0, 1, 2, 3, 4))
        yield from [1] * rng.choice((0, 1, 2, 20))


@cocotb.test()
async def takes_the_majority_on_a_noisy_line(dut: Any) -> None:
    receiver = await reset(dut)
    rng = random.Random(173)
    for rx in noisy(rng):
        await receiver.cycle(rx, rst=int(rng.random() < 0.002))
