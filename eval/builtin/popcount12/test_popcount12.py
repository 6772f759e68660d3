"""Every word, in an order that changes many bits at once; read by cocotb inside the simulator."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def counts_the_ones_of_every_word(dut: Any) -> None:
    for number in range(4096):
        data = number * 2741 % 4096
        dut.data.value = data
        await Timer(1, "ns")
        assert dut.count.value.is_resolvable, f"count is {dut.count.value} for {data:012b}"
        assert int(dut.count.value) == data.bit_count(), f"count is {int(dut.count.value)} for {data:012b}"
