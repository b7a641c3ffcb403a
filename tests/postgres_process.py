"""A PostgreSQL of the machine in a folder of its own, on a free port of the loopback, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .serving_process import free_port


def postgres_programs():
    """The folder of ``initdb`` and ``pg_ctl``, the newest that there is; None where there is none or it cannot be run."""
    found = [Path(path).resolve().parent for path in [shutil.which("pg_ctl")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    folders = [folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    return folders[0] if folders and (os.getuid() or _user() is not None) else None


def _user():
    """PostgreSQL refuses to run as root: then it runs as its own user."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


@dataclass
class Postgres:
    """A database server that answers."""

    url: str
    folder: Path
    port: int

    def control(self, *arguments):
        """Run ``pg_ctl`` with its data folder."""
        self._run("pg_ctl", "-D", self.folder / "data", *arguments)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.control("-w", "-o", options, "-l", self.folder / "log", "start")

    def stop(self, mode="fast"):
        self.control("-w", "-m", mode, "stop")

    def initialise(self):
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--no-locale")

    def _run(self, program, *arguments):
        user = {"user": _user().pw_uid, "group": _user().pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        command = [str(postgres_programs() / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, **user)


@contextmanager
def postgres():
    """Start a server, and end it."""
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder, port = Path(name), free_port()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        server = Postgres(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", folder, port)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
