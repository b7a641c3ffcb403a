"""The notebooks: they run from top to bottom, and the outputs that are kept are clean, complete, and of the present default bundle."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from classifier import load_bundle
from notebooks.running import executed

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ANSI_OR_PROGRESS = re.compile(r"\x1b\[|\r|it/s\]|█|\d+%\|")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|work|Users|private|var|opt|mnt)/|[A-Z]:\\\\")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _texts(output):
    """All that an output says: streams, and every text form of what is displayed."""
    data = output.get("data", {})
    return [output.get("text", ""), *(value for kind, value in data.items() if kind.startswith("text/"))]


def _said(notebook):
    return "\n".join(text for cell in _code(notebook) for output in cell.outputs for text in _texts(output))


def _shape(notebook):
    """What kinds of output each cell gives, one after the other."""
    return [[(output.output_type, *sorted(output.get("data", {}))) for output in cell.outputs] for cell in _code(notebook)]


def test_there_are_three_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["errors", "guarantee", "quickstart"]


@pytest.mark.slow
@each_notebook
def test_it_runs_from_top_to_bottom_and_shows_what_the_kept_outputs_show(path):
    kept, fresh = nbformat.read(path, as_version=4), executed(path)
    assert _shape(fresh) == _shape(kept)


@each_notebook
def test_every_cell_was_run_in_order(path):
    counts = [cell.execution_count for cell in _code(nbformat.read(path, as_version=4))]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_the_outputs_hold_no_error_warning_or_progress_bar(path):
    outputs = [output for cell in _code(nbformat.read(path, as_version=4)) for output in cell.outputs]
    assert outputs
    for output in outputs:
        assert output.output_type in ("stream", "display_data", "execute_result")
        assert output.get("name", "stdout") == "stdout"
        for text in _texts(output):
            assert not ANSI_OR_PROGRESS.search(text), text
            assert "Warning" not in text


@each_notebook
def test_the_outputs_name_no_place_of_the_machine(path):
    assert not ABSOLUTE_PATH.search(_said(nbformat.read(path, as_version=4)))


@each_notebook
def test_the_metadata_name_no_machine_and_no_time(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all("execution" not in cell.metadata for cell in notebook.cells)


@each_notebook
def test_it_is_small_enough_for_a_code_host_to_show(path):
    assert path.stat().st_size < 1_000_000


def test_what_is_displayed_as_html_can_also_be_read_as_text():
    for path in NOTEBOOKS:
        for cell in _code(nbformat.read(path, as_version=4)):
            for output in cell.outputs:
                if "text/html" in output.get("data", {}):
                    assert not output.data["text/plain"].startswith("<IPython")


def test_the_html_needs_no_style_and_no_script():
    for path in NOTEBOOKS:
        said = _said(nbformat.read(path, as_version=4))
        assert not re.search(r"<(style|script)|style=", said)


def test_the_mistakes_that_are_shown_are_those_of_the_default_bundle():
    bundle = load_bundle(ROOT / "models/default")
    said = _said(nbformat.read(ROOT / "notebooks/errors.ipynb", as_version=4))
    assert f"model {bundle.model_fingerprint}, thresholds {bundle.ladder.fingerprint}" in said, "run scripts/notebooks"


def test_the_mistakes_are_read_on_dev_alone():
    source = "".join(cell.source for cell in _code(nbformat.read(ROOT / "notebooks/errors.ipynb", as_version=4)))
    assert "data/dev.jsonl" in source
    assert "test.jsonl" not in source


def test_the_toy_of_the_quickstart_promises_nothing():
    said = _said(nbformat.read(ROOT / "notebooks/quickstart.ipynb", as_version=4))
    for level in ("rectify", "restrict", "ban"):
        assert f"{level} is switched off" in said
