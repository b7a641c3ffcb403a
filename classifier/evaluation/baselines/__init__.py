"""What simple models reach on the same texts: a keyword list, words, characters, and the neighbours of an untuned encoder."""

from classifier.evaluation.baselines.comparing import Baseline, BaselineResult, compare_baselines
from classifier.evaluation.baselines.difference import Headline, PairedDifference, headline, headline_of, paired_difference
from classifier.evaluation.baselines.keywords import keyword_baseline
from classifier.evaluation.baselines.neighbours import neighbour_baseline
from classifier.evaluation.baselines.ngrams import ngram_baseline
from classifier.evaluation.baselines.tfidf import tfidf_baseline

__all__ = [
    "Baseline",
    "BaselineResult",
    "Headline",
    "PairedDifference",
    "compare_baselines",
    "headline",
    "headline_of",
    "keyword_baseline",
    "neighbour_baseline",
    "ngram_baseline",
    "paired_difference",
    "tfidf_baseline",
]
