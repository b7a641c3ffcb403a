"""API keys: a file of SHA-256 hashes, read again when it changes, so that keys rotate without a restart.

One key a line: ``<SHA-256 in hex> <user|admin> <name>``; blank lines and lines that begin with ``#`` count for nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

from classifier.errors import KeyFileError

ROLES = ("user", "admin")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ApiKey:
    """One key, known by its hash alone; an ``admin`` may also reload the bundle."""

    sha256: str
    role: str
    name: str

    @property
    def line(self) -> str:
        """The line of the key file."""
        return f"{self.sha256} {self.role} {self.name}"


@dataclass(frozen=True)
class NewKey:
    """A fresh key: ``secret`` is shown once and kept nowhere."""

    secret: str
    key: ApiKey


def new_key(name: str, *, admin: bool = False) -> NewKey:
    """Make a key of 256 random bits."""
    if not name or len(name.split()) != 1 or name.startswith("#"):
        raise ValueError(f"Expected a name without blanks, but got {name!r}.")
    secret = "tw_" + secrets.token_urlsafe(32)
    return NewKey(secret, ApiKey(_sha256(secret.encode("ascii")), ROLES[admin], name))


def keys_of(text: str, *, where: str = "keys") -> tuple[ApiKey, ...]:
    r"""Read the content of a key file.

    :raises KeyFileError: when a line is malformed or there is no key.

    >>> keys_of("# ours\n" + "0" * 64 + " user shop\n")[0].name
    'shop'
    """
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts or parts[0].startswith("#"):
            continue
        if len(parts) != 3 or parts[1] not in ROLES or not _is_sha256(parts[0]):
            raise KeyFileError(f"{where}:{number}: expected `<SHA-256> <user|admin> <name>`, but got something else; use what serve-key printed.")
        keys.append(ApiKey(parts[0].lower(), parts[1], parts[2]))
    if not keys:
        raise KeyFileError(f"{where}: expected at least one key, but got none; add a line of: classifier serve-key --name me")
    return tuple(keys)


class KeyFile:
    """The keys of a file, as it is now. While the file is malformed or away, the last good keys stay in force, and the log says so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self._keys = keys_of(self._text(), where=str(path))

    def find(self, secret: bytes) -> ApiKey | None:
        """The key of a secret, None where there is none; takes the same time whichever key it is."""
        self._refresh()
        digest, found = _sha256(secret), None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def _refresh(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._keys = keys_of(self._text(), where=str(self._path))
        except KeyFileError as error:
            _log.error("keys_refused", extra={"reason": str(error)})
        else:
            _log.info("keys_reloaded", extra={"n_keys": len(self._keys)})

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{self._path}: expected a readable file of keys, but got: {error}") from error

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _sha256(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdefABCDEF" for character in text)
