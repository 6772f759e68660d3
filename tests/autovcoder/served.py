"""`autovcoder serve` as a process of its own, and a model server that writes what a test wants."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMAND = [sys.executable, "-m", "autovcoder"]


@dataclass
class Writer:
    """A model server: ``answers`` gives those to a prompt, of which a seed chooses one, round and round.

    A prompt that says ``forever`` gets an answer without an end, and ``silence`` none, until ``enough`` is set;
    ``asked`` are the prompts.
    """

    answers: Callable[[str], Sequence[str]]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def writing(answers: Callable[[str], Sequence[str]]) -> Iterator[Writer]:
    writer = Writer(answers)
    handler = type("Handler", (_Handler,), {"writer": writer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    writer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield writer
    finally:
        writer.enough.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    writer: Writer

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][-1]["content"]
        self.writer.asked.append(prompt)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            if "silence" in prompt:
                self.writer.enough.wait(60)
            while "forever" in prompt and not self.writer.enough.wait(0.02):
                self._say("module and so on ")
        except OSError:
            self.writer.gone.set()
            return
        with suppress(OSError):
            answers = self.writer.answers(prompt)
            self._say(answers[request["seed"] % len(answers)])
            self._say("", "stop")
            self.wfile.write(b"data: [DONE]\n\n")

    def _say(self, text: str, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        body: dict[str, Any] = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        self.wfile.write(b"data: " + json.dumps({**body, "choices": [choice]}).encode() + b"\n\n")
        self.wfile.flush()


@contextmanager
def serving(*options: str, command: Sequence[str] = COMMAND) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server on a free port, and its process, which has ended when this is left."""
    with subprocess.Popen(
        [*command, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        preexec_fn=_listen_to_ctrl_c,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError(f"the server ended: {process.communicate(timeout=60)[1]}")
            yield address, process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    _, said = process.communicate(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
                assert "Traceback" not in said, said


def _listen_to_ctrl_c() -> None:
    """A shell starts background jobs, and so perhaps these tests, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
