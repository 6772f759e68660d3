"""Searches with hits, near hits and several hits, between random writes; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer


class Memory:
    """Drives the design and a table of (key, mask), and compares the results around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.entries: dict[int, tuple[int, int]] = {}
        self.want = ("0", "0", "0", "000")
        self.rng = random.Random(173)

    def check(self) -> None:
        dut = self.dut
        said = tuple(str(port.value) for port in (dut.done, dut.match, dut.multiple, dut.index))
        assert said == self.want, f"done, match, multiple, index are {said}, not {self.want}"

    def result(self, skey: int) -> tuple[str, str, str, str]:
        hits = [number for number in range(8) if number in self.entries and self._matches(number, skey)]
        return ("1", str(int(bool(hits))), str(int(len(hits) > 1)), f"{min(hits, default=0):03b}")

    def _matches(self, number: int, skey: int) -> bool:
        key, mask = self.entries[number]
        return key & mask == skey & mask

    async def cycle(
        self, entry: tuple[int, int, int, bool] | None, skey: int | None, *, rst: int = 0, known: bool = True
    ) -> None:
        """One edge: ``entry`` is (number, key, mask, valid) to write, ``skey`` what to look for."""
        dut, rng = self.dut, self.rng
        number, key, mask, valid = entry or (rng.randrange(8), rng.randrange(256), rng.randrange(256), True)
        dut.write.value, dut.waddr.value, dut.wkey.value, dut.wmask.value = int(entry is not None), number, key, mask
        dut.wvalid.value, dut.rst.value = int(valid), rst
        dut.search.value, dut.skey.value = int(skey is not None), rng.randrange(256) if skey is None else skey
        await Timer(4, "ns")
        if known:
            self.check()
        self.want = ("0", "0", "0", "000") if rst or skey is None else self.result(skey)
        if rst:
            self.entries.clear()
        elif entry is not None:
            self.entries.pop(number, None)
            if valid:
                self.entries[number] = (key, mask)
        dut.clk.value = 1
        await Timer(1, "ns")
        self.check()
        dut.clk.value, dut.rst.value = 0, 1
        await Timer(5, "ns")


async def begin(dut: Any) -> Memory:
    dut.clk.value = 0
    memory = Memory(dut)
    await memory.cycle((5, 0x12, 0x00, True), 0x12, rst=1, known=False)
    await memory.cycle(None, 0x12)
    return memory


@cocotb.test()
async def compares_every_bit_that_the_mask_names(dut: Any) -> None:
    memory = await begin(dut)
    for number in range(8):
        for mask in (0xFF, 1 << number, 0xFF ^ 1 << (7 - number)):
            await memory.cycle((number, 0x5A, mask, True), 0x5A)
            for bit in range(8):
                await memory.cycle(None, 0x5A ^ 1 << bit)
        await memory.cycle((number, 0x5A, 0xFF, False), None)


@cocotb.test()
async def tells_the_lowest_of_several_entries(dut: Any) -> None:
    memory = await begin(dut)
    for number in range(8):
        await memory.cycle((number, 0xC3, 0xFF, True), 0xC3)
    for number in range(8):
        await memory.cycle(None, 0xC3)
        await memory.cycle((number, 0xC3, 0xFF, False), 0xC3)
    await memory.cycle(None, 0xC3)


@cocotb.test()
async def agrees_with_a_table_under_random_traffic(dut: Any) -> None:
    memory = await begin(dut)
    rng = random.Random(179)
    for number in range(1000):
        key, mask = rng.randrange(256), 0xFF ^ (1 << rng.randrange(8) | 1 << rng.randrange(8))
        if memory.entries and rng.random() < 0.7:
            key = rng.choice(list(memory.entries.values()))[0] ^ (rng.random() < 0.5) << rng.randrange(8)
        entry = (rng.randrange(8), key, mask, rng.random() < 0.7) if rng.random() < 0.4 else None
        await memory.cycle(entry, key if rng.random() < 0.8 else None, rst=int(number % 97 == 96))
