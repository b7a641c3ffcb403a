"""Names of base encoders: ``builtin``, a local folder, or a name on the Hugging Face hub; all load through the same code."""

from __future__ import annotations

from pathlib import Path

from classifier.encoder.builtin import builtin_folder
from classifier.errors import EncoderError

BUILTIN = "builtin"


def resolve_base(base: str) -> str:
    """Turn the name of a base into what ``transformers`` loads: the path of a folder, or a hub name unchanged.

    :raises EncoderError: when a path is named that is no model folder, or the built-in file is missing or altered.
    """
    if base == BUILTIN:
        return str(builtin_folder())
    path = Path(base)
    looks_like_path = path.is_absolute() or base.startswith((".", "~")) or path.exists() or base.count("/") > 1
    if not looks_like_path:
        return base
    path = path.expanduser()
    if not (path / "config.json").is_file():
        raise EncoderError(f"{path}: expected a model folder with a config.json, but there is none; name `{BUILTIN}`, a folder or a hub name.")
    return str(path)
