"""``classifier classify`` in pipes, over many files, in several processes, and after a kill: real processes throughout."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256

import pytest
import zstandard

from .serving_process import until

MAIN = [sys.executable, "-c", "from classifier.cli import main; main()", "classify"]
N_TEXTS, N_CHUNKS = 1_500, 6
TEXTS = ["收U出U加微信", "看见一只猫", "发行新币加微信群大家"]


@pytest.fixture(scope="module")
def run(tiny_bundle):
    """Start ``classifier classify`` with the tiny bundle and wait for its end."""

    def runner(*arguments, stdin=None):
        command = [*MAIN, *map(str, arguments), "--bundle", str(tiny_bundle.folder)]
        return subprocess.run(command, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, check=False)

    return runner


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A file of 1,500 different texts, one of which cannot be classified."""
    path = tmp_path_factory.mktemp("many") / "in.jsonl"
    records = [{"id": f"t{i}", "text": f"{i}{TEXTS[i % 3]}" * (i % 5 + 1) if i != 700 else ""} for i in range(N_TEXTS)]
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def expected(run, many, tmp_path_factory):
    """What one process that nobody disturbs makes of them."""
    out = tmp_path_factory.mktemp("whole") / "out.jsonl"
    assert run(many, "--out", out, "--no-evidence").returncode == 0
    return out.read_bytes()


def ids(done):
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def piped(run_bundle, *arguments):
    command = [*MAIN, "-", "--bundle", str(run_bundle.folder), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("options", [(), ("--jobs", "2")])
def test_an_answer_comes_before_the_input_ends(tiny_bundle, options):
    with piped(tiny_bundle, *options) as process:
        process.stdin.write("收U\n".encode())
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        process.stdin.write("猫\n\n收".encode())
        process.stdin.flush()
        second = json.loads(process.stdout.readline())
        process.stdin.close()
        assert [first["id"], second["id"], json.loads(process.stdout.readline())["id"]] == ["1", "2", "4"]


def test_a_reader_that_stops_stops_the_reading(tiny_bundle):
    with piped(tiny_bundle, "--no-evidence") as process:
        os.set_blocking(process.stdin.fileno(), False)
        line, n_taken, last = "收U出U\n".encode() * 1_000, 0, time.monotonic()
        while time.monotonic() - last < 2.0 and n_taken < 40_000_000:  # until nothing more is taken for two seconds
            try:
                n_taken += os.write(process.stdin.fileno(), line)
                last = time.monotonic()
            except BlockingIOError:
                time.sleep(0.02)
        process.kill()
    assert n_taken < 1_000_000  # two pipes, one block and one chunk


def test_an_endless_writer_and_a_reader_of_three_lines_end_quietly(tiny_bundle):
    command = f"yes 文本 | {shlex.join(MAIN)} - --bundle {tiny_bundle.folder} | head -n 3; echo ${{PIPESTATUS[1]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=240, check=False)
    *lines, status = done.stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2", "3"]
    assert (status, done.stderr) == ("141", "")


def test_several_files_and_globs_come_in_order_and_their_ids_tell_the_file(run, tmp_path):
    for name, text in (("b.txt", "收U\n猫\n"), ("a1.jsonl", '{"id": "x", "text": "猫"}\n'), ("a2.csv", "\ufefftext,n\n收U,1\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = ids(run(tmp_path / "b.txt", tmp_path / "a*"))
    assert found == [f"{tmp_path}/b.txt:1", f"{tmp_path}/b.txt:2", "x", f"{tmp_path}/a2.csv:1"]


def test_a_pipe_with_a_name_is_a_file(tiny_bundle):
    command = f"{shlex.join(MAIN)} <(echo 收U) <(echo 猫) --bundle {tiny_bundle.folder}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert [found.rpartition(":")[2] for found in ids(done)] == ["1", "1"]


@pytest.mark.parametrize("arguments", [("no.txt", "收U"), ("missing.jsonl",), ("no*.csv",)])
def test_a_file_that_is_not_there_is_refused(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"expected" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_text_with_the_signs_of_a_glob_is_a_text(run):
    assert ids(run("[图片]加我?*", "--format", "jsonl")) == ["1"]


PACKERS = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}


def test_packed_files_of_every_kind_give_their_texts(run, tmp_path):
    rows = {"jsonl": [json.dumps({"text": text}) for text in TEXTS], "csv": ["text", *TEXTS], "txt": TEXTS}
    for kind, lines in rows.items():
        content = "\n".join(lines).encode()
        for suffix, pack in PACKERS.items():
            (tmp_path / f"in.{kind}.{suffix}").write_bytes(pack(content[:40]) + pack(content[40:]))  # two members, two frames
    done = run(tmp_path / "in.*", "--no-evidence")
    assert len(ids(done)) == 18
    assert [json.loads(line)["text_sha256"] for line in done.stdout.splitlines()] == [sha256(text.encode()).hexdigest() for text in TEXTS * 6]


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the tool zstd is not there")
def test_a_packed_output_unpacks_with_the_usual_tool(run, many, expected, tmp_path):
    out = tmp_path / "out.jsonl.zst"
    assert run(many, "--out", out, "--no-evidence").returncode == 0
    assert out.stat().st_size < len(expected) / 3
    assert subprocess.run(["zstd", "-dcq", out], capture_output=True, check=True).stdout == expected


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_cut_file_is_refused_and_leaves_no_output(run, tmp_path, suffix):
    path = tmp_path / f"in.txt.{suffix}"
    content = os.urandom(400_000).hex().encode()
    path.write_bytes(PACKERS[suffix](content)[:-1_000])
    done = run(path, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 2
    assert f"in.txt.{suffix}".encode() in done.stderr
    assert sorted(item.name for item in tmp_path.iterdir()) == [f"in.txt.{suffix}"]


def test_without_zstandard_the_message_names_the_extra(tiny_bundle, tmp_path):
    (tmp_path / "in.txt.zst").write_bytes(PACKERS["zst"]("收U".encode()))
    code = "import sys; sys.modules['zstandard'] = None; from classifier.cli import main; main()"
    command = [sys.executable, "-c", code, "classify", str(tmp_path / "in.txt.zst"), "--bundle", str(tiny_bundle.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'tiaowen[zstd]'" in done.stderr


@pytest.mark.parametrize("options", [("--jobs", 2), ("--resume", "--jobs", 2, "--threads", 2)])
def test_processes_and_threads_change_no_byte(run, many, expected, tmp_path, options):
    done = run(many, "--out", tmp_path / "out.jsonl", "--no-evidence", *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_bundle_that_fails_in_a_process_is_told(run, many):
    done = run(many, "--jobs", 2, "--cascade")
    assert done.returncode == 2
    assert b"cascade" in done.stderr
    assert b"Traceback" not in done.stderr


FAULT = """
import os, signal
from classifier.cli import main

sync, calls = os.fsync, 0
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, also where the tests run in the background of a shell

def fsync(descriptor):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), signal.{name})
    sync(descriptor)

os.fsync = fsync
main()
"""
# In a run with --resume: 1 is the journal's header; every chunk is one for its bytes and one for its line; at the end, the file and its folder.


def _struck(bundle, many, out, *options, at, by="SIGKILL"):
    """Start a run that can be gone on with, and send it a signal just before its ``at``-th bytes are made lasting."""
    code = FAULT.format(at=at, name=by)
    command = [sys.executable, "-c", code, "classify", many, "--out", out, "--resume", "--no-evidence", "--bundle", bundle.folder, *options]
    return subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, start_new_session=True)


def _killed(bundle, many, out, *options, at):
    with _struck(bundle, many, out, *options, at=at) as process:
        process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_killed_again_and_again_a_run_ends_with_the_same_bytes(run, tiny_bundle, many, expected, tmp_path, name):
    out = tmp_path / name
    for at, options in ((1, ()), (2, ()), (4, ()), (4, ("--jobs", "2")), (3, ())):
        _killed(tiny_bundle, many, out, *options, at=at)
        assert not out.exists()
    done = run(many, "--out", out, "--resume", "--no-evidence")
    assert done.returncode == 0
    assert b"1 text(s) could not be classified" in done.stderr  # counted before the last kill, told after it
    assert (gzip.decompress(out.read_bytes()) if name.endswith("gz") else out.read_bytes()) == expected
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_run_killed_after_it_got_its_name_only_ends(run, tiny_bundle, many, expected, tmp_path):
    out = tmp_path / "out.jsonl"
    _killed(tiny_bundle, many, out, at=1 + 2 * N_CHUNKS + 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.part.journal"]
    assert run(many, "--out", out, "--resume", "--no-evidence").returncode == 0
    assert out.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_what_a_crash_left_half_written_is_written_again(run, tiny_bundle, many, expected, tmp_path):
    out = tmp_path / "out.jsonl"
    _killed(tiny_bundle, many, out, at=6)
    for name, torn in (("out.jsonl.part", b'{"id": "t9'), ("out.jsonl.part.journal", b'{"n_by')):
        with (tmp_path / name).open("ab") as handle:
            handle.write(torn)
    assert run(many, "--out", out, "--resume", "--no-evidence").returncode == 0
    assert out.read_bytes() == expected


def test_a_run_over_another_input_or_with_other_options_is_not_gone_on_with(run, tiny_bundle, many, tmp_path):
    copy, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    copy.write_bytes(many.read_bytes())
    _killed(tiny_bundle, copy, out, at=4)
    copy.write_bytes(many.read_bytes().replace(b'"t9"', b'"T9"'))
    done = run(copy, "--out", out, "--resume", "--source", "bio", "--no-evidence")
    assert done.returncode == 2
    assert b"got other: input, options" in done.stderr
    assert not out.exists()


def test_two_runs_do_not_write_one_file(run, tiny_bundle, many, tmp_path):
    out = tmp_path / "out.jsonl"
    with _struck(tiny_bundle, many, out, at=4, by="SIGSTOP") as process:
        os.waitpid(process.pid, os.WUNTRACED)
        done = run(many, "--out", out, "--resume", "--no-evidence")
        process.kill()
    assert done.returncode == 2
    assert b"another process" in done.stderr


def test_killed_jobs_leave_no_process_behind(tiny_bundle, many, tmp_path):
    with _struck(tiny_bundle, many, tmp_path / "out.jsonl", "--jobs", 2, at=4, by="SIGSTOP") as process:
        os.waitpid(process.pid, os.WUNTRACED)
        assert len(_of_session(process.pid)) >= 3
        process.kill()
    assert until(lambda: not _of_session(process.pid), 120)


def _of_session(session):
    done = subprocess.run(["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True, check=False)
    return [line for line in done.stdout.split() if not line.startswith("Z")]


@pytest.mark.parametrize("options", [(), ("--jobs", 2)])
def test_an_interrupt_is_quiet_ends_with_130_and_loses_nothing(run, tiny_bundle, many, expected, tmp_path, options):
    out = tmp_path / "out.jsonl"
    with _struck(tiny_bundle, many, out, *options, at=4, by="SIGINT") as process:
        _, told = process.communicate()
    assert (process.returncode, told) == (130, b"")
    assert run(many, "--out", out, "--resume", "--no-evidence").returncode == 0
    assert out.read_bytes() == expected


@pytest.mark.parametrize("arguments", [("收U", "--resume"), ("-", "--out", "o.jsonl", "--resume")])
def test_resume_asks_for_files_on_both_sides(run, arguments):
    assert run(*arguments).returncode == 2


def test_strict_tells_failed_texts_by_its_exit_code(run, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"text": ""}\n{"text": "猫"}\n', encoding="utf-8")
    assert run(tmp_path / "in.jsonl").returncode == 0
    assert run(tmp_path / "in.jsonl", "--strict").returncode == 1
    assert run("猫", "--strict").returncode == 0


def test_progress_is_silent_without_a_terminal_unless_asked_for(run, many):
    assert b"texts/s" not in run(many, "--no-evidence").stderr
    done = run(many, "--no-evidence", "--progress")
    assert b"1,500 texts, " in done.stderr
    assert done.stdout.count(b"\n") == N_TEXTS


def test_bytes_that_are_no_utf8_come_back_as_valid_json(run):
    done = run("-", stdin="收U".encode() + b'\xff\n{"id": "\\ud800", "text": "\xe7\x8c\xab"}\n')
    assert [json.loads(line)["id"] for line in done.stdout.decode("utf-8").splitlines()] == ["1", "\ud800"]
