"""Near duplicates among modules: our steps against datasketch's MinHashLSH at the same threshold, in one run.

Reads a stage folder of modules; prints a table: modules a second on one core, and how many of the pairs that are truly
alike (Jaccard similarity of their 5-grams at or above a bound, computed for all pairs that share anything) end up in
one group. Both get the same 5-grams of the same tokens, 14 bands of 8 hashes, and both join pairs to groups.

    python benchmarks/near_duplicates.py STAGE [--modules 3000]

Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations, islice
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets, MinhashDedupCluster

from autovcoder.overlap import jaccard, shingles
from data_pipeline.documents import read_modules
from data_pipeline.near_duplicates import BUCKETS, HASHES, N_GRAMS, RtlSignature, minhash_config, read_groups
from hdl_sim.normal_form import normal_tokens

BOUNDS = (0.75, 0.85, 0.95)


def ours(codes: list[str], folder: Path) -> list[int]:
    """The group of each module; one that is like no other has a group of its own."""
    signatures, pairs, groups = (folder / name for name in ("signatures", "pairs", "groups"))
    data = (Document(text=code, id=str(number)) for number, code in enumerate(codes))
    for _ in RtlSignature(signatures)(data, 0, 1) or ():
        pass
    config = minhash_config()
    for rank in range(BUCKETS):
        for _ in MinhashDedupBuckets(str(signatures), str(pairs), config=config)(None, rank, BUCKETS) or ():
            pass
    for _ in MinhashDedupCluster(str(pairs), str(groups), config, save_cluster_id=True)(None, 0, 1) or ():
        pass
    found = read_groups(groups, 0)
    return [found.get(number, -1 - number) for number in range(len(codes))]


def datasketch_groups(codes: list[str]) -> list[int]:
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(num_perm=BUCKETS * HASHES, params=(BUCKETS, HASHES))
    groups = list(range(len(codes)))

    def root(number: int) -> int:
        while groups[number] != number:
            groups[number] = groups[groups[number]]
            number = groups[number]
        return number

    for number, code in enumerate(codes):
        sketch = MinHash(num_perm=BUCKETS * HASHES)
        sketch.update_batch([value.to_bytes(8, "little") for value in shingles(normal_tokens(code), N_GRAMS)])
        for other in lsh.query(sketch):
            groups[root(number)] = root(other)
        lsh.insert(number, sketch)
    return [root(number) for number in range(len(codes))]


def alike(codes: list[str], bound: float) -> set[tuple[int, int]]:
    """All pairs at or above a bound."""
    sets = [shingles(normal_tokens(code), N_GRAMS) for code in codes]
    counts = Counter(value for one in sets for value in one)
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for number, one in enumerate(sets):
        # Two sets that are that alike share one of their rarest shingles.
        rarest = sorted(one, key=lambda value: (counts[value], value))
        for value in rarest[: len(one) - int(bound * len(one)) + 1]:
            holders[value].append(number)
    pairs = {pair for numbers in holders.values() for pair in combinations(numbers, 2)}
    return {(one, other) for one, other in pairs if jaccard(sets[one], sets[other]) >= bound}


def recall(groups: list[int], pairs: Iterable[tuple[int, int]]) -> float:
    same = [groups[one] == groups[other] for one, other in pairs]
    return sum(same) / len(same) if same else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", type=Path)
    parser.add_argument("--modules", type=int, default=3000)
    options = parser.parse_args()
    codes = [module.code for module in islice(read_modules(options.stage), options.modules)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        found = ours(codes, Path(folder))
        seconds = time.perf_counter() - started
    started = time.perf_counter()
    peer = datasketch_groups(codes)
    peer_seconds = time.perf_counter() - started
    truth = {bound: alike(codes, bound) for bound in BOUNDS}
    print(f"{len(codes)} modules; pairs at or above {', '.join(f'{b}: {len(p)}' for b, p in truth.items())}")
    heads = "".join(f"{f'recall {bound}':>13}" for bound in BOUNDS)
    print(f"{'':12} {'modules/s':>10} {'groups':>8}{heads}")
    for name, groups, took in (("ours", found, seconds), ("datasketch", peer, peer_seconds)):
        cells = "".join(f"{recall(groups, truth[bound]):13.4f}" for bound in BOUNDS)
        print(f"{name:12} {len(codes) / took:10.0f} {len(set(groups)):8d}{cells}")
    print(f"ours is {peer_seconds / seconds:.1f}x as fast")


if __name__ == "__main__":
    main()
