"""How fast the way from repositories to a corpus is with one worker and with more, in one run on the same input.

Reads a folder that ``autovcoder data collect`` wrote; prints seconds for each stage. Every run starts from the same
archives and does the whole of it, scoring included, into a folder of its own; the corpora must be the same. It is
decontaminated against the suite that comes with the package.

    python benchmarks/corpus_speed.py REPOS [--workers 1 2] [--labels 1000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from autovcoder.files import read_records
from autovcoder.records import Repository
from autovcoder.store import read_manifest
from data_pipeline.clean import clean
from data_pipeline.corpus import CorpusSettings
from data_pipeline.decontaminate import decontaminate
from data_pipeline.executors import ExecutorSettings
from data_pipeline.extract import extract
from data_pipeline.rubric import RubricLabeller
from data_pipeline.score import score
from data_pipeline.select import select
from data_pipeline.shards import Run
from eval.suites import load_suite, write_problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repos", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--labels", type=int, default=1000)
    options = parser.parse_args()
    size = sum(r.bytes for r in read_records(options.repos / "repos.jsonl", Repository)) / 1e6
    for repository in read_records(options.repos / "repos.jsonl", Repository):
        (options.repos / repository.archive).read_bytes()  # so that the first run does not wait for the disk
    took: dict[int, dict[str, float]] = {}
    kept: dict[int, dict[str, str]] = {}
    for workers in options.workers:
        settings = CorpusSettings()
        scoring = settings.score.model_copy(update={"labels": options.labels})
        run = Run(ExecutorSettings(workers=workers))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            suite = write_problems(load_suite("builtin", None), out)
            stages = {
                "extract": partial(extract, options.repos, out / "1", settings.extract, run),
                "clean": partial(clean, out / "1", out / "2", settings.clean, run),
                "decontaminate": partial(decontaminate, out / "2", out / "3", [suite], settings.decontaminate, run),
                "score": partial(score, out / "3", out / "4", scoring, run, RubricLabeller()),
                "select": partial(select, out / "4", out / "5", settings.select, run),
            }
            took[workers] = {}
            for name, work in stages.items():
                started = time.perf_counter()
                work()
                took[workers][name] = time.perf_counter() - started
            took[workers]["train (in score)"] = read_manifest(out / "4").facts["seconds"]["train"]
            hashes = read_manifest(out / "5").sha256.items()
            kept[workers] = {name: digest for name, digest in hashes if name.endswith(".parquet")}
    print(f"{size:.1f} MB of sources")
    print(f"{'stage':18}" + "".join(f"{f'{w} workers, s':>16}" for w in took))
    for name in took[options.workers[0]]:
        print(f"{name:18}" + "".join(f"{times[name]:16.1f}" for times in took.values()))
    whole = {w: sum(s for name, s in times.items() if "(" not in name) for w, times in took.items()}
    print(f"{'whole':18}" + "".join(f"{seconds:16.1f}" for seconds in whole.values()))
    print(f"{'MB/s':18}" + "".join(f"{size / seconds:16.2f}" for seconds in whole.values()))
    first = options.workers[0]
    print("speed-up: " + ", ".join(f"{w} workers {whole[first] / seconds:.2f}x" for w, seconds in whole.items()))
    same = all(files == kept[first] for files in kept.values())
    print("the corpora are the same" if same else "THE CORPORA DIFFER")


if __name__ == "__main__":
    main()
