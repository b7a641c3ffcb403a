"""The policy file: read, refused, and replaced by another platform's."""

from __future__ import annotations

import re

import pytest

from classifier.errors import PolicyError
from classifier.policy import POLICIES_DIR, Policy

OTHER = """
id = "forum-rules"
version = "1"
date = "2025-01-01"
title = "Forum rules"
source = "example"

[[categories]]
id = "spam"
name_zh = "垃圾信息"
name_en = "spam"
clause = "1"
definition = "unasked advertising"

[[categories]]
id = "abuse"
name_zh = "辱骂"
name_en = "abuse"
clause = "2"
definition = "insults"

[[levels]]
id = "ok"
severity = 0
name_zh = "通过"
name_en = "pass"
action = "none"

[[levels]]
id = "hide"
severity = 1
name_zh = "隐藏"
name_en = "hide"
action = "hide"
target_precision = 0.8
confidence_level = 0.9
"""


def test_the_shipped_policy_has_seven_questions_in_order(policy):
    assert policy.questions == ("issuance", "trading", "financing", "secondary_nft", "severity>=1", "severity>=2", "severity>=3")
    assert [level.name_zh for level in policy.acting_levels] == ["责令限期整改", "限制部分功能", "永久封禁"]


def test_another_platform_with_other_levels_needs_no_code(tmp_path):
    path = tmp_path / "forum.toml"
    path.write_text(OTHER, encoding="utf-8")
    other = Policy.load(path)
    assert other.questions == ("spam", "abuse", "severity>=1")
    assert other.severity_column(1) == 2
    assert other.max_severity == 1


def test_json_round_trip_keeps_the_fingerprint(policy):
    assert Policy.from_json(policy.to_json()).fingerprint == policy.fingerprint


def test_comments_do_not_change_the_fingerprint_but_content_does(tmp_path, policy):
    text = (POLICIES_DIR / "wechat-3-24.toml").read_text(encoding="utf-8")
    path = tmp_path / "copy.toml"
    path.write_text("# a comment\n" + text, encoding="utf-8")
    assert Policy.load(path).fingerprint == policy.fingerprint
    path.write_text(text.replace("target_precision = 0.95", "target_precision = 0.96"), encoding="utf-8")
    assert Policy.load(path).fingerprint != policy.fingerprint


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "spam"\n', "", "categories[0]: expected the key `id`"),
        ("severity = 1", "severity = 3", "expected the severities 0, 1"),
        ("target_precision = 0.8", "target_precision = 80", "levels[1].target_precision: expected a number between 0 and 1, but got 80"),
        ("target_precision = 0.8\n", "", "levels[1].target_precision: expected a number"),
        ('id = "abuse"', 'id = "spam"', "every id once, but got ['spam']"),
        ('version = "1"', 'version = "1"\ncolour = "red"', "unknown key `colour`"),
        ('title = "Forum rules"', "title = 7", "title: expected a text, but got 7"),
        ("[[levels]]", "[[levels", "expected TOML in UTF-8"),
    ],
)
def test_a_malformed_policy_names_file_key_expected_and_got(tmp_path, old, new, told):
    path = tmp_path / "bad.toml"
    path.write_text(OTHER.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=re.escape(told)) as caught:
        Policy.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_policy_lists_the_shipped_ones():
    with pytest.raises(PolicyError, match="shipped policies: wechat-3-24"):
        Policy.load("no-such-policy")


ACCOUNTS = """
[accounts]
recent_days = 60
clean_days = 14
repeat_count = 2
standing_solicitation = false
evasion_cues = ["小号"]
raise_steps = 1
max_raise_steps = 1
lower_steps = 1
grave_severity = 1
grave_floor_severity = 1
"""


def _with_accounts(tmp_path, table):
    path = tmp_path / "accounts.toml"
    path.write_text(OTHER + table, encoding="utf-8")
    return path


def test_the_account_rules_are_optional(tmp_path):
    policy = Policy.load(_with_accounts(tmp_path, ""))
    assert policy.accounts is None
    assert "accounts" not in policy.to_json()


def test_the_account_rules_are_read_and_survive_json(tmp_path):
    policy = Policy.load(_with_accounts(tmp_path, ACCOUNTS))
    assert policy.accounts is not None
    assert (policy.accounts.recent_days, policy.accounts.evasion_cues) == (60, ("小号",))
    assert Policy.from_json(policy.to_json()) == policy


def test_the_account_rules_are_part_of_the_fingerprint(tmp_path):
    prints = {Policy.load(_with_accounts(tmp_path, table)).fingerprint for table in ("", ACCOUNTS, ACCOUNTS.replace("60", "61"))}
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("recent_days = 60\n", "", "accounts: expected the key `recent_days`"),
        ("recent_days = 60", "recent_days = 60\ndepth = 1", "accounts: unknown key `depth`"),
        ("recent_days = 60", "recent_days = 0", "accounts.recent_days: expected an integer of at least 1, but got 0"),
        ("repeat_count = 2", "repeat_count = true", "accounts.repeat_count: expected an integer of at least 1, but got True"),
        ("lower_steps = 1", "lower_steps = -1", "accounts.lower_steps: expected an integer of at least 0, but got -1"),
        ("standing_solicitation = false", "standing_solicitation = 0", "accounts.standing_solicitation: expected true or false, but got 0"),
        ('["小号"]', '["小号", " "]', "accounts.evasion_cues: expected a list of words"),
        ('["小号"]', '["小号", "小号"]', "accounts.evasion_cues: expected every word once, but got ['小号'] again"),
        ("clean_days = 14", "clean_days = 61", "accounts.clean_days: expected at most recent_days, 60, but got 61"),
        ("grave_severity = 1", "grave_severity = 2", "accounts.grave_severity: expected a severity from grave_floor_severity, 1, to 1, but got 2"),
        ("[accounts]", "[[accounts]]", "accounts: expected a table, but got list"),
    ],
)
def test_malformed_account_rules_name_file_key_expected_and_got(tmp_path, old, new, told):
    path = _with_accounts(tmp_path, ACCOUNTS.replace(old, new, 1))
    with pytest.raises(PolicyError, match=re.escape(told)) as caught:
        Policy.load(path)
    assert str(path) in str(caught.value)
