"""The page as a document: its parts and their order, headings and tables, nothing from outside, and no text that becomes markup."""

import dataclasses
import re
from itertools import pairwise

import pytest
from lxml import html as lxml_html

from classifier.decisions.monitor import Void
from classifier.evaluation.mistakes import Mistakes
from classifier.reports import Section, render_report
from classifier.reports.marking import stretches
from classifier.reports.section import with_language
from tests.report_sample import NASTY, sample_background, sample_report, with_everything

COMMAND = "classifier report models/default 'a b.npz'"


@pytest.fixture(scope="module")
def page():
    return render_report(with_everything(sample_report()), backgrounds=[sample_background()], command=COMMAND)


@pytest.fixture(scope="module")
def tree(page):
    return lxml_html.document_fromstring(page)


def words(node):
    return " ".join(node.text_content().split())


def by_id(tree, name):
    return tree.get_element_by_id(name)


def test_the_sections_stand_in_order_and_the_contents_name_them(tree):
    ids = [section.get("id") for section in tree.xpath("//main/section")]
    before = ["verdict", "headline", "questions", "severity", "benign", "background", "slices", "length"]
    assert ids == [*before, "evasion", "evidence", "mistakes", "honesty", "provenance"]
    assert [link.get("href") for link in tree.xpath("//nav//a")] == [f"#{name}" for name in ids]


def test_a_page_without_ordinary_texts_has_no_such_section():
    assert 'id="background"' not in render_report(sample_report())


def test_an_extra_section_stands_before_the_mistakes():
    extra = Section("attack", "Attacks", with_language("nothing held"))
    ids = lxml_html.document_fromstring(render_report(sample_report(), extra=[extra])).xpath("//main/section/@id")
    assert ids[ids.index("mistakes") - 1] == "attack"


def test_two_sections_of_one_id_are_refused():
    with pytest.raises(ValueError, match="ids of their own"):
        render_report(sample_report(), extra=[Section("verdict", "Again", with_language(""))])


def test_the_verdict_says_which_levels_may_act_and_on_what_evidence(tree):
    said = words(by_id(tree, "verdict"))
    assert "Yes, at 2 of 3 levels: ordered to rectify, functions restricted" in said
    assert "40 independent calibration texts acted on, 1 wrong" in said
    assert len(tree.xpath("//article[contains(@class, 'level on')]")) == 2
    assert len(tree.xpath("//article[contains(@class, 'level off')]")) == 1


def test_with_every_level_off_the_verdict_is_no():
    said = render_report(sample_report(thresholds=(None, None, None)))
    assert "No. No level is certified" in said


def test_honest_use_has_no_banner(tree):
    assert tree.xpath("//*[@role='alert']") == []


@pytest.mark.parametrize(
    ("options", "expected"), [({"test_sha256": "a" * 64}, "test.jsonl was used as test and already as train"), ({"n_leaks": 3}, "near duplicates")]
)
def test_dishonest_use_is_a_banner_in_the_verdict_which_then_refuses(options, expected):
    tree = lxml_html.document_fromstring(render_report(sample_report(**options)))
    (banner,) = tree.xpath("//section[@id='verdict']//*[@role='alert']")
    assert expected in words(banner)
    assert "Do not decide from this report" in words(by_id(tree, "verdict"))


def test_promises_declared_void_are_not_shown_as_certified():
    report = sample_report()
    void = Void("m" * 16, "severity>=1", "post", "p", 120.0, 0.01, "2026-01-01")
    tree = lxml_html.document_fromstring(render_report(dataclasses.replace(report, bundle=dataclasses.replace(report.bundle, void=void))))
    assert "declared void on 2026-01-01" in words(tree.xpath("//*[@role='alert']")[0])
    assert tree.xpath("//article[contains(@class, 'level on')]") == []


def test_headline_numbers_stand_beside_the_baseline_with_their_difference(tree):
    heads = [words(th) for th in by_id(tree, "headline").xpath(".//thead//th")]
    assert heads == ["measure", "this model", "TF-IDF + logistic regression", "difference", "<i>words", "difference"]
    value = sample_report().evaluation.macro_f1.value
    assert f"{value:.3f}" in words(by_id(tree, "headline").xpath(".//tbody/tr")[0])


def test_every_baseline_has_its_test_of_who_is_right_alone(tree):
    last = by_id(tree, "headline").xpath(".//tbody/tr")[-1]
    expected = [item.mcnemar for item in with_everything(sample_report()).comparisons]
    assert len(expected) == 2
    for cell, test in zip(last.xpath("./td[@colspan]"), expected, strict=True):
        assert f"{test.n_only_first} against {test.n_only_second}" in words(cell)
    assert "at a prob of 0.5" in words(by_id(tree, "headline").xpath(".//p[@class='note']")[0])


def test_evasion_has_a_row_for_each_rewriting_and_one_figure(tree):
    section = by_id(tree, "evasion")
    assert len(section.xpath(".//table[contains(@class, 'evasion')]/tbody/tr")) == 4
    (figure,) = section.xpath(".//figure/svg")
    assert "pinyin" in figure.get("aria-label")
    mean = with_everything(sample_report()).saved.attack.means[-1].flagged_loss.value
    assert f"{100 * mean:.1f}%" in words(section.xpath(".//table")[0])


def test_over_correction_is_said_in_words(tree):
    said = words(by_id(tree, "evasion").xpath(".//*[@class='alarm']")[0])
    assert "Under 1 technique significantly more benign texts are hit" in said
    assert "pinyin" in said
    assert "zero_width" not in said


def test_where_there_is_none_that_is_said_too():
    report = with_everything(sample_report())
    attack = report.saved.attack
    calm = []
    for item in attack.results:
        effects = {rule: dataclasses.replace(getattr(item, rule), over_correction=False) for rule in ("flagged", "acted")}
        calm.append(dataclasses.replace(item, **effects))
    saved = dataclasses.replace(report.saved, attack=dataclasses.replace(attack, results=tuple(calm)))
    tree = lxml_html.document_fromstring(render_report(dataclasses.replace(report, saved=saved)))
    assert "No over-correction is seen" in words(by_id(tree, "evasion"))


def test_evidence_stands_beside_random_spans_and_the_marks(tree):
    section, found = by_id(tree, "evidence"), with_everything(sample_report()).saved.evidence.faithfulness
    assert "carry the decisions more than random ones do" in words(section)
    rows = [words(row) for row in section.xpath(".//tbody/tr")]
    for row, value in zip(rows, (found.comprehensiveness, found.sufficiency, found.f1, found.iou, found.shown_share), strict=True):
        assert f"{value.value:.3f}" in row


def test_what_is_not_shown_is_owned_up_to():
    tree = lxml_html.document_fromstring(render_report(sample_report()))
    assert tree.xpath("//section[@id='evasion' or @id='evidence']") == []
    said = words(by_id(tree, "honesty"))
    assert "How it stands up to rewritten texts is not shown. Add the JSON of classifier attack" in said
    assert "Whether its evidence carries its decisions is not shown." in said


def test_without_training_texts_the_page_says_that_there_is_no_baseline():
    tree = lxml_html.document_fromstring(render_report(sample_report(baseline=False)))
    assert "no baseline to compare with" in words(by_id(tree, "headline"))
    assert len(by_id(tree, "headline").xpath(".//thead//th")) == 2


def test_every_question_has_two_figures_with_a_text_alternative(tree):
    figures = by_id(tree, "questions").xpath(".//figure/svg")
    assert len(figures) == 14
    assert all(figure.get("role") == "img" and len(figure.get("aria-label")) > 40 for figure in figures)


def test_no_id_occurs_twice_and_every_reference_inside_figures_has_its_target(page, tree):
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r"url\(#([\w-]+)\)", page)) | {link[1:] for link in tree.xpath("//@href")}
    assert referred - set(ids) == set()


def test_figures_carry_no_colour_of_their_own(tree):
    for svg in tree.xpath("//figure/svg"):
        assert not re.search(r"#[0-9a-fA-F]{3,6}\b", re.sub(rb"url\(#[^)]*\)|href=.#[^\"]*", b"", lxml_html.tostring(svg)).decode())


def test_nothing_comes_from_outside(page, tree):
    assert tree.xpath("//link | //iframe | //*[@src] | //object | //embed | //base | //meta[@http-equiv]") == []
    assert all(link.startswith("#") for link in tree.xpath("//@href"))
    markup = re.sub(r"(?s)<p class=\"text\".*?</p>", "", page)
    assert not re.search(r"https?://|//\w+\.\w+|@import|url\((?!#)", markup)


def test_texts_and_tags_never_become_markup(page, tree):
    assert len(tree.xpath("//script")) == 1
    assert tree.xpath("//img") == []
    assert tree.xpath("//b") == []
    assert page.count("<script>") == 1
    assert NASTY in {card.text_content() for card in tree.xpath("//p[@class='text']")}
    assert NASTY in words(by_id(tree, "background"))


def test_evidence_is_marked_in_the_original_text(tree):
    marked = tree.xpath("//li[@class='card']//p[@class='text']//mark")
    assert marked
    assert {node.text_content() for node in marked} == {"收U"}


def test_what_the_model_went_by_is_told_apart_from_what_the_labels_name(tree):
    (card,) = tree.xpath("//li[@data-id='t0']")
    assert [node.text_content() for node in card.xpath(".//span[@class='model']")] == ["<script>"]


def test_a_stretch_is_cut_where_spans_overlap_and_nothing_is_lost():
    parts = stretches("收U出U加微信", [(0, 2), (1, 4)], [(3, 99)])
    assert "".join(part.text for part in parts) == "收U出U加微信"
    assert [(part.text, part.labelled, part.by_model) for part in parts if part.by_model] == [("U", True, True), ("加微信", False, True)]


def test_headings_never_skip_a_step_and_there_is_one_main_one(tree):
    steps = [int(node.tag[1]) for node in tree.xpath("//h1 | //h2 | //h3 | //h4")]
    assert steps.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(steps))


def test_landmarks_and_languages(tree):
    assert tree.get("lang") == "en"
    assert [len(tree.xpath(f"//{tag}")) for tag in ("main", "nav", "footer")] == [1, 1, 1]
    assert tree.xpath("//a[@class='skip']/@href") == ["#main"]
    assert all(card.get("lang") == "zh" for card in tree.xpath("//p[@class='text']"))
    outside = tree.xpath("//body//text()[not(ancestor-or-self::*[@lang='zh']) and not(ancestor::script) and not(ancestor::style)]")
    assert not [text for text in outside if re.search(r"[\u4e00-\u9fff]", text)]


def test_every_header_cell_says_what_it_heads_and_every_table_what_it_is(tree):
    assert len(tree.xpath("//table")) >= 9
    assert tree.xpath("//th[not(@scope)]") == []
    assert tree.xpath("//table[not(caption)]") == []
    assert tree.xpath("//div[@class='scroll'][not(@tabindex) or not(@aria-label)]") == []


def test_every_control_has_a_label(tree):
    assert len(tree.xpath("//select")) == 4
    assert tree.xpath("//input[not(ancestor::label)] | //select[not(ancestor::label)]") == []


def test_slices_say_their_interval_in_words(tree):
    labels = by_id(tree, "slices").xpath(".//svg[@role='img']/@aria-label")
    assert len(labels) > 10
    assert all(re.fullmatch(r"[\d.]+, 95% interval [\d.]+ to [\d.]+", label) for label in labels)


def test_provenance_names_command_files_and_fingerprints(tree):
    said = words(by_id(tree, "provenance"))
    report = sample_report()
    for expected in (COMMAND, "d" * 64, "c" * 64, report.bundle.model_fingerprint, report.bundle.ladder.fingerprint):
        assert expected in said


def test_without_a_mistake_the_browser_is_not_there():
    page = render_report(dataclasses.replace(sample_report(), mistakes=Mistakes((), ())))
    assert "No decision is wrong" in page
    assert 'id="filters"' not in page


def test_the_same_report_is_the_same_page(page):
    assert render_report(with_everything(sample_report()), backgrounds=[sample_background()], command=COMMAND) == page


def test_a_report_of_five_thousand_texts_stays_below_three_megabytes():
    assert len(render_report(sample_report(5_000, n_resamples=5)).encode("utf-8")) < 3_000_000
