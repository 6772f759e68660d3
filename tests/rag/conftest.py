"""A small static encoder with chance vectors (a text's words decide its vector, and no more), and pairs of families."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from autovcoder.files import write_jsonl
from autovcoder.records import Entry, StoreKind, Verdict
from data_pipeline.parametric import ParametricTeacher
from rag.chunks import handbook
from rag.embed import StaticEmbedder

UNKNOWN = "[UNK]"
FAMILIES = (
    "counter",
    "mux",
    "parity",
    "shift_register",
    "comparator",
    "gray",
    "pwm",
    "decoder",
    "edge_detector",
    "alu",
)


def make_encoder(folder: Path, *, seed: int = 0, dimension: int = 32) -> Path:
    """A folder with a static encoder whose table is drawn."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))  # type: ignore[call-arg]
    tokenizer.normalizer = normalizers.Lowercase()  # type: ignore[assignment]
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # type: ignore[assignment]
    trainer = trainers.WordPieceTrainer(vocab_size=2000, special_tokens=[UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator((entry.key for entry in handbook()), trainer)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(seed).normal(size=(tokenizer.get_vocab_size(), dimension))
    save_file({"embedding.weight": table.astype(np.float16)}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> StaticEmbedder:
    return StaticEmbedder(make_encoder(tmp_path_factory.mktemp("encoder") / "static"))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of ten families, as the families' teacher writes them."""
    teacher = ParametricTeacher(FAMILIES)
    drafts = [teacher.drawn(0, index).draft(0) for index in range(400)]
    verdict = Verdict(status="pass", stage="simulate")
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_jsonl(path, [{"draft": draft.model_dump(), "verdict": verdict.model_dump()} for draft in drafts])
    return path


def entry(text: str, store: StoreKind = "knowledge", **more: str) -> Entry:
    """An entry whose id, title and key are its text."""
    return Entry(**{"id": text, "store": store, "title": text, "text": text, "key": text, **more})  # type: ignore[arg-type]
