"""A model folder as GGUF for llama.cpp and Ollama, through llama.cpp's own converter, and the Modelfile for Ollama.

Reads a Hugging Face model folder and its tokenizer; writes a ``.gguf`` file, returns the text of a Modelfile. Run as a
module, it is the process in which the converter runs, so that nothing of that is in the caller's.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from autovcoder.errors import InputError, ToolFailed, ToolMissing
from autovcoder.models import folded
from autovcoder.prompt import SYSTEM, Message, plain

CONVERTER = "convert_hf_to_gguf.py"
CONVERTER_VARIABLE = "AUTOVCODER_GGUF_CONVERTER"
OutType = Literal["bf16", "f16", "f32", "q8_0"]

# How a tokenizer.json cuts text into words before BPE, and llama.cpp's name for it (its src/llama-vocab.cpp).
_BYTES_ONLY = ("ByteLevel", False)
_GPT2 = ("ByteLevel", True)
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_NAMES: dict[tuple[Any, ...], str] = {
    (_GPT2,): "gpt-2",
    # llama.cpp also takes numerals that are no decimal digits one by one, such as a superscript two.
    (("Split", r"\d", "Isolated"), _GPT2): "smollm",
    (("Digits", True), _GPT2): "smollm",
    (("Split", _QWEN2, "Isolated"), _BYTES_ONLY): "qwen2",
}


def find_converter(given: Path | None = None) -> Path:
    """llama.cpp's ``convert_hf_to_gguf.py``: as given, by the environment, or on the PATH.

    Raises:
        ToolMissing: it is nowhere, or what was given is no file.
    """
    named = given or os.environ.get(CONVERTER_VARIABLE) or shutil.which(CONVERTER)
    if not named:
        raise ToolMissing(
            f"llama.cpp's {CONVERTER} is not installed",
            fix=f"get llama.cpp's source and give --converter FOLDER/{CONVERTER} or set {CONVERTER_VARIABLE}",
        )
    path = Path(named).expanduser().resolve()
    if path.suffix != ".py" or not path.is_file():
        raise ToolMissing("not llama.cpp's converter", where=named, fix=f"give the file {CONVERTER} of its source")
    return path


def convert(model: Path, out: Path, converter: Path, outtype: OutType, name: str) -> None:
    """Write ``model``, a folder, to ``out`` as GGUF; ``name`` is what the file calls the model.

    Raises:
        ToolFailed: the converter does not know such a model, or how its tokenizer cuts text, or broke.
    """
    words = model / "tokenizer.json"  # which a tokenizer without a fast form has not
    cut = known_cut(json.loads(words.read_text(encoding="utf-8"))) if words.is_file() else None
    command = [sys.executable, "-P", "-m", "finetune.gguf", str(converter), cut or ""]
    done = subprocess.run(
        [*command, str(model.resolve()), f"--outfile={out.resolve()}", f"--outtype={outtype}", f"--model-name={name}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    if done.returncode or not out.is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise ToolFailed("llama.cpp's converter failed", where=converter, fix=said[-1])


def known_cut(tokenizer: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for how this ``tokenizer.json`` cuts text before BPE; None where we know of none.

    llama.cpp itself knows the tokenizers of published models by a hash over their tokens, so never one that was
    trained here, however common its rules are.
    """
    model = tokenizer["model"]
    unusual = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    if model["type"] != "BPE" or tokenizer.get("normalizer") or any(model.get(key) for key in unusual):
        return None
    step = tokenizer.get("pre_tokenizer") or {"type": None}
    steps = step["pretokenizers"] if step["type"] == "Sequence" else [step]
    return _NAMES.get(tuple(map(_cut, steps)))


def _cut(step: Mapping[str, Any]) -> tuple[Any, ...]:
    kind = step["type"]
    if kind == "ByteLevel" and not step["add_prefix_space"]:
        return (kind, step["use_regex"])
    if kind == "Split" and not step["invert"]:
        return (kind, step["pattern"].get("Regex"), step["behavior"])
    return (kind, step.get("individual_digits"))


@dataclass(frozen=True)
class ChatForm:
    """A chat template that puts fixed texts around each message, which is what can be written for Ollama.

    Attributes:
        start: before the first message. ``opening``: after the last, where the answer begins.
        system: (before, after) a system message; None where the template passes it over or refuses it.
        user: the same of the user's; ``answer``: of the model's.
        folds: the system's text goes before the first user's, because the template refuses the role.
        trims: it strips the spaces around a message, which Ollama's templates cannot.
    """

    start: str
    system: tuple[str, str] | None
    user: tuple[str, str]
    answer: tuple[str, str]
    opening: str
    folds: bool = False
    trims: bool = False

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt for a conversation, as the chat template has it."""
        around = {"system": self.system, "user": self.user, "assistant": self.answer}
        text = self.start
        for message in messages:
            before, after = around[message["role"]] or (None, None)
            content = message["content"].strip() if self.trims else message["content"]
            text += f"{before}{content}{after}" if before is not None else ""
        return text + self.opening

    def to_go(self) -> str:
        """The same as a template of Ollama (Go's text/template over ``.Messages``)."""
        fold = "{{ if and $.System (le $i 1) }}{{ $.System }}\n\n{{ end }}" if self.folds else ""
        content = "{{ .Content }}"
        system = self.system and f"{_go(self.system[0])}{content}{_go(self.system[1])}"
        return (
            f"{_go(self.start)}{{{{ range $i, $m := .Messages }}}}"
            f'{{{{ if eq .Role "user" }}}}{_go(self.user[0])}{fold}{content}{_go(self.user[1])}'
            f'{{{{ else if eq .Role "assistant" }}}}{_go(self.answer[0])}{content}{_go(self.answer[1])}'
            + (f'{{{{ else if eq .Role "system" }}}}{system}' if system else "")
            + f"{{{{ end }}}}{{{{ end }}}}{_go(self.opening)}"
        )


def chat_form(tokenizer: Any) -> ChatForm:
    """The form of a tokenizer's chat template, found by rendering it and proven on whole conversations.

    Raises:
        InputError: the template does more than to put fixed texts around messages.
    """

    def render(messages: Sequence[Message], *, opening: bool = False) -> str:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=opening)
        # llama.cpp puts this token before every prompt by itself, as the tokenizer does.
        return str(text).removeprefix(tokenizer.bos_token) if _adds_bos(tokenizer) else str(text)

    try:
        form = _find_form(render)
        if not _is_whole(form, render):
            form = replace(form, trims=True)
            if not _is_whole(form, render):
                raise ValueError
    # A template is somebody else's program, which may raise anything.
    except Exception:
        raise InputError(
            "the model's chat template cannot be written for Ollama",
            where=tokenizer.name_or_path,
            fix="export --format gguf and write a Modelfile by hand",
        ) from None
    return form


def modelfile(tokenizer: Any, ends: Sequence[str]) -> str:
    """Ollama's Modelfile for ``model.gguf`` beside it: template, system text, greedy decoding, where an answer ends.

    Args:
        ends: the texts of the tokens that end an answer.

    Raises:
        InputError: the chat template is of no form that can be written for Ollama.
    """
    note = ""
    if tokenizer.chat_template:
        form = chat_form(tokenizer)
        template = form.to_go()
        note = "# The model's own template strips the spaces around a message; this one cannot.\n" if form.trims else ""
    else:
        before, after = plain("\0").replace(SYSTEM, "\0").split("\0")[1:]
        template, ends = "{{ .System }}" + _go(before) + "{{ .Prompt }}" + _go(after), [*ends, "```"]
    stops = "".join(f"PARAMETER stop {_quoted(end)}\n" for end in ends)
    # Ollama's own defaults sample, and punish a word for having occurred before, which RTL cannot do without.
    return (
        f'{note}FROM ./model.gguf\nTEMPLATE """{template}"""\nSYSTEM """{SYSTEM}"""\n'
        f"PARAMETER temperature 0\nPARAMETER repeat_penalty 1\n{stops}"
    )


def _find_form(render: Callable[..., str]) -> ChatForm:
    """What stands around each message; the caller proves that this is all there is to it."""
    from jinja2 import TemplateError

    user, answer = _say("user", "FIRST"), _say("assistant", "SECOND")
    begin, user_end = render([user]).split("FIRST")
    opening = render([user], opening=True).removeprefix(f"{begin}FIRST{user_end}")
    answer_end = render([user, answer]).split("SECOND")[1]
    whole = render([user, answer, _say("user", "THIRD")])
    before_answer, after_answer = whole.removeprefix(f"{begin}FIRST{user_end}").split("THIRD")[0].split("SECOND")
    user_start = after_answer.removeprefix(answer_end)
    start, system, folds = begin.removesuffix(user_start), None, False
    try:
        head = render([_say("system", "ZEROTH"), user]).removesuffix(f"{user_start}FIRST{user_end}")
    except TemplateError:
        folds = True
    else:
        if "ZEROTH" in head:
            # A system text of the template's own, where none is given, is no part of the form.
            start = start if head.startswith(start) else ""
            before, after = head.removeprefix(start).split("ZEROTH")
            system = (before, after)
    return ChatForm(start, system, (user_start, user_end), (before_answer, answer_end), opening, folds)


def _is_whole(form: ChatForm, render: Callable[..., str]) -> bool:
    """Whether a form is all that the template does, by conversations with what templates are known to look for."""
    for turns in (1, 2, 3):
        for edge in ("", " \n"):
            talk = _conversation(turns, edge, system=not form.folds)
            if form.render(talk) != render(talk, opening=True):
                return False
    return True


def _say(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _conversation(turns: int, edge: str, *, system: bool) -> list[Message]:
    """Questions and answers; ``edge`` is put around each text."""
    talk = [_say("system", edge + SYSTEM + edge)] if system else []
    for turn in range(turns):
        # With what a template may take care of: the end of a comment, of a message, and its own marks.
        question = f"{edge}an adder of {turn} bits */ {{{{ }}}}\nwith `carry` <|im_end|>\n\n<think> not{edge}"
        answer = f"{edge}<think>\nshort\n</think>\n\nmodule a{turn};\n\nendmodule{edge}"
        talk += [_say("user", question), _say("assistant", answer)]
    first = talk[0] if system else folded(talk[0]["content"])[0]
    return [first, *talk[1:-1]]


def _adds_bos(tokenizer: Any) -> bool:
    return tokenizer.bos_token is not None and tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id


def _go(text: str) -> str:
    """Text for a template of Go within the three quotes of a Modelfile; what could end either is a string of Go."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if "{" in text or '"' in text else text


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text:
        raise InputError("an end token cannot be written for Ollama", where=repr(text), fix="export --format gguf")
    return f'"{text}"'


def _convert_here(converter: Path, cut: str, arguments: Sequence[str]) -> None:
    """Run the converter in this process; where it does not know how the tokenizer cuts text, it is told."""
    sys.path.insert(0, str(converter.parent))
    sys.argv = [str(converter), *arguments]
    script = importlib.import_module(converter.stem)
    # The class has its own module since the converter was split up, and was in the script before.
    text_model: Any = (script if hasattr(script, "TextModel") else importlib.import_module("conversion.base")).TextModel
    look_up = text_model.get_vocab_base_pre

    def look_up_or_tell(self: Any, tokenizer: Any) -> Any:
        try:
            return look_up(self, tokenizer)
        except NotImplementedError:
            if not cut:
                sys.exit("llama.cpp has no rule that cuts text into words as this model's tokenizer does")
            return cut

    text_model.get_vocab_base_pre = look_up_or_tell
    script.main()


if __name__ == "__main__":
    _convert_here(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
