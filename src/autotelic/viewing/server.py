"""The page's server: what stands behind each address, and who may ask. It answers GET alone, changes nothing, and needs no network."""

import json
import socket
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from threading import RLock
from typing import Annotated, Any

import duckdb
import uvicorn
from pydantic import BeforeValidator, Field
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from autotelic.errors import AutotelicError
from autotelic.runs.checking import checked
from autotelic.types import Settings
from autotelic.viewing.rollouts import Rollouts, Wanted
from autotelic.viewing.runs import Row, Runs

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_CURVES = 24
PAGE = 50


class OfRun(Settings):
    """A run by name."""

    run: str


class OfRuns(Settings):
    """Some runs by name."""

    run: Annotated[tuple[str, ...], Field(max_length=MOST_CURVES), BeforeValidator(lambda value: [value] if isinstance(value, str) else value)] = ()


class OfCurves(OfRuns):
    """Curves of one metric, of some runs."""

    metric: str


class OfPool(OfRun):
    """Tasks of a pool, by what they hold."""

    text: str = ""
    page: int = Field(0, ge=0)


class OfRollouts(OfRun, Wanted):
    """Rollouts of a run."""


class OfRollout(OfRun):
    """A rollout by its id, in its round or, where none is named, in the newest that has it."""

    id: str
    round: int | None = None


class View:
    """What the page asks for, as plain values."""

    def __init__(self, root: Path) -> None:
        self.runs = Runs(root)
        self._rollouts: dict[str, Rollouts] = {}
        self._lock = RLock()

    def list(self, asked: Settings) -> Row:
        """All runs, each in a line."""
        return {"root": str(self.runs.root), "runs": [run.summary() for run in self.runs.all().values()]}

    def run(self, asked: OfRun) -> Row:
        """One run."""
        return self.runs[asked.run].detail()

    def names(self, asked: OfRuns) -> Row:
        """The metrics that any of some runs logs."""
        found = {one["name"]: one for name in asked.run for one in self.runs[name].names()}
        return {"names": [one for _, one in sorted(found.items())]}

    def curves(self, asked: OfCurves) -> Row:
        """A metric of some runs by round."""
        return {"metric": asked.metric, "curves": {name: self.runs[name].curve(asked.metric) for name in asked.run}}

    def pool(self, asked: OfPool) -> Row:
        """The growth of a run's pool, and tasks that came in, the newest first."""
        run = self.runs[asked.run]
        start = run.refresh().config.get("pool")
        with run.lock:
            count, tasks = run.pool.newest(asked.text, asked.page * PAGE, PAGE)
            return {
                "growth": run.pool.growth(start if isinstance(start, int) else 0),
                "count": count,
                "page": asked.page,
                "size": PAGE,
                "tasks": tasks,
            }

    def rollouts(self, asked: OfRollouts) -> Row:
        """A page of rollouts, and what they can be chosen by."""
        return self._of(asked.run, lambda found: {"facets": found.facets(), **found.page(asked)})

    def rollout(self, asked: OfRollout) -> Row:
        """One rollout and those around it."""

        def work(found: Rollouts) -> Row:
            number = asked.round if asked.round is not None else found.find(asked.id)
            return found.one(number, asked.id)

        return self._of(asked.run, work)

    def _of(self, name: str, work: Callable[[Rollouts], Row]) -> Row:
        """What some work says of a run's rollouts, all that are committed. Another viewer may remove a part at any moment, for a better one."""
        run = self.runs[name]
        with self._lock:
            found = self._rollouts[name] = self._rollouts.get(name) or Rollouts(run.folder)
        for last in (False, False, True):
            try:
                found.refresh(run.refresh())
                return work(found)
            except (FileNotFoundError, duckdb.IOException):
                if last:
                    raise
                found.forget()
        raise AssertionError


def answer(asked: type[Settings], work: Callable[[Any], Row], request: Request) -> Response:
    """What some work says to a request; errors in words."""
    try:
        return as_json(work(checked(asked, values(request.query_params))))
    except AutotelicError as error:
        return as_json({"error": str(error)}, 400)
    except (OSError, duckdb.IOException) as error:  # a run that is moved or removed at this moment
        return as_json({"error": f"cannot be read at the moment: {error}"}, 503)


def values(query: QueryParams) -> Mapping[str, Any]:
    """The query's values by name, several of one name as a list; empty ones say nothing."""
    found = {name: [value for value in query.getlist(name) if value] for name in query}
    return {name: some[0] if len(some) == 1 else some for name, some in found.items() if some}


def as_json(value: Row, status: int = 200) -> Response:
    """A reply in plain ASCII, whatever the texts in it hold."""
    return Response(json.dumps(value, default=str), status, media_type="application/json")


def application(root: Path, hosts: frozenset[str] = LOOPBACK) -> Starlette:
    """The page over the runs below a folder, for those who ask for it by one of these names."""
    view = View(root)
    behind: dict[str, tuple[type[Settings], Callable[[Any], Row]]] = {
        "/api/runs": (Settings, view.list),
        "/api/run": (OfRun, view.run),
        "/api/names": (OfRuns, view.names),
        "/api/curves": (OfCurves, view.curves),
        "/api/pool": (OfPool, view.pool),
        "/api/rollouts": (OfRollouts, view.rollouts),
        "/api/rollout": (OfRollout, view.rollout),
    }
    routes = [Route(path, partial(called, partial(answer, *what)), methods=["GET"]) for path, what in behind.items()]
    routes += [Route(path, partial(called, partial(page, made)), methods=["GET"]) for path, made in pages().items()]
    return Starlette(routes=routes, middleware=[Middleware(Guarded, hosts=hosts)])


async def called(work: Callable[[Request], Response], request: Request) -> Response:
    """Work that may take a while, beside the others."""
    return await run_in_threadpool(work, request)


def pages() -> dict[str, Response]:
    """The files of the page by address. There are no others."""
    folder = files("autotelic.viewing") / "page"
    found = {f"/{one.name}": Response(one.read_bytes(), media_type=KINDS[Path(one.name).suffix]) for one in folder.iterdir()}
    return {"/": found.pop("/index.html"), **found}


def page(made: Response, request: Request) -> Response:
    """A file of the page."""
    return made


class Guarded:
    """Turns away who asks by a name that is not this server's, as a page does whose own name was made to lead here; and adds what browsers must heed."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        named = Request(scope).headers.getlist("host")
        if len(named) != 1 or host_in(named[0]) not in self.hosts:
            return await Response("This page is not here under that name.\n", 421, HEADERS)(scope, receive, send)

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        return await self.app(scope, receive, sent)


def host_in(header: str) -> str:
    """The name in a Host header, without the port."""
    name, colon, port = header.rpartition(":")
    name = name if colon and port.isdigit() else header
    return name.removeprefix("[").removesuffix("]").lower()


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address.

    Raises:
        AutotelicError: it cannot be had, as where another program listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen()
    except (OSError, OverflowError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise AutotelicError(f"cannot listen at {host}, port {port}: {reason}; choose another with --port, 0 for any that is free") from error
    return found


def serve(root: Path, at: socket.socket, hosts: frozenset[str]) -> None:
    """Answer until the process is told to end."""
    config = uvicorn.Config(
        application(root, hosts), log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[at])
