"""The inference function: normalise, encode, calibrate, decide, explain."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.bundle import LAYOUT, Bundle, load_bundle
from classifier.cascade import FirstStage, read_first_stage
from classifier.decisions import Decision, Span, decisions_of, failed_decision, passed_decision
from classifier.decisions.account_texts import AccountText, account_decision, account_texts
from classifier.decisions.accounts import AccountDecision, Post, account_rules
from classifier.decisions.evidence import deciding_parts
from classifier.encoder.cache import DEFAULT_CACHE_SIZE, CacheCounts, EncodingCache
from classifier.encoder.runtime import BATCH_TOKENS, Encoded, OnnxEncoder
from classifier.errors import BundleError, TextError
from classifier.examples import MAX_TEXT_CHARS, SOURCES, source_number
from classifier.policy import Policy
from classifier.text import NormalisedText, normalise

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Prepared:
    """One text ready for the encoder, or the reason why it cannot be."""

    normalised: NormalisedText | None
    source_number: int
    error: str | None = None


class Classifier:
    """Decides about texts with one bundle. Made once at the start of a service; threads may share it.

    It belongs to the process that made it: after a fork the threads of the encoder are gone, and a call is refused; so is a pickle.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        n_threads: int | None = None,
        cache_size: int = DEFAULT_CACHE_SIZE,
        first_stage: FirstStage | None = None,
        low_latency: bool = False,
    ) -> None:
        settings = bundle.settings
        self.bundle = bundle
        self._first_stage = first_stage
        self._process_id = os.getpid()
        self._cache = EncodingCache(cache_size)
        self._encoder = OnnxEncoder(
            bundle.folder / LAYOUT.onnx,
            bundle.folder / LAYOUT.tokenizer,
            n_questions=len(bundle.policy.questions),
            max_tokens=settings.max_tokens,
            overlap_tokens=settings.overlap_tokens,
            n_threads=n_threads,
            # Products of int8 numbers depend on the whole batch.
            batch_tokens=0 if settings.precision == "int8" else BATCH_TOKENS,
            low_latency=low_latency,
            source_input=settings.source_input,
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        n_threads: int | None = None,
        cache_size: int = DEFAULT_CACHE_SIZE,
        cascade: bool = False,
        low_latency: bool = False,
    ) -> Classifier:
        """Load a bundle; every file is verified.

        :param folder: of the bundle.
        :param n_threads: threads of the encoder; None for all cores of this process.
        :param cache_size: texts whose logits are remembered, so that copies are not encoded again (no decision changes); 0 for none.
        :param cascade: let the bundle's first stage pass what is plainly benign, so that the encoder sees the rest only (all texts of accounts).
        :param low_latency: all threads work on one text at a time: a single text is answered in about half the time on two cores, and many texts
            take somewhat longer. No decision changes.
        :raises BundleError: when the folder is no bundle, or a file is missing or altered; or when a cascade is asked for and there is none.
        """
        bundle = load_bundle(folder)
        first_stage = _first_stage_of(bundle) if cascade else None
        return cls(bundle, n_threads=n_threads, cache_size=cache_size, first_stage=first_stage, low_latency=low_latency)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A Classifier holds a live encoder session and cannot be pickled; pass the bundle's folder and load it in the other process.")

    @property
    def policy(self) -> Policy:
        """The policy that the bundle was trained for."""
        return self.bundle.policy

    @property
    def cache_counts(self) -> CacheCounts:
        """How many texts were answered from memory, and how many were encoded."""
        return self._cache.counts

    def classify(self, text: str, *, source: str = "post", evidence: bool = True) -> Decision:
        """Decide about one text.

        :param source: ``"post"`` or ``"bio"``.
        :param evidence: find the deciding spans when a level is reached or a person must look (all parts are scored alone, about 1.5 times the text).
        :raises TextError: when the text is empty, longer than 20,000 characters or no text, or the source is unknown.
        """
        decision = self.classify_many([text], source=source, evidence=evidence)[0]
        if decision.error is not None:
            raise TextError(decision.error)
        return decision

    def classify_many(
        self, texts: Sequence[str], *, source: str | Sequence[str] = "post", ids: Sequence[str | None] | None = None, evidence: bool = False
    ) -> list[Decision]:
        """Decide about many texts; same order, same length. A text that cannot be classified gets a decision with ``error``.

        :param source: of all texts, or one for each.
        :param ids: kept in the decisions.
        :param evidence: find the deciding spans where a level is reached or a person must look.
        """
        texts = _checked_list(texts)
        sources = _sources(source, len(texts))
        given_ids: Sequence[str | None] = [None] * len(texts) if ids is None else ids
        if len(given_ids) != len(texts):
            raise ValueError(f"Expected one id for each of {len(texts)} texts, but got {len(given_ids)}.")
        return self._decide(texts, sources, given_ids, evidence=evidence, first_stage=self._first_stage)

    def _decide(
        self, texts: Sequence[str], sources: Sequence[str], ids: Sequence[str | None], *, evidence: bool, first_stage: FirstStage | None
    ) -> list[Decision]:
        prepared = [self._prepare(text, kind) for text, kind in zip(texts, sources, strict=True)]
        passed = _passed(prepared, first_stage)
        good = [i for i, item in enumerate(prepared) if item.error is None and i not in passed]
        encoded = self._encode([prepared[i] for i in good])
        decided = decisions_of(
            self.bundle.calibration.apply(encoded.logits, encoded.n_windows),
            self.bundle.ladder,
            self.policy,
            self.bundle.category_thresholds,
            sources=[sources[i] for i in good],
            ids=[ids[i] for i in good],
            texts=[texts[i] for i in good],
            n_windows=encoded.n_windows.tolist(),
            model_fingerprint=self.bundle.model_fingerprint,
        )
        by_row = dict(zip(good, decided, strict=True)) | {i: self._passed_decision(texts[i], sources[i], ids[i]) for i in passed}
        if self.bundle.void is not None:
            by_row = {i: replace(decision, review=True, certified=False, promise=None) for i, decision in by_row.items()}
        if evidence:
            by_row = {i: self._with_evidence(decision, texts[i], prepared[i]) for i, decision in by_row.items()}
        return [by_row[i] if i in by_row else self._failed(prepared[i], texts[i], sources[i], ids[i]) for i in range(len(texts))]

    def classify_account(
        self, bio: str | None, posts: Sequence[Post], *, account_id: str | None = None, as_of: datetime.date | None = None
    ) -> AccountDecision:
        """Decide about an account by its bio and its dated posts, with the account rules of the policy.

        A post without an id is called ``post-1``, ``post-2`` … by its place; a text that cannot be classified sends the account to a person.

        :param bio: None or blank where there is none.
        :param as_of: the day of the decision; None for the day of the newest post.
        :raises PolicyError: when the policy has no account rules.
        """
        account_rules(self.policy)
        texts = account_texts(bio, posts)
        # What the first stage may lose was bounded for texts, not for accounts: here the encoder sees them all.
        decisions = self._decide(
            [text.text for text in texts], [text.source for text in texts], [text.id for text in texts], evidence=False, first_stage=None
        )
        return self.account_decision(texts, decisions, account_id=account_id, as_of=as_of)

    def account_decision(
        self, texts: Sequence[AccountText], decisions: Sequence[Decision], *, account_id: str | None = None, as_of: datetime.date | None = None
    ) -> AccountDecision:
        """The last step of ``classify_account``, for who has decided about ``account_texts`` already, without a first stage.

        :raises PolicyError: when the policy has no account rules.
        """
        # A void ends the promises about accounts, too.
        ladder = None if self.bundle.void is not None else self.bundle.account_ladder
        return account_decision(self.policy, texts, decisions, account_id=account_id, as_of=as_of, ladder=ladder)

    def predict_proba(self, texts: Sequence[str], *, source: str | Sequence[str] = "post") -> Floats:
        """Calibrated probabilities.

        :return: float32, *Shape:* (n_texts, n_questions), columns as in ``policy.questions``.
        :raises TextError: when a text cannot be classified; names its row.
        """
        encoded = self.encode(texts, source=source)
        return self.bundle.calibration.apply(encoded.logits, encoded.n_windows)

    def encode(self, texts: Sequence[str], *, source: str | Sequence[str] = "post") -> Encoded:
        """Raw logits, before calibration, and the number of windows of each text.

        :raises TextError: when a text cannot be classified; names its row.
        """
        texts = _checked_list(texts)
        prepared = [self._prepare(text, kind) for text, kind in zip(texts, _sources(source, len(texts)), strict=True)]
        for row, item in enumerate(prepared):
            if item.error is not None:
                raise TextError(f"text {row}: {item.error}")
        return self._encode(prepared)

    def _prepare(self, text: object, source: str) -> _Prepared:
        if source not in SOURCES:
            return _Prepared(None, 0, f"expected source {' or '.join(map(repr, SOURCES))}, but got {source!r}")
        if not isinstance(text, str):
            return _Prepared(None, 0, f"expected a text, but got {type(text).__name__}")
        if len(text) > MAX_TEXT_CHARS:
            return _Prepared(None, 0, f"expected at most {MAX_TEXT_CHARS:,} characters, but got {len(text):,}; send it in parts")
        normalised = normalise(text)
        if not normalised.text:
            return _Prepared(None, 0, "expected a text with at least one visible character, but got none")
        return _Prepared(normalised, source_number(source, self.bundle.settings.source_input))

    def _encode(self, prepared: Sequence[_Prepared]) -> Encoded:
        if os.getpid() != self._process_id:
            raise RuntimeError("Expected the process that loaded the Classifier, but got a fork of it, without the encoder's threads; load it there.")
        if not prepared:
            return Encoded(np.empty((0, len(self.policy.questions)), dtype=np.float32), np.empty(0, dtype=np.int32))
        texts = [item.normalised.text for item in prepared if item.normalised is not None]
        return self._cache.encode(texts, [item.source_number for item in prepared], self._encoder.encode)

    def _with_evidence(self, decision: Decision, text: str, prepared: _Prepared) -> Decision:
        normalised = prepared.normalised
        if normalised is None or not (decision.severity > 0 or decision.review):
            return decision
        column = self.policy.severity_column(1)

        def score(texts: Sequence[str]) -> Floats:
            # An emptied text still has its special tokens, so it needs no case of its own.
            return self._cache.encode(texts, [prepared.source_number] * len(texts), self._encoder.encode).logits[:, column]

        spans = []
        for part in deciding_parts(normalised.text, score):
            start, end = normalised.original_span(part.start, part.end)
            spans.append(Span(start, end, text[start:end], part.weight))
        return replace(decision, evidence=tuple(spans))

    def _passed_decision(self, text: str, source: str, given_id: str | None) -> Decision:
        bundle = self.bundle
        return passed_decision(bundle.ladder, self.policy, source=source, model_fingerprint=bundle.model_fingerprint, id=given_id, text=text)

    def _failed(self, prepared: _Prepared, text: object, source: str, given_id: str | None) -> Decision:
        return failed_decision(
            prepared.error or "",
            self.bundle.ladder,
            self.policy,
            source=source,
            model_fingerprint=self.bundle.model_fingerprint,
            id=given_id,
            text=text if isinstance(text, str) else None,
        )


def _first_stage_of(bundle: Bundle) -> FirstStage:
    """The first stage of a bundle, refused where its promise was made for another model or other thresholds."""
    path = bundle.folder / LAYOUT.cascade
    if LAYOUT.cascade not in bundle.hashes:
        raise BundleError(f"{bundle.folder}: expected a bundle with a first stage, but it has none; make one with `classifier cascade`.")
    stage = read_first_stage(path)
    made_for = stage.certificate.model_fingerprint, stage.certificate.ladder_fingerprint
    expected = bundle.model_fingerprint, bundle.ladder.fingerprint
    if made_for != expected:
        raise BundleError(f"{path}: expected a first stage certified for model and ladder {expected}, but got one for {made_for}; make it again.")
    return stage


def _passed(prepared: Sequence[_Prepared], first_stage: FirstStage | None) -> set[int]:
    """Rows of the texts that the first stage lets pass."""
    if first_stage is None:
        return set()
    texts = {i: item.normalised.text for i, item in enumerate(prepared) if item.normalised is not None}
    goes_on = first_stage.goes_on(list(texts.values()))
    return {i for i, needed in zip(texts, goes_on.tolist(), strict=True) if not needed}


def _checked_list(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise ValueError("Expected a list of texts, but got one text; call classify for one.")
    return list(texts)


def _sources(source: str | Sequence[str], n_texts: int) -> list[str]:
    if isinstance(source, str):
        return [source] * n_texts
    if len(source) != n_texts:
        raise ValueError(f"Expected one source for each of {n_texts} texts, but got {len(source)}.")
    return list(source)
