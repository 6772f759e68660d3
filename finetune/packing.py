"""How examples become the rows of a batch: several in one row that cannot see each other, or alike ones with padding.

Reads token ids; writes tensors. A packed row has no attention mask: position ids that restart at each example make
transformers build a block-diagonal one for eager, sdpa and flex attention, and sequence lengths for flash attention
(``transformers.masking_utils``). What a layer mixes by other means than attention, such as a short convolution or a
state, does run over the borders, so a model is asked before its examples are packed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

IGNORED = -100
"""The label of a token that is not learned, as torch and transformers have it."""
Tokens = tuple[Sequence[int], Sequence[int]]
"""Token ids of an example, and where those begin and end, by turns, that are not learned."""


def best_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Rows of at most ``capacity`` tokens: each example, the longest first, where it leaves the least space.

    Never much more than 11/9 of the fewest rows possible (Johnson 1973); for training data: Ding et al. 2024, arXiv
    2404.10830.

    Args:
        lengths: of the examples, in tokens, none longer than ``capacity``.

    Returns:
        The examples' indices, row by row; each occurs once.
    """
    rows: list[list[int]] = []
    with_space: dict[int, list[int]] = defaultdict(list)
    spaces: list[int] = []  # those of which there is a row, in order
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        place = bisect_left(spaces, lengths[index])
        if place == len(spaces):
            row, space = len(rows), capacity
            rows.append([])
        else:
            space = spaces[place]
            row = with_space[space].pop()
            if not with_space[space]:
                del spaces[place]
        rows[row].append(index)
        left = space - lengths[index]
        if left:
            if not with_space[left]:
                insort(spaces, left)
            with_space[left].append(row)
    return rows


def alike(lengths: Sequence[int], group: int, seed: int, epoch: int) -> list[list[int]]:
    """All indices in random order, in groups of ``group`` of which those in one are of like length.

    Each group is cut from 50 groups' worth of rows drawn at random and sorted, so that the groups themselves differ
    from epoch to epoch. Where ``group`` does not divide the rows, the last group is the smaller one.
    """
    import numpy as np

    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths)).tolist()
    groups: list[list[int]] = []
    for start in range(0, len(order), 50 * group):
        drawn = sorted(order[start : start + 50 * group], key=lambda i: -lengths[i])
        groups += [drawn[i : i + group] for i in range(0, len(drawn), group)]
    rest = [groups.pop()] if len(order) % group else []
    return [groups[i] for i in random.permutation(len(groups))] + rest


def by_tokens(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Indices in batches of like length: in each, rows times the longest row is at most ``most`` tokens.

    A row that is longer than ``most`` is a batch by itself.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not batches or (len(batches[-1]) + 1) * longest > most:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return batches


def packed_batch(rows: Sequence[Sequence[Tokens]], pad: int, multiple: int = 1) -> dict[str, Any]:
    """Rows of several examples each, as the arguments of a model.

    Args:
        rows: examples as (token ids, where those begin and end, by turns, that are not learned).
        multiple: of what the width is made.

    Returns:
        ``input_ids``, ``labels`` and ``position_ids``, each of shape (rows, width). The first token of an example has
        no label: the token before it is another example's. Padding is one more example, without labels.
    """
    import torch

    width = _width([sum(len(ids) for ids, _ in row) for row in rows], multiple)
    ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        start = 0
        for tokens, unlearned in row:
            end = start + len(tokens)
            ids[number, start:end] = torch.tensor(tokens)
            labels[number, start + 1 : end] = ids[number, start + 1 : end]
            for first, last in zip(unlearned[::2], unlearned[1::2], strict=True):
                labels[number, start + first : start + last] = IGNORED
            positions[number, start:end] = torch.arange(len(tokens))
            start = end
        positions[number, start:] = torch.arange(width - start)
    return {"input_ids": ids, "labels": labels, "position_ids": positions}


def padded_batch(examples: Sequence[Tokens], pad: int, multiple: int = 1) -> dict[str, Any]:
    """One example a row, padded at the end; ``attention_mask`` instead of the positions of `packed_batch`."""
    import torch

    batch = packed_batch([[example] for example in examples], pad, multiple)
    width = batch.pop("position_ids").shape[1]
    lengths = torch.tensor([len(ids) for ids, _ in examples])
    return batch | {"attention_mask": (torch.arange(width) < lengths[:, None]).long()}


def _width(lengths: Sequence[int], multiple: int) -> int:
    return -(-max(lengths) // multiple) * multiple


class Collator:
    """Items of a data set of rows as one batch, for a data loader.

    Args:
        examples: a data set of ``input_ids`` and ``unlearned``.
        packed: whether a row may hold several of them.

    Items are ``{"rows": [[index, ...], ...]}``: one row, or a whole batch of them. Batches also hold ``tokens``, of
    shape (1,): how many of their tokens are no padding.
    """

    def __init__(self, examples: Any, pad: int, packed: bool, multiple: int = 1) -> None:
        self._examples, self._pad, self._packed, self._multiple = examples, pad, packed, multiple

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        rows = [list(self._examples_of(row)) for item in items for row in item["rows"]]
        if self._packed:
            batch = packed_batch(rows, self._pad, self._multiple)
        else:
            batch = padded_batch([row[0] for row in rows], self._pad, self._multiple)
        return batch | {"tokens": torch.tensor([sum(len(ids) for row in rows for ids, _ in row)])}

    def _examples_of(self, row: Sequence[int]) -> Iterator[Tokens]:
        for index in row:
            example = self._examples[index]
            yield example["input_ids"], example["unlearned"]


def mixes_packed(model: Any) -> str | None:
    """Why examples packed into a row would not be as if alone in this model; None when they are.

    The model is run: the logits of an example must not change with the one that stands before it in the row, and must
    be those of the example alone. How much they change with one that stands behind it, which no causal model sees, is
    rounding (of a mixture's experts, whose batches differ), and is allowed for.

    Args:
        model: a causal language model on the device and in the precision of its training; left as it was.
    """
    import torch

    random = torch.Generator().manual_seed(0)
    vocabulary = model.config.get_text_config().vocab_size
    first, other, last = (torch.randint(0, vocabulary, (n,), generator=random).tolist() for n in (21, 21, 30))
    device = next(model.parameters()).device

    def logits_of_last(examples: list[list[int]]) -> Any:
        batch = packed_batch([[(ids, ()) for ids in examples]], pad=0)
        batch.pop("labels")
        if len(examples) == 1:
            batch.pop("position_ids")
        # With a cache, as outside of training, transformers looks for no packed examples.
        batch = {name: value.to(device) for name, value in batch.items()}
        start = sum(len(ids) for ids in examples[: examples.index(last)])
        return model(**batch, use_cache=False).logits[0, start : start + len(last)].float()

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone, packed = logits_of_last([last]), logits_of_last([first, last])
            seen = packed - logits_of_last([other, last])
            rounding = logits_of_last([last, first]) - logits_of_last([last, other])
    # Models refuse arguments in many ways: by signature, by shape, by a kernel that is not there.
    except Exception as error:
        return f"it cannot run a packed row ({type(error).__name__})"
    finally:
        model.train(training)
    size = alone.norm()
    if seen.norm() > 10 * rounding.norm() + 1e-6 * size:
        return "what stands before an example in its row changes its logits"
    if (packed - alone).norm() > 0.05 * size:
        return "an example's logits in a packed row are not those of the example alone"
    return None
