"""Runs notebooks in place: `python -m notebooks.running FILE…` from the root of the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TIMEOUT = 900
"""Longest time of one cell, in seconds."""


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with fresh outputs, run from its own folder; the file stays as it is.

    :raises nbclient.exceptions.CellExecutionError: when a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    options = {"timeout": TIMEOUT, "kernel_name": "python3", "resources": {"metadata": {"path": str(path.resolve().parent)}}}
    # Times of day, and where the kernel paused between two prints, would make every run differ from the last.
    client = NotebookClient(notebook, record_timing=False, coalesce_streams=True, **options)
    client.execute()
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def main(paths: list[str]) -> None:
    """Run each notebook and keep its outputs; a notebook that fails is left as it was."""
    for path in map(Path, paths):
        nbformat.write(executed(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
