"""Policies and requests from anybody: no few lines take gigabytes, minutes, or the terminal."""

import pytest

from policies import Policy, load_policy, load_request, yaml_limits
from policies.errors import PolicyError
from policies.patterns import MOST_ATOMS, find_excess
from policies.policy import MOST_DECODINGS
from policies.reading import build, parse_yaml


def bomb(levels, base="[x, x, x, x, x, x, x, x, x]"):
    lines = [f"a0: &a0 {base}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bomb(9), "more than 100,000 values"),
        (
            "\n".join(["a: &a {x: 1}", "b: &b {<<: *a, y: *a}", bomb(7, "[*b, *b, *b]")]),
            "more than 100,000 values",
        ),
        ("a: [" * 200 + "]" * 200, "nested more than 100 deep"),
        ("- " * 2_000 + "x", "nested more than 100 deep"),
        ("a: &a [1, *a]", "an alias within what it stands for"),
        ('name: "\\e[2Jx"', "a control character in line 1"),
        ('x: 1\n"\\x07": 1', "a control character in line 2"),
    ],
)
def test_yaml_beyond_any_policy_is_refused_before_it_is_built(text, problem):
    with pytest.raises(PolicyError, match=problem):
        parse_yaml(text, "p.yaml", "policy")


@pytest.mark.parametrize(
    ("most", "problem"),
    [
        (lambda extra: "[" * (100 + extra) + "]" * (100 + extra), "is nested more than 100 deep"),
        (lambda extra: f"[{'x,' * (99_999 + extra)}]", "holds more than 100,000 values"),
        (lambda extra: f"[&a [x, y], {'*a, ' * (33_331 + extra)}x]", "holds more than 100,000 values"),
    ],
)
def test_limits_of_yaml_are_what_they_say(most, problem):
    assert yaml_limits.find_excess(most(0)) is None
    assert yaml_limits.find_excess(most(1)) == problem


@pytest.mark.parametrize(
    "text",
    ["a: !!int x", "a: !!bool x", "a: !!timestamp x", "? [a]\n: 1", "a: !!float ''", "a: 9" + "9" * 5000],
)
def test_tags_that_do_not_fit_their_texts_are_no_yaml(text):
    with pytest.raises(PolicyError, match="not valid YAML"):
        parse_yaml(text, "p.yaml", "policy")


def test_aliases_that_people_write_are_read(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "name: mine\nentities: {US_SSN: &rule {score: 0.3}, PHONE_NUMBER: *rule}\nleakage: {greedy_rate: 0.0}\n"
    )
    assert load_policy(tmp_path / "p.yaml").entities["PHONE_NUMBER"].score == 0.3


@pytest.mark.parametrize(
    "regex",
    [
        "((((a{100}){100}){100}){100}){100}",
        "(?:[a-z]{1,300}\\d{1,300}){200}",
        "a{1,99999999999}",
        "(x{9999}y)z{99999}",
        "a" * 20_000,
        "(" * 80 + "a" + ")" * 80,
    ],
)
def test_patterns_that_an_engine_would_write_out_without_end_are_refused(regex):
    with pytest.raises(PolicyError, match="the pattern has"):
        build(
            Policy,
            {"name": "p", "entities": {"X": {"patterns": [{"name": "x", "regex": regex}]}}},
            "p",
            "policy",
        )


@pytest.mark.parametrize(
    "regex",
    [
        r"\b\d{3}-\d{2}-\d{4}\b",
        r"(?i:badge)[ #]{1,5}(?P<n>[A-Z]{2}\d{4,12}){1,3}",
        r"[{}(]{2}\{99999999999\}",
        r"(\w{1,64}\.){1,8}[^\]a{9999}]{2,24}",
        r"x{,5}y{2,}(?:a|b)*",
    ],
)
def test_patterns_that_people_write_are_taken(regex):
    assert find_excess(regex) is None


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ("a{20000}", "a{20001}"),
        ("[abc]{20000}", "[abc]{20000}d"),
        ("a{19999}b{1}", "a{19999}b{2}"),
        (r"(?:\d{100}){196}", r"(?:\d{100}){197}"),
        ("(" * 50 + "a" + ")" * 50, "(" * 51 + "a" + ")" * 51),
        ("a" * 10_000, "a" * 10_001),
    ],
)
def test_limits_of_patterns_are_what_they_say(taken, refused):
    assert find_excess(taken) is None
    assert find_excess(refused) is not None


@pytest.mark.parametrize("presets", ["gdpr", "strict"])
def test_presets_are_far_from_the_limits(presets):
    for rule in load_policy(presets).entities.values():
        assert all(len(pattern.regex) * 4 < MOST_ATOMS for pattern in rule.patterns)


@pytest.mark.parametrize(
    ("decoding", "problem"),
    [
        ({"temperatures": [1.0] * 300_000}, "temperatures"),
        ({"temperatures": [1.0] * 60, "top_k": [1] * 60, "top_p": [0.5] * 2}, "7,200 decodings"),
        ({"budget_tries": 10**40}, "budget_tries"),
    ],
)
def test_decodings_are_as_many_as_can_be_measured(decoding, problem):
    data = {"name": "p", "entities": {"US_SSN": {}}, "decoding": decoding}
    with pytest.raises(PolicyError, match=problem):
        build(Policy, data, "p", "policy")
    data["decoding"] = {"temperatures": [1.0] * 8, "top_k": [5] * 8, "top_p": [0.5] * (MOST_DECODINGS // 64)}
    build(Policy, data, "p", "policy")


def test_a_file_without_an_end_is_read_no_further_than_a_policy_goes(tmp_path):
    (tmp_path / "p.yaml").symlink_to("/dev/zero")
    for read in (load_policy, load_request):
        with pytest.raises(PolicyError, match="larger than 4 MB"):
            read(tmp_path / "p.yaml")
