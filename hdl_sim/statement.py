"""What a specification itself says about the interface, and whether code meets it: never a guess.

Reads a specification, an optional module header, and the `Source` of a candidate; writes an `Agreement`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from autovcoder.errors import InputError
from autovcoder.records import Port, Record
from hdl_sim.slang import Module, Source, read_source
from hdl_sim.spans import module_spans
from hdl_sim.stated_ports import NAME, find_ports, squeezed, unquoted
from hdl_sim.tokens import is_word, tokens

# How a specification names the module that it asks for.
_IS = r"(?:is|must\s+be|should\s+be|shall\s+be|will\s+be)"
_TOP = r"(?:top[- ]?(?:level)?\s+)?(?:verilog\s+|systemverilog\s+)?module"
# After a bare name: the end of a phrase. "Name the module counter based on ..." names nothing for certain.
_END = r"(?=\s*(?:[.,;:()\n]|$)|\s+(?:with|and|that|which|having|in|for|to|whose|where|using)\b)"
_NAME_FORMS = [
    re.compile(form.format(IS=_IS, TOP=_TOP) + rf"\s*(?P<name>{NAME})" + _END, re.IGNORECASE)
    for form in (
        r"\bmodule(?:'s)?\s+name\b\s*(?:{IS}\b\s*:?|[:=])?",
        r"\bname\s+of\s+the\s+{TOP}\s+{IS}\b",
        r"\b(?:name|call)\s+(?:the|this|your)\s+{TOP}\b\s*:?",
        r"\b(?:name|call)\s+it\b",
        r"\bmodule\s*,?\s*(?:(?:{IS}|that\s+is|which\s+is)\s+)?(?:named|called)\b\s*:?",
    )
]
_NAME_FORMS.append(re.compile(rf"\b{_TOP}\s+(?P<name>`[A-Za-z_]\w*`)", re.IGNORECASE))
# In the same sentence before the name: the text speaks of a module that exists already.
_OTHER_MODULE = re.compile(
    r"\b(?:given|provided|existing|instan\w+|sub-?modules?|sub-?circuits?|contains?|containing|helpers?|library|each|"
    r"two|three|four|copies|same|not|don't|never|to\s+use)\b",
    re.IGNORECASE,
)
# Words that follow "module named" or "call it" without being a name.
_WORDS = """
    a an the as to for by after with in it its that this which below above accordingly something anything whatever is
    and or of from on using has have must should shall will whose where when what any name names named here up not free
"""
_NO_NAME = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Stated:
    """What a specification states; None where it does not.

    Attributes:
        ports: those that are stated, in the header's order or the text's; a width of None was not stated.
        header: the module header, from ``module`` to ``;``.
    """

    name: str | None = None
    ports: tuple[Port, ...] | None = None
    header: str | None = None

    @property
    def start(self) -> str:
        """What code may begin with in order to meet this: the header, or ``module`` and the name, or nothing."""
        return self.header or (f"module {self.name}" if self.name else "")


class Answer(Record):
    """Whether code meets one thing that was stated; ``which`` tells what does not match, empty unless ``no``."""

    value: Literal["yes", "no", "not stated"]
    which: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.which})" if self.which else self.value


class Agreement(Record):
    """Whether code has the module name, the ports and the header that were stated.

    ``ports``: every stated port is there, with the stated direction and width; more ports are allowed. ``header``: the
    name, and exactly these ports in this order.
    """

    name: Answer
    ports: Answer
    header: Answer

    @property
    def agrees(self) -> bool:
        """Nothing that was stated is contradicted."""
        return "no" not in (self.name.value, self.ports.value, self.header.value)


NOT_STATED = Answer(value="not stated")
YES = Answer(value="yes")


def stated_interface(spec: str, header: str | None = None) -> Stated:
    """What is explicit in a specification: a header given with it or standing in it, a name, a list of ports.

    A header decides everything that it states. Names that contradict each other count as not stated.

    Raises:
        InputError: ``header`` is not a module header.
    """
    if header and header.strip():
        return _from_header(header)
    name = _stated_name(spec)
    inside = _header_in_text(spec, name)
    if inside is not None:
        return inside
    return Stated(name, find_ports(_without_others(spec, name)) or None, None)


def compare(stated: Stated, source: Source) -> Agreement:
    """Whether the code that ``source`` was read from meets what was stated."""
    if not source.modules:
        no = Answer(value="no", which="the code has no module")
        return Agreement(
            name=no if stated.name else NOT_STATED,
            ports=no if stated.ports else NOT_STATED,
            header=no if stated.header else NOT_STATED,
        )
    module = asked_module(stated, source)
    name, ports = _compare_name(stated, module), _compare_ports(stated, module)
    return Agreement(name=name, ports=ports, header=_compare_header(stated, module, name, ports))


def _compare_name(stated: Stated, module: Module) -> Answer:
    if stated.name is None:
        return NOT_STATED
    if module.name == stated.name:
        return YES
    return Answer(value="no", which=f"the module is named {module.name}, asked {stated.name}")


def _compare_ports(stated: Stated, module: Module) -> Answer:
    if not stated.ports:
        return NOT_STATED
    found = {port.name: port for port in module.ports}
    wrong = []
    for asked in stated.ports:
        port = found.get(asked.name)
        if port is None:
            wrong.append(f"{asked.name} is missing")
        elif port.direction != asked.direction:
            wrong.append(f"{asked.name} is an {port.direction}, asked {asked.direction}")
        elif asked.width is not None and port.width is not None and port.width != asked.width:
            wrong.append(f"width of {asked.name} is {port.width}, asked {asked.width}")
    return Answer(value="no", which="; ".join(wrong)) if wrong else YES


def _compare_header(stated: Stated, module: Module, name: Answer, ports: Answer) -> Answer:
    if stated.header is None:
        return NOT_STATED
    wrong = [answer.which for answer in (name, ports) if answer.value == "no"]
    asked = [port.name for port in stated.ports or ()]
    has = [port.name for port in module.ports]
    more = [port for port in has if port not in asked]
    if more:
        wrong.append(f"more ports than asked: {', '.join(more)}")
    elif not wrong and asked != has:
        wrong.append(f"the order of the ports is {', '.join(has)}, asked {', '.join(asked)}")
    return Answer(value="no", which="; ".join(wrong)) if wrong else YES


def asked_module(stated: Stated, source: Source) -> Module:
    """The module that is asked for: of the stated name, or else the main one of a source that has any."""
    return (source.module(stated.name) if stated.name else None) or main_module(source)


def main_module(source: Source) -> Module:
    used = {name for module in source.modules for name in module.instances if name != module.name}
    return next((module for module in source.modules if module.name not in used), source.modules[0])


def is_closed(header: str) -> bool:
    """Whether ``endmodule`` stands in a text, comments aside."""
    return any(is_word(token, "endmodule") for token in tokens(header))


def _from_header(header: str) -> Stated:
    text = header if is_closed(header) else f"{header.rstrip()}\nendmodule"
    source = read_source(text)
    wrong = source.syntax_errors
    if wrong or not source.modules:
        reason = f"line {wrong[0].line}: {wrong[0].message}" if wrong else "it has no module"
        raise InputError("the header is not a Verilog module header", where=header.strip()[:60], fix=reason)
    if len(source.modules) > 1:
        names = ", ".join(module.name for module in source.modules)
        raise InputError("the header holds several modules", where=names, fix="give the one that is asked for")
    module = source.modules[0]
    return Stated(module.name, module.ports or None, module.header)


def _header_in_text(spec: str, name: str | None) -> Stated | None:
    """The one module header that stands in a specification's text, when it is of the module that is asked for."""
    spans = [span for span in module_spans(spec) if span.header_end is not None]
    asked = [span for span in spans if span.name == name] if name else spans
    if len(asked) != 1 or (name is None and _speaks_of_another(spec, asked[0].start)):
        return None
    source = read_source(spec[asked[0].start : asked[0].header_end] + "\nendmodule")
    if source.syntax_errors or len(source.modules) != 1 or not source.modules[0].ports:
        return None  # prose that looks like a header, or a list of names without directions
    module = source.modules[0]
    return Stated(module.name, module.ports, module.header)


def _without_others(spec: str, name: str | None) -> str:
    """The text without whole modules that stand in it to be used: their ports are not the ones that are asked for."""
    for span in reversed(module_spans(spec)):
        if span.closed and span.name != name and (name or _speaks_of_another(spec, span.start)):
            spec = spec[: span.start] + spec[span.end :]
    return spec


def _stated_name(spec: str) -> str | None:
    spec = squeezed(spec)
    found = set()
    for form in _NAME_FORMS:
        for match in form.finditer(spec):
            name = unquoted(match["name"])
            quoted = name != match["name"]
            if not quoted and (name.lower() in _NO_NAME or name.lower().endswith("ly")):
                continue
            if not _speaks_of_another(spec, match.start()):
                found.add(name)
    return found.pop() if len(found) == 1 else None


def _speaks_of_another(spec: str, at: int) -> bool:
    sentence = re.split(r"[.!?]\s|\n\s*\n", spec[max(0, at - 200) : at])[-1]
    return _OTHER_MODULE.search(sentence) is not None
