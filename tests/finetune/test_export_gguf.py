"""GGUF through llama.cpp's converter, or a stand-in for it, and Modelfiles for Ollama."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from autovcoder.errors import InputError, ToolFailed, ToolMissing
from autovcoder.prompt import SYSTEM, chat
from finetune.export import export
from finetune.gguf import CONVERTER_VARIABLE, chat_form, convert, find_converter, known_cut, modelfile
from finetune.tokenizer import CHAT_TEMPLATE

# peft uses what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")


def test_the_converter_is_told_the_model_the_type_and_how_text_is_cut(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    manifest = export(str(learned_model), tmp_path / "out", "ollama", converter=stand_in, outtype="q8_0")
    assert set(manifest.sha256) == {"README.md", "Modelfile", "model.gguf"}
    assert manifest.inputs["converter"] == hashlib.sha256(stand_in.read_bytes()).hexdigest()
    told = json.loads((tmp_path / "out" / "model.gguf").read_text())
    assert (told["outtype"], told["cut"], told["model_name"]) == ("q8_0", "gpt-2", "out")
    assert (tmp_path / "out" / "Modelfile").read_text().startswith("FROM ./model.gguf\n")


def test_a_finished_gguf_needs_no_converter_any_more(
    learned_model: Path, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONVERTER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    made = export(str(learned_model), tmp_path / "out", "gguf", converter=stand_in)
    assert export(str(learned_model), tmp_path / "out", "gguf") == made
    with pytest.raises(ToolMissing):
        export(str(learned_model), tmp_path / "out", "gguf", outtype="f16")


LATE = """
    import pathlib, time
    first, second, third = (pathlib.Path(f"{__file__}.{name}") for name in ("first", "second", "third"))
    if not first.exists():
        first.touch()
        while not second.exists(): time.sleep(0.05)
        try: open(out, "w").write("of the killed run")
        finally: third.touch()
        return
    open(out, "w").write(json.dumps(told))
    second.touch()
    while not third.exists(): time.sleep(0.05)
"""
"""The first converter outlives its run, and writes when the second one has written."""


def test_the_converter_of_a_run_that_was_killed_spoils_no_later_one(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    stand_in.write_text(stand_in.read_text().replace('    open(out, "w").write(json.dumps(told))', LATE))
    code = "import sys, pathlib, finetune.export as e; e.export(sys.argv[1], pathlib.Path(sys.argv[2]), 'gguf')"
    arguments = [sys.executable, "-c", code, str(learned_model), str(tmp_path / "out")]
    with subprocess.Popen(arguments, env={**os.environ, CONVERTER_VARIABLE: str(stand_in)}) as killed:
        deadline = time.monotonic() + 120
        while not Path(f"{stand_in}.first").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        killed.kill()
    export(str(learned_model), tmp_path / "out", "gguf", converter=stand_in)
    assert json.loads((tmp_path / "out" / "model.gguf").read_text())["cut"] == "gpt-2"


def test_a_tokenizer_without_a_fast_form_is_left_to_the_converter(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ToolFailed, match="no rule that cuts text"):
        convert(tmp_path / "model", tmp_path / "out.gguf", stand_in, "f16", "x")


def test_the_last_line_of_a_converter_that_fails_is_shown_and_nothing_looks_finished(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    with pytest.raises(ToolFailed, match=r"converter failed: .*; ValueError: Can not map tensor 'model\.strange"):
        export(str(learned_model), tmp_path / "broken", "gguf", converter=stand_in)
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {"stage.json", ".export.partial"}


def test_a_tokenizer_that_llama_cpp_cannot_cut_alike_is_refused(
    learned_model: Path, stand_in: Path, tmp_path: Path
) -> None:
    shutil.copytree(learned_model, tmp_path / "model")
    file = tmp_path / "model" / "tokenizer.json"
    words = json.loads(file.read_text())
    words["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\n\s*"}, "behavior": "Isolated", "invert": False},
            {**words["pre_tokenizer"], "use_regex": False},
        ],
    }
    file.write_text(json.dumps(words))
    assert known_cut(words) is None
    with pytest.raises(ToolFailed, match="no rule that cuts text into words as this model's tokenizer does"):
        export(str(tmp_path / "model"), tmp_path / "out", "gguf", converter=stand_in)


def test_a_missing_converter_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CONVERTER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"not installed; get llama\.cpp's source and give --converter"):
        find_converter()
    with pytest.raises(ToolMissing, match=r"not llama\.cpp's converter"):
        find_converter(tmp_path)
    found = tmp_path / "convert_hf_to_gguf.py"
    found.write_text("")
    found.chmod(0o755)
    assert find_converter() == found
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(CONVERTER_VARIABLE, str(found))
    assert find_converter() == found


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
QWEN2 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_CPP = {"gpt-2": [GPT2], "smollm": [r"\p{N}", GPT2], "qwen2": [QWEN2]}
"""The expressions of llama.cpp's src/llama-vocab.cpp; what none of them matches stays in one piece."""
PUBLISHED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)" + QWEN2[QWEN2.index("|[^") :]
"""Qwen2's own expression, as its tokenizer.json has it."""


def cutters() -> Iterator[tuple[str, Any]]:
    """llama.cpp's name for a cut, and the cut as tokenizers write it."""
    from tokenizers import Regex, pre_tokenizers

    whole, byte = pre_tokenizers.ByteLevel(False), pre_tokenizers.ByteLevel(False, use_regex=False)
    digit, digits = pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.Digits(individual_digits=True)
    yield "gpt-2", whole
    yield "smollm", pre_tokenizers.Sequence([digit, whole])
    yield "smollm", pre_tokenizers.Sequence([digits, whole])
    yield "qwen2", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PUBLISHED), "isolated"), byte])


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet=st.one_of(st.sampled_from(" \n\t09azAZ_'`;=<[]{}:.,é日🚀\r"), st.characters(codec="utf-8"))))
def test_a_cut_is_named_as_llama_cpp_names_the_one_that_cuts_alike(text: str) -> None:
    """Except beside numerals that are no decimal digits, which nobody writes in RTL."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    assume(not any(c.isnumeric() and not c.isdecimal() for c in text))
    for name, cutter in cutters():
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = cutter
        assert known_cut(json.loads(tokenizer.to_str())) == name
        splits = [pre_tokenizers.Split(Regex(rule), "isolated") for rule in LLAMA_CPP[name]]
        theirs = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(False, use_regex=False)])
        assert [piece for piece, _ in cutter.pre_tokenize_str(text)] == [
            piece for piece, _ in theirs.pre_tokenize_str(text)
        ]


@pytest.mark.skipif(CONVERTER_VARIABLE not in os.environ, reason=f"needs llama.cpp's source: {CONVERTER_VARIABLE}")
def test_llama_cpps_own_converter_takes_the_model(learned_model: Path, tmp_path: Path) -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    config = Lfm2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        block_auto_adjust_ff_dim=False,
        layer_types=["conv", "full_attention"],
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    Lfm2ForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    export(str(tmp_path / "model"), tmp_path / "out", "gguf")
    data = (tmp_path / "out" / "model.gguf").read_bytes()
    assert data.startswith(b"GGUF")
    # A key, the type of a string (8), its length, and the string.
    assert b"tokenizer.ggml.pre" + (8).to_bytes(4, "little") + (5).to_bytes(8, "little") + b"gpt-2" in data
    assert str(tmp_path).encode() not in data


# --- Ollama -----------------------------------------------------------------------------------------------------------


def test_the_modelfile_of_a_chat_model(learned_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert modelfile(tokenizer, ["<|im_end|>"]) == (
        "FROM ./model.gguf\n"
        'TEMPLATE """{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}<|im_start|>user\n'
        '{{ .Content }}<|im_end|>\n{{ else if eq .Role "assistant" }}<|im_start|>assistant\n'
        '{{ .Content }}<|im_end|>\n{{ else if eq .Role "system" }}<|im_start|>system\n'
        '{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n"""\n'
        f'SYSTEM """{SYSTEM}"""\n'
        'PARAMETER temperature 0\nPARAMETER repeat_penalty 1\nPARAMETER stop "<|im_end|>"\n'
    )


def test_the_modelfile_of_a_model_without_a_chat_template_ends_at_the_fence(random_model: Path) -> None:
    text = modelfile(AutoTokenizer.from_pretrained(random_model), [])
    assert 'TEMPLATE """{{ .System }}\n\n{{ .Prompt }}\n\n```verilog\n"""' in text
    assert 'PARAMETER stop "```"' in text


def test_a_template_that_refuses_the_system_role_gets_its_text_before_the_users(learned_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.chat_template = tokenizer.chat_template.replace("refuse", "true")
    form = chat_form(tokenizer)
    assert (form.folds, form.system) == (True, None)
    assert "{{ if and $.System (le $i 1) }}{{ $.System }}\n\n{{ end }}{{ .Content }}" in form.to_go()


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{{ messages[-1].content }}",
        "no message at all",
        "{% for m in messages %}{{ m.content.split('</think>')[-1] }};{% endfor %}",
        "{% for m in messages %}{{ m.content.replace('\n\n', '\n') }};{% endfor %}",
        "{% for m in messages %}{{ m.content.strip() if m.role == 'user' else m.content }};{% endfor %}",
        "{% for m in messages %}{{ m.content.replace('{{', '{ {') }};{% endfor %}",
        "{% for m in messages %}{{ m.content.replace('<|im_end|>', '') }};{% endfor %}",
        CHAT_TEMPLATE,  # of nano
        "{{ messages[0].content + 1 }}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_template_of_another_form_is_refused(learned_model: Path, template: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    tokenizer.chat_template = template
    with pytest.raises(InputError, match="cannot be written for Ollama"):
        chat_form(tokenizer)


def test_a_template_that_strips_messages_is_written_with_a_word_of_it(learned_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    assert not modelfile(tokenizer, []).startswith("#")
    tokenizer.chat_template = tokenizer.chat_template.replace("m.content", "m.content | trim")
    assert chat_form(tokenizer).trims
    assert modelfile(tokenizer, []).startswith("# The model's own template strips the spaces around a message")


AFFIX = st.text(alphabet="<|>im_start\n[]{}\"'\\ ", max_size=12)


@settings(deadline=None, max_examples=60)
@given(affixes=st.lists(AFFIX, min_size=8, max_size=8), with_system=st.booleans())
def test_every_template_of_fixed_texts_is_found_out(learned_model: Path, affixes: list[str], with_system: bool) -> None:
    tokenizer = AutoTokenizer.from_pretrained(learned_model)
    start, opening, *around = affixes
    roles = dict(zip(("system", "user", "assistant"), zip(around[::2], around[1::2], strict=True), strict=True))
    branches = "".join(
        f"{{% if m.role == {role!r} %}}{{{{ {json.dumps(before)} + m.content + {json.dumps(after)} }}}}{{% endif %}}"
        for role, (before, after) in roles.items()
        if with_system or role != "system"
    )
    tokenizer.chat_template = (
        f"{{{{ {json.dumps(start)} }}}}{{% for m in messages %}}{branches}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {json.dumps(opening)} }}}}{{% endif %}}"
    )
    talk = [*chat("an adder"), {"role": "assistant", "content": "module"}, {"role": "user", "content": "smaller"}]
    wanted = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    form = chat_form(tokenizer)
    assert form.render(talk) == wanted  # type: ignore[arg-type]
    assert '"""' not in form.to_go()
