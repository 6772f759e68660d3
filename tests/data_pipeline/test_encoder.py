"""The encoder: whole modules, vectors that do not depend on their neighbours, weights from this machine alone."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from autovcoder.errors import ModelError
from data_pipeline.encoder import DEFAULT_ENCODER, MAX_WINDOWS, CodeEncoder, spread

ADDER = "module adder (input [7:0] a, b, output [8:0] y);\n    assign y = a + b;\nendmodule\n"
COUNTER = "module counter (input clk, output reg [3:0] q);\n    always @(posedge clk) q <= q + 1;\nendmodule\n"


@pytest.fixture(scope="module")
def encoder() -> CodeEncoder:
    return CodeEncoder()


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_texts_become_vectors_of_one_size(encoder: CodeEncoder) -> None:
    vectors = encoder.encode([ADDER, COUNTER, "", "\ud800", "é" * 300])
    assert vectors.shape == (5, encoder.size) == (5, 4 * 384 + 1)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert encoder.encode([]).shape == (0, encoder.size)
    parts = vectors[:2, :-1].reshape(2, 4, 384)
    assert np.linalg.norm(parts, axis=2) == pytest.approx(1, abs=1e-3)


def test_a_vector_does_not_depend_on_what_is_encoded_beside_it(encoder: CodeEncoder) -> None:
    texts = [ADDER, COUNTER, COUNTER * 30, ADDER[:20]]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert cosines(alone, encoder.encode(texts)).min() > 0.999
    assert cosines(alone[::-1], encoder.encode(texts[::-1])).min() > 0.999
    assert cosines(alone[:1], alone[1:2])[0] < 0.999


def test_the_end_of_a_long_module_is_read_too(encoder: CodeEncoder) -> None:
    long = COUNTER * 40
    same, other = encoder.encode([long + COUNTER, long + "// zebra giraffe elephant"])
    assert np.abs(same - other)[:-1].max() > 0.02
    assert other[-1] == pytest.approx(np.log1p(len(encoder._model.tokenizer(long)["input_ids"])), abs=0.05)


def test_of_very_long_modules_windows_are_read_evenly(encoder: CodeEncoder) -> None:
    rows = [[number] for number in range(1000)]
    taken = [row[0] for row in spread(rows, MAX_WINDOWS)]
    assert (len(taken), taken[0], taken[-1]) == (MAX_WINDOWS, 0, 999)
    assert set(np.diff(taken)) <= {15, 16, 17}
    assert spread(rows[:MAX_WINDOWS], MAX_WINDOWS) == rows[:MAX_WINDOWS]
    windows, lengths = encoder._windows(["a b " * 20_000, "a"])
    assert [w.text for w in windows].count(0) == MAX_WINDOWS
    assert lengths[0] > 40_000


def test_it_is_the_same_mean_that_the_library_gives(encoder: CodeEncoder) -> None:
    """For a text of one window the first part of the vector is the sentence embedding itself."""
    ours = encoder.encode([ADDER])[:, :384]
    theirs = encoder._model.encode([ADDER], convert_to_tensor=True).float().cpu().numpy()
    assert cosines(ours, theirs)[0] > 0.999


def test_weights_come_from_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert CodeEncoder(DEFAULT_ENCODER).identity["name"] == DEFAULT_ENCODER
    with pytest.raises(ModelError, match="no such encoder on this machine"):
        CodeEncoder("nobody/no-such-encoder")
    with pytest.raises(ModelError, match="no such encoder on this machine"):
        CodeEncoder("../no/../such id")


def test_a_folder_without_an_encoder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the encoder") as caught:
        CodeEncoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_and_the_packaged_encoder_have_the_same_identity(encoder: CodeEncoder) -> None:
    again = CodeEncoder(str(encoder._folder))
    assert again.sha256 == encoder.sha256
    assert len(again.sha256) == 64
    assert cosines(again.encode([ADDER]), encoder.encode([ADDER]))[0] > 0.9999
