"""Looks for planted values in whatever servers keep, while clients work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import planted
from servers import Server, files_under


class Watch:
    """Reads whatever servers keep, again and again while clients work: folders, logs, database, and the files without a name that they have open."""

    def __init__(self, gateway: Server, folders: list[Path]) -> None:
        self.gateway, self.folders = gateway, folders
        self.found: list[str] = []
        self.read = 0
        self.unnamed = 0
        self.done = threading.Event()

    def look(self) -> None:
        for path in files_under(*self.folders):
            self.look_at(path)
        self.look_at_unnamed()

    def look_at_unnamed(self) -> None:
        opened = Path(f"/proc/{self.gateway.process.pid}/fd") if self.gateway.process else Path("/nonexistent")
        for path in opened.glob("*"):
            if points_to(path).endswith("(deleted)"):
                self.unnamed += bool(self.look_at(path))

    def look_at(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            return b""  # It was removed meanwhile.
        self.read += 1
        self.found += [f"{path}: {value!r}" for value in planted.holds(content)]
        return content

    def run(self) -> None:
        while not self.done.wait(0.05):
            self.look()

    def run_unnamed(self) -> None:
        """Those are there for a moment only, in which the others may not all be read."""
        while not self.done.wait(0.01):
            self.look_at_unnamed()


def points_to(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


@contextmanager
def watched(gateway: Server, *folders: Path) -> Iterator[Watch]:
    """While its body runs, and once after it, none of the values is in what the gateway and its store keep."""
    watch = Watch(gateway, [gateway.root, *folders])
    threads = [threading.Thread(target=run) for run in (watch.run, watch.run_unnamed)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        watch.done.set()
        for thread in threads:
            thread.join()
    watch.look()
    assert watch.read
    assert not watch.found, watch.found[:5]
