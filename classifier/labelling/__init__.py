"""The work of people who label: to and from labelling tools, suspect labels, and which texts to label next."""

from __future__ import annotations

from classifier.labelling.convert import TOOLS, Imported, export_items, import_labels, item_of, read_items
from classifier.labelling.items import Answer, Item, Suggestion
from classifier.labelling.label_studio import labelling_config
from classifier.labelling.settle import Disagreement, Pair, disagreement, settled
from classifier.labelling.suggestions import read_decisions, read_scored, suggestions_of

__all__ = [
    "TOOLS",
    "Answer",
    "Disagreement",
    "Imported",
    "Item",
    "Pair",
    "Suggestion",
    "disagreement",
    "export_items",
    "import_labels",
    "item_of",
    "labelling_config",
    "read_decisions",
    "read_items",
    "read_scored",
    "settled",
    "suggestions_of",
]
