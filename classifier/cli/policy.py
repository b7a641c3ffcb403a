"""``classifier policy``: show a policy as the code reads it."""

from __future__ import annotations

from typing import Annotated

import typer

from classifier.policy import DEFAULT_POLICY, Policy


def policy(
    name: Annotated[str, typer.Argument(help="A shipped policy, or the path of a TOML file.")] = DEFAULT_POLICY,
) -> None:
    """Check a policy file and print it as JSON with its fingerprint.

    Example: classifier policy wechat-3-24
    """
    loaded = Policy.load(name)
    print(loaded.to_json())
    typer.echo(f"fingerprint {loaded.fingerprint}; questions {', '.join(loaded.questions)}", err=True)
