"""`EndpointModel` against real servers on loopback: `transformers serve`, and one that misbehaves on purpose."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from autovcoder import prompt
from autovcoder.errors import ModelError
from autovcoder.models import open_model
from autovcoder.models.endpoint import EndpointModel
from autovcoder.records import Sampling


@pytest.fixture(scope="module")
def served(learned_model: Path) -> Iterator[str]:
    """The address of `transformers serve`, with the learned model behind it."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(learned_model)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_transformers_serve_answers_like_the_local_model(
    served: str, learned_model: Path, learned: dict[str, str]
) -> None:
    model = open_model(str(learned_model), served)
    answers = model.complete(list(learned), Sampling(max_new_tokens=300))
    assert answers == [[answer] for answer in learned.values()]


def test_n_answers_come_from_a_server_that_ignores_n(served: str, learned_model: Path, learned: dict[str, str]) -> None:
    spec, answer = next(iter(learned.items()))
    [answers] = EndpointModel(served, str(learned_model)).complete([spec], Sampling(n=3, max_new_tokens=300))
    assert answers == [answer] * 3


def test_the_whole_command_works_behind_a_server(served: str, learned_model: Path, learned: dict[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("generate-verilog")), next(iter(learned))]
    options = ["--endpoint", served, "--model", str(learned_model), "--max-new-tokens", "300"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("module counter")


def test_a_complete_answer_is_not_waited_out(served: str, learned_model: Path, learned: dict[str, str]) -> None:
    spec, answer = next(iter(learned.items()))
    model = EndpointModel(served, str(learned_model))
    [[cut]] = model.complete([spec], Sampling(max_new_tokens=300), stop=lambda _, text: "always" in text)
    assert "always" in cut
    assert answer.startswith(cut)
    assert len(cut) < len(answer)


def test_a_model_that_the_server_lacks_is_one_clear_line(served: str) -> None:
    with pytest.raises(ModelError) as caught:
        EndpointModel(served, "nobody/nothing").complete(["x"], Sampling(max_new_tokens=4))
    assert "\n" not in str(caught.value)
    assert served in str(caught.value)


class Answer(BaseHTTPRequestHandler):
    """Answers every request with what the test put here, and keeps what it was asked."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b""
    asked: ClassVar[list[dict[str, Any]]] = []
    keys: ClassVar[list[str | None]] = []
    refuse_system: ClassVar[bool] = False

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, **request})
        self.keys.append(self.headers["Authorization"])
        status, body = self.status, self.body
        if self.refuse_system and request["messages"][0]["role"] == "system":
            status, body = 400, b'{"error": {"message": "System role not supported"}}'
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def answering(status: int, body: bytes, *, refuse_system: bool = False) -> Iterator[tuple[str, type[Answer]]]:
    fields = {"status": status, "body": body, "asked": [], "keys": [], "refuse_system": refuse_system}
    handler = type("Handler", (Answer,), fields)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chunk(text: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


WHOLE = chunk("module m;") + chunk(" endmodule") + chunk(None, "stop") + b"data: [DONE]\n\n"


def test_the_request_says_how_to_sample_and_each_answer_has_its_own_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with answering(200, WHOLE) as (url, handler):
        drawn = Sampling(n=2, temperature=0.5, top_p=0.9, seed=10, max_new_tokens=7)
        answers = EndpointModel(url, "m").complete(["a", "b"], drawn)
    assert answers == [["module m; endmodule"] * 2] * 2
    assert sorted(request["seed"] for request in handler.asked) == [10, 10, 11, 11]
    for request in handler.asked:
        assert request["path"] == "/v1/chat/completions"
        assert (request["model"], request["temperature"], request["top_p"]) == ("m", 0.5, 0.9)
        assert request["max_tokens"] == 7
        assert request["messages"][0] == {"role": "system", "content": prompt.SYSTEM}
    assert set(handler.keys) == {"Bearer secret"}


def test_no_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with answering(200, WHOLE) as (url, _):
        assert EndpointModel(url, "m").complete(["a"], Sampling()) == [["module m; endmodule"]]


def test_an_address_with_a_path_is_taken_as_it_is() -> None:
    with answering(200, WHOLE) as (url, handler):
        EndpointModel(f"{url}/api/v3/", "m").complete(["a"], Sampling())
    assert handler.asked[0]["path"] == "/api/v3/chat/completions"


def test_a_server_that_refuses_the_system_role_gets_it_within_the_users_message() -> None:
    with answering(200, WHOLE, refuse_system=True) as (url, handler):
        assert EndpointModel(url, "m").complete(["a"], Sampling()) == [["module m; endmodule"]]
    [message] = handler.asked[-1]["messages"]
    assert message == {"role": "user", "content": f"{prompt.SYSTEM}\n\na"}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b'{"error": {"message": "bad key"}}', "set OPENAI_API_KEY"),
        (403, b"{}", "set OPENAI_API_KEY"),
        (404, b'{"error": {"message": "no"}}', "has no model 'm'"),
        (422, b'{"error": {"message": "what is top_p"}}', r"\(422\).*what is top_p"),
        (200, b"", "not a whole chat completion"),
        (200, b"<html>hello</html>", "not a whole chat completion"),
        (200, b"data: {not json}\n\n", "not a chat completion"),
        (200, b'data: {"choices": 3}\n\n', "not a chat completion"),
        (200, b'data: {"choices": [{"index": 0}]}\n\n', "not a chat completion"),
        (200, b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (200, chunk("module m;"), "not a whole chat completion"),
    ],
)
def test_every_failure_of_a_server_is_one_clear_line(status: int, body: bytes, said: str) -> None:
    with answering(status, body) as (url, _), pytest.raises(ModelError, match=said) as caught:
        EndpointModel(url, "m").complete(["a"], Sampling())
    assert "\n" not in str(caught.value)
    assert url in str(caught.value)


def test_half_characters_in_an_answer_become_characters_that_a_file_can_hold() -> None:
    body = chunk("a \ud83d") + chunk("\ude00 b \ud800") + chunk(None, "stop")
    with answering(200, body) as (url, _):
        [[answer]] = EndpointModel(url, "m").complete(["a"], Sampling())
    assert answer == "a \N{GRINNING FACE} b \N{REPLACEMENT CHARACTER}"


class RefusesOne(BaseHTTPRequestHandler):
    """Refuses the prompt "bad" once another one is under way, to which it never answers."""

    others: ClassVar[threading.Event]
    over: ClassVar[threading.Event]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["messages"][-1]["content"] != "bad":
            self.others.set()
            self.over.wait(120)
            return
        self.others.wait(60)
        body = b'{"error": {"message": "what is that"}}'
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_after_a_refusal_nobody_waits_for_the_other_answers() -> None:
    """Neither the call nor the end of the process."""
    script = (
        "import sys\nfrom autovcoder.models.endpoint import EndpointModel\nfrom autovcoder.records import Sampling\n"
        "from autovcoder.errors import ModelError\n"
        "try:\n    EndpointModel(sys.argv[1], 'm').complete(['a', 'bad', 'c'], Sampling())\n"
        "except ModelError as error:\n    print(error)\n"
    )
    over = threading.Event()
    handler = type("Handler", (RefusesOne,), {"others": threading.Event(), "over": over})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        command = [sys.executable, "-c", script, f"http://127.0.0.1:{server.server_port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert "refused the request (400)" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_does_not_wait_for_a_server_that_thinks() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [str(Path(sys.executable).with_name("generate-verilog")), "x", "--endpoint", url, "--model", "m"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_listen_to_ctrl_c
        ) as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                output, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (output, "Traceback" in said) == ("", False)


def test_nobody_at_the_address_is_one_clear_line() -> None:
    url = f"http://127.0.0.1:{_free_port()}"
    with pytest.raises(ModelError, match=f"cannot reach the model server: {url}/v1; start it"):
        EndpointModel(url, "m").complete(["a"], Sampling())


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ModelError, match="not a server's address"):
        EndpointModel(url, "m")


def _listen_to_ctrl_c() -> None:
    """A shell starts background jobs, and so perhaps these tests, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(3000):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)
