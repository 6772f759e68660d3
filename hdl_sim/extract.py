"""Finds the Verilog in a language model's answer, and tells when an answer has all of it.

Reads an answer's text, which may be anything; writes the code, or None. No front end is needed, so that it works on
text that is cut off or broken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hdl_sim.bodies import behind_header, first_code_line
from hdl_sim.headers import header_name, name_module, rename_module
from hdl_sim.slang import MAX_CODE_BYTES
from hdl_sim.spans import Span, module_spans

_THOUGHT_TAG = re.compile(r"<(/?)(?:think|thinking|reasoning)>", re.IGNORECASE)
# A fence, its language where one follows, and the end of its line where nothing else does.
_FENCE = re.compile(
    r"(?<!`)`{3,}+[ \t]*((?:system)?verilog\b|sv\b|vlog\b|[\w+#.-]*(?=[ \t]*(?:\r?\n|$)))[ \t]*(?:\r?\n)?",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(r"\s*(?:`(?!``)|//|/\*|\(\*|$)")


def extract_code(raw: str, *, header: str | None = None, module: str | None = None) -> str | None:
    """The Verilog of an answer, or None when there is none.

    Reasoning blocks are dropped. Fenced blocks that hold modules are preferred to the text around them. Of a module
    that appears several times the last complete one counts. When the requested module is there, only it, the modules it
    uses and what stands outside modules in the same blocks are kept; otherwise all but testbenches (modules without
    ports that no other uses).

    With ``header`` given, what it settles is not held against an answer. One without any ``module`` is taken for the
    body behind it; a module without a name, or opened by ``Module``, is the one asked for, and so is the only design of
    another name with exactly its ports; a missing last ``endmodule``, which many a stop word swallows, is added.
    Nothing else is mended.

    Args:
        header: the module header that was asked for, from ``module`` to ``;``.
        module: the name of the requested module; the header's when not given.
    """
    wanted = module or (header_name(header) if header else None)
    if len(raw) > MAX_CODE_BYTES:
        return None  # no answer; nothing would be given it to read
    text = _without_thoughts(raw)
    if header is None or wanted is None:
        return _modules(text, wanted)
    text = name_module(text, wanted)
    code = _modules(text, wanted)
    if code is None:
        return _body(_blocks(text), text, header)
    if (named := name_module(code, wanted)) != code:  # what had the name before was in no block
        code = _modules(named, wanted) or code
    spans = module_spans(code)
    if spans and not spans[-1].closed:
        code += "endmodule\n"
    return rename_module(code, header, wanted)


def answer_complete(text: str, module: str | None = None) -> bool:
    """True when generation can stop: all the code that was asked for is there.

    That is so when a closed fence holds the module (any, when none is requested), or when every module opened is
    closed, the requested one is among them, and none of them instantiates a module that is still to come. Words in
    comments and strings do not count.
    """
    if "endmodule" not in text:
        return False
    text = _without_thoughts(text)
    spans = module_spans(text)
    if not spans:
        return False
    last = spans[-1].end
    # A fence behind a module closes its block: prompts may have opened it, so that the text shows the closing one only.
    if text.find("```", last) >= 0 and all(span.closed for span in spans) and _has(spans, module):
        return True
    defined = {span.name for span in spans}
    awaited = frozenset[str]().union(*(span.instances for span in spans)) - defined
    return all(span.closed for span in spans) and _has(spans, module) and not awaited


def _modules(text: str, wanted: str | None) -> str | None:
    """The modules of an answer that count, or None when it holds none."""
    with_modules = [(block, spans) for block in _blocks(text) if (spans := module_spans(block))]
    if with_modules:
        return _select(with_modules, wanted)
    spans = module_spans(text)
    return _select([_without_prose(text, spans)], wanted) if spans else None


def _has(spans: Sequence[Span], module: str | None) -> bool:
    return module is None or any(span.name == module for span in spans)


def _without_thoughts(raw: str) -> str:
    kept: list[str] = []
    done, thinking = 0, False
    for tag in _THOUGHT_TAG.finditer(raw):
        if tag.group(1):
            if not thinking:
                kept.clear()  # the prompt had opened the block
            done, thinking = tag.end(), False
        elif not thinking:
            kept.append(raw[done : tag.start()])
            thinking = True
    return "".join(kept) if thinking else "".join([*kept, raw[done:]])


def _blocks(text: str) -> list[str]:
    """The insides of fences; an unclosed last one reaches to the end."""
    found: list[str] = []
    start: int | None = None
    for fence in _FENCE.finditer(text):
        if start is not None:
            found.append(text[start : fence.start()])
            start = fence.end() if fence.group(1) else None
        elif not found and not fence.group(1) and module_spans(text[: fence.start()]):
            # The prompt ended with the opening fence; this is the closing one.
            found.append(text[: fence.start()])
        else:
            start = fence.end()
    if start is not None:
        found.append(text[start:])
    return found


def _without_prose(text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """Unfenced text reduced to its modules, each with the directives and comments right above it."""
    parts, done = [], 0
    for span in spans:
        start = span.start
        lines = text[done:start].split("\n")
        start -= len(lines.pop())  # what stands before `module` on its own line
        head = (
            start if text[start : span.start].strip() == "" or _LEAD_IN.match(text[start : span.start]) else span.start
        )
        while head == start and lines and _LEAD_IN.match(lines[-1]):
            start = max(done, start - len(lines.pop()) - 1)
            head = start
        parts.append(text[head : span.end].strip("\n"))
        done = span.end
    joined = "\n\n".join(parts)
    return joined, module_spans(joined)


def _select(blocks: list[tuple[str, list[Span]]], wanted: str | None) -> str | None:
    """The blocks' text without the modules that are not wanted, repeated, or testbenches."""
    chosen: dict[str, tuple[int, Span]] = {}
    for number, (_, spans) in enumerate(blocks):
        for span in spans:
            if span.name not in chosen or span.closed or not chosen[span.name][1].closed:
                chosen[span.name] = (number, span)
    if wanted in chosen:
        keep = _with_helpers(wanted, {name: span for name, (_, span) in chosen.items()})
    elif len(chosen) == 1:
        keep = set(chosen)
    else:
        used = {word for _, span in chosen.values() for word in span.words if word != span.name}
        keep = {name for name, (_, span) in chosen.items() if span.has_ports or name in used} or set(chosen)
        # A port list given later, or a design without ports, still is a design when nothing else is there.
    parts = []
    for number, (text, spans) in enumerate(blocks):
        kept = [span for span in spans if span.name in keep and chosen[span.name] == (number, span)]
        if kept:
            parts.append(_cut(text, [span for span in spans if span not in kept]))
    code = "\n\n".join(part.strip("\n") for part in parts).strip()
    return code + "\n" if code else None


def _with_helpers(wanted: str, spans: dict[str, Span]) -> set[str]:
    keep, queue = {wanted}, [wanted]
    while queue and len(keep) < len(spans):
        for word in spans[queue.pop()].instances & spans.keys() - keep:
            keep.add(word)
            queue.append(word)
    return keep


def _cut(text: str, spans: Sequence[Span]) -> str:
    for span in reversed(spans):
        text = text[: span.start] + text[span.end :]
    return text


def _body(blocks: Sequence[str], text: str, header: str) -> str | None:
    """A module made of the header and an answer that gives only what follows it; None when there is no code in it."""
    body = next((block for block in blocks if first_code_line(block) is not None), None)
    if body is None and not blocks:
        start = first_code_line(text)
        body = text[start:] if start is not None else None
    return None if body is None else behind_header(body, header)
