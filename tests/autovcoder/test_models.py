"""Local models: what they answer, when they stop, what they refuse, and what they never do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autovcoder import prompt
from autovcoder.errors import ModelError
from autovcoder.models import open_model
from autovcoder.models.local import LocalModel, resolve, row_seed
from autovcoder.records import Sampling

# A child that reports, on its last line of stdout, what a statement of ours did to it.
_CHILD = """
import json, sys
touched = []
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        touched.append(event)
sys.addaudithook(watch)
from autovcoder.models import open_model
from autovcoder.records import Sampling
open_model(sys.argv[1]).complete(["a counter"], Sampling(max_new_tokens=4))
print(json.dumps({"touched": touched, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory, learned_model: Path) -> Path:
    """A random GPT-2 with the learned model's tokenizer: it runs on transformers, and its positions are absolute."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("models") / "gpt2"
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    torch.manual_seed(1)
    tokenizer.eos_token = None
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": tokenizer.pad_token_id}
    shape = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 200, "initializer_range": 0.5}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **shape, **ends))
    # Penalties in the checkpoint's own defaults must not reach our answers.
    model.generation_config.repetition_penalty = 5.0
    model.save_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lfm2(tmp_path_factory: pytest.TempPathFactory, learned_model: Path) -> Path:
    """A random LFM2, as `finetune pretrain` makes them: its convolutions must not see the padding."""
    import torch
    from transformers import AutoTokenizer

    from finetune.pretrain import PretrainSettings, _new_model

    folder = tmp_path_factory.mktemp("models") / "lfm2"
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.eos_token = None
    settings = PretrainSettings(width=32, layers=4, heads=2, feed_forward=64, context=512)
    model = _new_model(tokenizer, settings)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8)  # so that its answers are no single token over and over
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["llama", "gpt2", "lfm2"])
def rubbish(request: pytest.FixtureRequest, random_model: Path, gpt2: Path, lfm2: Path) -> LocalModel:
    """Models with rotary and absolute positions and with convolutions, none of which knows when to stop."""
    return LocalModel(str({"llama": random_model, "gpt2": gpt2, "lfm2": lfm2}[request.param]))


def test_a_chat_model_answers_through_its_template(learned_model: Path, learned: dict[str, str]) -> None:
    model = open_model(str(learned_model))
    answers = model.complete(list(learned), Sampling(max_new_tokens=300))
    assert answers == [[answer] for answer in learned.values()]


def test_the_same_seed_gives_the_same_answer_whatever_is_asked_beside_it(rubbish: LocalModel) -> None:
    drawn = Sampling(n=3, temperature=1.0, top_p=0.9, seed=7, max_new_tokens=20)
    alone = rubbish.complete(["an adder"], drawn)
    beside = rubbish.complete(["a much longer text than the other one", "an adder", "x"], drawn)
    fewer = rubbish.complete(["an adder"], drawn.model_copy(update={"n": 1}))
    assert alone[0] == beside[1]
    assert alone[0][:1] == fewer[0]
    assert len(set(alone[0])) == 3


def test_another_seed_gives_another_answer(rubbish: LocalModel) -> None:
    drawn = Sampling(temperature=1.0, seed=7, max_new_tokens=20)
    assert rubbish.complete(["x"], drawn) != rubbish.complete(["x"], drawn.model_copy(update={"seed": 8}))
    assert row_seed(1, "x", 0) != row_seed(1, "x", 1) != row_seed(1, "y", 1)


def test_a_tiny_top_p_is_greedy(rubbish: LocalModel) -> None:
    greedy = rubbish.complete(["x"], Sampling(max_new_tokens=12))
    assert rubbish.complete(["x"], Sampling(temperature=1.0, top_p=1e-6, max_new_tokens=12)) == greedy


def test_greedy_answers_are_n_equal_ones_generated_once(rubbish: LocalModel) -> None:
    before = rubbish.new_tokens
    [answers] = rubbish.complete(["x"], Sampling(n=4, max_new_tokens=10))
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert rubbish.new_tokens - before <= 10


def test_generation_ends_soon_after_the_answer_is_complete(rubbish: LocalModel) -> None:
    before = rubbish.new_tokens
    [[answer]] = rubbish.complete(["x"], Sampling(max_new_tokens=100), stop=lambda _, text: len(text) >= 20)
    spent = rubbish.new_tokens - before
    [[whole]] = rubbish.complete(["x"], Sampling(max_new_tokens=100))
    assert spent < 40
    assert len(answer) >= 20
    assert whole.startswith(answer)


def test_only_what_follows_the_completing_token_is_cut_off(rubbish: LocalModel) -> None:
    [[whole]] = rubbish.complete(["x"], Sampling(max_new_tokens=30))
    lengths = []
    for size in range(1, len(whole), 7):
        [[answer]] = rubbish.complete(
            ["x"], Sampling(max_new_tokens=30), stop=lambda _, text, size=size: len(text) >= size
        )
        assert whole.startswith(answer)
        lengths.append(len(answer) - size)
    assert min(lengths) >= 0
    # No token of the small vocabularies is longer than this.
    assert max(lengths) < 40


def test_a_model_that_answers_with_code_goes_on_from_the_given_start(gpt2: Path) -> None:
    model = LocalModel(str(gpt2))  # no chat template: it goes on behind an opened fence
    seen: list[str] = []

    def stop(number: int, text: str) -> bool:
        seen.append(text)
        return number == 0 and len(text) >= 40

    starts = ["module adder (input [7:0] a);", ""]
    [[begun], [free]] = model.complete(["an adder", "x"], Sampling(max_new_tokens=30), starts=starts, stop=stop)
    assert begun.startswith(starts[0])
    assert len(begun) > len(starts[0])
    assert any(text.startswith(starts[0]) for text in seen)
    assert [[free]] == model.complete(["x"], Sampling(max_new_tokens=30))


def test_a_chat_model_gets_no_start_unless_it_was_trained_to_answer_with_code(
    learned_model: Path, learned: dict[str, str], tmp_path: Path
) -> None:
    asked = Sampling(max_new_tokens=300)
    spec, answer = next(iter(learned.items()))
    start = "module my_counter"
    assert LocalModel(str(learned_model)).complete([spec], asked, starts=[start]) == [[answer]]
    trained = tmp_path / "trained"
    shutil.copytree(learned_model, trained)
    settings = json.loads((trained / "tokenizer_config.json").read_text())
    (trained / "tokenizer_config.json").write_text(json.dumps(settings | {prompt.ANSWERS_WITH_CODE: True}))
    [[begun]] = LocalModel(str(trained)).complete([spec], asked, starts=[start])
    assert begun.startswith(start)
    assert begun != answer


def test_rows_of_one_batch_stop_each_on_their_own(rubbish: LocalModel) -> None:
    prompts = ["x", "another text", "a third one"]
    asked = Sampling(max_new_tokens=24)
    seen: set[str] = set()

    def stop(number: int, text: str) -> bool:
        seen.add(text)
        return len(text) >= 25

    together = rubbish.complete(prompts, asked, stop=stop)
    alone = [rubbish.complete([text], asked, stop=lambda _, text: len(text) >= 25)[0] for text in prompts]
    assert together == alone
    assert seen


def test_a_prompt_that_fills_the_context_is_refused_in_one_line(rubbish: LocalModel) -> None:
    with pytest.raises(ModelError, match=r"tokens and the model's context holds \d+") as caught:
        rubbish.complete(["a lot of words " * 400], Sampling())
    assert "\n" not in str(caught.value)


def test_an_answer_may_fill_what_the_prompt_leaves_of_the_context(rubbish: LocalModel) -> None:
    before = rubbish.new_tokens
    rubbish.complete(["x"], Sampling(max_new_tokens=5000))
    spent = rubbish.new_tokens - before
    assert spent + len(rubbish._engine.encode("x")) == rubbish._engine.context


def test_a_long_prompt_does_not_shorten_the_answer_to_another(rubbish: LocalModel) -> None:
    asked = Sampling(max_new_tokens=40)
    alone = rubbish.complete(["x"], asked)
    room = (rubbish._engine.context or 0) - len(rubbish._engine.encode(""))
    filler = "z" * (room - 10)
    while len(rubbish._engine.encode(filler)) > (rubbish._engine.context or 0) - 5:
        filler = filler[:-1]
    together = rubbish.complete([filler, "x"], asked)
    assert together[1] == alone[0]
    assert len(together[0][0]) < len(together[1][0])


def test_a_template_that_refuses_the_system_role_gets_it_within_the_users_message(
    learned_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(learned_model, tmp_path / "refusing")
    template = folder / "chat_template.jinja"
    template.write_text("{% set refuse = true %}" + template.read_text())
    text = _prompt_text(folder, "an adder")
    assert text.count(prompt.SYSTEM) == 1
    assert text.startswith("<|user|>" + prompt.SYSTEM)
    assert text.endswith("an adder<|end|><|assistant|>")


def test_a_template_that_always_fails_is_one_clear_line(learned_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(learned_model, tmp_path / "failing")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    with pytest.raises(ModelError, match="chat template does not work; never"):
        LocalModel(str(folder)).complete(["an adder"], Sampling())


def test_a_model_without_a_template_continues_the_plain_prompt(random_model: Path) -> None:
    assert _prompt_text(random_model, "an adder") == prompt.plain("an adder")


def test_a_lora_adapter_folder_loads_and_changes_the_answers(learned_model: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from autovcoder.models.transformers_engine import quiet

    torch.manual_seed(0)
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with quiet():
        base = AutoModelForCausalLM.from_pretrained(learned_model)
        get_peft_model(base, settings).save_pretrained(tmp_path / "adapter")
    asked = Sampling(max_new_tokens=40)
    [[with_adapter]] = LocalModel(str(tmp_path / "adapter")).complete(["an adder"], asked)
    [[without]] = LocalModel(str(learned_model)).complete(["an adder"], asked)
    assert with_adapter != without


def test_a_model_in_training_answers_as_its_saved_form_does_and_is_left_as_it_was(
    learned_model: Path, tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from autovcoder.models.transformers_engine import quiet

    torch.manual_seed(0)
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, lora_dropout=0.5)
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    with quiet():
        base = AutoModelForCausalLM.from_pretrained(learned_model, dtype="float32")
        base.generation_config.repetition_penalty = 5.0
        model = get_peft_model(base, settings)
        model.save_pretrained(tmp_path / "adapter")
    model.train()
    model.base_model.model.lm_head.eval()  # a part that is not trained
    base.config.use_cache = False
    batch = tokenizer("an adder", return_tensors="pt")

    def state() -> tuple[Any, ...]:
        modes = {name: module.training for name, module in model.named_modules()}
        weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        return modes, weights, base.generation_config.to_dict(), base.config.to_dict()

    before = state()
    running = LocalModel.from_loaded(model, tokenizer, "in training")
    drawn = Sampling(n=2, temperature=1.0, seed=3, max_new_tokens=40)
    answers = running.complete(["an adder", "x"], drawn)
    after = state()
    assert running.name == "in training"
    assert before[0] == after[0]
    assert all(torch.equal(weight, after[1][name]) for name, weight in before[1].items())
    assert before[2:] == after[2:]
    assert answers == LocalModel(str(tmp_path / "adapter")).complete(["an adder", "x"], drawn)
    # Its training goes on.
    model(**batch, labels=batch["input_ids"]).loss.backward()
    assert any(weight.grad is not None for weight in model.parameters())


def test_an_adapter_whose_base_is_gone_is_one_clear_line(tmp_path: Path) -> None:
    config = {"base_model_name_or_path": "./no-such-base", "peft_type": "LORA"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"no such model folder: \./no-such-base"):
        LocalModel(str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere-at-all", "a/b/c", "two words"])
def test_what_can_only_be_a_folder_is_never_looked_for_on_the_network(name: str) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        resolve(name)


def test_a_name_or_owner_and_name_is_a_hugging_face_id() -> None:
    assert resolve("gpt2") == "gpt2"
    assert resolve("owner/name-1.5B") == "owner/name-1.5B"


def test_an_id_that_cannot_be_fetched_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot load the model from Hugging Face: nobody/nothing; check the id"):
        LocalModel("nobody/nothing")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model folder"):
        LocalModel(str(tmp_path))


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def _not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _bad_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def _wrong_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 5}))


@pytest.mark.parametrize("damage", [_truncate, _not_json, _bad_tokenizer, _wrong_shape])
def test_a_damaged_model_is_one_clear_line(damage: Any, learned_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(learned_model, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(ModelError) as caught:
        LocalModel(str(folder))
    assert "\n" not in str(caught.value)


def test_loading_and_generating_say_nothing_on_the_terminal(gpt2: Path, capfd: pytest.CaptureFixture[str]) -> None:
    LocalModel(str(gpt2)).complete(["x"], Sampling(max_new_tokens=3))
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_loaded_without_touching_the_network(gpt2: Path, learned_model: Path) -> None:
    assert _run_child(gpt2)["touched"] == []
    assert _run_child(learned_model)["touched"] == []


def test_a_model_on_this_machine_needs_neither_a_client_nor_peft(learned_model: Path) -> None:
    assert set(_run_child(learned_model)["modules"]).isdisjoint({"openai", "peft", "datasets", "trl", "pyslang"})


def _run_child(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder)], capture_output=True, text=True, check=True, timeout=300
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _prompt_text(folder: Path, user: str) -> str:
    """The whole prompt, special tokens included, that a model is given."""
    engine = LocalModel(str(folder))._engine
    return str(engine._tokenizer.decode(engine.encode(user), skip_special_tokens=False))
