"""`autovcoder serve` as programs meet it: a real process, a real model or a loopback one, and hostile clients."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from autovcoder import prompt
from autovcoder.candidates import Checks
from autovcoder.generate import Result
from autovcoder.models import open_model
from autovcoder.records import Sampling, Verdict
from autovcoder.serve.chat import answer_text
from autovcoder.serve.pictures import pictures_of
from autovcoder.serve.service import Stopped, _StoppableSimulator
from hdl_sim.consensus import select
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS
from hdl_sim.statement import stated_interface
from hdl_sim.testbench import bench_from_text

from .served import COMMAND, Writer, serving, writing
from .test_cli_generate_rag import SPEC as COUNTER
from .test_cli_generate_rag import library  # noqa: F401 - a fixture

CHAT, GENERATE = "/v1/chat/completions", "/api/generate"


def gate(body: str, name: str = "gate") -> str:
    return f"module {name} (\n    input a,\n    input b,\n    output y\n);\n    {body}\nendmodule\n"


GOOD, ALSO, WRONG = gate("assign y = a & b;"), gate("assign y = b & a; // the same"), gate("assign y = a | b;")
BROKEN = gate("assign y = a & nowhere;")
BENCH = """
module tb;
    reg a, b; wire y; integer i, bad;
    gate dut (.a(a), .b(b), .y(y));
    initial begin
        bad = 0;
        for (i = 0; i < 4; i = i + 1) begin {a, b} = i; #1 if (y !== (a & b)) bad = bad + 1; end
        $display("Mismatches: %0d in 4 samples", bad);
        $finish;
    end
endmodule
"""


def answers(asked: str) -> Sequence[str]:
    if "broken" in asked:
        return [f"```verilog\n{BROKEN}```"]
    if "prose" in asked:
        return ["I only talk."]
    return [f"Of course.\n```verilog\n{code}```" for code in (GOOD, WRONG, ALSO)]


@pytest.fixture(scope="module")
def local(learned_model: Path) -> Iterator[str]:
    """A server with a real model in its process."""
    with serving("--model", str(learned_model), "--max-new-tokens", "300") as (url, _):
        yield url


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with writing(answers) as writer:
        yield writer


@pytest.fixture(scope="module")
def url(writer: Writer) -> Iterator[str]:
    """A server whose model is the test's own; one request may wait."""
    with serving("--model", "m", "--endpoint", writer.url, "--queue", "1") as (url, _):
        yield url


@contextmanager
def asking(url: str, spec: str) -> Iterator[None]:
    """A question whose asker reads no answer, and goes away at the end."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"spec": spec}).encode()
    head = f"POST {GENERATE} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        yield


def post(url: str, path: str, body: object, **headers: str) -> httpx.Response:
    return httpx.post(url + path, json=body, headers=headers, timeout=60)


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


# ---- in OpenAI's form ----------------------------------------------------------------------------


def test_our_own_client_gets_the_chosen_design_in_a_fence(
    local: str, learned_model: Path, learned: dict[str, str]
) -> None:
    spec, answer = next(iter(learned.items()))
    model = open_model(str(learned_model), local)
    assert model.complete([spec, spec], Sampling(n=2, max_new_tokens=300)) == [[answer] * 2] * 2


def test_the_openai_package_works_whole_and_streamed(local: str, learned_model: Path, learned: dict[str, str]) -> None:
    spec, answer = next(iter(learned.items()))
    with openai.OpenAI(base_url=f"{local}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [str(learned_model)]
        ask = client.chat.completions.create
        whole = ask(model=str(learned_model), messages=[{"role": "user", "content": spec}], seed=3, user="me")
        assert whole.choices[0].message.content == answer
        assert (len(whole.choices), whole.choices[0].finish_reason) == (1, "stop")
        assert whole.usage is not None
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 50
        ours = (whole.model_extra or {})["autovcoder"]
        assert (ours["accepted"], ours["compiled"], ours["seed"], ours["context_ids"]) == (True, "pass", 3, [])
        assert ours["seconds"]["generate"] > 0
        parts = list(
            ask(model=str(learned_model), messages=[{"role": "user", "content": spec}], stream=True,
                stream_options={"include_usage": True})
        )  # fmt: skip
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == answer
    assert parts[-1].usage == whole.usage
    assert (parts[-2].choices[0].finish_reason, (parts[-2].model_extra or {})["autovcoder"]["accepted"]) == (
        "stop",
        True,
    )


def test_an_answer_of_ours_can_be_sent_back_in_a_second_turn(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        first = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "an and gate"}])
        turns: list[Any] = [{"role": "user", "content": "an and gate"}, first.choices[0].message.model_dump()]
        turns.append({"role": "user", "content": "with another name"})
        second = client.chat.completions.create(model="m", messages=turns)
    assert second.choices[0].message.content


def test_a_model_server_that_says_nothing_holds_nobody_up(writer: Writer) -> None:
    writer.enough.clear()
    before = len(writer.asked)
    with serving("--model", "m", "--endpoint", writer.url) as (url, _):
        with asking(url, "silence"):
            wait_for(lambda: "silence" in writer.asked[before:])
        started = time.monotonic()
        assert post(url, GENERATE, {"spec": "an and gate"}).status_code == 200
        assert time.monotonic() - started < 30
        writer.enough.set()


def test_nothing_more_is_simulated_when_nobody_waits_and_no_run_takes_long() -> None:
    class Seen(Icarus):
        limits: list[Limits]

        def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
            self.limits = [limits]
            return super().compile_only(design, limits)

    seen, waits = Seen(), [True]
    simulator = _StoppableSimulator(seen, lambda: not waits[0])
    assert simulator.compile_only(GOOD).passed
    assert seen.limits[0].cpu_s == 10
    waits[0] = False
    for ask in (lambda: simulator.compile_only(GOOD), lambda: simulator.printed(GOOD, bench_from_text(BENCH))):
        with pytest.raises(Stopped):
            ask()


def test_several_choices_are_the_chosen_design_first(url: str) -> None:
    whole = post(url, CHAT, asked("an and gate", n=3)).json()
    texts = [choice["message"]["content"] for choice in whole["choices"]]
    assert texts[0] == f"```verilog\n{GOOD.rstrip()}\n```"
    assert sorted(texts[1:]) == sorted(f"```verilog\n{code.rstrip()}\n```" for code in (WRONG, ALSO))
    assert (whole["autovcoder"]["agreeing"], whole["autovcoder"]["candidates"]) == (2, 3)
    assert 0 < whole["autovcoder"]["confidence"] < 1


def test_an_answer_without_code_comes_as_it_is(url: str) -> None:
    whole = post(url, CHAT, asked("prose")).json()
    assert whole["choices"][0]["message"]["content"] == "I only talk."
    assert (whole["autovcoder"]["accepted"], whole["autovcoder"]["compiled"]) == (False, "no_code")


def test_what_the_user_said_is_the_specification(url: str, writer: Writer) -> None:
    messages = [
        {"role": "system", "content": prompt.SYSTEM},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "a gate"},
        {"role": "assistant", "content": "module x; endmodule"},
        {"role": "user", "content": [{"type": "text", "text": "with two inputs"}]},
    ]
    assert post(url, CHAT, {"model": "m", "messages": messages, "stop": None, "tools": []}).status_code == 200
    assert writer.asked[-1] == "Be brief.\n\na gate\n\nwith two inputs"


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        (asked("x", stop=["end"]), 400, "stop", "'stop' is not supported"),
        (asked("x", tools=[{"type": "function"}]), 400, "tools", "not supported"),
        (asked("x", response_format={"type": "json_object"}), 400, "response_format", "not supported"),
        (asked("x", top_k=3), 400, "top_k", "not known"),
        (asked("x", n=0), 400, "n", "greater than or equal to 1"),
        (asked("x", temperature=3), 400, "temperature", "less than or equal to 2"),
        (asked("x", temperature="warm"), 400, "temperature", "valid number"),
        (asked("x", max_tokens=True), 400, "max_tokens", "valid integer"),
        (asked("x", seed=10**30), 400, "seed", "than"),
        (asked("   "), 400, "messages", "no user message"),
        (asked("y" * 100_001), 400, "messages", "at most 100,000"),
        ({"model": "m", "messages": []}, 400, "messages", "at least 1 item"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, 400, "messages", "'messages.0.role'"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "messages",
            "content",
        ),
        ({"messages": [{"role": "user", "content": "x"}]}, 400, "model", "required"),
        ({**asked("x"), "model": "<b>"}, 404, "model", "no model '<b>' here, only 'm'"),
    ],
)
def test_a_request_that_cannot_be_answered_says_which_field(
    url: str, body: dict[str, Any], status: int, param: str, said: str
) -> None:
    response = post(url, CHAT, body)
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["type"]) == (status, param, "invalid_request_error")
    assert said in error["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b"\xff", 400), (b'{"model": NaN}', 400), (b"[" * 200_000, 400),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}', 400),
        (b" " * 1_000_001, 413),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [CHAT, GENERATE])
def test_a_body_that_is_no_request_is_refused(url: str, path: str, body: bytes, status: int) -> None:
    response = httpx.post(url + path, content=body, headers={"Content-Type": "application/json"}, timeout=60)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_a_large_body_without_its_length_is_refused_too(url: str) -> None:
    pieces = (b" " * 100_000 for _ in range(11))
    response = httpx.post(url + CHAT, content=pieces, headers={"Content-Type": "application/json"}, timeout=60)
    assert response.status_code == 413


def test_addresses_and_methods_that_are_not_there(url: str) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", CHAT, 405), ("DELETE", "/v1/models", 405),
                                 ("GET", "/assets/..%2Fapp.py", 404), ("GET", "/v1/models/n", 404)):  # fmt: skip
        response = httpx.request(method, url + path)
        assert (response.status_code, set(response.json())) == (status, {"error"}), path
    assert httpx.get(f"{url}/v1/models/m").json()["id"] == "m"


# ---- who may ask ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "x@127.0.0.1", "", "[::"]
)
def test_another_name_for_this_machine_is_refused(url: str, host: str) -> None:
    for path in ("/", "/v1/models"):
        assert httpx.get(url + path, headers={"Host": host}).status_code in (400, 403)
    assert httpx.get(url, headers={"Host": "localhost"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ],
)  # fmt: skip
def test_a_page_of_another_origin_cannot_ask(url: str, writer: Writer, headers: dict[str, str]) -> None:
    before = len(writer.asked)
    assert post(url, GENERATE, {"spec": "an and gate"}, **headers).status_code == 403
    assert len(writer.asked) == before
    assert post(url, GENERATE, {"spec": "an and gate"}, Origin=url).status_code == 200


def test_a_form_cannot_ask(url: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        response = httpx.post(url + GENERATE, content=b'{"spec": "x"}', headers={"Content-Type": kind})
        assert response.status_code == 415


# ---- our own form --------------------------------------------------------------------------------


def test_generate_tells_what_the_command_tells_and_how_the_answers_differ(url: str) -> None:
    document = post(url, GENERATE, {"spec": "an and gate", "n": 3}).json()
    assert (document["accepted"], document["code"], document["best"]) == (True, GOOD, 0)
    assert document["selection"]["groups"][0]["members"] == [0, 2]
    assert [one["compiled"]["status"] for one in document["candidates"]] == ["pass"] * 3
    view = document["view"]
    assert view["choice"].startswith("2 of 3 answers do the same")
    assert [one["standing"] for one in view["candidates"]] == ["chosen", "does something else", "does the same"]
    first, other = view["groups"]
    assert (first["numbers"], first["difference"], other["numbers"]) == ([1, 3], None, [2])
    assert other["difference"]["outputs"] == [["y", "0", "1"]]
    [picture] = view["pictures"]
    wave, step = picture["wave"], other["difference"]["step"]
    assert [signal["name"] for signal in wave["signals"]] == ["a", "b", "y_ref", "y_dut"]
    assert (picture["other"], picture["step"], wave["mismatch"], wave["differences"]) == (
        1,
        step,
        5 * step,
        {"y": 5 * step},
    )
    values = {signal["name"]: dict(map(tuple, signal["changes"])) for signal in wave["signals"]}
    assert (values["y_ref"].get(5 * step, "0"), values["y_dut"][5 * step]) == ("0", "1")


def test_header_language_and_testbench_are_checked(url: str) -> None:
    header = "module gate (input a, input b, output y);"
    order = {"spec": "an and gate", "header": header, "language": "verilog-2001", "testbench": BENCH, "n": 3, "seed": 1}
    document = post(url, GENERATE, order).json()
    assert [one["bench"]["status"] for one in document["candidates"]] == ["mismatch", "pass", "pass"]
    assert ["testbench", "pass (0 mismatches in 4 samples)"] in document["view"]["checks"]
    standing = document["view"]["candidates"][0]["standing"]
    assert standing.startswith("not accepted: simulation: mismatch")
    for broken in ({"header": "modul"}, {"testbench": "module"}, {"spec": " "}, {"repair": 99}, {"language": "vhdl"}):
        response = post(url, GENERATE, {**order, **broken})
        assert response.status_code == 400, response.text


def test_what_does_not_compile_is_put_back_to_the_model(url: str, writer: Writer) -> None:
    document = post(url, GENERATE, {"spec": "something broken", "repair": 1}).json()
    assert [one["told"] for one in document["candidates"]] == [None, "what the compiler says"]
    assert "nowhere" in writer.asked[-1]
    assert document["view"]["candidates"][0]["diagnostics"][0]["line"] == 6
    assert not document["accepted"]


def test_what_retrieval_finds_is_put_before_the_specification_and_told(
    writer: Writer,
    library: Path,  # noqa: F811
) -> None:
    with serving("--model", "m", "--endpoint", writer.url, "--library", str(library)) as (url, _):
        document = post(url, GENERATE, {"spec": COUNTER}).json()
        assert writer.asked[-1].startswith("Reference:\n")
        told = post(url, CHAT, asked(COUNTER)).json()["autovcoder"]
    shown = document["view"]["context"]
    assert [one["id"] for one in shown] == told["context_ids"] != []
    assert {one["title"] for one in shown} <= {hit["title"] for hit in document["context"]["shown"]}
    assert shown[0]["text"] in writer.asked[-1]
    assert document["view"]["seconds"]["retrieve"] > 0


def test_an_unknown_value_of_the_chosen_design_is_a_difference_too() -> None:
    """An expected x is no expectation, so the other design's value must stand as the expected one."""
    unknown, known = gate("assign y = a ? b : 1'bx;"), gate("assign y = a ? b : 1'b0;")
    designs = [unknown, unknown.replace("gate", "gate "), known]
    simulator, stated = Icarus(), stated_interface("a gate")
    found = Checks(stated, None, None, None, simulator, mend=False).check_all(designs)
    result = Result(
        spec="a gate", header=None, model="m", sampling=Sampling(n=3), candidates=tuple(found), best=0,
        selection=select(designs, "a gate", stated, simulator), seconds={},
    )  # fmt: skip
    [picture] = pictures_of(result, simulator)
    assert (picture.other, picture.expected) == (2, "other")
    assert picture.wave.mismatch == 5 * (picture.step or 0)


def test_a_design_alone_is_drawn_with_its_clock_half_a_step_behind_its_inputs(learned: dict[str, str]) -> None:
    simulator, stated = Icarus(), stated_interface("a counter")
    found = Checks(stated, None, None, None, simulator, mend=False).check_all([next(iter(learned.values()))])
    result = Result(
        spec="a counter", header=None, model="m", sampling=Sampling(), candidates=tuple(found), best=0, seconds={}
    )
    [picture] = pictures_of(result, simulator)
    signals = {signal.name: signal.changes for signal in picture.wave.signals}
    assert list(signals) == ["clk", "rst", "en", "q"]
    assert signals["clk"][:3] == ((0, "0"), (5, "1"), (15, "0"))
    # The first reset is over, and the clock rises in every second step.
    assert [value for _, value in signals["q"][:2]] == ["00000000", "00000001"]
    assert [at % 20 for at, _ in signals["q"][:2]] == [0, 5]
    assert (picture.step, picture.wave.mismatch) == (None, None)


def test_nothing_in_a_design_closes_its_fence() -> None:
    simulator = Icarus()
    checks = Checks(stated_interface("x"), None, None, None, simulator, mend=False)
    [one] = checks.check_all(["module m; // ok\nendmodule\n"])
    hostile = one.model_copy(update={"code": "module m;\n/*\n````\nrm\n*/\nendmodule\n"})
    assert answer_text(hostile).startswith("`````verilog\n")
    assert answer_text(one) == "```verilog\nmodule m; // ok\nendmodule\n```"


# ---- one at a time -------------------------------------------------------------------------------


def test_who_comes_when_the_queue_is_full_is_told_so_and_who_goes_away_frees_the_place(
    url: str, writer: Writer
) -> None:
    writer.enough.clear()
    writer.gone.clear()
    with asking(url, "forever"):
        wait_for(lambda: writer.asked[-1:] == ["forever"])
        waiting: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: waiting.append(until_it_has_a_place(url)))
        thread.start()
        wait_for(lambda: is_full(url))
        refused = post(url, CHAT, asked("x"))
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert int(refused.headers["Retry-After"]) > 0
        assert not waiting
        assert httpx.get(f"{url}/v1/models").status_code == 200
    thread.join(timeout=60)
    assert [response.status_code for response in waiting] == [200]
    assert writer.gone.wait(timeout=60)


def test_a_model_that_cannot_be_reached_is_an_error_and_the_server_goes_on() -> None:
    with writing(answers) as writer:
        nobody = writer.url
    with serving("--model", "m", "--endpoint", nobody) as (url, process):
        for _ in range(2):
            response = post(url, CHAT, asked("x"))
            error = response.json()["error"]
            assert (response.status_code, error["type"]) == (500, "server_error")
            assert "cannot reach the model server" in error["message"]
            assert "Traceback" not in response.text
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.count("cannot reach the model server") == 2
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def impatient() -> Iterator[str]:
    """A server that waits half a second for the head of a request; its model answers after more than that."""
    program = "from autovcoder.serve import run; run._HEAD_S = 0.5; from autovcoder.cli.main import main; main()"

    def later(prompt: str) -> Sequence[str]:
        time.sleep(1.2)
        return answers(prompt)

    with (
        writing(later) as writer,
        serving("--model", "m", "--endpoint", writer.url, command=[sys.executable, "-c", program]) as (url, _),
    ):
        yield url


@pytest.mark.parametrize(
    ("begun", "answered"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b""),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\nGET /", b"200 OK"),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", b"200 OK"),
    ],
    ids=["nothing", "half a head", "half a second head", "a body that nobody reads"],
)
def test_who_never_sends_a_whole_request_is_cut_off_however_busy(begun: bytes, answered: bytes, impatient: str) -> None:
    host, port = impatient.removeprefix("http://").split(":")
    got = b""
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(begun)
        slow.settimeout(0.1)
        for _ in range(50):
            try:
                if begun:
                    slow.sendall(b"a")
                piece = slow.recv(65536)
            except TimeoutError:
                continue
            except OSError:  # it has closed while we were still sending
                break
            if not piece:
                break
            got += piece
        else:
            pytest.fail("still connected after 5 s")
    assert answered in got


def test_who_waits_for_an_answer_is_not_cut_off(impatient: str) -> None:
    with httpx.Client(base_url=impatient, timeout=60) as client:
        for _ in range(2):
            assert client.post(GENERATE, json={"spec": "an and gate"}).json()["accepted"] is True


def test_ctrl_c_in_the_midst_of_an_answer_leaves_nothing_running(writer: Writer) -> None:
    writer.enough.clear()
    before = len(writer.asked)
    with serving("--model", "m", "--endpoint", writer.url) as (url, process):
        assert post(url, GENERATE, {"spec": "an and gate"}).status_code == 200
        inside = psutil.Process(process.pid).children(recursive=True)
        assert inside, "the simulator's workers"
        responses: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: responses.append(post(url, CHAT, asked("forever"))))
        thread.start()
        wait_for(lambda: "forever" in writer.asked[before:])
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert time.monotonic() - started < 10
        thread.join(timeout=60)
    assert (process.returncode, responses[0].status_code) == (130, 503)
    assert "Traceback" not in said
    assert psutil.wait_procs(inside, timeout=10)[1] == []


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--host", "192.0.2.1"], 1, "error: cannot listen: 192.0.2.1, port 0; "),
        (["--host", "no.such.name.invalid"], 1, "error: cannot listen: "),
        (["--model", "/nowhere"], 1, "error: no such model folder: /nowhere"),
        (["--endpoint", "http://localhost:1"], 2, "--endpoint needs --model"),
        (["--no-rag", "--library", "x"], 2, "--library goes with --rag"),
    ],
)
def test_a_server_that_cannot_start_says_so(options: list[str], code: int, said: str) -> None:
    command = [*COMMAND, "serve", "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*COMMAND, "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Address already in use" in done.stderr


def until_it_has_a_place(url: str) -> httpx.Response:
    while True:
        response = post(url, GENERATE, {"spec": "an and gate"})
        if response.status_code != 429:
            return response
        time.sleep(0.05)


def is_full(url: str) -> bool:
    """Whether a request is refused; one that is not goes away at once."""
    try:
        return httpx.post(url + CHAT, json=asked("x"), timeout=1).status_code == 429
    except httpx.ReadTimeout:
        return False


def wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not there():
        assert time.monotonic() < until
        time.sleep(0.05)
