"""A real service in a process of its own, on a free port of the loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx

from classifier.bundle import LAYOUT, load_bundle, write_bundle
from classifier.serving.keys import new_key

USER, ADMIN = new_key("shop"), new_key("boss", admin=True)


@dataclass
class Running:
    """A service that answers."""

    url: str
    port: int
    process: subprocess.Popen
    log_path: Path
    key_path: Path

    def client(self, key=USER.secret, **options):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=300, **options)

    def post(self, path="/v1/classify", key=USER.secret, **options):
        with self.client(key) as client:
            return client.post(path, **options)

    def get(self, path, key=USER.secret, **options):
        with self.client(key) as client:
            return client.get(path, **options)

    def log(self):
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running(bundle, folder, *options, auth=True):
    """Start a service, wait until it is ready, and end it."""
    folder.mkdir(parents=True, exist_ok=True)
    port, key_path, log_path = free_port(), folder / "keys", folder / "log"
    key_path.write_text(f"# ours\n{USER.key.line}\n{ADMIN.key.line}\n")
    access = ["--keys", key_path] if auth else ["--no-auth"]
    command = [sys.executable, "-c", "from classifier.cli import main; main()", "serve", bundle, "--port", port, *access, *options]
    with log_path.open("w") as log, subprocess.Popen([*map(str, command)], stdout=log, stderr=log) as process:
        service = Running(f"http://127.0.0.1:{port}", port, process, log_path, key_path)
        try:
            _wait_until_ready(service)
            yield service
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()


def _wait_until_ready(service):
    for _ in range(2_400):
        if service.process.poll() is not None:
            raise RuntimeError(service.log_path.read_text())
        try:
            if httpx.get(f"{service.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the service did not get ready")


_NUMBERS = count()


def work(n_texts, n_repeats, **options):
    """A body of texts that nobody has sent before, so that every one goes through the encoder."""
    return {"items": [{"text": f"{next(_NUMBERS)}" + "收U出U加微信群大家" * n_repeats} for _ in range(n_texts)], **options}


def until(condition, seconds=60):
    """Wait for a condition; whether it came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def strict_variant(bundle, folder):
    """The same model with a ladder that sends every text to a person."""
    return write_bundle(
        folder,
        model_files={name: bundle.folder / name for name in (LAYOUT.onnx, LAYOUT.tokenizer)},
        policy=bundle.policy,
        calibration=bundle.calibration,
        category_thresholds=bundle.category_thresholds,
        ladder=bundle.ladder.with_review_threshold(0.0),
        settings=bundle.settings,
        provenance=bundle.provenance,
        card="variant",
    )


def copy_of(bundle, folder):
    """The same bundle in another place, to be damaged or replaced there."""
    folder.mkdir(parents=True)
    for path in bundle.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return load_bundle(folder)
