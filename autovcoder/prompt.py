"""The one place where a problem becomes a prompt, so that training, generation and evaluation ask in the same words.

Reads a specification and an optional module header; writes chat messages, or plain text for models without a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from autovcoder.records import Language

SYSTEM = (
    "You are an expert digital designer. Answer with one complete, synthesizable Verilog module that does what is "
    "asked, in a single ```verilog code block, and nothing else."
)
ANSWERS_WITH_CODE = "answers_with_code"
"""Key of a tokenizer's settings; true where the model was trained to answer with code from the first character on."""
_LANGUAGE = {"verilog-2001": "Verilog-2001", "systemverilog": "SystemVerilog"}


class Message(TypedDict):
    role: str
    content: str


def user_text(
    spec: str, header: str | None = None, *, language: Language | None = None, context: Sequence[str] = ()
) -> str:
    """What the user asks: retrieved context first, then the problem, then the header that fixes the interface.

    Where there is context, both it and the problem have a title, so that neither is taken for the other.

    Args:
        spec: the problem in words.
        header: a module header, from ``module`` to the ``;`` that closes the port list.
        language: asked for in words when given.
        context: retrieved texts, most useful first.
    """
    parts = [f"Reference:\n{text.strip()}" for text in context]
    parts.append(f"Problem:\n{spec.strip()}" if context else spec.strip())
    if header:
        parts.append(f"Use this module header:\n{header.strip()}")
    if language:
        parts.append(f"Write it in {_LANGUAGE[language]}.")
    return "\n\n".join(parts)


def repair_text(
    spec: str,
    code: str,
    faults: Sequence[str],
    header: str | None = None,
    *,
    language: Language | None = None,
    notes: Sequence[str] = (),
) -> str:
    """What the user asks for where an answer has faults: the problem again, the answer, and what is wrong with it.

    Args:
        faults: one line each. ``notes``: texts that explain them.
    """
    wrong = "\n".join(f"- {fault}" for fault in faults)
    told = (
        f"{spec.strip()} A colleague wrote this, and it fails its tests. Give the repaired module:\n{code.strip()}\n\n"
        f"What is wrong with it:\n{wrong}"
    )
    return user_text(told, header, language=language, context=notes)


def example_text(problem: str, code: str) -> str:
    """A solved problem as a piece of context."""
    return f"{problem.strip()}\n\n{code.strip()}"


def chat(user: str) -> list[Message]:
    """The conversation put to a chat model. A template without a system role may drop the first message."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]


def plain(user: str) -> str:
    """The prompt for a model without a chat template: it continues after the opened fence."""
    return f"{SYSTEM}\n\n{user}\n\n```verilog\n"
