"""Folders in, folders out: partitions on their own, on a real Ray of this machine, and the function for Spark."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet
import pytest

from classifier import Classifier
from classifier.batch import SPARK_SCHEMA, BatchSettings, FrameDecider, decide_partition, partitions_of, plan_for, read_rate
from classifier.decisions import Decision
from classifier.errors import DataError

from .serving_process import until

ROOT = Path(__file__).parents[1]
TEXTS = ["收U出U加微信", "看见一只猫", "发行新币加微信群大家"]


@pytest.fixture(scope="module")
def loaded(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


@pytest.fixture
def settings(tiny_bundle, tmp_path):
    """A folder with one file of each kind, two of them in folders of a date, and bad rows in each that can have some."""
    folder = tmp_path / "in"
    (folder / "dt=2026-03-24").mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table({"text": [*TEXTS, None], "id": ["a", "b", "c", "d"]}), folder / "dt=2026-03-24" / "p.parquet")
    lines = [*(json.dumps({"text": text, "source": "bio"}) for text in TEXTS), "{broken", '{"no": 1}', '{"text": " "}']
    (folder / "dt=2026-03-24" / "j.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "c.csv.gz").write_bytes(gzip.compress("\n".join(["text,n", *(f"{text},1" for text in TEXTS)]).encode()))
    (folder / "_SUCCESS.csv").write_text("no data")
    return BatchSettings(tiny_bundle.folder, folder, tmp_path / "out")


def decisions_in(path):
    return [Decision.from_dict(json.loads(row)) for row in pyarrow.parquet.read_table(path)["decision"].to_pylist()]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_partitions_are_the_files_of_a_known_kind(settings):
    assert partitions_of(settings.input_folder) == ("c.csv.gz", "dt=2026-03-24/j.jsonl", "dt=2026-03-24/p.parquet")


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected files ending with .parquet"):
        partitions_of(tmp_path)


@pytest.mark.parametrize(("name", "source"), [("c.csv.gz", "post"), ("dt=2026-03-24/j.jsonl", "bio"), ("dt=2026-03-24/p.parquet", "post")])
def test_a_partition_has_the_decisions_of_the_classifier(loaded, settings, name, source):
    decide_partition(loaded, settings, name)
    found = decisions_in(settings.output_path(name))
    ids = ["a", "b", "c"] if name.endswith("parquet") else ["1", "2", "3"]
    assert found == loaded.classify_many(TEXTS, source=source, ids=ids)


def test_columns_repeat_what_one_filters_by(loaded, settings):
    decide_partition(loaded, settings, "c.csv.gz")
    table = pyarrow.parquet.read_table(settings.output_path("c.csv.gz"))
    assert table["row"].to_pylist() == [1, 2, 3]
    for row in table.to_pylist():
        whole = json.loads(row["decision"])
        assert all(row[name] == whole[name] for name in row if name not in ("row", "decision"))


def test_bad_rows_go_to_a_side_file_with_file_row_and_reason(loaded, settings):
    report = decide_partition(loaded, settings, "dt=2026-03-24/j.jsonl")
    assert (report.n_decided, report.n_bad) == (3, 3)
    bad = [json.loads(line) for line in settings.bad_path("dt=2026-03-24/j.jsonl").read_text().splitlines()]
    assert [row["row"] for row in bad] == [4, 5, 6]
    assert {row["file"] for row in bad} == {str(settings.input_folder / "dt=2026-03-24/j.jsonl")}
    assert ["JSON object" in row["reason"] for row in bad] == [True, True, False]


def test_a_partition_that_is_done_is_skipped_and_tells_the_same(loaded, settings):
    first = decide_partition(loaded, settings, "dt=2026-03-24/p.parquet")
    before = settings.output_path("dt=2026-03-24/p.parquet").stat()
    again = decide_partition(loaded, settings, "dt=2026-03-24/p.parquet")
    assert (again.skipped, again.n_decided, again.n_bad) == (True, first.n_decided, first.n_bad) == (True, 3, 1)
    assert settings.output_path("dt=2026-03-24/p.parquet").stat() == before


def test_an_output_of_another_input_is_refused(loaded, settings):
    decide_partition(loaded, settings, "c.csv.gz")
    (settings.input_folder / "c.csv.gz").write_bytes(gzip.compress("text\n猫\n".encode()))
    with pytest.raises(DataError, match="input differ"):
        decide_partition(loaded, settings, "c.csv.gz")


def test_a_file_cut_in_the_middle_leaves_no_output(loaded, settings):
    content = gzip.compress(b"text\n" + b"".join(f"{i}\n".encode() for i in range(3_000)))
    (settings.input_folder / "c.csv.gz").write_bytes(content[:-100])
    with pytest.raises(DataError, match="expected a readable file"):
        decide_partition(loaded, settings, "c.csv.gz")
    assert files_in(settings.output_folder) == []


def test_the_frames_of_spark_get_the_decisions_of_the_classifier_row_for_row(loaded, tiny_bundle):
    decider = pickle.loads(pickle.dumps(FrameDecider(str(tiny_bundle.folder))))  # as it travels to an executor
    frames = [pandas.DataFrame({"text": TEXTS, "id": ["a", None, "c"]}), pandas.DataFrame({"text": ["猫", None], "source": ["bio", None]})]
    first, second = decider(iter(frames))
    assert [Decision.from_dict(json.loads(row)) for row in first["decision"]] == loaded.classify_many(TEXTS, ids=["a", None, "c"])
    assert list(second["source"]) == ["bio", "post"]
    assert [second["error"][0], "expected a text" in second["error"][1]] == [None, True]


def test_the_frames_have_the_columns_of_the_schema(tiny_bundle):
    (frame,) = FrameDecider(str(tiny_bundle.folder))(iter([pandas.DataFrame({"text": TEXTS})]))
    columns = [column.split() for column in SPARK_SCHEMA.split(", ")]
    assert list(frame.columns) == [name for name, _ in columns]
    kinds = {"string": pyarrow.string(), "int": pyarrow.int32(), "boolean": pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns])
    assert pyarrow.Table.from_pandas(frame, schema=schema).num_rows == 3


def test_a_frame_without_the_texts_is_refused(tiny_bundle):
    with pytest.raises(DataError, match="expected this column"):
        list(FrameDecider(str(tiny_bundle.folder))(iter([pandas.DataFrame({"words": TEXTS})])))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Spark's Python tells of its own dependencies, with another release each time
def test_a_local_spark_decides_row_for_row_on_its_own_workers(loaded, tiny_bundle, monkeypatch):
    """Spark sends the decider and the frames to other processes, and back through its own schema."""
    pyspark_sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    builder = pyspark_sql.SparkSession.builder.master("local[2]")
    for name, value in {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        rows = [(f"{number}{text}", None if number % 3 else str(number)) for number, text in enumerate(TEXTS * 20)] + [(None, "empty")]
        frame = spark.createDataFrame(rows, "text string, id string").repartition(4)
        found = {row["text_sha256"]: row for row in frame.mapInPandas(FrameDecider(str(tiny_bundle.folder)), schema=SPARK_SCHEMA).collect()}
    finally:
        spark.stop()
    expected = loaded.classify_many([text for text, _ in rows[:-1]], ids=[name for _, name in rows[:-1]])
    assert {key: Decision.from_dict(json.loads(row["decision"])) for key, row in found.items() if row["error"] is None} == {
        decision.text_sha256: decision for decision in expected
    }
    assert [(row["id"], row["error"]) for row in found.values() if row["error"] is not None] == [("empty", "expected a text, but got NoneType")]


def test_a_plan_by_hand():
    # 1e9 / (86,400 s * 203 texts/s * 0.7) = 81.45 machines; 1e6 / 203 s = 4,926 s = 1.368 h
    plan = plan_for(1e9, machine_texts_per_s=203, price_per_hour=0.1, utilisation=0.7)
    assert plan.n_machines == 82
    assert plan.machine_hours_per_million == pytest.approx(1.368, abs=1e-3)
    assert plan.cost_per_million == pytest.approx(82 * 2.4 / 1_000)


def test_the_page_shows_what_the_command_prints():
    page = (ROOT / "docs/batch.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^classifier (batch-plan --rates .*)$", page, re.M)
    code = "from classifier.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *shlex.split(command)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout in page


@pytest.mark.parametrize("content", ["", "[]", '{"texts_per_s": 100}', '{"texts_per_s": 0, "cores": 2, "measured": "m", "texts": "t"}'])
def test_a_file_of_rates_that_says_no_speed_is_refused(tmp_path, content):
    (tmp_path / "rates.json").write_text(content)
    with pytest.raises(DataError, match="expected"):
        read_rate(tmp_path / "rates.json")


def batch(settings, *options):
    code = "from classifier.cli import main; main()"
    folders = (settings.input_folder, settings.output_folder, "--bundle", settings.bundle)
    return [sys.executable, "-c", code, "batch", *map(str, (*folders, *options))]


def test_a_local_ray_decides_a_folder_and_tells_what_it_could_not_read(loaded, settings):
    (settings.input_folder / "cut.parquet").write_bytes(b"PAR1 and no more")
    done = subprocess.run(batch(settings), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [report[name] for name in ("n_partitions", "n_skipped", "n_decided", "n_bad")] == [4, 0, 9, 4]
    assert [failed["name"] for failed in report["failed"]] == ["cut.parquet"]
    assert decisions_in(settings.output_path("c.csv.gz")) == loaded.classify_many(TEXTS, ids=["1", "2", "3"])
    assert len(files_in(settings.output_folder)) == 5


@pytest.mark.slow
def test_a_killed_ray_run_goes_on_with_the_partitions_that_are_missing(loaded, settings):
    texts = [f"{i}{TEXTS[i % 3]}" for i in range(600)]
    for part in range(8):
        content = "".join(json.dumps({"text": text}) + "\n" for text in texts[part::8])
        (settings.input_folder / f"x{part}.jsonl").write_text(content, encoding="utf-8")
    decisions = settings.output_folder / "decisions"
    with subprocess.Popen(batch(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert until(lambda: decisions.exists() and len(files_in(decisions)) >= 2, 240)
        process.send_signal(signal.SIGKILL)
    before = {name: (decisions / name).stat().st_mtime_ns for name in files_in(decisions)}
    done = subprocess.run(batch(settings, "--actors", 2), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["n_partitions"] == 11
    assert report["n_skipped"] >= len(before) >= 2
    assert {name: (decisions / name).stat().st_mtime_ns for name in before} == before
    for part in range(8):
        found = decisions_in(settings.output_path(f"x{part}.jsonl"))
        assert [item.probs for item in found] == [item.probs for item in loaded.classify_many(texts[part::8])]
    assert not (settings.output_folder / "_temporary").exists()
