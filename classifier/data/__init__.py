"""Looks at labelled examples before anything is trained on them: near duplicates, checks, splits."""

from __future__ import annotations

from classifier.data.agreement import Agreement, Kappa, Reading, ReadTwice, agreement, read_readings
from classifier.data.check import CheckReport, FilesReport, check_examples, check_files
from classifier.data.leaks import LeakReport, leak_report
from classifier.data.plan import SplitPlan
from classifier.data.similar import Similar, similar_texts
from classifier.data.sizes import SPLITS, SplitSizes, parse_sizes
from classifier.data.split import clusters_of, split_examples, split_files
from classifier.data.strict import StrictLimits, StrictReport, strict_check

__all__ = [
    "SPLITS",
    "Agreement",
    "CheckReport",
    "FilesReport",
    "Kappa",
    "LeakReport",
    "ReadTwice",
    "Reading",
    "Similar",
    "SplitPlan",
    "SplitSizes",
    "StrictLimits",
    "StrictReport",
    "agreement",
    "check_examples",
    "check_files",
    "clusters_of",
    "leak_report",
    "parse_sizes",
    "read_readings",
    "similar_texts",
    "split_examples",
    "split_files",
    "strict_check",
]
