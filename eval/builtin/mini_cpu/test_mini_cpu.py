"""Programs at random, after one that fills the memory, against an interpreter; read by cocotb inside the simulator."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

REGISTERS = {"pc": 8, "acc": 8, "carry": 1, "port_out": 8, "halted": 1}


class Processor:
    """Gives the design its program, interprets the same program, and compares the registers around each edge."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.memory = [0] * 16
        self.r = dict.fromkeys(REGISTERS, 0)

    def step(self, op: int, n: int, port_in: int) -> None:
        r, m = self.r, self.memory[n % 16]
        if r["halted"]:
            return
        if op == 15:
            r["halted"] = 1
            return
        taken = op == 11 or (op == 12 and not r["acc"]) or (op == 13 and r["carry"])
        r["pc"] = n if taken else (r["pc"] + 1) % 256
        acc = r["acc"]
        if op in (4, 5, 8):
            exact = {4: acc + m, 5: acc - m, 8: acc + n}[op]
            r["acc"], r["carry"] = exact % 256, int(not 0 <= exact < 256)
        elif op == 14:
            r["acc"], r["carry"] = acc // 2 + 128 * r["carry"], acc % 2
        elif op == 3:
            self.memory[n % 16] = acc
        elif op == 10:
            r["port_out"] = acc
        else:
            r["acc"] = {1: n, 2: m, 6: acc & m, 7: acc ^ m, 9: port_in}.get(op, acc)

    def check(self) -> None:
        for name, width in REGISTERS.items():
            seen = str(getattr(self.dut, name).value)
            assert seen == f"{self.r[name]:0{width}b}", f"{name} is {seen}, not {self.r[name]:0{width}b}"

    async def cycle(self, op: int, n: int, port_in: int, *, rst: int = 0, known: bool = True) -> None:
        dut = self.dut
        dut.instruction.value, dut.port_in.value, dut.rst.value = op << 8 | n, port_in, rst
        await Timer(4, "ns")
        if known:
            self.check()
        dut.clk.value = 1
        if rst:
            self.r = dict.fromkeys(REGISTERS, 0)
        else:
            self.step(op, n, port_in)
        await Timer(1, "ns")
        self.check()
        dut.clk.value = 0
        await Timer(2, "ns")


async def reset(dut: Any) -> Processor:
    """A processor whose memory has been filled."""
    dut.clk.value = 0
    processor = Processor(dut)
    await processor.cycle(3, 7, 0, rst=1, known=False)
    for address in range(16):
        await processor.cycle(1, (0xD3 ^ 29 * address) % 256, 0)
        await processor.cycle(3, 0xA0 + address, 0)
    return processor


@cocotb.test()
async def multiplies_by_adding(dut: Any) -> None:
    processor = await reset(dut)
    # M[0] = 0; M[1] = 11 times: M[0] += 23; port_out = M[0]; halt.
    program = [(1, 0), (3, 0), (1, 11), (3, 1), (12, 12), (8, 255), (3, 1), (2, 0), (8, 23), (3, 0), (2, 1), (11, 4)]
    program += [(2, 0), (10, 0), (15, 0)]
    await processor.cycle(0, 0, 0, rst=1)
    while not processor.r["halted"]:
        await processor.cycle(*program[processor.r["pc"]], 0x77)
    assert processor.r["port_out"] == 11 * 23
    await processor.cycle(11, 0x80, 0x77)
    await processor.cycle(1, 0x80, 0x77)
    await processor.cycle(3, 0, 0x77, rst=1)


@cocotb.test()
async def agrees_with_the_interpreter_on_random_programs(dut: Any) -> None:
    processor = await reset(dut)
    rng = random.Random(233)
    numbers = (0, 1, 127, 128, 255)
    for _ in range(30):
        some = (*numbers, *rng.sample(range(256), 60))
        program = [(rng.choice((*range(15), *range(16), 12, 13, 13)), rng.choice(some)) for _ in range(256)]
        for _ in range(rng.randrange(20, 160)):
            op, n = program[processor.r["pc"]]
            await processor.cycle(op, n, rng.choice((0, rng.randrange(256))))
        await processor.cycle(rng.randrange(16), rng.randrange(256), 0, rst=1)
