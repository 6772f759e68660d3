"""Settles an answer's module header by the header that was asked for: what that fixes is no matter of the model's.

Reads an answer's text and the header; writes the text. The ports are read by the front end, the rest from tokens.
"""

from __future__ import annotations

import re

from hdl_sim.slang import Module, read_source
from hdl_sim.spans import module_spans
from hdl_sim.tokens import is_word, tokens

_UNNAMED = re.compile(r"^([ \t]*module)\s*(?=\(\s*(?:input|output|inout)\b)", re.MULTILINE)


def header_name(header: str) -> str | None:
    """The name of the module that a header opens; None where it opens none."""
    spans = module_spans(header)
    return spans[0].name if spans else None


def port_names(header: str) -> tuple[str, ...]:
    """The ports of a header without parameters, in their order; empty where it has parameters or cannot be read."""
    module = _only_module(header + "\nendmodule")
    return () if module is None or "#" in header else tuple(port.name for port in module.ports)


def name_module(text: str, name: str) -> str:
    """The text with ``module NAME`` where an answer has ``Module NAME``, or a ``module`` with ports and without name.

    Only where no module is called so.
    """
    if any(span.name == name for span in module_spans(text)):
        return text
    text = re.sub(rf"(?m)^([ \t]*)Module(?=\s+{re.escape(name)}\s*[(#;])", r"\1module", text)
    # All of them: a draft without a name may stand before the answer proper, and the last complete one counts.
    return _UNNAMED.sub(lambda opening: f"{opening[1]} {name} ", text)


def rename_module(code: str, header: str, name: str) -> str:
    """The code with its only design called ``name``, where none is and that design has exactly the header's ports.

    A benchmark's own way is to put its header before the answer, so that the name is never the model's to choose. Of
    designs, only one that no other uses counts, and ports must agree in name, direction and width.
    """
    spans = module_spans(code)
    if any(span.name == name for span in spans):
        return code
    asked = _only_module(header + "\nendmodule")
    source = read_source(code)
    used = {inner for module in source.modules for inner in module.instances}
    tops = [module for module in source.modules if module.name not in used]
    if asked is None or len(tops) != 1 or not asked.ports or set(tops[0].ports) != set(asked.ports):
        return code
    span = next((span for span in spans if span.name == tops[0].name), None)
    if span is None:
        return code  # a macro made it
    found = list(tokens(code[: span.end], span.start))
    places = [found[1], *(t for t in found[-1:] if t.text == span.name and not is_word(t, "endmodule"))]
    for token in reversed(places):
        code = code[: token.start] + name + code[token.end :]
    return code


def _only_module(code: str) -> Module | None:
    modules = read_source(code).modules
    return modules[0] if len(modules) == 1 else None
