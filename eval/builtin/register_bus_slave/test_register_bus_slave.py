"""Transfers by a master that keeps the rules, one after another or with pauses, against a model; read by cocotb."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

CONTROL, STATUS, COUNT, EVENTS = range(4)


class Bus:
    """Drives the design cycle by cycle, keeps its registers as a list, and compares around each edge."""

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        self.registers = [0, 0, 0, 0]
        self.events_rate = 0.05

    async def cycle(
        self, transfer: tuple[int, int, int] | None = None, access: int = 0, *, rst: int = 0, known: bool = True
    ) -> None:
        """One cycle of (write, address, data), or of no transfer; ``access`` counts its cycles after the set-up's."""
        dut, rng = self.dut, self.rng
        write, addr, wdata = transfer or (rng.randrange(2), rng.randrange(16), rng.randrange(256))
        event = rng.randrange(256) if rng.random() < self.events_rate else 0
        dut.sel.value, dut.rst.value = int(transfer is not None), rst
        dut.enable.value = int(access > 0) if transfer else rng.randrange(2)
        dut.write.value, dut.addr.value, dut.event_in.value = write, addr, event
        dut.wdata.value = wdata if access else rng.randrange(256)
        for _ in range(2 if known else 0):
            self.registers[STATUS] = dut.status.value = rng.randrange(256)
            await Timer(2, "ns")
            self.check(write, addr, access)
        ends = access == (2 if addr == COUNT else 1)
        if not known:
            await Timer(4, "ns")
        dut.clk.value = 1
        self.edge(write if ends else 0, addr, wdata, event, rst)
        await Timer(1, "ns")
        # Behind an edge a transfer that ended is still on the wires, so that only what lasts is compared there.
        assert str(dut.irq.value) == self.irq(), "irq"
        dut.clk.value = 0
        await Timer(2, "ns")

    def check(self, write: int, addr: int, access: int) -> None:
        ready = access == (2 if addr == COUNT else 1)
        wrong = addr > EVENTS or (write and addr == STATUS)
        value = self.registers[addr] if ready and not write and not wrong else 0
        want = {"ready": str(int(ready)), "error": str(int(ready and wrong)), "rdata": f"{value:08b}"}
        want["irq"] = self.irq()
        for name, text in want.items():
            seen = str(getattr(self.dut, name).value)
            assert seen == text, f"{name} is {seen}, not {text}, at address {addr}"

    def irq(self) -> str:
        return str(int(self.registers[CONTROL] & 2 > 0 and self.registers[EVENTS] > 0))

    def edge(self, writes: int, addr: int, wdata: int, event: int, rst: int) -> None:
        self.registers[COUNT] = (self.registers[COUNT] + self.registers[CONTROL] % 2) % 256
        if writes and addr == EVENTS:
            self.registers[EVENTS] &= ~wdata
        elif writes and addr in (CONTROL, COUNT):
            self.registers[addr] = wdata
        self.registers[EVENTS] |= event
        if rst:
            self.registers = [0, 0, 0, 0]

    async def transfer(self, write: int, addr: int, wdata: int) -> None:
        for access in range(3 if addr == COUNT else 2):
            await self.cycle((write, addr, wdata), access)


async def reset(dut: Any, seed: int) -> Bus:
    dut.clk.value, dut.status.value = 0, 0
    bus = Bus(dut, seed)
    await bus.cycle(rst=1, known=False)
    return bus


@cocotb.test()
async def reads_back_what_was_written(dut: Any) -> None:
    bus = await reset(dut, 211)
    bus.events_rate = 0.0
    for byte in (0xFE, 0x54, 0xA8, 0x00):
        for addr in (CONTROL, COUNT, EVENTS, STATUS, 4, 8, 12, 15):
            await bus.transfer(1, addr, byte ^ (0x10 if addr == COUNT else 0))
        for addr in range(16):
            await bus.transfer(0, addr, 0xFF)


@cocotb.test()
async def agrees_with_the_model_under_random_transfers(dut: Any) -> None:
    bus = await reset(dut, 223)
    rng = random.Random(227)
    for number in range(700):
        bus.events_rate = (0.02, 0.3)[number // 50 % 2]
        addr = rng.randrange(16) if rng.random() < 0.2 else rng.randrange(4)
        await bus.transfer(rng.randrange(2), addr, rng.choice((rng.randrange(256), 0xFF, 0x01, 0x03)))
        for _ in range(rng.choice((0, 0, 0, 1, 4))):
            await bus.cycle(rst=int(rng.random() < 0.03))


@cocotb.test()
async def counts_up_to_the_end_and_on(dut: Any) -> None:
    bus = await reset(dut, 229)
    await bus.transfer(1, COUNT, 0xF0)
    await bus.transfer(1, CONTROL, 1)
    for _ in range(12):
        await bus.cycle()
        await bus.transfer(0, COUNT, 0)
