"""An OpenAI-compatible server on this machine that answers with drafts, and with faults where a test asks for them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
HANG_S = 20.0


@dataclass
class Asked:
    """One request: what it asks for, when it came, and which of this prompt's it is, from 0."""

    prompt: str
    request: dict[str, Any]
    headers: dict[str, str]
    at: float
    nth: int

    @property
    def topic(self) -> str:
        found = re.search(r"on this topic:\n\n    (.*)\n", self.prompt)
        return found[1] if found else ""

    @property
    def circuit_type(self) -> str:
        found = re.search(r"Kind of circuit: (\w+)", self.prompt)
        return found[1] if found else ""


@dataclass
class ChatHost:
    """The server: where it is, what it was asked, and what it does.

    ``fault`` names what goes wrong with a request, None for an answer; ``answer`` is the content of one. ``open`` is
    how many requests are being answered (those that hang not counted), ``most_open`` the most there have been.
    """

    fault: Callable[[Asked], str | None] = lambda asked: None
    answer: Callable[[Asked], str] = lambda asked: json.dumps(small_draft(asked))
    delay: Callable[[Asked], float] = lambda asked: 0.0
    usage: dict[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def times(self) -> Counter[str]:
        """How often each prompt was asked."""
        return Counter(asked.prompt for asked in self.asked)


def small_draft(asked: Asked) -> dict[str, str]:
    """A draft that is right: an inverter, or a register with an inverter before it; of the prompt's own name."""
    module = "m_" + hashlib.sha256(asked.prompt.encode()).hexdigest()[:10]
    clocked = asked.circuit_type == "sequential"
    ports = "input clk, input rst, input [3:0] a, output reg [3:0] y" if clocked else "input [3:0] a, output [3:0] y"
    body = "always @(posedge clk) if (rst) y <= 4'd0; else y <= ~a;" if clocked else "assign y = ~a;"
    links = ".clk(clk), .rst(rst), .a(a), .y(y)" if clocked else ".a(a), .y(y)"
    edge = "#1 clk = 1; #1 clk = 0;" if clocked else "#1;"
    testbench = f"""module tb;
    reg clk, rst;
    reg [3:0] a;
    wire [3:0] y;
    integer i, mismatches, samples;
    {module} dut ({links});
    initial begin
        clk = 0; rst = 0; mismatches = 0; samples = 0;
        for (i = 0; i < 16; i = i + 1) begin
            a = i;
            {edge}
            samples = samples + 1;
            if (y !== (4'hf ^ a)) mismatches = mismatches + 1;
        end
        $display("Mismatches: %0d in %0d samples", mismatches, samples);
        $finish;
    end
endmodule
"""
    step = (
        "class Model:\n    def step(self, inputs):\n        return {'y': 0 if inputs['rst'] else ~inputs['a'] & 15}\n"
    )
    return {
        "problem": f"Write the module {module} for {asked.topic}: y is the inverse of a.",
        "module": module,
        "code": f"module {module} ({ports});\n    {body}\nendmodule\n",
        "testbench": testbench,
        "reference_model": step if clocked else "def model(inputs):\n    return {'y': ~inputs['a'] & 15}\n",
    }


@contextmanager
def chat_host(**settings: Any) -> Iterator[ChatHost]:
    host = ChatHost(**settings)
    handler = type("Handler", (_Handler,), {"host": host})
    server = _Server(("127.0.0.1", 0), handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        host.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    host: ChatHost
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        host = self.host
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][-1]["content"]
        with host.lock:
            asked = Asked(prompt, request, dict(self.headers), time.monotonic(), host.times()[prompt])
            host.asked.append(asked)
            host.open += 1
            host.most_open = max(host.most_open, host.open)
        is_open = True
        try:
            host.stopping.wait(host.delay(asked))
            fault = host.fault(asked)
            # From the client's side the request is over as soon as the answer is there, or it waits no longer.
            with host.lock:
                host.open -= 1
                is_open = False
            with suppress(OSError):
                self._answer(asked, fault)
        finally:
            if is_open:
                with host.lock:
                    host.open -= 1

    def _answer(self, asked: Asked, fault: str | None) -> None:
        content = self.host.answer(asked)
        wrong = {
            None: self._completion(content),
            "cut json": self._completion(content[: len(content) // 2]),
            "cut at length": self._completion(content[: len(content) // 2], "length"),
            "no choices": {**self._completion(content), "choices": []},
            "no content": self._completion(None),
            "not json": "<html>down</html>",
            "wrong schema": self._completion(json.dumps({"problem": "p", "verilog": "module m; endmodule"})),
        }
        if fault in wrong:
            self._send(200, wrong[fault])
        elif fault == "gzip":
            self._send(200, gzip.compress(json.dumps(self._completion(content)).encode()), {"Content-Encoding": "gzip"})
        elif fault == "huge":
            self._send(200, "x" * 9_000_000)
        elif fault and fault.startswith("429 after "):
            self._send(429, {"error": {"message": "slow down"}}, {"Retry-After": fault.removeprefix("429 after ")})
        elif fault and fault[0].isdigit():
            status, _, message = fault.partition(" ")
            self._send(int(status), {"error": {"message": message or "no"}})
        else:
            self._break_off(str(fault), json.dumps(self._completion(content)).encode())

    def _break_off(self, fault: str, body: bytes) -> None:
        self.close_connection = True
        if fault == "hang":
            self.host.stopping.wait(HANG_S)
        elif fault == "cut body":
            self._head(200, len(body))
            self.wfile.write(body[: len(body) // 2])
        elif fault == "drip":
            self._head(200, 1_000_000)
            until = time.monotonic() + HANG_S
            while time.monotonic() < until and not self.host.stopping.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
        else:
            assert fault == "reset"

    def _completion(self, content: str | None, finish: str = "stop") -> dict[str, Any]:
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
        return {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": self.host.usage}

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        text = value if isinstance(value, str | bytes) else json.dumps(value)
        body = text.encode() if isinstance(text, str) else text
        self._head(status, len(body), headers)
        self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in {
            "Content-Type": "application/json",
            "Content-Length": str(length),
            **(headers or {}),
        }.items():
            self.send_header(name, text)
        self.end_headers()
