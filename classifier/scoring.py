"""Scores of labelled files: the one step between training and evaluation that runs the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from classifier.evaluation.scores import Scores, write_scores
from classifier.files import sha256_of
from classifier.inference import Classifier
from classifier.records import read_examples


def score_files(bundle: Path, paths: Sequence[Path], out: Path, *, n_threads: int | None = None) -> Scores:
    """Score labelled files with a bundle and save the scores.

    :raises BundleError: when the bundle does not verify.
    :raises DataError: when a file breaks the record.
    """
    classifier = Classifier.load(bundle, n_threads=n_threads)
    examples = read_examples(paths, classifier.policy)
    encoded = classifier.encode([example.text for example in examples], source=[example.source for example in examples])
    scores = Scores(
        examples=examples,
        logits=encoded.logits,
        n_windows=encoded.n_windows,
        policy_fingerprint=classifier.policy.fingerprint,
        model_fingerprint=classifier.bundle.encoder_fingerprint,
        data_sha256={path.name: sha256_of(path) for path in paths},
    )
    write_scores(out, scores)
    return scores
