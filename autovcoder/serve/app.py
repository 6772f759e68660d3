"""The server's addresses: OpenAI's chat completions, the command `generate-verilog` as JSON, and a page for people.

Reads requests; writes responses, errors in OpenAI's form. Who goes away before the answer is there frees the place.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from autovcoder.serve.chat import completion, events
from autovcoder.serve.guard import Guard
from autovcoder.serve.page import assets, page_html
from autovcoder.serve.replies import Refused, error_response
from autovcoder.serve.requests import MOST_ANSWERS, chat_request, generate_request, read_json
from autovcoder.serve.service import Job, Made, Order, Service, Stopped
from autovcoder.serve.view import view
from eval.page import clean

_LOOK_S = 0.25  # between two looks at whether a client is still there
_Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a request that does not say it.

    Attributes:
        answers: drawn for each question. ``most_tokens``: of an answer; a request may ask for fewer, and gets no more.
    """

    answers: int
    most_tokens: int


def application(service: Service, defaults: Defaults, *, host: str) -> ASGIApp:
    """The application, guarded for a server that is bound to ``host``."""
    api = _Api(service, defaults)
    routes = [
        Route("/", api.page, methods=["GET"]),
        Route("/assets/{name}", api.asset, methods=["GET"]),
        Route("/favicon.ico", api.no_icon, methods=["GET"]),
        Route("/v1/models", api.models, methods=["GET"]),
        Route("/v1/models/{name:path}", api.one_model, methods=["GET"]),
        Route("/v1/chat/completions", _answered(api.chat), methods=["POST"]),
        Route("/api/generate", _answered(api.generate), methods=["POST"]),
    ]
    failures: dict[Any, Any] = {HTTPException: _http_failure, Refused: _failure, Exception: _failure}
    return Guard(Starlette(routes=routes, exception_handlers=failures), host)


class _Api:
    def __init__(self, service: Service, defaults: Defaults) -> None:
        self._service, self._defaults = service, defaults
        self._started = int(time.time())
        self._assets = assets()
        self._page = page_html(
            model=service.model.name,
            answers=defaults.answers,
            most=MOST_ANSWERS,
            retrieves=service.shared.context is not None,
        )

    async def page(self, _: Request) -> Response:
        return HTMLResponse(self._page)

    async def asset(self, request: Request) -> Response:
        kind, text = self._assets.get(request.path_params["name"], ("", None))
        if text is None:
            raise HTTPException(404)
        return Response(text, media_type=kind)

    async def no_icon(self, _: Request) -> Response:
        return Response(status_code=204)

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def one_model(self, request: Request) -> Response:
        self._know(request.path_params["name"])
        return JSONResponse(self._model())

    async def chat(self, request: Request) -> Response:
        asked = chat_request(await read_json(request))
        self._know(asked.model)
        wanted = asked.n or 1
        # Greedy answers are all the same: more of them tell nothing.
        drawn = wanted if asked.temperature == 0 else max(wanted, self._defaults.answers)
        longest = asked.max_completion_tokens or asked.max_tokens
        sampling = self._sampling(drawn, asked.temperature, asked.top_p, asked.seed or 0, longest)
        made = await self._made(request, Order(asked.spec, sampling))
        whole = completion(made, wanted)
        if not asked.stream:
            return JSONResponse(whole)
        usage = asked.stream_options is not None and asked.stream_options.include_usage
        return StreamingResponse(events(whole, usage=usage), media_type="text/event-stream")

    async def generate(self, request: Request) -> Response:
        asked = generate_request(await read_json(request))
        order = Order(
            asked.spec,
            self._sampling(
                asked.n or self._defaults.answers, asked.temperature, asked.top_p, asked.seed, asked.max_new_tokens
            ),
            header=asked.header,
            language=asked.language,
            repairs=asked.repair,
            testbench=asked.testbench,
            drawn=True,
        )
        made = await self._made(request, order)
        document = self._service.shared.document(made.result, made.seconds)
        return JSONResponse({**document, "view": view(made)})

    def _sampling(self, n: int, temperature: float | None, top_p: float | None, seed: int, longest: int | None) -> Any:
        most = self._defaults.most_tokens
        return self._service.shared.sampling(n, temperature, top_p, seed, min(longest or most, most))

    async def _made(self, request: Request, order: Order) -> Made:
        job = self._service.submit(order)
        try:
            return await _outcome(job, request, self._service)
        finally:
            job.cancel()  # nothing happens where it has ended

    def _model(self) -> dict[str, Any]:
        return {"id": self._service.model.name, "object": "model", "created": self._started, "owned_by": "autovcoder"}

    def _know(self, name: str) -> None:
        if name != self._service.model.name:
            raise Refused(404, f"there is no model '{name[:200]}' here, only '{self._service.model.name}'",
                          param="model", code="model_not_found")  # fmt: skip


async def _outcome(job: Job, request: Request, service: Service) -> Made:
    """What a job came to, unless whoever asked goes away or the server ends first."""
    future = asyncio.wrap_future(job.future)
    try:
        while True:
            done, _ = await asyncio.wait([future], timeout=_LOOK_S)
            if done and future.cancelled():
                raise Stopped
            if done:
                return future.result()
            if service.ending:
                raise Stopped
            if await request.is_disconnected():
                raise ClientDisconnect
    finally:
        future.cancel()  # whatever it still comes to is nobody's


def _answered(handler: _Handler) -> _Handler:
    """A handler whose every failure that we know is an answer; one that nobody waits for is none."""

    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            response = error_response(error)
            if response.status_code == 500:
                _report(error)
            return response

    return answered


def _report(error: Exception) -> None:
    """Tell whoever runs the server: our own errors as a line, a fault of the program with its traceback."""
    import logging

    from autovcoder.errors import AutoVCoderError

    known = isinstance(error, AutoVCoderError)
    # What a model server said may hold what a terminal obeys.
    logging.getLogger(__name__).error("error: %s", clean(str(error)), exc_info=None if known else error)


async def _http_failure(_: Request, error: HTTPException) -> Response:
    said = {404: "there is nothing at this address", 405: "this address does not take that method"}
    return error_response(Refused(error.status_code, said.get(error.status_code, error.detail)))


async def _failure(_: Request, error: Exception) -> Response:
    return error_response(error)
