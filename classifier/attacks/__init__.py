"""Rewriting texts as those do who spell around a filter: seventeen techniques, for judging a model and for training it.

No technique changes what a Chinese reader understands. Substitutes lie in tables of two halves: train with one, attack with the other.
"""

from classifier.attacks.attacked import Attacked, Edit
from classifier.attacks.rewriting import rewrite_example
from classifier.attacks.suite import TECHNIQUES, Technique, techniques_of
from classifier.attacks.tables import HALVES, half_of

__all__ = ["HALVES", "TECHNIQUES", "Attacked", "Edit", "Technique", "half_of", "rewrite_example", "techniques_of"]
