"""Every fault of a labelled file is found where it stands, and every format gives back what was written."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.errors import DataError
from classifier.examples import Example
from classifier.policy import Policy
from classifier.records import from_dataset, read_examples, to_dataset, write_examples

POLICY = Policy.load()
GOOD = {"id": "a", "text": "长期收U，加V详谈", "source": "post", "categories": ["trading"], "severity": 2, "tags": []}
FORMATS = (".jsonl", ".jsonl.gz", ".csv", ".parquet")


def write(path: Path, *records, encoding: str = "utf-8") -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    path.write_bytes("\n".join([*lines, ""]).encode(encoding, "surrogatepass"))
    return path


def problems_of(*paths: Path, max_problems: int = 100):
    with pytest.raises(DataError) as caught:
        read_examples(paths, POLICY, max_problems=max_problems)
    return caught.value.problems


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"id": None}, "id", "expected a text that is not empty, but got None"),
        ({"text": " \n"}, "text", "not empty"),
        ({"text": 5}, "text", "got 5"),
        ({"text": "币" * 20_001, "evidence": []}, "text", "expected at most 20,000 characters, but got 20,001"),
        ({"source": "comment"}, "source", "expected one of post, bio, but got 'comment'"),
        ({"source": ["post"]}, "source", "got ['post']"),
        ({"categories": ["gambling"]}, "categories", "(issuance, trading, financing, secondary_nft), but got 'gambling'"),
        ({"categories": ["trading", "trading"]}, "categories", "expected every category once, but got 'trading' 2 times"),
        ({"categories": "trading"}, "categories", "expected a list of texts, but got 'trading'"),
        ({"categories": None}, "categories", "expected a list of texts, but got None"),
        ({"severity": 4}, "severity", "expected an integer from 0 to 3, or null, but got 4"),
        ({"severity": -1}, "severity", "got -1"),
        ({"severity": 2.0}, "severity", "got 2.0"),
        ({"severity": True}, "severity", "got True"),
        ({"severity": 0}, "severity", "expected 0 exactly where categories is empty, but got 0 with ['trading']"),
        ({"categories": []}, "severity", "but got 2 with []"),
        ({"tags": ["news", 1]}, "tags", "expected a list of texts"),
        ({"evidence": ["收U", "收 U"]}, "evidence", "expected an exact part of the text, but '收 U' is not in it"),
        ({"published_at": "24.3.2026"}, "published_at", "expected an ISO date or time such as 2026-03-24, but got '24.3.2026'"),
        ({"account_id": 7}, "account_id", "got 7"),
        ({"group": ""}, "group", "not empty, but got ''"),
    ],
)
def test_a_wrong_value_is_told_with_line_and_field(tmp_path, change, field, message):
    path = write(tmp_path / "a.jsonl", GOOD | {"id": "first"}, GOOD | change)
    (problem,) = problems_of(path)
    assert (problem.path, problem.line, problem.field) == (str(path), 2, field)
    assert message in problem.message


@pytest.mark.parametrize("field", ["id", "text", "source", "categories"])
def test_a_missing_field_is_told(tmp_path, field):
    record = {key: value for key, value in GOOD.items() if key != field}
    problem = problems_of(write(tmp_path / "a.jsonl", record))[0]
    assert problem.field == field
    assert "missing" in problem.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a",', "broken at character"),
        ("[1, 2]", "expected one JSON object, but got [1, 2]"),
        ('{"id": "a", "id": "b"}', "the key 'id' twice"),
        ('{"id": NaN}', "NaN, which is not JSON"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_no_object_is_told(tmp_path, line, message):
    (problem,) = problems_of(write(tmp_path / "a.jsonl", line))
    assert (problem.line, problem.field) == (1, "line")
    assert message in problem.message


@pytest.mark.parametrize("field", ["text", "id", "note"])
def test_a_lone_surrogate_is_told(tmp_path, field):
    line = json.dumps(GOOD | {field: "发币\ud83d"})
    (problem,) = problems_of(write(tmp_path / "a.jsonl", line))
    assert "surrogate" in problem.message or "\\ud83d" in problem.message
    str(problem).encode("utf-8")


def test_a_duplicate_id_names_both_places(tmp_path):
    first, second = write(tmp_path / "a.jsonl", GOOD), write(tmp_path / "b.jsonl", GOOD | {"id": "b"}, GOOD)
    (problem,) = problems_of(first, second)
    assert str(problem) == f"{second}:2: id: expected an id of its own, but 'a' is already at {first}:1"


def test_the_problems_of_all_files_are_raised_at_once(tmp_path):
    first = write(tmp_path / "a.jsonl", GOOD | {"source": "x", "severity": 9}, "{")
    second = write(tmp_path / "b.jsonl", GOOD | {"tags": "x"})
    found = problems_of(first, tmp_path / "none.jsonl", tmp_path / "data.txt", second)
    assert [(Path(p.path).name, p.line, p.field) for p in found] == [
        ("a.jsonl", 1, "source"),
        ("a.jsonl", 1, "severity"),
        ("a.jsonl", 2, "line"),
        ("none.jsonl", 0, "file"),
        ("data.txt", 0, "file"),
        ("b.jsonl", 1, "tags"),
        ("b.jsonl", 1, "id"),
    ]


def test_the_cap_keeps_some_problems_and_counts_all(tmp_path):
    path = write(tmp_path / "a.jsonl", *["{"] * 7)
    with pytest.raises(DataError, match=r"7 problem\(s\)") as caught:
        read_examples([path], POLICY, max_problems=3)
    assert len(caught.value.problems) == 3
    assert caught.value.n_problems == 7


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path):
    path = write(tmp_path / "a.jsonl", "\ufeff", "  ", GOOD, "")
    assert [example.id for example in read_examples([path], POLICY)] == ["a"]


def test_another_encoding_is_told_with_its_line(tmp_path):
    path = write(tmp_path / "a.jsonl", {"id": "ascii"}, GOOD, encoding="gb18030")
    lines = {problem.line for problem in problems_of(path) if "expected UTF-8, but got the byte 0x" in problem.message}
    assert lines == {2}


def test_a_line_separator_inside_a_text_does_not_end_the_line(tmp_path):
    path = write(tmp_path / "a.jsonl", GOOD | {"text": "一\u2028二\x85三"})
    assert read_examples([path], POLICY)[0].text == "一\u2028二\x85三"


@pytest.mark.parametrize("severity", [{"severity": None}, {}])
def test_labels_may_carry_no_severity(tmp_path, severity):
    record = {key: value for key, value in GOOD.items() if key != "severity"} | severity
    assert read_examples([write(tmp_path / "a.jsonl", record)], POLICY)[0].severity is None


def test_unknown_fields_are_kept(tmp_path):
    path = write(tmp_path / "a.jsonl", GOOD | {"batch": 3, "reader": {"name": "李"}})
    (example,) = read_examples([path], POLICY)
    assert dict(example.extra) == {"batch": 3, "reader": {"name": "李"}}


def test_one_path_instead_of_a_list_is_a_mistake_in_the_call():
    with pytest.raises(ValueError, match="put it in brackets"):
        read_examples("a.jsonl", POLICY)


def test_csv_cells_may_separate_lists_by_bars(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text,source,categories,severity,evidence,seen\n1,"[图片]出U, 收U",bio,trading|financing,2,[图片]|收U,yes\n2,你好,post,,,,\n')
    first, second = read_examples([path], POLICY)
    assert first.categories == ("trading", "financing")
    assert first.evidence == ("[图片]", "收U")
    assert dict(first.extra) == {"seen": "yes"}
    assert second == Example(id="2", text="你好", source="post", categories=(), severity=None)


def test_csv_lines_are_right_after_cells_of_several_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text,source,categories\n\n1,"一\n二\n三",post,\n2,"四\n五",letter,\n3,六,post\n4,七"八,post,\n5,"九"十,post,\n6,好,page,\n')
    assert [(problem.line, problem.field) for problem in problems_of(path)] == [(6, "source"), (8, "line"), (10, "line"), (11, "source")]


def test_a_csv_cell_in_another_encoding_is_told_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text,source,categories\n1," + "发币".encode("gbk") + b",post,\n2,ok,page,\n")
    assert [(problem.line, problem.field) for problem in problems_of(path)] == [(2, "line"), (3, "source")]


def test_a_csv_header_without_a_needed_column_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text,text,source\n1,你好,你好,post\n")
    (problem,) = problems_of(path)
    assert (problem.line, problem.field) == (1, "header")
    assert "`categories` is missing, `text` is there twice" in problem.message


def test_an_open_quote_in_csv_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text,source,categories\n1,"你好,post,\n')
    (problem,) = problems_of(path)
    assert problem.line == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b"PAR1 no"), ("a.jsonl.gz", b"no"), ("b.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:-9])],
    ids=["parquet", "no gzip", "cut gzip"],
)
def test_a_damaged_file_is_one_problem(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert problems_of(tmp_path / name)[-1].field == "file"


def test_parquet_problems_name_the_row(tmp_path):
    examples = [Example("1", "好", "post", (), 0), Example("2", "好", "post", (), 3)]
    write_examples(tmp_path / "a.parquet", examples)
    (problem,) = problems_of(tmp_path / "a.parquet")
    assert (problem.line, problem.field) == (2, "severity")


def test_foreign_parquet_keeps_dates_and_unknown_columns(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([GOOD]).assign(published_at=pandas.Timestamp("2026-03-24T08:00"), crawled=pandas.Timestamp("2026-03-25"), page=4)
    frame.to_parquet(tmp_path / "a.parquet")
    (example,) = read_examples([tmp_path / "a.parquet"], POLICY)
    assert example.published_at == "2026-03-24T08:00:00"
    assert dict(example.extra) == {"crawled": "2026-03-25T00:00:00", "page": 4}


def test_an_extra_column_that_is_no_object_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text,source,categories,extra\n1,好,post,,[1]\n")
    (problem,) = problems_of(path)
    assert (problem.line, problem.field) == (2, "extra")


def test_an_unknown_suffix_to_write_is_a_mistake_in_the_call(tmp_path):
    with pytest.raises(ValueError, match=r"'a\.txt'"):
        write_examples(tmp_path / "a.txt", [])


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jsonl"
    write_examples(path, [Example("1", "好", "post", (), 0)])
    with pytest.raises(UnicodeEncodeError):
        write_examples(path, [Example("1", "\ud800", "post", (), 0)])
    assert read_examples([path], POLICY)[0].text == "好"
    assert list(tmp_path.iterdir()) == [path]


def test_equal_examples_give_equal_gzip_bytes(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_examples(tmp_path / name, [Example("1", "好", "post", (), 0)])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_written_csv_is_plain_csv_to_others(tmp_path):
    write_examples(tmp_path / "a.csv", [Example("1", '一,"二"\r\n三', "post", ("trading",), 1)])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as handle:
        (row,) = csv.DictReader(handle)
    assert (row["text"], row["categories"]) == ('一,"二"\r\n三', '["trading"]')


def test_a_dataset_has_the_targets_of_the_policy():
    dataset = to_dataset([Example("1", "好", "post", ("financing",), 2)], POLICY)
    assert dataset[0]["targets"] == [0, 0, 1, 0, 1, 1, 0]


def test_a_dataset_with_a_fault_is_refused():
    dataset = to_dataset([Example("1", "好", "post", (), 3)], POLICY)
    with pytest.raises(DataError, match="dataset:1: severity"):
        from_dataset(dataset, POLICY)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
solid = texts.filter(str.strip)
plain = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts, max_size=2)


@st.composite
def examples(draw):
    text = draw(solid)
    categories = draw(st.lists(st.sampled_from(POLICY.category_ids), unique=True).map(tuple))
    start = draw(st.integers(0, len(text) - 1))
    return Example(
        id=draw(st.uuids()).hex,
        text=text,
        source=draw(st.sampled_from(["post", "bio"])),
        categories=categories,
        severity=draw(st.sampled_from([None, 1, 2, 3] if categories else [None, 0])),
        tags=draw(st.lists(texts, max_size=2).map(tuple)),
        account_id=draw(st.none() | solid),
        published_at=draw(st.none() | st.datetimes().map(lambda when: when.isoformat())),
        group=draw(st.none() | solid),
        annotator=draw(st.none() | solid),
        evidence=draw(st.sampled_from([(), (text[start:],), (text, text[start:])])),
        extra=draw(st.dictionaries(texts.map(lambda name: f"x{name}"), plain, max_size=2)),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(examples(), max_size=4, unique_by=lambda example: example.id))
def test_every_format_gives_back_what_was_written(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("formats")
    for suffix in FORMATS:
        write_examples(folder / f"a{suffix}", written)
        assert list(read_examples([folder / f"a{suffix}"], POLICY)) == written


@settings(max_examples=20, deadline=None)
@given(st.lists(examples(), max_size=3, unique_by=lambda example: example.id))
def test_a_dataset_gives_back_what_went_in(written):
    assert list(from_dataset(to_dataset(written, POLICY), POLICY)) == written
