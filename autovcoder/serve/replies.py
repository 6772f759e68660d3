"""What goes wrong as an answer of the server: a status and OpenAI's JSON form of an error, never a traceback.

Reads errors; writes JSON.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from autovcoder.errors import AutoVCoderError, ContextTooLong, InputError
from autovcoder.serve.service import Busy, Stopped

_TYPES = {429: "rate_limit_error"}
_RETRY_S = "5"


class Refused(Exception):
    """A request that is not answered.

    Args:
        param: the field of the request that is to blame. ``code``: a name for the failure, as OpenAI's server has them.
    """

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        self.status, self.message, self.param, self.code = status, message, param, code
        super().__init__(message)


def refused(error: Exception) -> Refused:
    """How an error is told to whoever asked; what is no error of ours is told without its words."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Busy):
        return Refused(429, "too many questions are waiting; ask again later", code="queue_full")
    if isinstance(error, Stopped):
        return Refused(503, "the server is ending", code="server_ending")
    if isinstance(error, ContextTooLong):
        return Refused(400, str(error), code="context_length_exceeded")
    if isinstance(error, InputError):
        return Refused(400, str(error))
    if isinstance(error, AutoVCoderError):
        return Refused(500, str(error))
    return Refused(500, "something is wrong inside the server; its own output says what")


def error_body(one: Refused) -> dict[str, Any]:
    """OpenAI's form of an error."""
    kind = _TYPES.get(one.status, "invalid_request_error" if one.status < 500 else "server_error")
    return {"error": {"message": one.message, "type": kind, "param": one.param, "code": one.code}}


def error_response(error: Exception) -> JSONResponse:
    """The same as a response."""
    one = refused(error)
    # A request can hold halves of characters, which no answer can.
    one.message = one.message.encode(errors="replace").decode()
    return JSONResponse(error_body(one), one.status, {"Retry-After": _RETRY_S} if one.status == 429 else None)
