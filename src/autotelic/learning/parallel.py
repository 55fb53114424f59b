"""Data-parallel learning on CPU: forked processes that share the weights' memory take a part of each step's rows, and gloo sums the gradients.

Only gradients differ from learning in one process, and those by the rounding of sums in another order. Applies nothing.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from mmap import mmap
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from autotelic.errors import AutotelicError, SettingError
from autotelic.learning.batching import Row, shares
from autotelic.learning.gradients import Found, accumulate
from autotelic.learning.objectives.base import Objective, Totals
from autotelic.native import kernels
from autotelic.networks.operations import Precision
from autotelic.policies.policy import Policy

PATIENCE = timedelta(hours=1)
"""How long one process waits for the slowest of a step."""


@dataclass(slots=True)
class Job:
    """What `accumulate` is told, but for the rows."""

    objective: Objective
    totals: Totals
    budget: int
    precision: Precision
    first: bool
    version: int
    """Of the policy."""


class Crew:
    """This process and `count - 1` forked from it. The weights that train move to memory that all see, so updates here reach the others."""

    def __init__(self, policy: Policy, parameters: Sequence[nn.Parameter], count: int) -> None:
        """Raises:
        SettingError: processes cannot be forked here, torch uses several threads, or the weights are not on the CPU.
        """
        check(policy)
        kernels.available()  # built once, before there are several processes
        self.policy, self.parameters, self.count = policy, parameters, count
        share_memory(parameters)
        fork = multiprocessing.get_context("fork")
        self._folder = tempfile.TemporaryDirectory()
        place = Path(self._folder.name) / "store"
        pipes = [fork.Pipe() for _ in range(count - 1)]
        self._lines = [line for line, _ in pipes]
        self._processes = [fork.Process(target=self._serve, args=(rank, place, pipes), daemon=True) for rank in range(1, count)]
        for process in self._processes:
            process.start()
        for _, line in pipes:
            line.close()
        self._end = weakref.finalize(self, end, self._lines, self._processes)
        self._group = join(place, 0, count)

    def accumulate(self, rows: Sequence[Row], job: Job) -> Found:
        """As `gradients.accumulate`, over all processes; the sum of gradients is in the parameters here.

        Raises:
            TrainingError: as there. AutotelicError: a process has died. After any other exception the processes are ended.
        """
        parts = shares(rows, self.count)
        try:
            for line, part in zip(self._lines, parts[1:], strict=True):
                line.send((part, job))
            answers = [self._work(self._group, parts[0], job), *(line.recv() for line in self._lines)]
        except (RuntimeError, EOFError, OSError) as error:
            self._end()
            raise AutotelicError(f"a learner process ended before its time: {error}") from error
        except BaseException:
            self._end()
            raise
        found = Found()
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            found.add(answer)
        return found

    @property
    def alive(self) -> bool:
        """Whether it can take further steps."""
        return self._end.alive

    def _work(self, group: Any, rows: Sequence[Row], job: Job) -> "Found | Exception":
        """One process's part of a step. An exception is a value here, so that all processes reach the sum."""
        for parameter in self.parameters:
            parameter.grad = None
        found: Found | Exception
        try:
            found = accumulate(self.policy, rows, job.objective, job.totals, job.budget, job.precision, job.first)
        except Exception as error:
            found = error
        flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in self.parameters])
        group.allreduce([flat]).wait()
        for parameter, gradient in zip(self.parameters, torch.split(flat, [p.numel() for p in self.parameters]), strict=True):
            parameter.grad = gradient.view_as(parameter)
        return found

    def _serve(self, rank: int, place: Path, pipes: Sequence[tuple[Any, Any]]) -> None:
        """What a forked process does until its line is closed."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's business
        line: multiprocessing.connection.Connection = pipes[rank - 1][1]
        for number, (theirs, ours) in enumerate(pipes):
            theirs.close()
            if number != rank - 1:
                ours.close()
        group = join(place, rank, self.count)
        with contextlib.suppress(EOFError, OSError, RuntimeError):
            while True:
                rows, job = line.recv()
                self.policy.version = job.version
                line.send(self._work(group, rows, job))
        os._exit(0)  # nothing that was open when it was forked is its to close


def check(policy: Policy) -> None:
    """Raises SettingError where a policy cannot be trained by several processes."""
    if "fork" not in multiprocessing.get_all_start_methods() or not (distributed.is_available() and distributed.is_gloo_available()):
        raise SettingError("optimizer.processes: learning in several processes needs a system that can fork, and a torch with gloo")
    if policy.model.device.type != "cpu":
        raise SettingError(f"optimizer.processes: only weights on the CPU train in several processes, and these are on {policy.model.device}")
    if torch.get_num_threads() != 1:
        raise SettingError(f"optimizer.processes: each process has one thread; set threads to 1 instead of {torch.get_num_threads()}")


def share_memory(parameters: Sequence[nn.Parameter]) -> None:
    """Move parameters, values kept, to one piece of memory that processes forked later share. Not in /dev/shm, which is small in containers."""
    memory = mmap(-1, max(1, sum(p.numel() * p.element_size() for p in parameters)))
    at = 0
    for parameter in parameters:
        moved: Tensor = torch.frombuffer(memory, dtype=parameter.dtype, count=parameter.numel(), offset=at).view_as(parameter)
        at += parameter.numel() * parameter.element_size()
        parameter.data = moved.copy_(parameter.data)


def join(place: Path, rank: int, count: int) -> Any:
    """The gloo group of a crew, apart from torch's default group, which a user may need."""
    gloo: Any = distributed.ProcessGroupGloo
    options = gloo._Options()
    options._devices = [gloo.create_device(hostname="127.0.0.1")]
    options._timeout = PATIENCE
    store: Any = distributed.FileStore(str(place), count)  # type: ignore[attr-defined]
    return gloo(store, rank, count, options)


def end(lines: Sequence[Any], processes: Sequence[Any]) -> None:
    """Let the processes end, and see that they do."""
    for line in lines:
        line.close()
    for process in processes:
        process.join(timeout=0.2)
        if process.is_alive():
            process.kill()
            process.join()
