"""Runs a pipeline of steps on the cores of this machine, on a Slurm cluster or on a Ray cluster.

Reads settings; writes a folder of logs and of markers for finished tasks, by which an interrupted run goes on. What the
steps do and write does not depend on where they run, nor on how many run at once.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor
from pydantic import Field

from autovcoder.config import Settings
from autovcoder.errors import AutoVCoderError, ToolFailed, ToolMissing
from autovcoder.files import write_atomic

if TYPE_CHECKING:
    from datatrove.executor.base import PipelineExecutor
    from datatrove.pipeline.base import PipelineStep

POLL_S = 2.0


class ExecutorSettings(Settings):
    """Where and how wide steps run; none of it changes what they write.

    Attributes:
        workers: tasks at once; 0 is one for each core here, and no limit on a cluster.
        time_limit, partition, memory_gb: of one task, on Slurm; ``qos`` where the cluster wants one.
        environment: a shell command that makes this package available on a Slurm node, such as ``source
            /shared/venv/bin/activate``; by default the environment that runs now.
    """

    kind: Literal["local", "slurm", "ray"] = "local"
    workers: int = Field(default=0, ge=0)
    time_limit: str = "04:00:00"
    partition: str = "cpu"
    qos: str = ""
    memory_gb: int = Field(default=4, ge=1)
    environment: str = ""


def run_steps(
    steps: Sequence[PipelineStep],
    *,
    tasks: int,
    logs: Path,
    settings: ExecutorSettings,
    tell: Callable[[int], None] = lambda done: None,
) -> None:
    """Run every task of a pipeline to its end; tasks that ended before are not run again.

    Args:
        logs: a folder that all workers reach, one for each pipeline.
        tell: called now and then with how many tasks have ended, in another thread.

    Raises:
        AutoVCoderError: what a step raised. ToolFailed: a task broke in another way; names its log. ToolMissing: Slurm
            or Ray is asked for and not there.
    """
    logs.mkdir(parents=True, exist_ok=True)
    run = {"local": _run_local, "slurm": _run_slurm, "ray": _run_ray}[settings.kind]
    with _told(logs, tell):
        run(list(steps), tasks, logs, settings)
    if missing := _missing(logs, tasks):
        raise ToolFailed(f"{len(missing)} of {tasks} tasks did not end", where=_log_of(logs, missing[0]))


def _run_local(steps: list[Any], tasks: int, logs: Path, settings: ExecutorSettings) -> None:
    import dill

    executor = LocalPipelineExecutor(steps, tasks=tasks, logging_dir=str(logs))
    waiting = _missing(logs, tasks)
    if not waiting:
        return
    workers = min(settings.workers or len(os.sched_getaffinity(0)), len(waiting))
    others = set(multiprocessing.active_children())
    # Not its own run(): that waits for ever for a task whose process died, and talks to the terminal.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"), _begin_worker)
    pickled = dill.dumps(executor)  # datatrove's steps are made for it
    futures = {pool.submit(_run_task, pickled, rank): rank for rank in waiting}
    try:
        for future in as_completed(futures):
            try:
                future.result()
            except Exception as error:
                raise _as_failure(error, _log_of(logs, futures[future])) from None
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _as_failure(error: Exception, log: Path) -> AutoVCoderError:
    if isinstance(error, AutoVCoderError):
        return error
    return ToolFailed(f"a task broke ({type(error).__name__}: {error})", where=log)


def _begin_worker() -> None:
    """A worker ends with the command, however that ends, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not by PR_SET_PDEATHSIG: what forked this worker is a server of multiprocessing's, which lives on with it.
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(command: Any) -> None:
    command.join()
    os._exit(1)


def _run_task(pickled: bytes, rank: int) -> None:
    import dill

    executor: PipelineExecutor = dill.loads(pickled)  # noqa: S301 (it comes from this program)
    # What datatrove says goes to the task's log; the terminal is for what a person wants to know.
    with redirect_stderr(io.StringIO()):
        executor._run_for_rank(rank)


def _run_ray(steps: list[Any], tasks: int, logs: Path, settings: ExecutorSettings) -> None:
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError:
        raise ToolMissing("Ray is not installed", where="ray", fix="pip install 'autovcoder[ray]'") from None
    import dill

    waiting = _missing(logs, tasks)
    cluster = os.environ.get("RAY_ADDRESS", "")
    if waiting and not ray.is_initialized():
        # A cluster that RAY_ADDRESS names, else one of this machine's cores; it ends with this process.
        cores = None if cluster else settings.workers or None
        try:
            ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ToolFailed("Ray cannot be used", where=cluster or "this machine", fix=str(error)) from None
    # Not datatrove's executor for Ray: its workers fork while they have threads, and then wait for each other for ever.
    memory = settings.memory_gb * 2**30 if cluster else None
    task = ray.remote(_run_task).options(num_cpus=1, memory=memory)
    pickled = ray.put(dill.dumps(LocalPipelineExecutor(steps, tasks=tasks, logging_dir=str(logs))))
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            while waiting and (not settings.workers or len(running) < settings.workers):
                rank = waiting.pop(0)
                running[task.remote(pickled, rank)] = rank
            (ended, *_), _ = ray.wait(list(running), num_returns=1)
            rank = running.pop(ended)
            try:
                ray.get(ended)
            except RayError as error:
                cause = error.cause if isinstance(error, RayTaskError) else error
                raise _as_failure(cause, _log_of(logs, rank)) from None
    except BaseException:
        for ref in running:
            ray.cancel(ref, force=True)
        raise


class _SlurmJobs(SlurmPipelineExecutor):  # type: ignore[misc]
    """Without the last job of datatrove's, which would write into the folder when the stage has moved on."""

    def launch_merge_stats(self) -> None:
        pass


def _run_slurm(steps: list[Any], tasks: int, logs: Path, settings: ExecutorSettings) -> None:
    if shutil.which("sbatch") is None:
        raise ToolMissing("no sbatch here", where="PATH", fix="run this on a node from which Slurm takes jobs")
    job = logs / "job"
    if job.exists() and _is_queued(job.read_text()):
        # They would write the same files.
        raise ToolFailed("tasks of an earlier run are still queued", where=f"job {job.read_text()}", fix="scancel it")
    if not _missing(logs, tasks):
        return
    from loguru import logger

    logger.disable("datatrove")
    executor = _SlurmJobs(
        steps,
        tasks=tasks,
        time=settings.time_limit,
        partition=settings.partition,
        qos=settings.qos,
        mem_per_cpu_gb=settings.memory_gb,
        workers=settings.workers or -1,
        job_name="autovcoder",
        # `launch_pickled_pipeline` and the packages that the steps need are beside the Python that runs now.
        env_command=settings.environment or f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
        logging_dir=str(logs.resolve()),
    )
    try:
        executor.run()
        write_atomic(job, str(executor.job_id))
        while _missing(logs, tasks) and _is_queued(executor.job_id):
            time.sleep(POLL_S)
    except subprocess.CalledProcessError as error:
        raise ToolFailed("Slurm refused the job", where=logs, fix=str(error.stderr or error)) from None
    except BaseException:
        if executor.job_id is not None:
            subprocess.run(["scancel", str(executor.job_id)], check=False)  # noqa: S607 (see `_is_queued`)
        raise
    finally:
        logger.enable("datatrove")


def _is_queued(job: Any) -> bool:
    """Whether Slurm still has a job; a controller that does not answer is asked again later."""
    asked = subprocess.run(
        ["squeue", "--noheader", "--jobs", str(job)],  # noqa: S607 (Slurm's own, from the PATH as sbatch is)
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        return "Invalid job id" not in asked.stderr
    return bool(asked.stdout.strip())


@contextmanager
def _told(logs: Path, tell: Callable[[int], None]) -> Iterator[None]:
    """Tell twice a second how many tasks have ended."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            tell(_done(logs))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _done(logs: Path) -> int:
    folder = logs / "completions"
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _missing(logs: Path, tasks: int) -> list[int]:
    return [rank for rank in range(tasks) if not (logs / "completions" / f"{rank:05d}").exists()]


def _log_of(logs: Path, rank: int) -> Path:
    return logs / "logs" / f"task_{rank:05d}.log"
