"""The decision about an account: every rule worked by hand on the shipped numbers (90 days, clean after 30, repetition from 3, grave from 2)."""

from __future__ import annotations

import dataclasses
import datetime
import json

import pytest
from typer.testing import CliRunner

from classifier.cli import app
from classifier.decisions.accounts import DecidedText, Post, account_rules, day_of, decide_account, speaks_of_evasion
from classifier.decisions.decision import Decision
from classifier.decisions.ladder import Ladder, LevelThreshold, promises_of
from classifier.errors import PolicyError
from classifier.inference import Classifier

TODAY = datetime.date(2026, 3, 31)


def text(policy, severity, *, days_ago=None, review=False, evading=False, id="p", error=None):
    level = policy.levels[severity]
    decision = Decision(
        id=id,
        text_sha256=None,
        source="bio" if id == "bio" else "post",
        categories=(),
        severity=severity,
        level=level.id,
        action=level.action,
        review=review,
        certified=False,
        promise=None,
        probs={},
        evidence=(),
        n_windows=1,
        model_fingerprint="m",
        policy_fingerprint=policy.fingerprint,
        ladder_fingerprint="l",
        error=error,
    )
    published_at = None if days_ago is None else (TODAY - datetime.timedelta(days=days_ago)).isoformat()
    return DecidedText(id, decision, published_at, evading)


def bio(policy, severity=0, **options):
    return text(policy, severity, id="bio", **options)


def firm(policy, *, threshold=0.0):
    """A ladder that certifies every level of an account from a prob of ``threshold`` on."""
    levels = tuple(
        LevelThreshold(promise.level_id, severity, threshold, threshold, 0.9, 0.95, True, 99, 0, 1.0, 0.95, 0.95, 0, 0.01)
        for severity, promise in enumerate(promises_of(policy), start=1)
    )
    return Ladder(levels, None, policy.fingerprint, "fixed_sequence", 0.95, 99, 1)


def decide(policy, bio, posts, **options):
    return decide_account(policy, bio, posts, **{"as_of": TODAY, "ladder": firm(policy)} | options)


def names(decision):
    return [rule.name for rule in decision.rules]


def test_the_gravest_recent_text_decides(policy):
    posts = [text(policy, 1, days_ago=5, id="a"), text(policy, 2, days_ago=9, id="b"), text(policy, 0, days_ago=1, id="c")]
    decision = decide(policy, bio(policy), posts)
    assert (decision.severity, decision.level, decision.action) == (2, "restrict", "restrict_functions")
    assert decision.texts == ("b",)
    assert (decision.n_posts, decision.n_recent, decision.n_violating) == (3, 3, 2)
    assert decision.rules == ()


def test_a_bio_alone_can_decide(policy):
    decision = decide(policy, bio(policy, 3), [text(policy, 0, days_ago=1)])
    assert (decision.level, decision.texts) == ("ban", ("bio",))


@pytest.mark.parametrize(("days_ago", "severity"), [(90, 3), (91, 1)])
def test_the_window_is_ninety_days_and_inclusive(policy, days_ago, severity):
    assert decide(policy, None, [text(policy, 3, days_ago=days_ago), text(policy, 1, days_ago=1)]).severity == severity


def test_a_standing_solicitation_raises_by_one(policy):
    decision = decide(policy, bio(policy, 1), [text(policy, 1, days_ago=3)])
    assert (decision.severity, names(decision)) == (2, ["standing_solicitation"])
    assert decision.texts == ("bio", "p")


def test_a_standing_solicitation_needs_a_violating_post(policy):
    assert decide(policy, bio(policy, 1), [text(policy, 0, days_ago=3)]).severity == 1


def test_a_policy_can_switch_standing_solicitation_off(policy):
    off = dataclasses.replace(policy, accounts=dataclasses.replace(policy.accounts, standing_solicitation=False))
    assert decide(off, bio(off, 1), [text(off, 1, days_ago=3)]).severity == 1


@pytest.mark.parametrize(("n_violating", "severity"), [(2, 1), (3, 2)])
def test_three_violating_posts_are_repetition(policy, n_violating, severity):
    decision = decide(policy, None, [text(policy, 1, days_ago=i, id=f"p{i}") for i in range(n_violating)])
    assert decision.severity == severity
    assert ("repetition" in names(decision)) == (severity == 2)


def test_old_posts_do_not_count_as_repetition(policy):
    posts = [text(policy, 1, days_ago=days) for days in (1, 2, 91)]
    assert decide(policy, None, posts).severity == 1


def test_evasion_raises_by_one_and_names_the_text(policy):
    decision = decide(policy, bio(policy, evading=True), [text(policy, 1, days_ago=1)])
    assert (decision.severity, names(decision), decision.texts) == (2, ["evasion"], ("bio", "p"))


def test_evasion_words_alone_raise_nothing(policy):
    decision = decide(policy, bio(policy, evading=True), [text(policy, 0, days_ago=1, evading=True)])
    assert (decision.severity, decision.rules, decision.texts) == (0, (), ())


def test_three_rules_together_raise_by_no_more_than_two(policy):
    four = dataclasses.replace(policy, levels=(*policy.levels, dataclasses.replace(policy.levels[3], id="more", severity=4)))
    posts = [text(four, 1, days_ago=i) for i in range(3)]
    decision = decide(four, bio(four, 1, evading=True), posts)
    assert names(decision)[:3] == ["standing_solicitation", "repetition", "evasion"]
    assert decision.severity == 3


def test_nothing_is_raised_above_the_highest_level(policy):
    assert decide(policy, bio(policy, 3), [text(policy, 3, days_ago=1)]).severity == 3


@pytest.mark.parametrize(("days_ago", "severity"), [(29, 3), (30, 2)])
def test_thirty_clean_days_lower_by_one(policy, days_ago, severity):
    posts = [text(policy, 3, days_ago=days_ago), text(policy, 0, days_ago=0)]
    assert decide(policy, bio(policy), posts).severity == severity


def test_a_mild_violation_is_forgiven_after_a_clean_period(policy):
    decision = decide(policy, bio(policy), [text(policy, 1, days_ago=40)])
    assert (decision.severity, names(decision)) == (0, ["clean_period", "not_certified"])


def test_a_grave_recent_violation_keeps_the_account_at_rectify(policy):
    kind = dataclasses.replace(policy, accounts=dataclasses.replace(policy.accounts, lower_steps=3))
    assert decide(kind, bio(kind), [text(kind, 2, days_ago=89)]).level == "rectify"
    assert decide(kind, bio(kind), [text(kind, 1, days_ago=89)]).level == "none"


def test_a_violating_bio_spoils_the_clean_period(policy):
    assert decide(policy, bio(policy, 1), [text(policy, 2, days_ago=60)]).severity == 3  # standing solicitation instead


@pytest.mark.parametrize("unread", ["bio", "post"])
def test_a_text_that_could_not_be_read_spoils_the_clean_period_and_goes_to_a_person(policy, unread):
    posts = [text(policy, 2, days_ago=60), text(policy, 0, days_ago=1, error="empty" if unread == "post" else None)]
    decision = decide(policy, bio(policy, error="empty" if unread == "bio" else None), posts)
    assert (decision.severity, names(decision), decision.review) == (2, ["text_unread"], True)


def test_repetition_and_a_clean_period_cancel(policy):
    decision = decide(policy, bio(policy), [text(policy, 2, days_ago=days) for days in (40, 41, 42)])
    assert (decision.severity, names(decision)) == (2, ["repetition", "clean_period"])


def test_an_undated_violation_counts_as_recent_and_goes_to_a_person(policy):
    decision = decide(policy, bio(policy), [text(policy, 2), text(policy, 0, days_ago=0)])
    assert (decision.severity, names(decision), decision.review) == (2, ["missing_dates"], True)


def test_without_a_day_of_the_decision_the_newest_post_ends_the_window(policy):
    posts = [text(policy, 2, days_ago=130), text(policy, 0, days_ago=100)]
    decision = decide(policy, None, posts, as_of=None)
    assert (decision.as_of, decision.severity) == ("2025-12-21", 1)  # 30 days apart: recent, and just lowered


@pytest.mark.parametrize(("reviewed", "review"), [(2, True), (1, False)])
def test_only_a_deciding_text_in_review_sends_the_account_to_a_person(policy, reviewed, review):
    posts = [text(policy, severity, days_ago=1, review=severity == reviewed) for severity in (1, 2)]
    assert decide(policy, None, posts).review is review


def test_a_benign_account_with_a_text_in_review_goes_to_a_person(policy):
    assert decide(policy, None, [text(policy, 0, days_ago=1, review=True)]).review
    assert not decide(policy, None, [text(policy, 0, days_ago=1)]).review


def test_without_an_account_certificate_every_finding_goes_to_a_person(policy):
    decision = decide(policy, None, [text(policy, 1, days_ago=1)], ladder=None)
    assert (decision.certified, decision.review, names(decision)) == (False, True, ["not_certified"])
    assert decide(policy, None, [text(policy, 1, days_ago=1)]).certified


def test_an_account_without_texts_is_left_alone(policy):
    decision = decide_account(policy, None, [])
    assert (decision.severity, decision.review, decision.as_of, decision.decisions) == (0, False, None, ())


def test_a_policy_without_account_rules_is_refused(policy):
    with pytest.raises(PolicyError, match=r"expected a table \[accounts\]"):
        decide_account(dataclasses.replace(policy, accounts=None), None, [])


@pytest.mark.parametrize(
    ("said", "evading"),
    [("上个号没了,加这个", True), ("小*号备 用", True), ("備用號", True), ("这是我的小\u200b号", True), ("大小 号码都有", False), ("", False)],
)
def test_evasion_is_found_behind_disguises(policy, said, evading):
    assert speaks_of_evasion(said, account_rules(policy)) is evading


@pytest.mark.parametrize("written", ["2026-03-24", "2026-03-24T01:00:00Z", "2026-03-24 01:00:00"])
def test_days_are_read_from_dates_and_times(written):
    assert day_of(written) == datetime.date(2026, 3, 24)


def test_the_explanation_names_rules_texts_and_level(policy):
    decision = decide_account(policy, bio(policy, 1), [text(policy, 1, days_ago=3, id="post-7")], as_of=TODAY)
    explained = decision.explain(policy)
    assert explained.zh == (
        "近期 1 篇内容中有 1 篇违规。简介长期招揽且有内容违规,从重。账号层面的等级未经认证,不保证准确率。"
        "账号处理等级:限制部分功能。依据:bio、post-7。须人工复核。"
    )
    assert "Level of the account: functions restricted. Because of: bio, post-7. A person must look." in explained.en
    with pytest.raises(ValueError, match="Expected the policy of the decision"):
        decision.explain(dataclasses.replace(policy, version="other"))


def test_the_content_is_json_with_every_decision(policy):
    content = json.loads(json.dumps(decide(policy, bio(policy, 1), [text(policy, 1, days_ago=3)]).to_dict()))
    assert [item["id"] for item in content["decisions"]] == ["bio", "p"]
    assert content["rules"][0]["name"] == "standing_solicitation"


def test_an_account_is_decided_with_a_real_bundle(tiny_bundle):
    classifier = Classifier.load(tiny_bundle.folder, n_threads=1)
    posts = [Post("收U出U加微信群大家", "2026-03-01"), Post("今天看见一只猫", "2026-03-02", "cat"), Post("")]
    decision = classifier.classify_account("发行新币加微信", posts, account_id="a1")
    singly = classifier.classify_many(["发行新币加微信", *(post.text for post in posts)], source=["bio", "post", "post", "post"])
    assert [item.probs for item in decision.decisions] == [item.probs for item in singly]
    assert [item.id for item in decision.decisions] == ["bio", "post-1", "cat", "post-3"]
    assert (decision.account_id, decision.as_of, decision.review) == ("a1", "2026-03-02", True)


def test_a_blank_bio_is_no_bio(tiny_bundle):
    classifier = Classifier.load(tiny_bundle.folder, n_threads=1)
    assert classifier.classify_account("  ", [Post("今天看见一只猫", "2026-03-02")]).decisions[0].source == "post"


def test_the_command_decides_line_by_line_and_goes_on_after_a_bad_one(tiny_bundle, tmp_path):
    lines = [
        json.dumps({"account_id": "a", "bio": "收U", "posts": [{"text": "今天", "published_at": "2026-03-02", "id": "x"}]}),
        "{not json",
        json.dumps({"account_id": "c", "bio": None, "posts": "none"}),
        json.dumps({"account_id": "d", "posts": ["bare"]}),
        json.dumps({"account_id": "e", "posts": []}),
    ]
    path = tmp_path / "accounts.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["account", str(path), "--bundle", str(tiny_bundle.folder), "--threads", "1"])
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["account_id"] for record in records] == ["a", None, "c", "d", "e"]
    assert ["error" in record for record in records] == [False, True, True, True, False]
    assert [record.get("line") for record in records[1:4]] == [2, 3, 4]
    assert "expected a list of posts" in records[2]["error"]
    assert "3 account(s) could not be decided" in done.stderr
