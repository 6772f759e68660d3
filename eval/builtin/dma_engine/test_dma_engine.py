"""Copies, fills, overlaps and aborts in a memory of Python's, against a list of accesses to come; read by cocotb."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import Timer

Job = tuple[int, int, int, int]


class Engine:
    """Plays the memory, keeps the accesses still to come as (write, address), and compares around each edge."""

    def __init__(self, dut: Any, rng: random.Random) -> None:
        self.dut, self.rng = dut, rng
        self.memory = [rng.randrange(256) for _ in range(256)]
        self.plan: deque[tuple[int, int]] = deque()
        self.byte, self.done = 0, 0

    def check(self) -> None:
        assert str(self.dut.done.value) == str(self.done), "done"
        assert str(self.dut.req.value) == str(int(bool(self.plan))), "req"
        if self.plan:
            write, address = self.plan[0]
            assert str(self.dut.we.value) == str(write), "we"
            assert str(self.dut.addr.value) == f"{address:08b}", f"addr is not {address}"
            assert not write or str(self.dut.wdata.value) == f"{self.byte:08b}", "wdata is not the byte that was read"

    def edge(self, job: Job | None, ready: int, abort: int, rst: int) -> None:
        self.done = 0
        if self.plan and ready:
            write, address = self.plan.popleft()
            if write:
                self.memory[address] = self.byte
            else:
                self.byte = self.memory[address]
            self.done = int(not self.plan)
            if abort:
                self.plan.clear()
                self.done = 0
        elif self.plan and abort:
            self.plan.clear()
        elif not self.plan and job is not None:
            source, target, length, fixed = job
            for i in range(length):
                self.plan += [(0, source if fixed else (source + i) % 256), (1, (target + i) % 256)]
            self.done = int(not length)
        if rst:
            self.plan.clear()
            self.done = 0

    async def cycle(
        self, job: Job | None = None, *, ready: int = 1, abort: int = 0, rst: int = 0, known: bool = True
    ) -> None:
        dut, random_byte = self.dut, self.rng.randrange(256)
        values = job or (random_byte, random_byte ^ 0x5A, random_byte >> 3, random_byte & 1)
        dut.source.value, dut.target.value, dut.length.value, dut.fixed.value = values
        dut.start.value, dut.ready.value, dut.abort.value, dut.rst.value = int(job is not None), ready, abort, rst
        reads = bool(self.plan) and not self.plan[0][0] and ready
        dut.rdata.value = self.memory[self.plan[0][1]] if reads else random_byte ^ 0xC3
        await Timer(4, "ns")
        if known:
            self.check()
        dut.clk.value = 1
        self.edge(job, ready, abort, rst)
        await Timer(1, "ns")
        self.check()
        dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Engine:
    dut.clk.value = 0
    engine = Engine(dut, random.Random(197))
    await engine.cycle((1, 2, 3, 0), rst=1, known=False)
    return engine


@cocotb.test()
async def copies_without_waiting(dut: Any) -> None:
    engine = await reset(dut)
    before = list(engine.memory)
    for job in ((0x10, 0x80, 16, 0), (0xFC, 0x40, 8, 0), (0x20, 0xFE, 5, 1), (7, 9, 0, 0), (0x33, 0x34, 1, 1)):
        await engine.cycle(job)
        for _ in range(2 * job[2]):
            await engine.cycle((1, 2, 3, 0))  # ignored, since req is 1 at each of these edges
        await engine.cycle()
        await engine.cycle()
    assert engine.memory[0x80:0x90] == before[0x10:0x20]


@cocotb.test()
async def copies_all_of_the_memory(dut: Any) -> None:
    engine = await reset(dut)
    await engine.cycle((0, 1, 255, 0))
    while engine.plan:
        await engine.cycle()
    assert len(set(engine.memory)) == 1


@cocotb.test()
async def agrees_with_the_plan_under_random_jobs(dut: Any) -> None:
    engine = await reset(dut)
    rng = random.Random(199)
    for number in range(3500):
        length = rng.choice((0, 1, 1, 2, 3, 4, 9))
        job = (rng.randrange(256), rng.randrange(256), length, rng.randrange(2))
        ready = int(rng.random() < (1.0, 0.5, 0.2)[number // 200 % 3])
        abort, rst = int(rng.random() < 0.03), int(rng.random() < 0.01)
        await engine.cycle(job if rng.random() < 0.4 else None, ready=ready, abort=abort, rst=rst)
