"""What may be asked, in OpenAI's form and in our own; anything else is refused with the field that is to blame.

Reads the bodies of requests, which are bounded; writes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request

from autovcoder import prompt
from autovcoder.records import Language
from autovcoder.serve.replies import Refused

MOST_BYTES = 1_000_000
MOST_ANSWERS = 64
MOST_REPAIRS = 8
_LONGEST_SPEC = 100_000  # characters
_READ_S = 30.0

# Of OpenAI's form: what changes nothing here; and what is not done, with the values that do not ask for it.
_UNUSED = ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls")
_NOT_DONE: Mapping[str, tuple[Any, ...]] = {
    "stop": ([],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
}


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=-(2**62), lt=2**62)]
Tokens = Annotated[int, Field(ge=1)]
Answers = Annotated[int, Field(ge=1, le=MOST_ANSWERS)]


_MOST_PARTS = 1000  # of a conversation, and of a message


class Part(_Asked):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(_Asked):
    """One message of a conversation; ``name`` changes nothing."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[Part], Field(max_length=_MOST_PARTS)]
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        """Clients send our answers back with all that OpenAI's have, and null where ours have nothing."""
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class StreamOptions(_Asked):
    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(_Asked):
    """A chat completion as OpenAI's API has it; ``n`` is how many answers come back, not how many are drawn."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=_MOST_PARTS)]
    n: Answers | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    seed: Seed | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def spec(self) -> str:
        """What the user said, in its order, behind the client's own instructions where there are any.

        A model that turns one specification into one module has no use for its own earlier answers. Our own system
        message is put before every question anyway.

        Raises:
            Refused: the user said nothing, or more than is read.
        """
        said = [message for message in self.messages if message.role != "assistant"]
        told = [one.text for one in said if one.role != "user" and one.text.strip() != prompt.SYSTEM]
        asked = [one.text for one in said if one.role == "user"]
        if not any(text.strip() for text in asked):
            raise Refused(400, "there is no user message that says what the module shall do", param="messages")
        text = "\n\n".join(part.strip() for part in (*told, *asked) if part.strip())
        if len(text) > _LONGEST_SPEC:
            raise Refused(400, f"the messages have {len(text):,} characters, at most {_LONGEST_SPEC:,} are read",
                          param="messages", code="context_length_exceeded")  # fmt: skip
        return text


class GenerateRequest(_Asked):
    """What `generate-verilog` is asked, as JSON; ``header`` and ``testbench`` are texts."""

    spec: Annotated[str, Field(max_length=_LONGEST_SPEC)]
    header: str | None = None
    language: Language | None = None
    n: Answers | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed = 0
    max_new_tokens: Tokens | None = None
    repair: Annotated[int, Field(ge=0, le=MOST_REPAIRS)] = 0
    testbench: str | None = None


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """The request in a body.

    Raises:
        Refused: 400, and what of it is not supported or not as it should be.
    """
    for name, harmless in _NOT_DONE.items():
        value = body.get(name)
        if value is not None and value not in harmless:
            raise Refused(400, f"'{name}' is not supported by this server", param=name, code="unsupported_parameter")
    return _validated(ChatRequest, {key: body[key] for key in body if key not in _NOT_DONE and key not in _UNUSED})


def generate_request(body: Mapping[str, Any]) -> GenerateRequest:
    """The request in a body.

    Raises:
        Refused: 400, and what of it is not as it should be.
    """
    return _validated(GenerateRequest, body)


_T = TypeVar("_T", bound=BaseModel)


def _validated(form: type[_T], body: Mapping[str, Any]) -> _T:
    try:
        return form.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # The places of a union's parts would only confuse: the field is what a reader looks for.
        where = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or part in _names(form))[:200]
        field = str(first["loc"][0])[:100] if first["loc"] else None
        said = "is not known here" if first["type"] == "extra_forbidden" else first["msg"]
        raise Refused(400, f"'{where or field}': {said}", param=field, code="invalid_value") from None


def _names(form: type[BaseModel]) -> set[str]:
    return {*form.model_fields, *Message.model_fields, *Part.model_fields, *StreamOptions.model_fields}


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        Refused: it is none (400), too large (413), slow (408), or of another type (415).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A page of another site can send a form or plain text without asking the browser's leave, but not this.
    if kind != "application/json":
        raise Refused(415, "send JSON, with Content-Type: application/json")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_BYTES:
        _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    _too_large()
    except TimeoutError:
        raise Refused(408, "the request's body did not come in time") from None
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise Refused(400, "the body is not a JSON object")
    return value


def _too_large() -> NoReturn:
    raise Refused(413, f"the request is larger than {MOST_BYTES:,} bytes")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
