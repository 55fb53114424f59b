"""Runs inside of a notebook: its cells run in an event loop, beside which asyncio begins no other in the same thread. No display, no widgets."""

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import wraps
from threading import Thread
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")


def beside_a_loop(call: Callable[Given, Made]) -> Callable[Given, Made]:
    """A function that uses `asyncio.run`, in a thread of its own where this one has a running event loop. An interrupt reaches it there too."""

    @wraps(call)
    def wrapper(*args: Given.args, **options: Given.kwargs) -> Made:
        if not _runs():
            return call(*args, **options)
        future: Future[Made] = Future()

        def work() -> None:
            try:
                future.set_result(call(*args, **options))
            except BaseException as error:
                future.set_exception(error)

        thread = Thread(target=work, name="autotelic", daemon=True)
        thread.start()
        return _awaited(future, thread)

    return wrapper


def _runs() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _awaited(future: Future[Made], thread: Thread) -> Made:
    """What a thread makes; a KeyboardInterrupt while waiting is raised inside of it, which ends it as an interrupt ends any run."""
    while True:
        try:
            wait([future], timeout=0.2)  # a wait without an end is not woken by an interrupt that is no signal
        except KeyboardInterrupt:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt))
        if future.done():
            return future.result()
