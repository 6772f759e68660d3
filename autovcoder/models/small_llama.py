"""Runs a small Llama in numpy: importing torch and transformers takes longer than the packaged model's whole answer.

Reads config.json, model.safetensors, tokenizer.json and the chat template of a folder; writes nothing. The arithmetic
is that of transformers' LlamaForCausalLM in float32, and a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autovcoder.errors import ModelError
from autovcoder.models.local import CHECK_EVERY, Finished, Row
from autovcoder.models.small_tokenizer import SmallTokenizer
from autovcoder.records import Sampling

if TYPE_CHECKING:
    Floats = NDArray[np.float32]

# Above this, loading and arithmetic outweigh the imports, and torch is the better place.
MAX_BYTES = 100_000_000
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def suits(folder: Path) -> bool:
    """True when the folder holds a plain Llama that is small enough: no adapter, shards, biases or scaled positions."""
    weights = folder / "model.safetensors"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = weights.stat().st_size
    except (OSError, ValueError):
        return False
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return (
        config.get("model_type") == "llama"
        and size <= MAX_BYTES
        and (folder / "tokenizer.json").is_file()
        and not (folder / "adapter_config.json").exists()
        and config.get("hidden_act", "silu") == "silu"
        and not any(config.get(key) for key in ("attention_bias", "mlp_bias", "quantization_config"))
        and rope.get("rope_type", "default") == "default"
    )


class SmallLlama:
    """An `Engine` (see `local`) for a folder that `suits`.

    Raises:
        ModelError: a file is damaged.
    """

    context: int | None
    batch_size = 16

    def __init__(self, folder: Path, name: str) -> None:
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            tensors = read_safetensors(folder / "model.safetensors")
            self._tokenizer = SmallTokenizer(folder, config)
            self._read_config(config)
            self._read_weights(tensors)
        # The files are somebody else's: whatever is wrong in them shows up as one of these.
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ModelError("cannot load the model", where=name, fix=f"{type(error).__name__}: {error}") from None

    def _read_config(self, config: dict[str, Any]) -> None:
        rope = config.get("rope_parameters") or config
        self.context = positions = int(config["max_position_embeddings"])
        self._heads = int(config["num_attention_heads"])
        self._kv_heads = int(config.get("num_key_value_heads") or self._heads)
        self._head_size = int(config.get("head_dim") or config["hidden_size"] // self._heads)
        self._epsilon = float(config["rms_norm_eps"])
        self._layer_count = int(config["num_hidden_layers"])
        self._tied = bool(config.get("tie_word_embeddings", False))
        frequency = float(rope.get("rope_theta", 10_000.0)) ** -(np.arange(0, self._head_size, 2) / self._head_size)
        angles = np.outer(np.arange(positions), np.concatenate([frequency, frequency]))
        self._cos, self._sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def _read_weights(self, tensors: dict[str, Floats]) -> None:
        def matrix(*names: str) -> Floats:
            # Stored as (out, in); turned once, so that every step multiplies rows by contiguous columns.
            return np.ascontiguousarray(np.concatenate([tensors[name] for name in names]).T)

        self._embedding = tensors["model.embed_tokens.weight"]
        self._head = matrix("model.embed_tokens.weight" if self._tied else "lm_head.weight")
        self._norm = tensors["model.norm.weight"]
        self._layers = []
        for i in range(self._layer_count):
            at = f"model.layers.{i}."
            self._layers.append(
                (
                    tensors[f"{at}input_layernorm.weight"],
                    matrix(*(f"{at}self_attn.{part}_proj.weight" for part in "qkv")),
                    matrix(f"{at}self_attn.o_proj.weight"),
                    tensors[f"{at}post_attention_layernorm.weight"],
                    matrix(f"{at}mlp.gate_proj.weight", f"{at}mlp.up_proj.weight"),
                    matrix(f"{at}mlp.down_proj.weight"),
                )
            )

    def encode(self, user: str) -> list[int]:
        return self._tokenizer.encode(user)

    def decode(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(tokens)

    def generate(
        self, rows: Sequence[Row], max_new_tokens: int, sampling: Sampling, finished: Finished
    ) -> list[list[int]]:
        longest = max(len(row.tokens) for row in rows) + max_new_tokens
        cache = self._new_cache(len(rows), longest)
        alone = np.zeros(1, np.int64)
        first = [self._forward([row.tokens], alone, cache[:, :, i : i + 1]) for i, row in enumerate(rows)]
        logits = np.concatenate(first)
        streams = [np.random.default_rng(row.seed) for row in rows]
        answers: list[list[int]] = [[] for _ in rows]
        alive = list(range(len(rows)))
        for step in range(1, max_new_tokens + 1):
            chosen = [_pick(logits[at], sampling, streams[i]) for at, i in enumerate(alive)]
            kept = []
            for at, i in enumerate(alive):
                if chosen[at] in self._tokenizer.ends:
                    continue
                answers[i].append(chosen[at])
                if step < max_new_tokens and not (step % CHECK_EVERY == 0 and finished(answers[i])):
                    kept.append(at)
            if not kept:
                break
            if len(kept) < len(alive):
                cache = cache[:, :, kept]
                alive = [alive[at] for at in kept]
            positions = np.array([len(rows[i].tokens) + step - 1 for i in alive])
            logits = self._forward([[answers[i][-1]] for i in alive], positions, cache)
        return answers

    def _new_cache(self, rows: int, positions: int) -> Floats:
        """(layers, keys and values, rows, key heads, positions, head size)."""
        return np.zeros((self._layer_count, 2, rows, self._kv_heads, positions, self._head_size), np.float32)

    def _forward(self, tokens: Sequence[Sequence[int]], start: NDArray[np.int_], cache: Floats) -> Floats:
        """Logits (rows, vocabulary) after the last of each row's new tokens, which begin at position ``start``.

        ``cache`` (see `_new_cache`) gets the new keys and values. All rows have equally many new tokens.
        """
        rows, new = len(tokens), len(tokens[0])
        heads, kv_heads, size = self._heads, self._kv_heads, self._head_size
        # Rows and positions side by side: one product for all of them, where numpy would do one for each row.
        x = self._embedding[np.array(tokens).reshape(-1)]
        positions = start[:, None] + np.arange(new)
        # (rows, 1, new, head size): the same turn for every head.
        cos, sin = self._cos[positions][:, None], self._sin[positions][:, None]
        seen = int(positions.max()) + 1
        hidden = np.where(np.arange(seen) > positions[:, :, None], np.float32(-np.inf), np.float32(0))[:, None, None]
        at_row = np.arange(rows)[:, None]
        for layer, (norm, qkv, out, mlp_norm, gate_up, down) in enumerate(self._layers):
            mixed = (self._rms(x, norm) @ qkv).reshape(rows, new, heads + 2 * kv_heads, size).swapaxes(1, 2)
            query, key, value = np.split(mixed, [heads, heads + kv_heads], axis=1)
            query, key = _turn(query, cos, sin), _turn(key, cos, sin)
            keys, values = cache[layer]
            keys[at_row, :, positions] = key.swapaxes(1, 2)
            values[at_row, :, positions] = value.swapaxes(1, 2)
            # Each key head serves heads / kv_heads query heads.
            query = query.reshape(rows, kv_heads, heads // kv_heads, new, size)
            scores = query @ keys[:, :, None, :seen].swapaxes(-1, -2) * np.float32(size**-0.5) + hidden
            mixed = _softmax(scores) @ values[:, :, None, :seen]
            x = x + mixed.reshape(rows, heads, new, size).swapaxes(1, 2).reshape(rows * new, heads * size) @ out
            gate, up = np.split(self._rms(x, mlp_norm) @ gate_up, 2, axis=-1)
            x = x + (gate / (1 + np.exp(-gate)) * up) @ down
        last = x.reshape(rows, new, -1)[:, -1]
        logits: Floats = self._rms(last, self._norm) @ self._head
        return logits

    def _rms(self, x: Floats, weight: Floats) -> Floats:
        scale: Floats = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        return x * scale * weight


def read_safetensors(path: Path) -> dict[str, Floats]:
    """The tensors of a safetensors file as float32.

    The format: eight bytes with the length of a JSON header, the header, the tensors (huggingface/safetensors).

    Raises:
        ValueError, KeyError: the file is damaged, or holds another kind of number.
    """
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw: NDArray[Any] = np.frombuffer(data[8 + length + begin : 8 + length + end], _DTYPES[entry["dtype"]])
        # bfloat16 is the upper half of a float32.
        if entry["dtype"] == "BF16":
            raw = (raw.astype("<u4") << 16).view("<f4")
        tensors[name] = raw.astype(np.float32, copy=False).reshape(entry["shape"])
    return tensors


def _turn(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Rotary position embedding, halves swapped as in transformers' Llama (Su et al., RoFormer, 2021)."""
    first, second = np.split(x, 2, axis=-1)
    turned: Floats = x * cos + np.concatenate([-second, first], axis=-1) * sin
    return turned


def _softmax(x: Floats) -> Floats:
    raised: Floats = np.exp(x - x.max(axis=-1, keepdims=True), dtype=np.float32)
    shares: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def _pick(logits: Floats, sampling: Sampling, stream: np.random.Generator) -> int:
    """The next token: the likeliest, or one drawn after temperature and top-p."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    share = _softmax(logits / np.float32(sampling.temperature)).astype(np.float64)
    order = np.argsort(-share, kind="stable")
    ordered = share[order]
    # A token stays while the tokens before it do not yet hold top_p of the probability.
    ordered[np.cumsum(ordered) - ordered >= sampling.top_p] = 0
    return int(order[np.searchsorted(np.cumsum(ordered), stream.random() * ordered.sum(), side="right")])
