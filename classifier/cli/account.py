"""``classifier account``: a bio and dated posts in, one decision about the account out."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.cli.classify import default_bundle
from classifier.cli.reading import output_to

if TYPE_CHECKING:
    from classifier.inference import Classifier


def account(
    file: Annotated[Path, typer.Argument(help='JSONL, one account a line: {"account_id", "bio", "posts": [{"text", "published_at", "id"}]}.')],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; default $TIAOWEN_BUNDLE or models/default.")] = None,
    as_of: Annotated[datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the decision; default: of the newest post.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write here instead of stdout, whole or not at all.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Decide about whole accounts: one JSON line an account, in order; a bad line gives a record with `error`, and the rest goes on.

    Example: classifier account accounts.jsonl --as-of 2026-03-31
    """
    from classifier.inference import Classifier

    classifier = Classifier.load(bundle or default_bundle(), n_threads=threads)
    n_failed = 0
    with output_to(out) as stream:
        for record in _decided(classifier, file, None if as_of is None else as_of.date()):
            n_failed += "error" in record
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            stream.flush()
    if n_failed:
        typer.echo(f"{n_failed} account(s) could not be decided about; their records say why in `error`.", err=True)


def _decided(classifier: Classifier, file: Path, as_of: datetime.date | None) -> Iterator[dict[str, Any]]:
    from classifier.decisions.accounts import Post

    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        record, error = _record(line)
        account_id = _name(record.get("account_id"))
        if error is not None:
            yield {"account_id": account_id, "line": number, "error": error}
            continue
        posts = [Post(post.get("text"), post.get("published_at"), _name(post.get("id"))) for post in record.get("posts") or ()]
        decision = classifier.classify_account(record.get("bio"), posts, account_id=account_id, as_of=as_of)
        yield decision.to_dict() | {"explanation": decision.explain(classifier.policy).__dict__}


def _lines(file: Path) -> Iterator[str]:
    from classifier.errors import DataError, Problem

    try:
        with file.open(encoding="utf-8-sig", errors="replace") as handle:
            yield from handle
    except OSError as error:
        raise DataError((Problem(str(file), 0, "file", f"expected a readable JSONL file, but got: {error}"),)) from error


def _record(line: str) -> tuple[dict[str, Any], str | None]:
    """The record of a line, and what is wrong with it."""
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        return {}, f"expected a JSON object, but got: {error}"
    if not isinstance(record, dict):
        return {}, f"expected a JSON object, but got {type(record).__name__}"
    bio, posts = record.get("bio"), record.get("posts")
    if not isinstance(bio, str | None):
        return record, f"expected a text or null as bio, but got {type(bio).__name__}"
    if posts is not None and not (isinstance(posts, list) and all(isinstance(post, dict) for post in posts)):
        return record, 'expected a list of posts, each with "text", "published_at" and "id", but got something else'
    return record, None


def _name(value: object) -> str | None:
    """An id as it can be printed: half surrogates become question marks."""
    return None if value is None else str(value).encode("utf-8", errors="replace").decode("utf-8")
