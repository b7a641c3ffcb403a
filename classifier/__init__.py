"""Decides whether a Chinese post or account bio breaks a platform policy, how severely, and how surely.

>>> from classifier import Policy
>>> Policy.load("wechat-3-24").category_ids
('issuance', 'trading', 'financing', 'secondary_nft')
"""

from importlib.metadata import PackageNotFoundError, version

from classifier.async_inference import AsyncClassifier
from classifier.bundle import Bundle, load_bundle
from classifier.decisions import CategoryScore, Decision, Explanation, Span
from classifier.decisions.accounts import AccountDecision, Post
from classifier.errors import (
    BundleError,
    CalibrationError,
    ClassifierError,
    DataError,
    EncoderError,
    MissingExtraError,
    PolicyError,
    Problem,
    TextError,
)
from classifier.examples import Example
from classifier.inference import Classifier
from classifier.policy import Category, Level, Policy

try:
    __version__ = version("tiaowen")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0.0.0"

__all__ = [
    "AccountDecision",
    "AsyncClassifier",
    "Bundle",
    "BundleError",
    "CalibrationError",
    "Category",
    "CategoryScore",
    "Classifier",
    "ClassifierError",
    "DataError",
    "Decision",
    "EncoderError",
    "Example",
    "Explanation",
    "Level",
    "MissingExtraError",
    "Policy",
    "PolicyError",
    "Post",
    "Problem",
    "Span",
    "TextError",
    "load_bundle",
]
