"""Models behind any OpenAI-compatible server: vLLM, llama.cpp, Ollama, `transformers serve`, a provider's.

Reads the key from OPENAI_API_KEY (a local server needs none); sends each prompt as one chat completion per answer.
Writes nothing.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from autovcoder import prompt
from autovcoder.errors import ContextTooLong, ModelError
from autovcoder.models import Stop, folded
from autovcoder.records import Sampling

if TYPE_CHECKING:
    import openai

_Ends = Callable[[str], bool] | None

CONNECT_S = 10.0
# A large model on a small machine may think for minutes between two pieces of its answer.
READ_S = 600.0


class EndpointModel:
    """A `TextModel` behind an OpenAI-compatible server.

    Answers are asked for one at a time with seeds ``seed``, ``seed + 1``, ... (not every server knows ``n``), several
    requests at once, and read as they are written, so that a complete answer is not waited out (a few characters that
    follow it may have arrived).

    Args:
        url: the server, such as ``http://localhost:8000``; ``/v1`` is added when it has no path.
        name: the model's name there.
        concurrency: how many requests are under way at once.

    Raises:
        ModelError: the address is not one.
    """

    def __init__(self, url: str, name: str, *, concurrency: int = 8) -> None:
        self.name = name
        self.url = _base_url(url)
        self._concurrency = concurrency

    @property
    def context(self) -> int | None:
        """These servers do not say."""
        return None

    def count_tokens(self, text: str) -> int:
        """About three characters of RTL make a token."""
        return -(-len(text) // 3)

    def complete(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        starts: Sequence[str] = (),  # noqa: ARG002 - the protocol of these servers has no place for it
        stop: Stop | None = None,
        seeded_by: Sequence[str] = (),  # noqa: ARG002 - a server is given the seeds themselves, the same for all prompts
    ) -> list[list[str]]:
        import openai

        timeout = openai.Timeout(READ_S, connect=CONNECT_S)
        key = os.environ.get("OPENAI_API_KEY") or "none"
        jobs = [
            (text, index, None if stop is None else functools.partial(stop, number))
            for number, text in enumerate(prompts)
            for index in range(sampling.n)
        ]
        client = openai.OpenAI(base_url=self.url, api_key=key, timeout=timeout)
        calls = [functools.partial(self._answer, client, text, sampling, index, ends) for text, index, ends in jobs]
        try:
            answers = _all_of(calls, self._concurrency)
        finally:
            # After a failure or Ctrl-C nobody waits for the other answers.
            client.close()
        return [answers[i : i + sampling.n] for i in range(0, len(answers), sampling.n)]

    def _answer(self, client: openai.OpenAI, text: str, sampling: Sampling, index: int, ends: _Ends) -> str:
        import openai

        try:
            try:
                return self._stream(client, prompt.chat(text), sampling, index, ends)
            except (openai.BadRequestError, openai.InternalServerError) as error:
                # Templates that refuse the system role make servers answer with either.
                if "system" not in str(error).lower():
                    raise
                return self._stream(client, folded(text), sampling, index, ends)
        except openai.APIError as error:
            raise self._one_line(error) from None
        except (ValueError, AttributeError, TypeError) as error:
            # The openai package checks little of what a server sends; a malformed answer shows up as one of these.
            raise ModelError("the server's answer is not a chat completion", where=self.url, fix=str(error)) from None

    def _stream(
        self, client: openai.OpenAI, messages: list[prompt.Message], sampling: Sampling, index: int, ends: _Ends
    ) -> str:
        answer, ended, told = "", False, 0
        request: dict[str, Any] = {"model": self.name, "messages": messages, "seed": sampling.seed + index}
        request |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        with client.chat.completions.create(**request, max_tokens=sampling.max_new_tokens, stream=True) as stream:
            for chunk in stream:
                for choice in chunk.choices[:1]:
                    answer += choice.delta.content or ""
                    ended = ended or choice.finish_reason is not None
                # The same step as for local models, by a rough four characters a token.
                if ends is not None and len(answer) - told >= 16:
                    told = len(answer)
                    if ends(answer):
                        ended = True
                        break
        if not ended:
            raise ModelError(
                "the server's answer is not a whole chat completion", where=self.url, fix="see the server's own log"
            )
        # JSON may hold halves of characters, which no file can.
        return answer.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _one_line(self, error: openai.APIError) -> ModelError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            return ModelError("the model server does not answer in time", where=self.url)
        if isinstance(error, openai.APIConnectionError):
            return ModelError("cannot reach the model server", where=self.url, fix="start it, or correct --endpoint")
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ModelError(
                "the server refuses the key", where=self.url, fix="set OPENAI_API_KEY to a key it accepts"
            )
        if isinstance(error, openai.NotFoundError):
            return ModelError(
                f"the server has no model '{self.name}', or the address is not its API",
                where=self.url,
                fix="check --model against the server's /v1/models",
            )
        said = error.message.lower()
        if isinstance(error, openai.BadRequestError) and (
            error.code == "context_length_exceeded" or "context length" in said or "context window" in said
        ):
            return ContextTooLong("the prompt is longer than the model's context", where=self.url)
        code = f" ({error.status_code})" if isinstance(error, openai.APIStatusError) else ""
        return ModelError(f"the server refused the request{code}", where=self.url, fix=error.message[:300])


def _all_of(calls: Sequence[Callable[[], str]], at_once: int) -> list[str]:
    """The results of ``calls``; the first error ends the waiting, and no further call begins.

    Nobody waits for those under way, not even the end of the process: no close of a socket wakes a thread that reads
    from it, and those of a `ThreadPoolExecutor` are joined at exit.
    """
    asked: list[tuple[Future[str], Callable[[], str]]] = [(Future(), call) for call in calls]
    todo = iter(asked)

    def work() -> None:
        for future, call in todo:
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

    for _ in range(min(at_once, len(asked))):
        threading.Thread(target=work, daemon=True).start()
    futures = [future for future, _ in asked]
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future in done:
                future.result()  # raises what the call did
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _base_url(url: str) -> str:
    """The address of the API, ``/v1`` added when the user gave the server alone."""
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ModelError("not a server's address", where=url, fix="write it as http://HOST:PORT or http://HOST:PORT/v1")
    return url.strip().rstrip("/") if parts.path.strip("/") else url.strip().rstrip("/") + "/v1"
