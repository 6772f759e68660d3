"""Pushes by the real command line and the hub's own library to a server on this machine."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# peft uses what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


class Hub(BaseHTTPRequestHandler):
    """The few addresses of the Hugging Face hub that a push uses; keeps what it is sent."""

    private, status = True, 200
    files: dict[str, bytes]
    blobs: dict[str, bytes]
    seen: list[tuple[str, Any]]
    tokens: set[str | None]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.tokens.add(self.headers["Authorization"])
        path = self.path.partition("?")[0]
        if self.status != 200:
            self._answer({"error": "You shall not pass"}, self.status)
        elif path == "/api/repos/create":
            self.seen.append((path, json.loads(body)))
            self._answer({"url": f"{self._here()}/lab/adder", "id": "lab/adder"})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            big = [{"path": n, "uploadMode": "lfs" if n.endswith(".safetensors") else "regular"} for n in names]
            self._answer({"files": [{**file, "shouldIgnore": False, "oid": None} for file in big]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{self._here()}/blob/{o['oid']}", "header": {}}}}
                for o in json.loads(body)["objects"]
            ]
            self._answer({"transfer": "basic", "objects": objects})
        elif path.endswith("/commit/main"):
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._answer({"error": path}, 404)

    def do_GET(self) -> None:
        siblings = [{"rfilename": name} for name in (".gitattributes", *self.files)]
        self._answer({"id": "lab/adder", "private": self.private, "siblings": siblings, "tags": []})

    def do_PUT(self) -> None:
        self.blobs[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        self.seen.append(("commit", lines[0]))
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                self.files[value["path"]] = self.blobs[value["oid"]]
        self._answer({"commitUrl": f"{self._here()}/lab/adder/commit/1", "commitOid": "1", "hookOutput": ""})

    def _here(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Hub]]]:
    handler = type("HubOfATest", (Hub,), {"files": {}, "blobs": {}, "seen": [], "tokens": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def push_to(hub: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: the hub's address is read when its library is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-m", "autovcoder", "finetune", "export", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_push_is_one_commit_of_the_whole_folder_to_a_private_repository(
    learned_model: Path, merged: Path, adapter: Path, hub: tuple[str, type[Hub]]
) -> None:
    url, kept = hub
    arguments = ["--model", str(learned_model), "--adapter", str(adapter), "--out", str(merged)]
    done = push_to(url, *arguments, "--push", "lab/adder")
    assert done.returncode == 0, done.stderr
    assert f"pushed: {url}/lab/adder" in done.stderr
    assert kept.seen[0][1]["visibility"] == "private"
    assert [what for what, _ in kept.seen].count("commit") == 1
    assert kept.files == {path.name: path.read_bytes() for path in merged.iterdir()}
    assert kept.tokens == {"Bearer hf_secret"}
    assert "hf_secret" not in done.stderr + done.stdout


def test_only_what_was_exported_is_pushed_to_a_repository_of_its_own(
    merged: Path, hub: tuple[str, type[Hub]], learned_model: Path, adapter: Path, tmp_path: Path
) -> None:
    url, kept = hub
    out = tmp_path / "out"
    shutil.copytree(merged, out)
    (out / "notes.txt").write_text("for nobody")
    arguments = ["--model", str(learned_model), "--adapter", str(adapter), "--out", str(out), "--push", "lab/adder"]
    for _ in range(2):  # the second is a new version of the first
        done = push_to(url, *arguments)
        assert done.returncode == 0, done.stderr
        assert kept.files == {path.name: path.read_bytes() for path in merged.iterdir()}
    kept.files["adapter_config.json"] = b"of another model"
    done = push_to(url, *arguments)
    assert done.returncode == 1
    assert "error: the repository holds files that are not of this export: lab/adder: adapter_config" in done.stderr
    del kept.files["adapter_config.json"]
    (out / "config.json").write_text("{}")
    done = push_to(url, *arguments)
    assert done.returncode == 1
    assert "error: the file was changed since the export: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--push", "a b"], "not a repository's name: 'a b'; give OWNER/NAME"),
        (["--push", "../adder"], "not a repository's name"),
        (["--push", "adder"], "not a repository's name"),
        (["--push", ""], "not a repository's name"),
        (["--public"], "--public is for --push"),
    ],
)
def test_a_push_that_cannot_be_is_refused_before_the_export(
    learned_model: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = push_to("http://127.0.0.1:9", "--model", str(learned_model), "--out", str(tmp_path / "out"), *arguments)
    assert (done.returncode, f"error: {said}" in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "out").exists()


def test_what_the_hub_refuses_is_one_clear_line(
    learned_model: Path, merged: Path, adapter: Path, hub: tuple[str, type[Hub]]
) -> None:
    url, kept = hub
    arguments = ["--model", str(learned_model), "--adapter", str(adapter), "--out", str(merged), "--push", "lab/adder"]
    kept.private = False
    done = push_to(url, *arguments)
    assert (done.returncode, kept.files) == (1, {})
    assert "error: the repository is public: lab/adder; give --public" in done.stderr
    kept.private, kept.status = True, 401
    done = push_to(url, *arguments)
    assert done.returncode == 1
    assert "error: cannot push to the hub (" in done.stderr
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_network_is_one_clear_line(merged: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    code = "import sys, pathlib, finetune.hub as h; h.push(pathlib.Path(sys.argv[1]), 'lab/adder')"
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": "hf_secret"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(merged)], env=environment, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("autovcoder.errors.ModelError: cannot push to the hub (")
    assert "hf_secret" not in done.stderr
