"""Keys: their file, their rotation, and who may do what."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from classifier.errors import KeyFileError
from classifier.serving.keys import KeyFile, keys_of, new_key
from classifier.serving.settings import ServeSettings

from .serving_process import ADMIN, USER, running, until


def test_a_new_key_is_known_by_its_hash_alone():
    made = new_key("shop", admin=True)
    assert made.key.sha256 == hashlib.sha256(made.secret.encode()).hexdigest()
    assert keys_of(made.key.line) == (made.key,)
    assert made.secret not in made.key.line
    assert new_key("shop").secret != made.secret


@pytest.mark.parametrize("text", ["", "# nothing\n", "abc user shop", "0" * 64 + " root shop", "0" * 64 + " user", "g" * 64 + " user shop"])
def test_a_malformed_file_is_refused(text):
    with pytest.raises(KeyFileError, match="expected"):
        keys_of(text)


def test_a_name_is_one_word():
    with pytest.raises(ValueError, match="without blanks"):
        new_key("a b")


def test_the_last_good_keys_stay_while_the_file_is_damaged_or_away(tmp_path):
    path = tmp_path / "keys"
    path.write_text(USER.key.line)
    keys = KeyFile(path)
    path.write_text("rubbish")
    assert keys.find(USER.secret.encode()) == USER.key
    path.unlink()
    assert keys.find(USER.secret.encode()) == USER.key
    path.write_text(ADMIN.key.line)
    assert keys.find(USER.secret.encode()) is None
    assert keys.find(ADMIN.secret.encode()) == ADMIN.key


def test_a_service_needs_keys_or_the_word_that_it_has_none(tmp_path):
    for options in ({}, {"key_path": tmp_path, "no_auth": True}):
        with pytest.raises(ValueError, match="--no-auth"):
            ServeSettings(tmp_path, **options)


@pytest.fixture(scope="module")
def service(tiny_bundle, tmp_path_factory):
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("keys"), "--threads", 1) as service:
        yield service


@pytest.mark.parametrize("path", ["/v1/policy", "/v1/model", "/metrics", "/openapi.json", "/v1/nothing", "//healthz"])
def test_only_the_health_paths_are_open(service, path):
    for key in (None, "tw_wrong", USER.key.sha256):
        response = service.get(path, key=key)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.headers["content-type"] == "application/problem+json"
    assert service.get("/healthz", key=None).status_code == 200


def test_only_an_admin_may_reload(service):
    assert service.post("/v1/admin/reload").status_code == 403
    assert service.post("/v1/admin/reload", key=ADMIN.secret).status_code == 200


def test_keys_rotate_without_a_restart(service):
    fresh, kept = new_key("fresh"), service.key_path.read_text()
    service.key_path.write_text(f"{fresh.key.line}\n{ADMIN.key.line}\n")
    assert service.get("/v1/policy", key=fresh.secret).status_code == 200
    assert service.get("/v1/policy", key=USER.secret).status_code == 401
    service.key_path.write_text(kept)
    assert service.get("/v1/policy", key=USER.secret).status_code == 200
    assert until(lambda: sum(line["event"] == "keys_reloaded" for line in service.log()) == 2)


def test_without_auth_everyone_is_let_in(tiny_bundle, tmp_path):
    with running(tiny_bundle.folder, tmp_path, "--threads", 1, auth=False) as service:
        assert service.get("/v1/policy", key=None).status_code == 200
        assert service.post("/v1/admin/reload", key=None).status_code == 200


def _command(*arguments):
    command = [sys.executable, "-c", "from classifier.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_makes_a_key_and_its_line():
    done = _command("serve-key", "--name", "shop")
    (key,) = keys_of(done.stdout)
    assert key.role == "user"
    assert hashlib.sha256(done.stderr.split()[-1].encode()).hexdigest() == key.sha256


def test_the_service_does_not_start_without_keys_or_with_bad_ones(tiny_bundle, tmp_path):
    assert "--no-auth" in _command("serve", tiny_bundle.folder).stderr
    done = _command("serve", tiny_bundle.folder, "--keys", tmp_path / "none")
    assert (done.returncode, "readable file of keys" in done.stderr) == (2, True)
