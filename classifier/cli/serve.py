"""``classifier serve`` and ``classifier serve-key``: the HTTP service, and keys for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.classify import default_bundle


def serve(
    bundle: Annotated[Path | None, typer.Argument(help="Folder of the bundle; default $TIAOWEN_BUNDLE or models/default.")] = None,
    host: Annotated[str, typer.Option(help="Address to bind; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    keys: Annotated[Path | None, typer.Option(help="File of key hashes, read again when it changes; lines of `serve-key`.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let everyone in; the only way to do without keys.")] = False,
    records: Annotated[str | None, typer.Option(help="Keep every decision: a JSONL file, or the URL of a database (sqlite:///…).")] = None,
    record_texts: Annotated[bool, typer.Option("--record-texts", help="Keep the texts as well; replay needs them.")] = False,
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Write the texts to the log.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the encoder; default all cores.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Batches under way at once.")] = 2,
    low_latency: Annotated[
        bool, typer.Option("--low-latency", help="All threads on one text at a time: sooner answered, fewer a second; one batch under way.")
    ] = False,
    drain: Annotated[float, typer.Option(min=0, help="Seconds between the signal to stop and the closed door; /readyz says 503 meanwhile.")] = 0.0,
    timeout: Annotated[float, typer.Option(min=0.01, help="Seconds for a request; then 504.")] = 30.0,
    body_timeout: Annotated[float, typer.Option(min=0.01, help="Seconds for a body to arrive; then 408.")] = 10.0,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a body; beyond it 413.")] = 1 << 20,
    max_queue: Annotated[int, typer.Option(min=1, help="Characters that may wait; beyond it 429.")] = 32_000,
    max_batch: Annotated[int, typer.Option(min=1, help="Characters of a batch.")] = 4_096,
    max_connections: Annotated[int, typer.Option(min=1, help="Open connections; beyond it 503.")] = 800,
    batch_wait_ms: Annotated[float, typer.Option(min=0, help="How long a batch waits for company while all cores are busy.")] = 5.0,
) -> None:
    """Serve one bundle over HTTP. SIGHUP reads it again, SIGTERM answers what was accepted and stops.

    Example: classifier serve models/default --keys keys.txt --records decisions.jsonl
    """
    from classifier.batching import BatchLimits
    from classifier.errors import require

    require("fastapi", extra="serve")
    for module in ("uvicorn", "httptools", "prometheus_client"):
        require(module, extra="serve")
    from classifier.serving.server import serve as run
    from classifier.serving.settings import Limits, ServeSettings

    limits = Limits(
        max_body_bytes=max_body,
        body_timeout_s=body_timeout,
        request_timeout_s=timeout,
        max_connections=max_connections,
    )
    batches = BatchLimits(max_batch_chars=max_batch, batch_wait_s=batch_wait_ms / 1e3, max_queue_chars=max_queue)
    run(
        ServeSettings(
            bundle=bundle or default_bundle(),
            host=host,
            port=port,
            key_path=keys,
            no_auth=no_auth,
            records=records,
            record_texts=record_texts,
            log_texts=log_texts,
            n_threads=threads,
            n_workers=workers,
            low_latency=low_latency,
            drain_s=drain,
            limits=limits,
            batches=batches,
        )
    )


def serve_key(
    name: Annotated[str, typer.Option(help="Who will use it; stands in the log.")],
    admin: Annotated[bool, typer.Option("--admin", help="May also reload the bundle.")] = False,
) -> None:
    """Make a key for the service: the line for the key file on stdout, the key itself on stderr, shown once.

    Example: classifier serve-key --name shop >> keys.txt
    """
    from classifier.serving.keys import new_key

    made = new_key(name, admin=admin)
    typer.echo(made.key.line)
    typer.echo(f"The key, shown this once: {made.secret}", err=True)
