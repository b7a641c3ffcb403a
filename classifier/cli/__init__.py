"""The command line: one file a command; each parses, calls one function, and prints. Only this room prints and leaves the process."""

from __future__ import annotations

import sys

import typer

from classifier.cli.account import account
from classifier.cli.attack import attack
from classifier.cli.background import background
from classifier.cli.baseline import baseline
from classifier.cli.batch import batch, batch_plan
from classifier.cli.calibrate import calibrate
from classifier.cli.card import card
from classifier.cli.cascade import cascade
from classifier.cli.certify_accounts import certify_accounts
from classifier.cli.classify import classify
from classifier.cli.compare import compare
from classifier.cli.convert import convert
from classifier.cli.data import data_app
from classifier.cli.distil import distil
from classifier.cli.evaluate import evaluate
from classifier.cli.evidence_check import evidence_check
from classifier.cli.export import export
from classifier.cli.monitor import monitor
from classifier.cli.noise import noise
from classifier.cli.parity import parity
from classifier.cli.policy import policy
from classifier.cli.pretrain import pretrain
from classifier.cli.replay import replay
from classifier.cli.report import report
from classifier.cli.score import score
from classifier.cli.select import select
from classifier.cli.serve import serve, serve_key
from classifier.cli.thresholds import thresholds
from classifier.cli.train import train
from classifier.errors import ClassifierError

app = typer.Typer(
    name="classifier",
    help="Decide whether Chinese posts and account bios break a platform policy, how severely, and how surely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(classify)
app.command()(account)
app.command()(train)
app.command()(pretrain)
app.command()(batch)
app.command()(batch_plan)
app.command()(score)
app.command()(calibrate)
app.command()(certify_accounts)
app.command()(card)
app.command()(cascade)
app.command()(evaluate)
app.command()(report)
app.command()(background)
app.command()(attack)
app.command()(evidence_check)
app.command()(baseline)
app.command()(compare)
app.command()(parity)
app.command()(distil)
app.command()(export)
app.command()(thresholds)
app.command()(monitor)
app.command()(noise)
app.command()(select)
app.command()(policy)
app.command()(serve)
app.command()(serve_key)
app.command()(replay)
data_app.command()(convert)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; an error of the package becomes one message on stderr and exit code 2."""
    try:
        app()
    except ClassifierError as error:
        print(f"classifier: {error}", file=sys.stderr)
        sys.exit(2)
    except ValueError as error:
        print(f"classifier: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of the pipe has left: nothing more to say, and nothing to say it to.
        sys.stderr.close()
        sys.exit(141)
