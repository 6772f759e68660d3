"""The checksum as the remainder of a division of the whole message; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

DIVISOR = (1 << 16) | (1 << 12) | (1 << 5) | 1


def remainder(number: int) -> int:
    """What is left of a polynomial over GF(2) after the division by DIVISOR."""
    while (surplus := number.bit_length() - 17) >= 0:
        number ^= DIVISOR << surplus
    return number


class Unit:
    """Drives the design and keeps where the register started and which bits have entered since."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.start, self.message, self.length = 0, 0, 0

    def crc(self) -> int:
        return remainder((self.start << self.length) ^ (self.message << 16))

    def check(self, send: int, bit: int) -> None:
        crc = self.crc()
        assert str(self.dut.crc.value) == f"{crc:016b}", f"crc is {self.dut.crc.value}, not {crc:016b}"
        assert str(self.dut.good.value) == str(int(crc == 0)), "good"
        assert str(self.dut.out.value) == str(crc >> 15 if send else bit), "out"

    def edge(self, rst: int, clear: int, en: int, send: int, bit: int) -> None:
        if rst or clear:
            self.start, self.message, self.length = 0xFFFF if rst else 0, 0, 0
        elif en and send:
            self.start, self.message, self.length = self.crc() << 1 & 0xFFFF, 0, 0
        elif en:
            self.message, self.length = self.message << 1 | bit, self.length + 1

    async def cycle(
        self, *, rst: int = 0, clear: int = 0, en: int = 1, send: int = 0, bit: int = 0, known: bool = True
    ) -> None:
        dut = self.dut
        dut.rst.value, dut.clear.value, dut.en.value, dut.send.value = rst, clear, en, 1 - send
        dut["in"].value = bit
        await Timer(2, "ns")
        dut.send.value = send
        await Timer(2, "ns")
        if known:
            self.check(send, bit)
        dut.clk.value = 1
        self.edge(rst, clear, en, send, bit)
        await Timer(1, "ns")
        self.check(send, bit)
        dut.clk.value = 0
        dut["in"].value, dut.send.value = 1 - bit, 1 - send
        await Timer(1, "ns")
        self.check(1 - send, 1 - bit)
        await Timer(1, "ns")


async def reset(dut: Any) -> Unit:
    dut.clk.value = 0
    unit = Unit(dut)
    await unit.cycle(rst=1, known=False)
    return unit


@cocotb.test()
async def a_message_with_its_checksum_leaves_nothing(dut: Any) -> None:
    unit = await reset(dut)
    rng = random.Random(149)
    for _ in range(6):
        await unit.cycle(rst=rng.randrange(2), clear=1)
        for _ in range(rng.randrange(1, 60)):
            await unit.cycle(bit=rng.randrange(2))
        crc = unit.crc()
        for place in range(15, -1, -1):
            await unit.cycle(bit=crc >> place & 1)
        assert unit.crc() == 0
        await unit.cycle(en=0)


@cocotb.test()
async def agrees_with_the_division_under_random_orders(dut: Any) -> None:
    unit = await reset(dut)
    rng = random.Random(151)
    sending = 0
    for _ in range(2000):
        sending ^= rng.random() < 0.1
        few = [int(rng.random() < 0.01) for _ in range(2)]
        await unit.cycle(rst=few[0], clear=few[1], en=int(rng.random() < 0.8), send=sending, bit=rng.randrange(2))
