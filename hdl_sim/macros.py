"""Bounds what macros may expand to, before a preprocessor that works in our own memory is given them.

Reads source text; writes nothing. Forty macros that each double the one before would fill any machine.
"""

from __future__ import annotations

import re

# Characters after expansion; designs need a thousandth of it.
MAX_EXPANSION = 4_000_000
_DEFINE = re.compile(r"`define[ \t]+([A-Za-z_]\w*)((?:\\\r?\n|[^\n])*)")
_USE = re.compile(r"`([A-Za-z_]\w*)")


def macro_bodies(code: str) -> list[str]:
    """The texts that the macros of a text stand for, parameters and all."""
    return [body for _, body in _DEFINE.findall(code)]


def expanded_size(code: str) -> int:
    """An upper bound on the characters of a text after macro expansion; `MAX_EXPANSION` + 1 stands for any more.

    Comments are not skipped, and a macro's argument counts once for every use of the parameter, both on the safe side.
    """
    bodies: dict[str, str] = {}
    for name, body in _DEFINE.findall(code):
        bodies[name] = max(bodies.get(name, ""), body, key=lambda text: (len(_USE.findall(text)), len(text)))
    sizes: dict[str, int] = {}

    def size(name: str, path: tuple[str, ...]) -> int:
        if name not in bodies or name in path:
            return 0  # a directive, or recursion, which slang refuses
        if len(path) > 64:
            return MAX_EXPANSION + 1
        if name not in sizes:
            inner = sum(size(used, (*path, name)) for used in _USE.findall(bodies[name]))
            sizes[name] = min(len(bodies[name]) + inner, MAX_EXPANSION + 1)
        return sizes[name]

    total = len(code)
    repeats = 1
    for name, body in bodies.items():
        if body.startswith("("):
            # Nested calls of a macro that repeats its parameter multiply: `M(`M(`M(x))).
            calls = len(re.findall(rf"`{name}\b", code))
            repeats *= max(1, _most_repeated(body)) ** min(calls, 64)
        if repeats > MAX_EXPANSION:
            break
    for name in _USE.findall(_DEFINE.sub("", code)):
        total += size(name, ())
        if total > MAX_EXPANSION:
            break
    return total if repeats <= 64 or total * repeats <= MAX_EXPANSION else MAX_EXPANSION + 1


def _most_repeated(body: str) -> int:
    """How often the most used parameter of a function-like macro appears in its body."""
    parameters, _, text = body[1:].partition(")")
    names = [part.split("=")[0].strip() for part in parameters.split(",")]
    return max((len(re.findall(rf"\b{re.escape(name)}\b", text)) for name in names if name), default=0)
