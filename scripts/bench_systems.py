"""What is measured, each loaded and run in a fresh process: the bundle in its forms, and the models it is held against.

``prepare`` makes the other models once, in a folder of its own; ``LOADERS`` loads one of them and gives a function from texts to decisions.
"""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BATCH = 32
MAX_TOKENS = 512
BERT_WORDS = 21_128
"""Words of BERT-base-Chinese."""
N_FITTED = 300

Decide = Callable[[Sequence[str]], Any]


def records(name: str) -> list[dict[str, Any]]:
    """Labelled records of a split."""
    return [json.loads(line) for line in (ROOT / f"data/{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def bundle(folder: str, *, cascade: bool = False, cache: bool = False, low_latency: bool = False) -> Decide:
    """A bundle; the memory of logits is off but where it is what is measured."""
    from classifier import Classifier

    classifier = Classifier.load(folder, cascade=cascade, low_latency=low_latency, **({} if cache else {"cache_size": 0}))
    return lambda texts: classifier.classify_many(texts)


def bert(folder: str, *, int8: bool = False) -> Decide:
    """The pipeline of ``transformers`` in batches, as its documentation shows it."""
    import torch
    from transformers import pipeline

    pipe = pipeline("text-classification", model=f"{folder}/bert", batch_size=BATCH, device="cpu", top_k=None, function_to_apply="sigmoid")
    if int8:
        pipe.model = torch.ao.quantization.quantize_dynamic(pipe.model, {torch.nn.Linear}, dtype=torch.qint8)
    return lambda texts: pipe(list(texts), truncation=True, max_length=MAX_TOKENS)


def frozen(folder: str) -> Decide:
    """Mean vectors of the builtin encoder as it comes, in batches of texts of like length, and a logistic regression on them."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    base, head = pickle.loads(Path(folder, "frozen.pkl").read_bytes())
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base, add_pooling_layer=False).eval()

    @torch.inference_mode()
    def vectors(texts: Sequence[str]) -> torch.Tensor:
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        kept = batch["attention_mask"].unsqueeze(-1)
        return (model(**batch).last_hidden_state * kept).sum(dim=1) / kept.sum(dim=1)

    def decide(texts: Sequence[str]) -> list[Any]:
        ordered = sorted(texts, key=len)
        batches = [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
        return [head.predict_proba(vectors(batch).numpy()) for batch in batches]

    return decide


def words_of(text: str) -> list[str]:
    """The words that jieba finds; a function of this module, so that a fitted vectoriser can be pickled."""
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    words: list[str] = jieba.lcut(text)
    return words


def tfidf(folder: str) -> Decide:
    """Words of jieba, weighed by TF-IDF, and one logistic regression a question."""
    vectoriser, models = pickle.loads(Path(folder, "tfidf.pkl").read_bytes())

    def decide(texts: Sequence[str]) -> list[Any]:
        features = vectoriser.transform(texts)
        return [model.predict_proba(features) for model in models]

    return decide


LOADERS: dict[str, Callable[..., Decide]] = {"bundle": bundle, "bert": bert, "frozen": frozen, "tfidf": tfidf}


def prepare(folder: Path, *, seed: int = 0) -> None:
    """Make the models that are compared with: random weights where only the speed counts, fitted heads elsewhere."""
    _prepare_bert(folder / "bert", seed)
    _prepare_tfidf(folder)
    _prepare_frozen(folder)


def prepare_fp32(folder: Path, bundle_folder: Path, model_folder: Path) -> None:
    """The bundle with its model in fp32, for speed: the calibration is that of the shipped form."""
    from dataclasses import replace

    from classifier.bundle import LAYOUT, load_bundle, write_bundle
    from classifier.training.export import export_onnx

    shipped = load_bundle(bundle_folder)
    onnx = folder.parent / "fp32.onnx"
    export_onnx(model_folder, onnx)
    write_bundle(
        folder,
        model_files={LAYOUT.onnx: onnx, LAYOUT.tokenizer: shipped.folder / LAYOUT.tokenizer},
        policy=shipped.policy,
        calibration=shipped.calibration,
        category_thresholds=shipped.category_thresholds,
        ladder=shipped.ladder,
        settings=replace(shipped.settings, precision="fp32"),
        provenance=shipped.provenance,
        card="",
    )


def _prepare_bert(folder: Path, seed: int) -> None:
    """BERT of the size of BERT-base-Chinese with random weights, and a WordPiece tokenizer of the characters of the training texts."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    characters = sorted({character for record in records("train") for character in record["text"] if not character.isspace()})
    words = [*special.values(), *characters, *(f"##{character}" for character in characters)][:BERT_WORDS]
    words += [f"[unused{number}]" for number in range(BERT_WORDS - len(words))]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer()
    ends = [(name, words.index(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **special).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(vocab_size=BERT_WORDS, num_labels=7, problem_type="multi_label_classification")
    BertForSequenceClassification(config).save_pretrained(folder)


def _prepare_tfidf(folder: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train = records("train")
    vectoriser = TfidfVectorizer(tokenizer=words_of, token_pattern=None, sublinear_tf=True)
    features = vectoriser.fit_transform([record["text"] for record in train])
    categories = sorted({category for record in train for category in record["categories"]})
    answers = [[category in record["categories"] for record in train] for category in categories]
    answers += [[(record["severity"] or 0) >= severity for record in train] for severity in (1, 2, 3)]
    models = [LogisticRegression(class_weight="balanced", max_iter=1000).fit(features, answer) for answer in answers]
    Path(folder, "tfidf.pkl").write_bytes(pickle.dumps((vectoriser, models)))


def _prepare_frozen(folder: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    from classifier.encoder.base import BUILTIN, resolve_base
    from classifier.training.vectors import mean_vectors

    fitted = records("train")[:N_FITTED]
    vectors = mean_vectors([record["text"] for record in fitted])
    head = LogisticRegression(max_iter=1000).fit(vectors, [bool(record["categories"]) for record in fitted])
    Path(folder, "frozen.pkl").write_bytes(pickle.dumps((resolve_base(BUILTIN), head)))


def disk_mb(kind: str, folder: str, options: dict[str, Any]) -> float:
    """What the model takes on disk, in MB."""
    if kind == "bert" and options.get("int8"):
        return _int8_mb(folder)
    paths = {"bert": [Path(folder, "bert")], "tfidf": [Path(folder, "tfidf.pkl")], "frozen": [Path(folder, "frozen.pkl")]}.get(kind, [Path(folder)])
    if kind == "frozen":
        paths.append(Path(pickle.loads(paths[0].read_bytes())[0]))
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def _int8_mb(folder: str) -> float:
    import torch
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(f"{folder}/bert")
    small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    with tempfile.NamedTemporaryFile() as handle:
        torch.save(small.state_dict(), handle.name)
        return Path(handle.name).stat().st_size / 1e6
