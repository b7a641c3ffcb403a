"""Rewriting changes what it should, as far as it should, the same way each time, and keeps the halves of its tables apart."""

import pypinyin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.attacks import HALVES, TECHNIQUES, half_of, rewrite_example, techniques_of
from classifier.attacks.attacked import rewritten
from classifier.attacks.numerals import in_chinese, value_of
from classifier.attacks.places import view_of
from classifier.attacks.sounds import same_sound
from classifier.attacks.tables import substitutes, words
from classifier.examples import Example
from classifier.text import normalise

NAMES = list(TECHNIQUES)
HALVED = ("lookalikes", "symbols", "spellings", "contacts")
TEXT = "专业收币出U,比特币合约带单,300元起,加微信群详谈。今天老师和同学们一起去学校,发行数字藏品。"
WORDS = st.sampled_from((*words("deciding"), *words("ordinary"), "300", "，", "。", " ", "USDT", "开", "源", "a1"))
TEXTS = st.lists(WORDS, max_size=12).map("".join)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(text=TEXTS | st.text(max_size=30), seed=st.integers(0, 5))
def test_intensity_0_changes_nothing(name, text, seed):
    attacked = TECHNIQUES[name](text, 0.0, seed)
    assert (attacked.text, attacked.edits) == (text, ())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(text=TEXTS | st.text(max_size=30), intensity=st.floats(0, 1), seed=st.integers(0, 5))
def test_the_same_seed_gives_the_same_text(name, text, intensity, seed):
    assert TECHNIQUES[name](text, intensity, seed) == TECHNIQUES[name](text, intensity, seed)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(text=TEXTS | st.text(max_size=30), intensity=st.floats(0, 1), seed=st.integers(0, 5))
def test_what_is_not_edited_stays_and_the_length_keeps_its_bounds(name, text, intensity, seed):
    attacked = TECHNIQUES[name](text, intensity, seed)
    gaps, done, new_done = [], 0, 0
    for edit in attacked.edits:
        gaps.append((text[done : edit.start], attacked.text[new_done : edit.new_start]))
        done, new_done = edit.end, edit.new_end
    gaps.append((text[done:], attacked.text[new_done:]))
    assert all(old == new for old, new in gaps)
    assert len(text) // 8 <= len(attacked.text) <= 8 * len(text) + 200


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(text=TEXTS, seed=st.integers(0, 5))
def test_more_intensity_hits_the_same_places_and_more(name, text, seed):
    places = [{(e.start, e.end) for e in TECHNIQUES[name](text, intensity, seed).edits} for intensity in (0.3, 0.6, 1.0)]
    assert places[0] <= places[1] <= places[2]


@pytest.mark.parametrize("name", [name for name in NAMES if TECHNIQUES[name].undone and name != "traditional"])
@settings(max_examples=80, deadline=None)
@given(text=TEXTS | st.text(st.characters(min_codepoint=32, max_codepoint=0x9FFF), max_size=20), intensity=st.floats(0, 1))
def test_normalising_undoes_what_it_is_said_to_undo(name, text, intensity):
    assert normalise(TECHNIQUES[name](text, intensity, 1).text).text == normalise(text).text


def test_normalising_undoes_traditional_words():
    technique = TECHNIQUES["traditional"]
    listed = (*words("deciding"), *words("ordinary"))
    assert [word for word in listed if normalise(technique(word, 1.0, 1).text).text != normalise(word).text] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_technique_finds_something_in_a_text_of_the_field(name):
    assert TECHNIQUES[name](TEXT, 0.3, 0).text != TEXT


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"numbers", "styled", "filler", "reorder"}))
def test_every_technique_finds_something_in_an_ordinary_text(name):
    text = "今天和老师同学一起坐地铁去医院看孩子,妈妈给家人打电话说不用等,微信群里大家都知道,朋友想买一只猫"
    assert TECHNIQUES[name](text, 0.3, 0).text != text


def test_deciding_words_are_hit_before_ordinary_ones():
    text = "今天我们知道比特币"
    edits = TECHNIQUES["marks"](text, 0.25, 3).edits
    assert [(e.start, e.end) for e in edits] == [(6, 9)]


def test_words_are_found_in_traditional_script_too():
    assert view_of("礦機").words == view_of("矿机").words == ((0, 2),)


@pytest.mark.parametrize("table", [*HALVED, "splits", "english"])
def test_the_halves_share_no_substitute_of_a_word(table):
    train, test = (substitutes(table, half) for half in HALVES)
    shared = {(plain, value) for plain in set(train) & set(test) for value in set(train[plain]) & set(test[plain])}
    assert shared == set()


def test_the_halves_of_homophones_share_nothing():
    seen = {half: {TECHNIQUES["homophones"]("币" * 40 + str(seed), 1.0, seed, half=half).text for seed in range(5)} for half in HALVES}
    train, test = ({c for text in seen[half] for c in text if c not in "币01234"} for half in HALVES)
    assert train
    assert test
    assert not train & test


def test_the_rule_of_the_halves_is_the_stated_one():
    import zlib

    assert half_of("币", 0) == ("train", "test")[zlib.crc32("币".encode()) % 2]
    assert half_of("币", 0) != half_of("币", 1)


@pytest.mark.parametrize("table", [*HALVED, "splits", "english", "filler"])
def test_no_word_is_its_own_substitute(table):
    for half in HALVES:
        assert [plain for plain, values in substitutes(table, half).items() if plain in values] == []


@pytest.mark.parametrize("character", list("币圈合约收出卖买群空投质押藏品"))
def test_homophones_sound_alike(character):
    sound = pypinyin.pinyin(character, style=pypinyin.Style.NORMAL)[0][0]
    assert same_sound(character)
    for other in same_sound(character):
        assert sound in pypinyin.pinyin(other, style=pypinyin.Style.NORMAL, heteronym=True)[0]


def test_letters_and_pinyin_read_as_the_field_writes():
    written = (("pinyin", "币", {"bi"}), ("letters", "币", {"B", "b"}), ("initials", "合约", {"HY", "hy"}), ("splits", "群", {"君羊"}))
    for name, plain, expected in written:
        own = half_of(plain, 0)
        assert TECHNIQUES[name](plain, 1.0, 0, half=own).text in expected
        other = next(half for half in HALVES if half != own)
        assert TECHNIQUES[name](plain, 1.0, 0, half=other).text == plain  # one spelling, one half


@given(value=st.integers(0, 9_999))
def test_chinese_numbers_are_read_back(value):
    assert value_of(in_chinese(value)) == value


@pytest.mark.parametrize(("value", "spelt"), [(10, "十"), (12, "十二"), (105, "一百零五"), (110, "一百一十"), (2000, "二千"), (3040, "三千零四十")])
def test_numbers_are_spelt_as_people_spell_them(value, spelt):
    assert in_chinese(value) == spelt


def test_spans_move_along():
    attacked = rewritten("先收币再出币", [(1, 1, "·"), (2, 3, "coin"), (5, 6, "B")])
    begin, end = attacked.span_of(1, 3)
    assert attacked.text == "先·收coin再出B"
    assert attacked.text[begin:end] == "收coin"
    begin, end = attacked.span_of(3, 6)
    assert attacked.text[begin:end] == "再出B"


def test_overlapping_replacements_are_refused():
    with pytest.raises(ValueError, match="without overlap"):
        rewritten("收币", [(0, 2, "a"), (1, 2, "b")])


def test_a_rewritten_example_keeps_its_labels_and_its_group():
    example = Example("x", "在群里收币,快来", "post", ("trading",), 2, evidence=("收币",))
    new = rewrite_example(example, TECHNIQUES["pinyin"], 1.0, 0)
    assert (new.categories, new.severity, new.source, new.group) == (("trading",), 2, "post", "x")
    assert new.id != example.id
    assert new.evidence[0] in new.text
    assert new.evidence[0] != "收币"


def test_an_example_without_a_place_comes_back_itself():
    example = Example("x", "abc", "post", (), 0)
    assert rewrite_example(example, TECHNIQUES["splits"], 1.0, 0) is example


@pytest.mark.parametrize("intensity", [-0.1, 1.1])
def test_an_intensity_outside_its_range_is_refused(intensity):
    with pytest.raises(ValueError, match="from 0 to 1"):
        TECHNIQUES["marks"](TEXT, intensity, 0)


def test_an_unknown_half_is_refused():
    with pytest.raises(ValueError, match="'train' or 'test'"):
        TECHNIQUES["marks"](TEXT, 1.0, 0, half="dev")


def test_an_unknown_technique_is_refused():
    with pytest.raises(ValueError, match="magic"):
        techniques_of(["magic"])
