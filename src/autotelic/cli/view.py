"""`autotelic view`: a page on this machine that shows the runs below a folder."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from autotelic.errors import AutotelicError, DataError, SettingError, harmless


def view(
    folder: Annotated[Path, typer.Argument(help="Folder of runs, or one run.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 8470,
    host: Annotated[
        str, typer.Option(help="Address to listen at, by which browsers must ask. Whoever reaches another than the default can read the runs.")
    ] = "127.0.0.1",
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
) -> None:
    """Show runs in a browser while they train: curves, verdicts, the gate, the pool, and every rollout."""
    try:
        from autotelic.viewing.server import LOOPBACK, bound, serve
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("autotelic"):
            raise
        raise AutotelicError(f'{error.name} is not installed, and the page needs it: pip install "autotelic[view]"') from error
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; `autotelic view DIR` shows the runs below DIR")
    if host in ("", "0.0.0.0", "::"):
        raise SettingError(f"--host {host!r}: name the address by which browsers will ask; the page is shown under no other")
    at = bound(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{at.getsockname()[1]}/"
    print(f"{harmless(str(folder))} is shown at {url}  (end with Ctrl-C)", flush=True)
    if show and has_screen():
        webbrowser.open(url)
    serve(folder, at, LOOPBACK | {host.lower()})


def has_screen() -> bool:
    """Whether a browser would have a window of its own; without one, some take over the terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
