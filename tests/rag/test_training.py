"""Retrievers: what they learn from, that a trained one finds more than an untrained one, and that mining is fair."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from autovcoder.errors import InputError
from autovcoder.files import read_records, write_jsonl
from autovcoder.models import Stop
from autovcoder.models.local import LocalModel
from autovcoder.models.transformers_engine import quiet
from autovcoder.prompt import plain
from autovcoder.records import Entry, Sampling, Verdict
from data_pipeline.parametric import ParametricTeacher
from hdl_sim.icarus import Icarus
from rag import train
from rag.chunks import example
from rag.embed import StaticEmbedder, TransformerEmbedder, open_embedder
from rag.groups import Mined, Tried, batches, mined_groups, title_groups, topic_groups
from rag.library import examples_of_pairs
from rag.mine import MiningSettings, agreement, mine, score, yield_of
from rag.store import EntryStore
from rag.train import RetrieverSettings, train_retriever

from .conftest import FAMILIES, UNKNOWN, entry


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, pairs: Path) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "static"
    settings = RetrieverSettings(dimension=64, vocabulary=1500, batch=8, epochs=6, sources=("topic", "title"))
    train_retriever(folder, settings, pairs=pairs)
    return folder


def right(embedder: StaticEmbedder | TransformerEmbedder, entries: Sequence[Entry]) -> float:
    """The share of held-out problems whose nearest example is of their family."""
    problems = list(ParametricTeacher(FAMILIES).problems(1, 60))
    documents = embedder.encode([one.key for one in entries], "document")
    nearest = (embedder.encode([problem.spec for problem in problems], "query") @ documents.T).argmax(axis=1)
    return float(np.mean([entries[n].topic == p.category for n, p in zip(nearest, problems, strict=True)]))


def test_groups_have_one_of_the_topic_and_others_of_none(pairs: Path) -> None:
    entries = examples_of_pairs(pairs)
    topics = {one.key: one.topic for one in entries}
    groups = topic_groups(entries, 8, 0)
    assert len(groups) >= 0.9 * len(entries)
    for group in groups:
        assert topics[group.positive] == group.topic == topics[group.query]
        assert group.positive != group.query
        assert len(group.negatives) == 7
        assert group.topic not in {topics[text] for text in group.negatives}
        assert group.topics == tuple(topics[text] for text in (group.positive, *group.negatives))
    assert topic_groups(entries, 8, 0) == groups
    assert topic_groups(entries, 8, 1) != groups


def test_a_title_s_positive_is_its_own_text() -> None:
    entries = [entry(f"reset {word} style", title=f"Reset {word}", key=f"Reset {word}\nbody {word}") for word in "abcd"]
    for group, one in zip(title_groups(entries, 3, 0), entries, strict=True):
        assert (group.query, group.positive) == (one.title, one.key.removeprefix(one.title).strip())
        assert one.key not in group.negatives
        assert group.topics == tuple(
            next(e.id for e in entries if text in e.key) for text in (group.positive, *group.negatives)
        )


def test_no_topic_comes_twice_into_a_batch(pairs: Path) -> None:
    groups = topic_groups(examples_of_pairs(pairs), 4, 0)
    made = batches(groups, 6, 0)
    assert all(len({groups[place].topic for place in batch}) == 6 for batch in made)
    assert max(Counter(place for batch in made for place in batch).values()) == 1
    assert len(made) * 6 > 0.8 * len(groups)


def test_another_group_s_text_of_a_query_s_own_topic_is_no_negative_of_it() -> None:
    def loss(queries: list[list[float]], texts: list[list[list[float]]], topics: list[list[int]]) -> float:
        rows = [torch.tensor(queries), *(torch.tensor(column) for column in texts)]
        one = train._loss_class()(torch.nn.Identity(), scale=1.0)
        return float(one.compute_loss_from_embeddings(rows, torch.tensor(topics)))

    x, y, z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    e = math.e
    # For the first query: its positive and three others of which none is like it. For the second the same.
    apart = loss([x, y], [[x, y], [z, z]], [[0, 0, 2], [1, 1, 2]])
    assert apart == pytest.approx(math.log((e + 3) / e))
    # The second group's negative is of the first query's topic, and is its very text.
    assert loss([x, y], [[x, y], [z, x]], [[0, 0, 2], [1, 1, 0]]) == pytest.approx(
        (math.log((e + 2) / e) + math.log((e + 3) / e)) / 2
    )
    assert loss([x, y], [[x, y], [z, x]], [[0, 0, 2], [1, 1, 3]]) > apart
    # A group's own negative stays one, as of an entry that did harm although it is of the topic.
    assert loss([x, y], [[x, y], [x, z]], [[0, 0, 0], [1, 1, 2]]) > apart


def test_pairs_of_one_topic_have_nothing_to_be_told_from(pairs: Path, tmp_path: Path) -> None:
    entries = examples_of_pairs(pairs)
    assert topic_groups([one for one in entries if one.topic == "mux"], 8, 0) == []
    rows = [row for row in read_records_of(pairs) if "FAMILIES['mux']" in row["draft"]["reference_model"]]
    write_jsonl(tmp_path / "pairs.jsonl", rows)
    with pytest.raises(InputError, match="nothing to learn from"):
        train_retriever(tmp_path / "out", RetrieverSettings(sources=("topic",)), pairs=tmp_path / "pairs.jsonl")


def test_every_digit_is_a_token_of_its_own(trained: Path) -> None:
    vocabulary = json.loads((trained / "tokenizer.json").read_text())["model"]["vocab"]
    assert {text for text in vocabulary if re.search(r"\d", text)} == set("0123456789")


def test_a_trained_retriever_finds_the_family_and_an_untrained_one_less_often(
    trained: Path, pairs: Path, encoder: StaticEmbedder
) -> None:
    entries = examples_of_pairs(pairs)
    assert right(StaticEmbedder(trained), entries) >= 0.95
    assert right(encoder, entries) < 0.95


def test_sentence_transformers_reads_a_static_encoder_and_gives_the_same_vectors(
    trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = ["An up counter, 8 bits wide.", "rst_n is active low", ""]
    ours = open_embedder(str(trained))
    assert isinstance(ours, StaticEmbedder)
    np.testing.assert_allclose(
        ours.encode(texts[:2], "query"), TransformerEmbedder(str(trained)).encode(texts[:2], "query"), atol=2e-3
    )
    assert not ours.encode(texts, "query")[2].any()
    assert capfd.readouterr() == ("", "")  # no progress bar of a library's


def test_training_is_reproducible_silent_and_not_done_again(
    pairs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = RetrieverSettings(dimension=16, vocabulary=600, batch=4, epochs=1, rounds=1, sources=("topic",))
    first = train_retriever(tmp_path / "a", settings, pairs=pairs)
    again = train_retriever(tmp_path / "a", settings, pairs=pairs)
    other = train_retriever(tmp_path / "b", settings, pairs=pairs)
    assert first == again
    assert first.sha256["model.safetensors"] == other.sha256["model.safetensors"]
    with pytest.raises(InputError, match="nothing to learn from"):
        train_retriever(tmp_path / "c", settings)
    assert not (tmp_path / "c").exists()
    assert capfd.readouterr() == ("", "")


def test_a_pretrained_encoder_is_trained_on_without_a_word(
    trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = PreTrainedTokenizerFast(tokenizer_file=str(trained / "tokenizer.json"), pad_token=UNKNOWN)
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    with quiet():
        words.save_pretrained(tmp_path / "bert")
        BertModel(BertConfig(vocab_size=len(words), **shape)).save_pretrained(tmp_path / "bert")
    capfd.readouterr()
    settings = RetrieverSettings(
        encoder=str(tmp_path / "bert"), sources=("title",), rounds=1, batch=64, length=32, group=2
    )
    train_retriever(tmp_path / "out", settings)
    assert open_embedder(str(tmp_path / "out")).encode(["a counter"], "query").shape == (1, 16)
    assert capfd.readouterr() == ("", "")


# ---- mining --------------------------------------------------------------------------------------


class Copier:
    """A `TextModel` that knows nothing: it copies the code of its first reference, and else writes what is wrong."""

    name = "copier"
    context = None

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text)

    def complete(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        starts: Sequence[str] = (),  # noqa: ARG002
        stop: Stop | None = None,  # noqa: ARG002
        seeded_by: Sequence[str] = (),  # noqa: ARG002
    ) -> list[list[str]]:
        self.prompts += prompts
        answers = []
        for prompt in prompts:
            reference = prompt.partition("Problem:\n")[0]
            code = "module" + reference.rpartition("\n\nmodule")[2].split("endmodule")[0] + "endmodule\n"
            wrong = "module m (input a, output y);\n    assign y = 1'b0;\nendmodule\n"
            answers.append([code if "\n\nmodule" in reference else wrong] * sampling.n)
        return answers


def test_an_entry_that_helps_is_told_from_one_that_does_harm(
    encoder: StaticEmbedder, pairs: Path, tmp_path: Path
) -> None:
    [first, *_] = list(read_records_of(pairs))
    tasks = tmp_path / "pairs.jsonl"
    write_jsonl(tasks, [first])
    draft = first["draft"]
    store = EntryStore.create(tmp_path / "store", "example", encoder)
    # The same design under a comment is another text, which the copier turns into a right answer.
    helps = example(draft["problem"], "module " + draft["code"].split("module ", 1)[1].replace(";", " ;", 1))
    breaks = example(draft["problem"], "module broken (input a; endmodule")
    own = example(draft["problem"], draft["code"])
    store.add([helps, breaks, own])
    model = Copier()
    settings = MiningSettings(problems=1, near=3, chance=0, samples=2)
    manifest = mine(tmp_path / "mined", settings, tasks, [store], model, Icarus())
    [row] = list(read_records(tmp_path / "mined" / "mined.jsonl", Mined))
    assert row.without in (0.0, 1.0)
    found = {one.entry.id: one.score for one in row.tried}
    assert found[helps.id] == 2.0
    assert found[breaks.id] == 0.0
    assert own.id not in found  # it is the answer
    assert manifest.facts["helped"] == 1
    asked = len(model.prompts)
    assert mine(tmp_path / "mined", settings, tasks, [store], model, Icarus()) == manifest
    assert len(model.prompts) == asked


class Heard:
    """A model, and all that it answered."""

    def __init__(self, model: LocalModel) -> None:
        self.model, self.name = model, model.name
        self.answers: dict[str, list[str]] = {}

    @property
    def context(self) -> int | None:
        return self.model.context

    def count_tokens(self, text: str) -> int:
        return self.model.count_tokens(text)

    def complete(self, prompts: Sequence[str], sampling: Sampling, **more: Any) -> list[list[str]]:
        found = self.model.complete(prompts, sampling, **more)
        self.answers |= zip(prompts, found, strict=True)
        return found


def blind(folder: Path, context: int) -> Heard:
    """A model that sees nothing but the last token, and so no reference and no problem."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
    model.config.max_position_embeddings = context
    return Heard(LocalModel.from_loaded(model, AutoTokenizer.from_pretrained(folder), "blind"))


def test_an_entry_that_changes_nothing_is_a_tie(
    random_model: Path, encoder: StaticEmbedder, pairs: Path, tmp_path: Path
) -> None:
    store = EntryStore.create(tmp_path / "store", "example", encoder)
    store.add(examples_of_pairs(pairs)[:40])
    model = blind(random_model, 8192)
    settings = MiningSettings(problems=3, near=2, chance=1, samples=3, max_new_tokens=16, batch=2)
    manifest = mine(tmp_path / "mined", settings, pairs, [store], model, Icarus())
    assert (manifest.facts["tried"], manifest.facts["same"]) == (9, 9)
    rows = list(read_records(tmp_path / "mined" / "mined.jsonl", Mined))
    answers = [[found for text, found in model.answers.items() if row.query in text] for row in rows]
    assert [len(found) for found in answers] == [4, 4, 4]
    for found in answers:
        assert all(one == found[0] for one in found)
        assert len(set(found[0])) == 3  # not one answer for all
    assert len({found[0][0] for found in answers}) == 3
    asked = Sampling(n=2, temperature=0.8, max_new_tokens=8)
    assert model.complete(["x"], asked) == model.complete(["x"], asked, seeded_by=["x"])
    assert model.complete(["x"], asked) != model.complete(["x"], asked, seeded_by=["y"])


def test_what_leaves_no_room_for_an_answer_is_left_out_and_named(
    random_model: Path, encoder: StaticEmbedder, pairs: Path, tmp_path: Path
) -> None:
    [first, *_] = read_records_of(pairs)
    tasks = tmp_path / "pairs.jsonl"
    write_jsonl(tasks, [first])
    spec, code = first["draft"]["problem"], first["draft"]["code"]
    store = EntryStore.create(tmp_path / "store", "example", encoder)
    short, long = example("Short.", "module s; endmodule"), example("Long.", "module l; " + "wire w; " * 300)
    store.add([short, long])
    count = blind(random_model, 1).count_tokens
    context = count(plain(spec)) + 400
    assert count(long.text) > 400 > count(short.text) + 100
    settings = MiningSettings(problems=1, near=2, chance=0, samples=1, max_new_tokens=100)
    # One token of an answer would fit with less, and would be no answer.
    mine(tmp_path / "mined", settings, tasks, [store], blind(random_model, context), Icarus())
    [row] = read_records(tmp_path / "mined" / "mined.jsonl", Mined)
    assert [one.entry.id for one in row.tried] == [short.id]
    assert read_records_of(tmp_path / "mined" / "dropped.jsonl") == [
        {"id": long.id, "stage": "rag.mine", "reason": f"leaves no room for an answer to {row.problem_id}"}
    ]
    with pytest.raises(InputError, match="no problem leaves room for an answer: blind"):
        mine(tmp_path / "none", settings, tasks, [store], blind(random_model, context - 350), Icarus())
    assert [one["id"] for one in read_records_of(tmp_path / "none" / "dropped.jsonl")] == [row.problem_id]
    assert code not in short.text


def test_a_problem_without_a_reference_is_mined_and_no_entry_is_tried_twice(
    encoder: StaticEmbedder, pairs: Path, tmp_path: Path
) -> None:
    problem = next(ParametricTeacher(FAMILIES).problems(0, 1)).model_copy(update={"reference": None})
    (tmp_path / "problems").mkdir()
    write_jsonl(tmp_path / "problems" / "problems.jsonl", [problem])
    store = EntryStore.create(tmp_path / "store", "example", encoder)
    store.add(examples_of_pairs(pairs)[:9])
    settings = MiningSettings(problems=1, near=4, chance=4, samples=1)
    mine(tmp_path / "mined", settings, tmp_path / "problems" / "problems.jsonl", [store], Copier(), Icarus())
    [row] = read_records(tmp_path / "mined" / "mined.jsonl", Mined)
    ids = [one.entry.id for one in row.tried]
    assert len(ids) == len(set(ids)) >= 7


def read_records_of(path: Path) -> list[dict[str, dict[str, str]]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_interrupted_mining_goes_on_where_it_stopped(encoder: StaticEmbedder, pairs: Path, tmp_path: Path) -> None:
    store = EntryStore.create(tmp_path / "store", "example", encoder)
    store.add(examples_of_pairs(pairs)[:40])
    settings = MiningSettings(problems=6, near=2, chance=1, samples=1, batch=2)
    whole = mine(tmp_path / "whole", settings, pairs, [store], Copier(), Icarus())

    class Dies(Copier):
        def complete(self, *args: object, **kwargs: object) -> list[list[str]]:  # type: ignore[override]
            if self.prompts:
                raise KeyboardInterrupt
            return super().complete(*args, **kwargs)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        mine(tmp_path / "cut", settings, pairs, [store], Dies(), Icarus())
    assert len(list(read_records(tmp_path / "cut" / "mined.jsonl", Mined))) == 2
    resumed = mine(tmp_path / "cut", settings, pairs, [store], Copier(), Icarus())
    assert resumed.sha256 == whole.sha256
    shutil.rmtree(tmp_path / "cut")


def mined_row(problem: str, without: float, **scores: float) -> Mined:
    tried = tuple(Tried(entry=entry(name, "example"), score=value) for name, value in scores.items())
    return Mined(problem_id=problem, query=problem, without=without, tried=tried)


def test_ties_say_nothing_and_harm_makes_the_negatives() -> None:
    rows = [mined_row("p", 1.0, good=2.0, bad=0.5, same=1.0), mined_row("q", 0.0, best=1.0, equal=0.0)]
    groups = mined_groups(rows, 3, 0)
    assert [(group.query, group.positive) for group in groups] == [("p", "good"), ("q", "best")]
    assert all(set(group.negatives) == {"bad"} for group in groups)
    assert yield_of(rows) == {"tried": 5, "helped": 2, "harmed": 1, "same": 2, "yield": 0.6}


def test_agreement_counts_what_both_minings_decided() -> None:
    one = [mined_row("p", 1.0, a=2.0, b=2.0, c=0.0, d=1.0, e=2.0), mined_row("q", 1.0, a=2.0)]
    other = [mined_row("p", 1.0, a=1.5, b=0.0, c=0.5, d=1.0, f=2.0), mined_row("r", 1.0, a=2.0)]
    # Of four that both tried three are the same. By chance: better 2/4 * 1/4, worse 1/4 * 2/4, the same 1/4 * 1/4.
    kappa = (3 / 4 - 5 / 16) / (1 - 5 / 16)
    assert agreement(one, other) == {"both": 4, "decided": 3, "agree": 0.6667, "kappa": round(kappa, 4)}
    assert agreement(one, one)["kappa"] == 1.0
    assert agreement(one, []) == {"both": 0, "decided": 0, "agree": None, "kappa": None}


@pytest.mark.parametrize(
    ("status", "value"), [("pass", 2), ("mismatch", 1), ("timeout", 1), ("syntax_error", 0), ("no_code", 0)]
)
def test_f_is_the_paper_s(status: str, value: int) -> None:
    assert score(Verdict(status=status, stage="simulate")) == value  # type: ignore[arg-type]
