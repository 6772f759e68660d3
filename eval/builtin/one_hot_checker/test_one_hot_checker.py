"""Every code, in an order that changes many bits at once; read by cocotb inside the simulator."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def sorts_every_code(dut: Any) -> None:
    for number in range(512):
        code = number * 181 % 256
        dut.code.value = code
        await Timer(1, "ns")
        places = [place for place in range(8) if code >> place & 1]
        said = tuple(str(port.value) for port in (dut.one_hot, dut.none, dut.many))
        want = tuple(str(int(condition)) for condition in (len(places) == 1, not places, len(places) > 1))
        assert said == want, f"one_hot, none, many are {said} for {code:08b}"
        position = places[0] if len(places) == 1 else 0
        assert str(dut.position.value) == f"{position:03b}", f"position is {dut.position.value} for {code:08b}"
