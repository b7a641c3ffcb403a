"""Records: on disk before the answer says so, torn only where nothing was promised, and decided again bit for bit."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy

from classifier.errors import RecordsError
from classifier.inference import Classifier
from classifier.serving.fingerprints import Fingerprints
from classifier.serving.reading_records import stored_records
from classifier.serving.records import JsonlSink, RecordWriter, text_record
from classifier.serving.records_sql import SqlSink
from classifier.serving.replay import replay

from .conftest import make_examples
from .postgres_process import postgres, postgres_programs
from .serving_process import USER, running, strict_variant, until

TEXTS = [example.text for example in make_examples(30, seed=41)] + ["收\ud800U", "收U\u2028\x00", "🅱️圈收Ｕ"]
ACCOUNT = {"account_id": "a", "bio": "收U出U加微信", "posts": [{"text": "收U加微信群", "published_at": "2026-01-02"}], "as_of": "2026-02-01"}
_NUMBERS = itertools.count()
FULL_DISK = Path("/dev/full")
JSON_TYPE = {"content-type": "application/json"}


def _fill(service):
    """Decisions of every kind: texts with and without evidence, a failed one, an account; the answers."""
    bodies = [{"items": [{"text": text, "id": str(i)} for i, text in enumerate(TEXTS)], "evidence": evidence} for evidence in (False, True)]
    bodies.append({"items": [{"text": ""}, {"text": None}, {"text": "收U", "source": "bio"}]})
    answers = [service.post(content=json.dumps(body).encode(), headers=JSON_TYPE).json() for body in bodies]
    return [*answers, service.post("/v1/accounts/classify", json=ACCOUNT).json()]


def _replay(*arguments):
    command = [sys.executable, "-c", "from classifier.cli import main; main()", "replay", *map(str, arguments), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], json.loads(done.stderr.splitlines()[0])


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL, where it is installed."""
    pytest.importorskip("psycopg")
    if postgres_programs() is None:
        pytest.skip("needs the programs of PostgreSQL")
    with postgres() as server:
        yield server


@pytest.fixture(scope="module", params=["jsonl", "sqlite", "postgresql"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def target(kind, request, tmp_path_factory):
    """A fresh place for records of each kind."""
    folder = tmp_path_factory.mktemp("records")
    if kind == "postgresql":
        return _fresh_database(request.getfixturevalue("server"))
    return str(folder / "kept" / "records.jsonl") if kind == "jsonl" else f"sqlite:///{folder}/records.db"


def _fresh_database(server):
    name = f"d{next(_NUMBERS)}"
    engine = sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"create database {name}"))
    engine.dispose()
    return server.url.rpartition("/")[0] + f"/{name}"


@pytest.fixture(scope="module")
def recorded(target, tiny_bundle, tmp_path_factory):
    """Where the records of a service are, and its answers."""
    folder = tmp_path_factory.mktemp("service")
    with running(tiny_bundle.folder, folder, "--threads", 1, "--records", target, "--record-texts") as service:
        answers = _fill(service)
    return target, answers


def test_every_decision_is_recorded_as_it_was_answered(recorded):
    target, answers = recorded
    records = [record.content for record in stored_records(target)]
    assert all(answer["recorded"] for answer in answers)
    given = [(answer["request_id"], decision) for answer in answers[:-1] for decision in answer["decisions"]]
    given.append((answers[-1]["request_id"], answers[-1]["decision"]))
    assert [(record["request_id"], record["decision"]) for record in records] == given
    assert [record["text"] for record in records[: len(TEXTS)]] == TEXTS


def test_replay_with_the_same_bundle_differs_in_nothing(recorded, tiny_bundle):
    code, differences, summary = _replay(recorded[0], tiny_bundle.folder)
    assert (code, differences) == (0, [])
    # What came as null in place of a text is not kept.
    assert summary == {
        "n_records": 2 * len(TEXTS) + 4, "n_replayed": 2 * len(TEXTS) + 3, "n_torn": 0, "n_without_text": 1, "n_other_bundle": 0, "n_different": 0,
    }  # fmt: skip


def test_replay_against_another_bundle_lists_what_would_change(recorded, tiny_bundle, tmp_path):
    variant = strict_variant(tiny_bundle, tmp_path / "variant")
    code, differences, summary = _replay(recorded[0], "--against", variant.folder)
    records = [record.content for record in stored_records(recorded[0])]
    kept = [(n, r) for n, r in enumerate(records, 1) if "text" in r and r["decision"]["error"] is None]
    # The variant sends everything at severity 0 to a person; what is reviewed already, or acted on, stays as it is.
    expected = [n for n, record in kept if not record["decision"]["review"] and record["decision"]["severity"] == 0]
    assert (code, [item["number"] for item in differences if item["kind"] == "text"]) == (0, expected)
    assert all(item["review_after"] and not item["review_before"] for item in differences)
    assert expected
    report = replay(stored_records(recorded[0]), Classifier.load(variant.folder, n_threads=1), against=False)
    assert report.n_other_bundle == report.n_records == summary["n_records"]


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


def _records(classifier, texts):
    made_by = Fingerprints.of(classifier.bundle)
    decided = zip(texts, classifier.classify_many(texts), strict=True)
    return [text_record(decision, made_by, request_id="r", text=text, evidence=False, keep_text=True) for text, decision in decided]


def test_replay_reports_a_record_that_was_tampered_with(classifier, tmp_path):
    records = _records(classifier, TEXTS[:3])
    records[1]["decision"]["probs"]["trading"] += 1e-7
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, (difference,), _ = _replay(path, classifier.bundle.folder)
    assert (code, difference["number"], difference["fields"]) == (1, 2, ["probs"])


def test_no_text_is_kept_unless_asked_for(tiny_bundle, tmp_path):
    path, variant = tmp_path / "records.jsonl", strict_variant(tiny_bundle, tmp_path / "variant")  # evidence about every text
    with running(variant.folder, tmp_path, "--threads", 1, "--records", path) as service:
        answers = _fill(service)
    assert any(decision["evidence"] for decision in answers[1]["decisions"])
    content = path.read_text()
    assert not any(text[:4] in content for text in TEXTS)
    report = replay(stored_records(str(path)), Classifier.load(variant.folder, n_threads=1), against=False)
    assert report.n_without_text == report.n_records == 2 * len(TEXTS) + 4


def test_the_columns_of_the_database_can_be_searched(recorded, kind):
    if kind == "jsonl":
        pytest.skip("a file has no columns")
    target, (answer, *_) = recorded
    engine = sqlalchemy.create_engine(target)
    with engine.connect() as connection:
        columns = "text_sha256, level, review, model_fingerprint, policy_fingerprint, ladder_fingerprint"
        select = sqlalchemy.text(f"select {columns} from decisions where request_id = :id order by number")
        rows = connection.execute(select, {"id": answer["request_id"]}).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [tuple(item[name] for name in columns.split(", ")) for item in answer["decisions"]]


def test_a_torn_last_line_is_told_and_the_rest_is_read(classifier, tmp_path, caplog):
    path, records = tmp_path / "records.jsonl", _records(classifier, TEXTS[:4])
    path.write_text("".join(json.dumps(record) + "\n" for record in records[:3])[:-20])
    report = replay(stored_records(str(path)), classifier, against=False)
    assert (report.n_replayed, report.n_torn, report.differences) == (2, 1, ())
    sink = JsonlSink(path)
    sink.write(records[3:])
    sink.close()
    assert [message.message for message in caplog.records] == ["torn_record"]
    assert [record.content is None for record in stored_records(str(path))] == [False, False, True, False]


def _write(sink, groups):
    async def run():
        writer = RecordWriter(sink)
        safe = await asyncio.gather(*(writer.write(group) for group in groups))
        writer.close()
        return safe

    return asyncio.run(run())


def test_many_writes_share_one_commit_and_keep_their_order(tmp_path):
    path = tmp_path / "records.jsonl"
    safe = _write(JsonlSink(path), [[{"record_version": 1, "n": n}] for n in range(500)])
    assert safe == [True] * 500
    assert [record.content["n"] for record in stored_records(str(path))] == list(range(500))


@pytest.mark.skipif(not FULL_DISK.exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_nothing_is_called_recorded():
    assert _write(JsonlSink(FULL_DISK), [[{"record_version": 1}]]) == [False]


@pytest.mark.skipif(not FULL_DISK.exists(), reason="needs a device that is always full")
def test_a_service_on_a_full_disk_decides_on_and_says_that_nothing_is_recorded(tiny_bundle, tmp_path):
    with running(tiny_bundle.folder, tmp_path, "--threads", 1, "--records", FULL_DISK) as service:
        answers = [service.post(json={"text": text}) for text in TEXTS[:3]]
        metrics = service.get("/metrics").text
    assert [(answer.status_code, answer.json()["recorded"]) for answer in answers] == [(200, False)] * 3
    assert 'classifier_records_total{outcome="failed"} 3.0' in metrics


def test_the_file_is_for_its_owner_alone(tmp_path):
    JsonlSink(tmp_path / "records.jsonl").close()
    assert (tmp_path / "records.jsonl").stat().st_mode & 0o077 == 0


def test_two_processes_do_not_share_a_file(tmp_path):
    sink = JsonlSink(tmp_path / "records.jsonl")
    with pytest.raises(RecordsError, match="no other process holds"):
        JsonlSink(tmp_path / "records.jsonl")
    sink.close()


def test_a_place_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="expected a file"):
        JsonlSink(tmp_path / "file" / "records.jsonl")
    with pytest.raises(RecordsError, match="Expected the URL"):
        SqlSink("nonsense://x")


def test_records_of_another_version_are_refused(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"record_version": 2}\n')
    with pytest.raises(RecordsError, match="version 1, but got 2"):
        list(stored_records(str(tmp_path / "r.jsonl")))


def test_a_killed_service_has_kept_every_decision_that_it_said_was_recorded(recorded, tiny_bundle, tmp_path):
    target, answered, stop = recorded[0], [], threading.Event()

    def ask(name):
        with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {USER.secret}"}, timeout=10) as client:
            for number in range(100_000):
                items = [{"text": text, "id": f"{name}-{number}-{i}"} for i, text in enumerate(TEXTS[: 1 + number % 4])]
                try:
                    response = client.post("/v1/classify", json={"items": items})
                except httpx.TransportError:
                    return
                answered.append(response.json())
                if stop.is_set():
                    return

    with running(tiny_bundle.folder, tmp_path, "--threads", 1, "--records", target) as service, ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, name) for name in range(8)]
        assert until(lambda: len(answered) > 60)
        service.process.kill()
        service.process.wait(5)
        stop.set()
        for future in asking:
            future.result()
    kept = {(r.content["request_id"], r.content["decision"].get("id")) for r in stored_records(target) if r.content is not None}
    promised = {(answer["request_id"], item["id"]) for answer in answered if answer["recorded"] for item in answer["decisions"]}
    assert len(promised) > 50
    assert promised <= kept


def test_records_go_on_when_the_database_comes_back(server, classifier):
    sink, records = SqlSink(_fresh_database(server)), _records(classifier, TEXTS[:3])
    sink.write(records[:1])
    server.stop("immediate")  # as a crash would
    with pytest.raises(RecordsError) as error:
        sink.write(records[1:2])
    server.start()
    sink.write(records[2:])
    assert TEXTS[1] not in str(error.value)  # a database error repeats the rows; ours must not
    assert [json.loads(row)["text"] for row in sink.rows()] == [TEXTS[0], TEXTS[2]]
    sink.close()
