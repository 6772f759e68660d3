"""The tokenizer of a model folder without transformers: the tokenizers library and the folder's own chat template.

Reads tokenizer.json, tokenizer_config.json, generation_config.json and chat_template.jinja; writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autovcoder import prompt
from autovcoder.errors import ModelError
from autovcoder.models import folded


class SmallTokenizer:
    """Prompts to tokens and back.

    Attributes:
        ends: the tokens that end an answer.

    Raises:
        OSError, ValueError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        self._settings = _read_json(folder / "tokenizer_config.json")
        generation = _read_json(folder / "generation_config.json")
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The library raises plain Exception for a damaged file.
        except Exception as error:
            raise ValueError(f"tokenizer.json: {error}") from None
        template = folder / "chat_template.jinja"
        self._template = template.read_text(encoding="utf-8") if template.is_file() else None
        self._template = self._template or self._settings.get("chat_template")
        declared = generation.get("eos_token_id", config.get("eos_token_id"))
        several = declared if isinstance(declared, list) else [declared]
        named = self._tokenizer.token_to_id(self._special("eos_token")) if self._special("eos_token") else None
        self.ends = frozenset(token for token in [*several, named] if token is not None)

    def encode(self, user: str) -> list[int]:
        if not self._template:
            return list(self._tokenizer.encode(prompt.plain(user)).ids)
        # The template has written the special tokens already.
        return list(self._tokenizer.encode(self._in_template(user), add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def _in_template(self, user: str) -> str:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # The settings that templates on the Hugging Face hub are written for.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        special = {name: self._special(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
        try:
            template = environment.from_string(str(self._template))
            try:
                return template.render(messages=prompt.chat(user), add_generation_prompt=True, **special)
            except TemplateError:
                return template.render(messages=folded(user), add_generation_prompt=True, **special)
        except TemplateError as error:
            raise ModelError("the model's chat template does not work", fix=str(error)) from None

    def _special(self, name: str) -> str:
        value = self._settings.get(name) or ""
        return str(value["content"]) if isinstance(value, dict) else str(value)


def _refuse(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return found
