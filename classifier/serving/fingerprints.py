"""What a decision depends on besides its text: two decisions may be compared only where all of it is the same."""

from __future__ import annotations

from dataclasses import dataclass

from classifier.bundle import Bundle


@dataclass(frozen=True)
class Fingerprints:
    """Those of one bundle; ``account_ladder`` is None where none is certified, ``void`` says that the promises are suspended."""

    model: str
    policy: str
    ladder: str
    account_ladder: str | None
    void: bool

    @classmethod
    def of(cls, bundle: Bundle) -> Fingerprints:
        """Those of a bundle."""
        accounts = None if bundle.account_ladder is None else bundle.account_ladder.fingerprint
        return cls(bundle.model_fingerprint, bundle.policy.fingerprint, bundle.ladder.fingerprint, accounts, bundle.void is not None)
