"""The exception tree of the package.

::

    ClassifierError
    ├── PolicyError          a policy file says something that cannot be meant
    ├── DataError            labelled data breaks the record; carries every problem found
    ├── TextError            one text cannot be classified (the rest of a batch goes on)
    ├── EncoderError         a base encoder is missing, altered or of another shape
    ├── ScoresError          saved scores are damaged, of another format, or made for another policy
    ├── CalibrationError     scores from which no calibration or threshold can be made
    ├── BundleError          a model folder is incomplete, altered or of another format
    ├── QueueFullError       too much waits already; says when to come again
    ├── KeyFileError         a file of API keys is missing, malformed, or holds no key
    ├── RecordsError         records of decisions cannot be written or read
    ├── ServiceError         (client.wire) the HTTP service refused or could not be reached; carries status and problem
    └── MissingExtraError    an optional dependency is not installed

``ValueError`` stays for a programmer's mistake in a call. Every message says what was expected, what was got, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


class ClassifierError(Exception):
    """Base class: catching it catches every error that the world, not the caller's code, causes."""


class PolicyError(ClassifierError):
    """A policy file is malformed; the message names file, key, expected and got."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field of one line of a data file."""

    path: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.field}: {self.message}"


class DataError(ClassifierError):
    """Labelled data breaks the record; ``problems`` holds them all, up to the reader's cap."""

    def __init__(self, problems: tuple[Problem, ...], n_problems: int | None = None) -> None:
        self.problems = problems
        self.n_problems = len(problems) if n_problems is None else n_problems
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        more = f"\n  … and {self.n_problems - 20} more" if self.n_problems > 20 else ""
        super().__init__(f"{self.n_problems} problem(s) in the data:\n{shown}{more}")


class TextError(ClassifierError):
    """One text cannot be classified, and why."""


class EncoderError(ClassifierError):
    """A base encoder is missing, altered or of another shape than expected."""


class ScoresError(ClassifierError):
    """A file of saved scores is damaged, of another format, or made for another policy."""


class CalibrationError(ClassifierError):
    """Scores from which no calibration or threshold can be made."""


class BundleError(ClassifierError):
    """A bundle is incomplete, altered, or of a format that this version does not read."""


class QueueFullError(ClassifierError):
    """Too much waits already; ``retry_after_s`` says when to come again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the queue is full; come again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class KeyFileError(ClassifierError):
    """A file of API keys is missing, malformed, or holds no key."""


class RecordsError(ClassifierError):
    """Records of decisions cannot be written or read."""


class MissingExtraError(ClassifierError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency.

    :param module: dotted name of the module.
    :param extra: the extra of this distribution that brings it.
    :raises MissingExtraError: when it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"Expected the package `{module.partition('.')[0]}`, but it cannot be imported ({error}); "
            f"install it with: pip install 'tiaowen[{extra}]'"
        ) from error
