"""The scorer: what it learns, that nothing it is measured on was nearly seen, and what its folder refuses."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from autovcoder.errors import InputError, ModelError, StoreError
from autovcoder.files import read_jsonl
from autovcoder.records import Provenance, QualityScore, RtlModule, content_id
from data_pipeline.encoder import CodeEncoder
from data_pipeline.label import CRITERIA
from data_pipeline.parametric import ParametricTeacher
from data_pipeline.rubric import RubricLabeller
from data_pipeline.scorer import (
    CONFIG,
    PREDICTED,
    WEIGHTS,
    MlpScorer,
    ScorerConfig,
    read_config,
    read_net,
    scores,
    train_scorer,
)
from data_pipeline.scorer_card import CARD, PICTURE, write_card
from data_pipeline.scorer_metrics import agreement, spearman
from data_pipeline.scorer_net import ScorerSettings
from data_pipeline.scorer_split import HELD_OUT, TRAIN, VALIDATION, near_groups, split

SMALL = ScorerSettings(held_out=0.3, validation=0.15, hidden=32, epochs=40, learning_rate=3e-3)


def rtl(code: str, repo: str = "us/ours", score: QualityScore | None = None) -> RtlModule:
    where = Provenance(repo=repo, commit="0", path="m.v", license=None, first_line=1, last_line=1)
    return RtlModule(
        id=content_id(repo, code), name="m", language="verilog-2001", code=code, ports=(), provenance=where, score=score
    )


def worse(code: str, rng: random.Random) -> str:
    """Code with some of the slips that the rubric looks for."""
    if rng.random() < 0.4:
        code = re.sub(r"//.*|/\*.*?\*/", "", code)
    if rng.random() < 0.4:
        code = code.replace("endmodule", "    initial x0 = 37;\n    initial x1 = 91;\nendmodule")
    if rng.random() < 0.4:
        lines = "".join(f"    wire [7:0] part{i} = a * b / {i + 3};\n" for i in range(rng.randint(4, 40)))
        code = code.replace("endmodule", lines + "endmodule")
    if rng.random() < 0.3:
        code = re.sub(r"\b([a-z])\w{3,}(?=\s*[,;)])", r"\1", code)
    if rng.random() < 0.3:
        code = "// Written with care: it says what it does, for whom, and what it expects from its inputs.\n" + code
    return code


@pytest.fixture(scope="module")
def encoder() -> CodeEncoder:
    return CodeEncoder()


@pytest.fixture(scope="module")
def labelled() -> list[RtlModule]:
    rng, teacher = random.Random(4), ParametricTeacher()
    codes = [worse(teacher.drawn(11, index).code, rng) for index in range(180)]
    scores = RubricLabeller().label([rtl(code) for code in codes])
    return [rtl(code, f"us/{n % 9}", score) for n, (code, score) in enumerate(zip(codes, scores, strict=True)) if score]


@pytest.fixture(scope="module")
def vectors(labelled: list[RtlModule], encoder: CodeEncoder) -> np.ndarray:
    return encoder.encode([module.code for module in labelled])


@pytest.fixture(scope="module")
def folder(
    labelled: list[RtlModule], vectors: np.ndarray, encoder: CodeEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("scorer")
    train_scorer(labelled, vectors, encoder.identity, SMALL, out)
    return out


@pytest.fixture
def config(folder: Path) -> ScorerConfig:
    return ScorerConfig.model_validate_json((folder / CONFIG).read_text())


def test_it_learns_the_labels_and_measures_that_on_held_out_modules(config: ScorerConfig) -> None:
    assert config.held_out.spearman > 0.6
    low, high = config.held_out.spearman_95
    assert low < config.held_out.spearman < high
    assert set(config.held_out.criteria) == set(CRITERIA)
    assert config.held_out.modules == config.modules[2] > 40
    assert config.other_repositories is not None
    assert config.labels == RubricLabeller.name


def test_a_loaded_scorer_gives_the_scores_that_were_measured(
    folder: Path, encoder: CodeEncoder, labelled: list[RtlModule]
) -> None:
    rows = {row["id"]: row for row in read_jsonl(folder / PREDICTED)}
    held_out = [module for module in labelled if module.id in rows]
    scores = MlpScorer.load(folder, encoder).score(held_out)
    assert len(scores) == len(rows)
    for module, score in zip(held_out, scores, strict=True):
        assert score.value == pytest.approx(rows[module.id]["predicted"], abs=0.1)
        assert module.score
        assert rows[module.id]["label"] == pytest.approx(module.score.value, abs=1e-3)
        assert score.value == pytest.approx(sum(score.rubric.values()) / 5, abs=1e-3)
    assert all(s.scorer.endswith(RubricLabeller.name) for s in scores)


def test_another_seed_trains_another_scorer_and_the_same_seed_the_same(
    labelled: list[RtlModule], vectors: np.ndarray, encoder: CodeEncoder, tmp_path: Path
) -> None:
    hashes = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)  # what others do with torch's random numbers must not matter
        (tmp_path / str(number)).mkdir()
        settings = SMALL.model_copy(update={"seed": seed, "epochs": 2})
        made = train_scorer(labelled, vectors, encoder.identity, settings, tmp_path / str(number))
        hashes.append(made.weights_sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def test_scores_stay_within_the_scale(folder: Path, encoder: CodeEncoder) -> None:
    far = np.random.default_rng(0).normal(0, 1000, (50, encoder.size)).astype(np.float32)
    found = scores(read_config(folder), read_net(folder), far)
    assert min(score.value for score in found) >= 0
    assert max(score.value for score in found) <= 10


@pytest.mark.parametrize("part", ["sha256", "pooling"])
def test_another_encoder_is_refused(part: str, folder: Path, encoder: CodeEncoder, tmp_path: Path) -> None:
    copy = tmp_path / "scorer"
    shutil.copytree(folder, copy)
    config = json.loads((copy / CONFIG).read_text())
    config["encoder"] = {**config["encoder"], "name": "some/other", part: "0"}
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match=rf"trained with another encoder \({part}\)"):
        MlpScorer.load(copy, encoder)


@pytest.mark.parametrize("harm", ["gone", "not JSON", "unknown key", "other weights", "cut weights"])
def test_a_damaged_folder_is_one_clear_line(harm: str, folder: Path, encoder: CodeEncoder, tmp_path: Path) -> None:
    copy = tmp_path / "scorer"
    shutil.copytree(folder, copy)
    weights = (copy / WEIGHTS).read_bytes()
    if harm == "gone":
        (copy / CONFIG).unlink()
    elif harm == "not JSON":
        (copy / CONFIG).write_text("{")
    elif harm == "unknown key":
        (copy / CONFIG).write_text((copy / CONFIG).read_text().replace('"labels"', '"extra": 1, "labels"'))
    elif harm == "other weights":
        (copy / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    else:
        (copy / WEIGHTS).write_bytes(weights[:100])
    with pytest.raises(StoreError) as caught:
        MlpScorer.load(copy, encoder)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_trained_on_is_said(labelled: list[RtlModule], vectors: np.ndarray, tmp_path: Path) -> None:
    def train(modules: list[RtlModule]) -> None:
        train_scorer(modules, vectors[: len(modules)], {}, SMALL, tmp_path)

    with pytest.raises(InputError, match="at least 50"):
        train(labelled[:20])
    with pytest.raises(InputError, match="no grades"):
        train([*labelled[:60], labelled[60].model_copy(update={"score": None})])
    other = QualityScore(scorer="other", value=5, rubric=dict.fromkeys(CRITERIA, 5.0))
    with pytest.raises(InputError, match="several labellers: other, rubric"):
        train([*labelled[:60], labelled[60].model_copy(update={"score": other})])
    assert not list(tmp_path.iterdir())


def test_the_card_says_where_the_labels_come_from_and_what_was_measured(folder: Path, config: ScorerConfig) -> None:
    write_card(folder)
    card = (folder / CARD).read_text()
    assert f"{config.held_out.spearman:.3f}" in card
    assert "distils those rules" in card
    assert "judgement of people" in card
    assert str(config.modules[0]) in card
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")


# ---- parts and measures --------------------------------------------------------------------------


def test_copies_and_variants_of_a_module_are_in_one_group() -> None:
    teacher = ParametricTeacher()
    codes = [teacher.drawn(3, index).code * 3 for index in range(30)]
    copies = [f"// from elsewhere\n{re.sub('[0-9]+', '7', code)}".replace("    ", "\t") for code in codes]
    groups = near_groups([*codes, *copies])
    assert groups[:30] == groups[30:]
    assert len(set(groups)) > 15
    assert near_groups(["", "module m; endmodule", ""])[1] == 1


@given(st.lists(st.integers(0, 12), min_size=1, max_size=200), st.integers(0, 3))
def test_a_group_is_never_divided(groups: list[int], seed: int) -> None:
    parts = split(groups, 0.3, 0.1, seed)
    assert len({(group, part) for group, part in zip(groups, parts.tolist(), strict=True)}) == len(set(groups))
    assert (parts == HELD_OUT).sum() <= 0.45 * len(groups)
    assert (parts == split(groups, 0.3, 0.1, seed)).all()


def test_the_parts_have_their_shares() -> None:
    parts = split(list(range(1000)), 0.3, 0.1, 0)
    assert [int((parts == part).sum()) for part in (TRAIN, VALIDATION, HELD_OUT)] == [600, 100, 300]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40))
def test_the_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = (np.array(values, float) for values in zip(*pairs, strict=True))
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert spearman(one, other) == 0
    else:
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0])


def test_agreement_counts_what_is_kept() -> None:
    labels = np.array([9.0, 8.0, 7.0, 6.0, 1.0])
    found = agreement(np.array([7.0, 6.0, 8.0, 7.0, 1.0]), labels, np.arange(5))
    assert found.kept == (0.6, 0.6)
    assert found.precision == found.recall == pytest.approx(2 / 3, abs=1e-3)
    assert found.mean_error == pytest.approx((2 + 2 + 1 + 1 + 0) / 5)
    assert agreement(labels, labels, np.arange(len(labels))).spearman == 1
    assert agreement(labels * 0, labels, np.arange(len(labels))).precision is None
    assert agreement(-labels, labels, np.arange(len(labels))).deciles[0] == (-9.0, 9.0)


def test_an_interval_over_groups_is_wider_than_over_their_members() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(6, 1, 40)
    predicted = labels + rng.normal(0, 1, 40)
    many = agreement(np.repeat(predicted, 10), np.repeat(labels, 10), np.arange(400))
    few = agreement(np.repeat(predicted, 10), np.repeat(labels, 10), np.repeat(np.arange(40), 10))
    assert many.spearman == few.spearman
    assert np.diff(few.spearman_95) > 2 * np.diff(many.spearman_95)


def test_modules_that_are_all_alike_train_no_scorer(tmp_path: Path) -> None:
    score = QualityScore(scorer="s", value=5, rubric=dict.fromkeys(CRITERIA, 5.0))
    form = "module m(input [7:0] a, output [{0}:0] y);\n  assign y = {{a, 3'b0}} + {0};\nendmodule\n"
    modules = [rtl(form.format(number), f"us/{number % 9}", score) for number in range(60)]
    with pytest.raises(InputError, match="too much alike"):
        train_scorer(modules, np.zeros((60, 8), np.float32), {}, ScorerSettings(), tmp_path)
