"""A circuit as RTL: its header, its body under the names of a problem, in Verilog-2001 or SystemVerilog.

Reads a ``Circuit``; writes nothing.
"""

from __future__ import annotations

import re

from autovcoder.records import Language, Port
from data_pipeline.circuit import Circuit, Names, vec

IDENTIFIER = re.compile(r"(?<!['\w$.])[A-Za-z_]\w*")
"""Not a sized literal (``8'd1``), nor a connected port (``.a(x)``)."""


def rename(text: str, names: Names) -> str:
    """Replace identifiers in RTL text."""
    return IDENTIFIER.sub(lambda m: names.get(m[0], m[0]), text)


def header(circuit: Circuit, module: str, names: Names, language: Language) -> str:
    """The module header, one port a line."""
    lines = []
    for port in circuit.ports:
        kind = " reg" if port.name in circuit.registers else ""
        if language == "systemverilog":
            kind = " logic"
        lines.append(f"    {port.direction}{kind} {packed_range(circuit, port)}{names.get(port.name, port.name)}")
    given = ", ".join(f"parameter {name} = {value}" for name, value in circuit.parameters.items())
    return f"module {module} {f'#({given}) ' if given else ''}(\n" + ",\n".join(lines) + "\n);"


def packed_range(circuit: Circuit, port: Port) -> str:
    """A port's packed range with a space behind it, in terms of the parameters where it depends on one."""
    return f"{circuit.ranges[port.name]} " if port.name in circuit.ranges else vec(port.width or 1)


def render(circuit: Circuit, module: str, names: Names, language: Language = "verilog-2001") -> str:
    """The complete module as text, with the modules that it needs below it.

    The SystemVerilog form is a rewriting of ours: the bodies keep to the few constructs that are named here.
    """
    body, below = in_language(circuit.body, language), in_language(circuit.submodules, language)
    text = f"{header(circuit, module, names, language)}\n{rename(body, names)}\nendmodule\n"
    return f"{text}\n{below.strip()}\n" if below else text


def in_language(text: str, language: Language) -> str:
    """RTL of a family, which is written in Verilog-2001, in that language or in SystemVerilog."""
    if language == "verilog-2001":
        return text
    text = text.replace("always @(*)", "always_comb")
    text = re.sub(r"always @\((pos|neg)edge", r"always_ff @(\1edge", text)
    return re.sub(r"\breg\b", "logic", text)
