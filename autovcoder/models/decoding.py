"""Writes many answers at once: a prompt is read once for all its answers, and a row that ends makes room for the next.

Reads a loaded model and the tokens of prompts; gives back tokens. It is `generate()` of transformers without what that
does beside the model at every step, and serves the models that need nothing more (`can_decode` says which).
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from autovcoder.models.local import CHECK_EVERY, Finished, Row
from autovcoder.records import Sampling

if TYPE_CHECKING:
    import torch

# Keys and values are written into room for so many tokens more, instead of being copied at every token.
_ROOM = 64
# Removing and adding rows copies what the others have cached, so it waits until a quarter of the batch has ended.
_KEPT = 0.75
# The likeliest tokens nearly always hold all that top-p keeps; only where they do not is a whole vocabulary sorted.
_LIKELIEST = 256


def can_decode(model: Any) -> bool:
    """Whether the model can be run by `decode`: nothing but tokens, positions and a cache whose rows can be chosen.

    That is so when its class leaves the preparation of each step to transformers' default, and every layer's cache is
    of a kind known to keep all its state in tensors by row: attention, with a sliding window or without, convolutions
    and linear attention, and both in one layer. An adapter must be plain LoRA, or merged.
    """
    from transformers import GenerationMixin, cache_utils

    if hasattr(model, "get_base_model"):
        adapter = model.active_peft_config
        if adapter.peft_type != "LORA" or getattr(adapter, "alora_invocation_tokens", None):
            return False
    base = _unwrapped(model)
    by_default = getattr(type(base), "prepare_inputs_for_generation", None)
    if by_default is not GenerationMixin.prepare_inputs_for_generation or base.config.is_encoder_decoder:
        return False
    if not {"attention_mask", "past_key_values", "use_cache"} <= inspect.signature(base.forward).parameters.keys():
        return False
    known = (
        cache_utils.DynamicLayer,
        cache_utils.DynamicSlidingWindowLayer,
        cache_utils.LinearAttentionLayer,
        cache_utils.LinearAttentionAndFullAttentionLayer,
        cache_utils.LinearAttentionAndSlidingWindowAttentionLayer,
    )
    return bool(base._supports_default_dynamic_cache()) and all(
        type(layer) in known for layer in _new_cache(base).layers
    )


def _can_join(model: Any) -> bool:
    """Whether rows can be added on the way: a window that slides counts its tokens for all rows alike."""
    from transformers import cache_utils

    windows = (cache_utils.DynamicSlidingWindowLayer, cache_utils.LinearAttentionAndSlidingWindowAttentionLayer)
    return not any(isinstance(layer, windows) for layer in _new_cache(_unwrapped(model)).layers)


def _new_cache(base: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=base.config.get_text_config(decoder=True))


def decode(
    model: Any,
    rows: Sequence[Row],
    limit: int,
    sampling: Sampling,
    ends: frozenset[int],
    finished: Finished,
    *,
    at_once: int,
    keep_end: bool = False,
) -> list[list[int]]:
    """Up to ``limit`` new tokens for each row; the one of ``ends`` that ended it is left out, or kept.

    ``finished`` is asked every CHECK_EVERY tokens of a row. Rows of the same prompt that stand side by side share its
    reading. ``at_once`` rows run together, and others take the places of those that have ended.
    """
    import torch

    if not rows:
        return []
    answers: list[list[int]] = [[] for _ in rows]
    over: set[int] = set()

    def ends_with(row: Row, answer: list[int], token: int) -> bool:
        """Add a token to an answer; whether that ends it."""
        if token not in ends or keep_end:
            answer.append(token)
        if token in ends or len(answer) == limit:
            return True
        return len(answer) % CHECK_EVERY == 0 and finished(row, answer)

    choose = Sampler(rows, sampling, model.device) if sampling.temperature > 0 else _likeliest
    fewest = _KEPT * at_once if _can_join(model) else 0  # rows that go on, for others to take places
    waiting = _by_prompt(rows)
    inside = _taken(waiting, at_once, at_once)
    batch = _Batch(model, [rows[number].tokens for number in inside])
    read = dict.fromkeys(inside, 0)  # of each row how many tokens behind its prompt
    while True:
        tokens = choose(batch.logits, inside)
        for number, token in zip(inside, tokens.tolist(), strict=True):
            if number not in over and ends_with(rows[number], answers[number], token):
                over.add(number)
        kept = [place for place, number in enumerate(inside) if number not in over]
        more = _taken(waiting, at_once - len(kept), at_once) if len(kept) <= fewest else []
        if not kept and not more:
            return answers
        # A row that has ended is computed on with the others, but never past the limit: the model may know no more.
        if (
            more
            or len(kept) <= _KEPT * len(inside)
            or any(read[number] == limit for number in over.intersection(inside))
        ):
            places = torch.tensor(kept, dtype=torch.long, device=tokens.device)
            batch.keep(places)
            tokens = tokens[places]
            inside = [inside[place] for place in kept]
        if inside:
            batch.step(tokens)
            read |= {number: read[number] + 1 for number in inside}
        if more:
            new = _Batch(model, [rows[number].tokens for number in more])
            batch = batch.joined(new) if inside else new
            inside += more
            read |= dict.fromkeys(more, 0)


def _by_prompt(rows: Sequence[Row]) -> deque[list[int]]:
    """The numbers of rows of one prompt that stand side by side."""
    return deque(list(same) for _, same in groupby(range(len(rows)), key=lambda number: rows[number].tokens))


def _taken(waiting: deque[list[int]], places: int, at_once: int) -> list[int]:
    """Groups off the front for so many places; one is divided, and read twice, only where many would stay free."""
    taken: list[int] = []
    while waiting and len(taken) < places:
        free = places - len(taken)
        if len(waiting[0]) <= free:
            taken += waiting.popleft()
        elif free > (1 - _KEPT) * at_once:
            taken += waiting[0][:free]
            del waiting[0][:free]
        else:
            break
    return taken


class _Batch:
    """What a model has read of each row, and what it says comes next.

    Attributes:
        logits: rows x vocabulary, of the next token.
    """

    def __init__(self, model: Any, prompts: Sequence[tuple[int, ...]]) -> None:
        import torch

        self._is_joined = False
        self._model = model
        self._device = model.device
        base = _unwrapped(model)
        self._accepted = inspect.signature(base.forward).parameters.keys()
        places = {tokens: place for place, tokens in enumerate(dict.fromkeys(prompts))}
        # One after the other: it takes no longer than all at once, needs no padding, and less memory.
        caches, logits = [], []
        for tokens in places:
            self._cache: Any = _new_cache(base)
            self._mask: torch.Tensor | None = None
            logits.append(self._run(torch.tensor([tokens], device=self._device), None))
            caches.append(self._cache)
        self.logits = torch.cat(logits)
        self._lengths = torch.tensor([len(tokens) for tokens in places], device=self._device)
        self._mask = _mask(self._lengths, max(map(len, places)))
        self._cache = _joined(caches)
        self.keep(torch.tensor([places[tokens] for tokens in prompts], device=self._device))
        _give_room(self._cache)

    def keep(self, places: torch.Tensor) -> None:
        """Go on with the rows at ``places``; one that is named several times is multiplied."""
        self._cache.reorder_cache(places)
        self.logits, self._lengths = self.logits[places], self._lengths[places]
        self._mask = self._mask[places] if self._mask is not None else None
        if self._is_joined:
            self._drop_front()

    def step(self, tokens: torch.Tensor) -> None:
        """Read one more token of each row."""
        import torch

        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=-1)
        self.logits = self._run(tokens[:, None], self._lengths[:, None])
        self._lengths = self._lengths + 1

    def joined(self, other: _Batch) -> _Batch:
        """This batch, to which the rows of another one are added behind its own; only if no window slides."""
        import torch

        self._is_joined = True
        self._drop_front()
        self._lengths = torch.cat([self._lengths, other._lengths])
        self.logits = torch.cat([self.logits, other.logits])
        self._mask = _mask(self._lengths, int(self._lengths.max()))
        self._cache = _joined([self._cache, other._cache])
        return self

    def _drop_front(self) -> None:
        """Drop what only rows that have gone had, in front of where all others begin."""
        longest = int(self._lengths.max())
        self._mask = _mask(self._lengths, longest)
        for layer in self._cache.layers:
            if getattr(layer, "keys", None) is not None and layer.keys.shape[-2] > longest:
                layer.keys, layer.values = (states[:, :, -longest:] for states in (layer.keys, layer.values))
                if hasattr(layer, "move_in"):
                    layer.move_in(layer.keys, layer.values)

    def _run(self, ids: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        """The next token's logits for each row of ``ids`` (rows x tokens)."""
        inputs = {"attention_mask": self._mask, "position_ids": positions, "logits_to_keep": 1}
        accepted = {name: value for name, value in inputs.items() if name in self._accepted and value is not None}
        output = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, return_dict=True, **accepted)
        logits: torch.Tensor = output.logits[:, -1]
        return logits


class Sampler:
    """Draws one token a row by temperature and top-p, each row from a random stream of its own.

    An answer so depends on its own seed alone, not on what is generated beside it. The largest of logits plus Gumbel
    noise is distributed as their softmax (Gumbel 1954; Maddison et al., "A* Sampling", 2014).
    """

    def __init__(self, rows: Sequence[Row], sampling: Sampling, device: Any) -> None:
        import torch

        self._temperature, self._top_p = sampling.temperature, sampling.top_p
        self._streams = [torch.Generator(device=device).manual_seed(row.seed) for row in rows]

    def __call__(self, logits: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """A token for each row of ``logits`` (rows x vocabulary), whose streams are those of the rows ``numbers``."""
        import torch

        scores = logits.float() / self._temperature
        streams = [self._streams[number] for number in numbers]
        uniform = torch.stack([torch.rand(scores.shape[-1], generator=s, device=scores.device) for s in streams])
        if self._top_p >= 1:
            return _noisy(scores, uniform).argmax(-1)
        scores, order = _nucleus(scores, self._top_p)
        return order.gather(-1, _noisy(scores, uniform.gather(-1, order)).argmax(-1, keepdim=True))[:, 0]


def _likeliest(logits: torch.Tensor, _: Sequence[int]) -> torch.Tensor:
    return logits.argmax(-1)


def _noisy(scores: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    return scores - (-uniform.clamp(1e-20, 1 - 1e-7).log()).log()


def _nucleus(scores: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest tokens' scores, minus infinity outside the nucleus, and which tokens they are."""
    shares = scores.softmax(-1)
    few = min(_LIKELIEST, scores.shape[-1])
    share, order = shares.topk(few)
    if not bool((share.sum(-1) >= top_p).all()):
        share, order = shares.sort(dim=-1, descending=True)
    # A token stays while the tokens before it do not yet hold top_p of the probability.
    dropped = share.cumsum(-1) - share >= top_p
    return scores.gather(-1, order).masked_fill(dropped, float("-inf")), order


def _unwrapped(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _mask(lengths: torch.Tensor, longest: int) -> torch.Tensor | None:
    """Which of ``longest`` places each row fills: the last ones."""
    import torch

    mask = torch.arange(longest, device=lengths.device) >= longest - lengths[:, None]
    # Without padding a model needs no mask, and some attend faster.
    return None if bool(mask.all()) else mask.long()


def _joined(caches: list[Any]) -> Any:
    """One cache with the rows of all; the shorter ones are padded on the left, where the mask hides it."""
    import torch
    from transformers.cache_utils import DynamicLayer, LinearAttentionLayer

    for place, layer in enumerate(caches[0].layers):
        layers = [cache.layers[place] for cache in caches]
        if isinstance(layer, DynamicLayer) and layer.keys is not None:
            longest = max(one.keys.shape[-2] for one in layers)
            for name in ("keys", "values"):
                states = [getattr(one, name) for one in layers]
                padded = [torch.nn.functional.pad(one, (0, 0, longest - one.shape[-2], 0)) for one in states]
                setattr(layer, name, torch.cat(padded))
            if hasattr(layer, "move_in"):
                layer.move_in(layer.keys, layer.values)
            if hasattr(layer, "cumulative_length"):  # of a sliding window, which may have slid
                layer.cumulative_length = max(one.cumulative_length for one in layers)
        if isinstance(layer, LinearAttentionLayer):
            for name in ("conv_states", "recurrent_states"):
                found = {key for key, state in getattr(layer, name).items() if state is not None}
                joined = {key: torch.cat([getattr(one, name)[key] for one in layers]) for key in found}
                getattr(layer, name).update(joined)
    return caches[0]


def _give_room(cache: Any) -> None:
    """Let full attention's layers write keys and values in place: transformers' own copy all of them at every token."""
    import torch
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):
        """``keys`` and ``values`` are views of the part of the room that is filled."""

        def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.lazy_initialization(keys, values)
            self.move_in(keys, values)

        def move_in(self, *states: torch.Tensor) -> None:
            rooms = [torch.nn.functional.pad(one, (0, 0, 0, _ROOM)) for one in states]
            self._rooms, self._filled = rooms, states[0].shape[-2]
            self.keys, self.values = states

        def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
            start, self._filled = self._filled, self._filled + key_states.shape[-2]
            for room, states in zip(self._rooms, (key_states, value_states), strict=True):
                room[:, :, start : self._filled] = states
            keys, values = (room[:, :, : self._filled] for room in self._rooms)
            self.keys, self.values = keys, values
            if self._filled == self._rooms[0].shape[-2]:
                self.move_in(keys, values)
            return keys, values

        def reorder_cache(self, beam_idx: torch.Tensor) -> None:
            # An index of another length than the batch adds or removes rows.
            self.move_in(*(room[:, :, : self._filled].index_select(0, beam_idx) for room in self._rooms))

    for place, layer in enumerate(cache.layers):
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if type(layer) is DynamicLayer and keys is not None and values is not None:
            cache.layers[place] = RoomyLayer(keys, values)
