"""The request parser: what it reads, what it assumes, what it refuses."""

from pathlib import Path

import pytest
from stratos.agent.brief_words import brief_rows
from stratos.agent.intake import read_brief_file, read_changes, read_request
from stratos.state.brief import Brief, Weights
from stratos.state.canonical import Json
from stratos.state.errors import RequestError

WIN = "a small model that tells whether 14 mahjong tiles are a winning hand"


def problems(request: str) -> str:
    with pytest.raises(RequestError) as raised:
        read_request(request)
    return "\n".join(raised.value.problems)


def test_reads_every_part_of_a_plain_request() -> None:
    brief = read_request(f"{WIN}: at least 70 % exact, p95 under 200 ms, at most $15, within 30 minutes")
    assert (brief.skill, brief.task) == ("mahjong", "win")
    assert brief.targets.accuracy == pytest.approx(0.70)
    assert brief.targets.latency_p95_ms == 200
    assert brief.limits.usd == 15
    assert brief.limits.hours == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("words", "accuracy"),
    [("97.5 % right", 0.975), ("97,5 percent", 0.975), ("accuracy of 0.9", 0.9), ("90 per cent exact", 0.9)],
)
def test_reads_accuracy_in_each_of_its_forms(words: str, accuracy: float) -> None:
    assert read_request(f"{WIN}, {words}").targets.accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("words", "milliseconds"), [("0.2 s per request", 200), ("150ms", 150), ("p95 of 1.5 seconds", 1500)]
)
def test_reads_latency_in_each_unit(words: str, milliseconds: float) -> None:
    assert read_request(f"{WIN}, {words}").targets.latency_p95_ms == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    ("words", "usd"), [("$1,500", 1500), ("15 dollars", 15), ("at most 20 USD", 20), ("for free", 0), ("$0.50", 0.5)]
)
def test_reads_dollars(words: str, usd: float) -> None:
    assert read_request(f"{WIN}, {words}").limits.usd == pytest.approx(usd)


def test_another_currency_is_converted_and_the_rate_is_an_assumption() -> None:
    brief = read_request(f"{WIN}, at most 20 euros")
    assert brief.limits.usd == pytest.approx(21)
    assert any("1 € is taken as 1.05" in assumption for assumption in brief.assumptions)


def test_money_per_month_is_a_limit_on_serving() -> None:
    brief = read_request(f"{WIN}, $5, serving under $30 per month")
    assert (brief.limits.usd, brief.limits.usd_per_month) == (5, 30)


def test_reads_throughput_and_size() -> None:
    brief = read_request(f"{WIN}, 50 requests per second, under 1M parameters")
    assert brief.targets.throughput_rps == 50
    assert brief.limits.max_parameters == 1_000_000


@pytest.mark.parametrize(
    ("request_", "task"),
    [
        ("mahjong: which tiles is this hand waiting for, 60 % right", "waits"),
        ("the best discard of a mahjong hand", "discard"),
        ("is my mahjong hand a winning hand?", "win"),
    ],
)
def test_finds_the_task_by_description(request_: str, task: str) -> None:
    assert read_request(request_).task == task


def test_never_invents_a_target() -> None:
    brief = read_request(WIN)
    assert brief.targets.accuracy is None
    assert brief.targets.latency_p95_ms is None
    assert brief.limits.usd == 0
    assert sum("was given" in assumption for assumption in brief.assumptions) == 3


def test_the_lower_bound_is_the_rule_unless_the_request_says_otherwise() -> None:
    assert read_request(f"{WIN}, 90 %").targets.accuracy_rule == "lower_bound"
    assert read_request(f"{WIN}, 90 % as a point estimate").targets.accuracy_rule == "point_estimate"


def test_the_tighter_of_two_limits_counts() -> None:
    assert read_request(f"{WIN}, $15", max_usd=3).limits.usd == 3
    assert read_request(f"{WIN}, $2", max_usd=3).limits.usd == 2


def test_reports_all_problems_together() -> None:
    found = problems(f"{WIN}, 120 % accuracy, 0 ms, -$5")
    assert "120 % is impossible" in found
    assert "0 ms is impossible" in found
    assert "-5 dollars is impossible" in found


def test_an_unknown_skill_names_the_valid_ones() -> None:
    said = problems("a model that writes poems, 90 %")
    assert "mahjong (tasks win, waits, discard)" in said
    assert "bring examples of yours with --data FILE" in said


def test_two_targets_of_one_kind_contradict_each_other() -> None:
    assert "80 and 90" in problems(f"{WIN}, 80 % exact and 90 % right")


@pytest.mark.parametrize("words", ["0 dollars on a cloud GPU", "for free on an H100"])
def test_no_money_and_a_cloud_server_contradict_each_other(words: str) -> None:
    assert "no cloud server is free" in problems(f"{WIN}, {words}")


def test_a_percentile_nobody_measures_is_refused() -> None:
    assert "p95 is what is measured" in problems(f"{WIN}, p99 under 100 ms")


def test_certainty_cannot_be_shown_by_a_finite_test() -> None:
    assert "no finite test" in problems(f"{WIN}, 100 % exact")


def test_an_empty_request_says_what_is_wanted() -> None:
    assert "is empty" in problems("  ")


def test_a_yaml_brief_is_read(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: waits\ntargets: {accuracy: 0.6}\nlimits: {usd: 3}\n")
    brief = read_brief_file(path)
    assert (brief.task, brief.targets.accuracy, brief.limits.usd) == ("waits", 0.6, 3)


def test_a_yaml_brief_reports_all_its_errors_by_field(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: win\ntargets: {accuracy: 1.2, speed: 3}\nlimits: {usd: -1}\n")
    with pytest.raises(RequestError) as raised:
        read_brief_file(path)
    text = str(raised.value)
    assert "targets.accuracy" in text
    assert "targets.speed" in text
    assert "limits.usd" in text


@pytest.mark.parametrize("content", ["- a list", "skill: [unclosed", "skill: chess\ntask: win\n"])
def test_a_yaml_file_that_is_no_brief_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(content)
    with pytest.raises(RequestError):
        read_brief_file(path)


@pytest.mark.parametrize(
    ("words", "accuracy"),
    [
        ("error rate below 5 %", 0.95),
        ("at most 3 % errors", 0.97),
        ("less than 10 % wrong", 0.9),
        ("0.9 accuracy", 0.9),
        ("ninety-five percent right", 0.95),
        ("at least ninety percent", 0.9),
    ],
)
def test_an_error_rate_and_numbers_in_words_are_no_other_target(words: str, accuracy: float) -> None:
    assert read_request(f"{WIN}, {words}").targets.accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("words", "usd"),
    [
        ("at most 50 cents", 0.5),
        ("one dollar", 1),
        ("USD 1", 1),
        ("10k dollars", 10_000),
        ("$2k", 2000),
        ("us$ 3.50", 3.5),
    ],
)
def test_reads_money_however_it_is_written(words: str, usd: float) -> None:
    assert read_request(f"{WIN}, {words}").limits.usd == pytest.approx(usd)


@pytest.mark.parametrize(
    ("words", "hours"),
    [("within half an hour", 0.5), ("in five minutes", 5 / 60), ("within an hour", 1), ("under a day", 24), ("2 h", 2)],
)
def test_reads_a_time_limit_in_words(words: str, hours: float) -> None:
    assert read_request(f"{WIN}, {words}").limits.hours == pytest.approx(hours)


def test_a_rate_is_no_time() -> None:
    brief = read_request(f"{WIN}, 50 requests a second, under $5 a month")
    assert (brief.targets.throughput_rps, brief.limits.usd_per_month) == (50, 5)
    assert (brief.targets.latency_p95_ms, brief.limits.hours) == (None, None)
    assert "is no limit" in problems(f"{WIN}, at most $2 an hour")


def test_reads_microseconds() -> None:
    assert read_request(f"{WIN}, p95 under 200 microseconds").targets.latency_p95_ms == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("for 1 CHF", "1 CHF"),
        ("on a B300 GPU", "B300 GPU"),
        ("with grade 5", "5"),
        ("at least 12 points", "12 points"),
    ],
)
def test_a_figure_that_cannot_be_placed_is_refused_and_not_passed_over(words: str, what: str) -> None:
    found = problems(f"{WIN}, at least 90 % exact, {words}")
    assert "not understood" in found
    assert what in found


@pytest.mark.parametrize("words", ["at most 90 % exact", "p95 at least 200 ms", "at least $5"])
def test_a_target_asked_for_from_the_wrong_side_is_refused(words: str) -> None:
    assert "cannot be aimed at" in problems(f"{WIN}, {words}")


def test_a_cloud_that_is_named_is_a_limit() -> None:
    limits = read_request(f"{WIN}, on AWS only with an A100, at most $20").limits
    assert (limits.clouds, limits.accelerators) == (("aws",), ("A100",))


def test_two_tasks_in_one_request_are_refused() -> None:
    assert "one model does one task" in problems("mahjong waits and discard, 80 %")


@pytest.mark.parametrize(
    "words",
    [
        "14-tile mahjong hands, 90 %",
        "is 123m456p789s11122z a winning hand in mahjong, 90 %",
        "mahjong win, 90 % (95 % interval)",
    ],
)
def test_numbers_of_the_subject_are_no_targets(words: str) -> None:
    assert read_request(words).targets.accuracy == pytest.approx(0.9)


def test_a_brief_file_may_say_how_to_choose(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: win\ntargets: {accuracy: 0.9}\nlimits: {usd: 1}\nchoose: knee\n")
    brief = read_brief_file(path)
    assert brief.choose == "knee"
    told = dict(brief_rows(brief.model_dump(mode="json")))
    assert told["choice"] == "the knee of the front of what meets the targets"
    path.write_text("skill: mahjong\ntask: win\nchoose: dearest\n")
    with pytest.raises(RequestError, match="choose"):
        read_brief_file(path)


def test_aims_that_a_brief_file_gives_no_weight_count_nothing(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: win\nweights: {accuracy: 2}\n")
    assert read_brief_file(path).weights == Weights(accuracy=2, latency=0, hours=0, usd=0)


@pytest.mark.parametrize("weights", ["{}", "{accuracy: 0}", "{accuracy: 0, latency: 0, hours: 0, usd: 0}"])
def test_weights_that_name_no_aim_are_refused(tmp_path: Path, weights: str) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(f"skill: mahjong\ntask: win\nweights: {weights}\n")
    with pytest.raises(
        RequestError, match="weights: no aim counts: give at least one of accuracy, latency, hours, usd"
    ):
        read_brief_file(path)


def test_a_brief_recorded_before_there_was_a_rule_of_choice_is_still_one() -> None:
    old: Json = {"request": "", "skill": "mahjong", "task": "win", "targets": {}, "limits": {}, "weights": None}
    assert Brief.model_validate(old).choose is None
    assert "choice" not in dict(brief_rows(old))


def test_a_brief_file_has_all_its_mistakes_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(
        "skill: majong\ntask: wins\ntargets: {accuracy: 95, accurracy: 0.9, latency_p95_ms: .inf}\nlimits: {usd: true, minutes: 5}\n"
    )
    with pytest.raises(RequestError) as raised:
        read_brief_file(path)
    found = raised.value.problems
    assert len(found) == 6
    text = "\n".join(found)
    for expected in (
        "'majong' is unknown",
        "0.95",
        "targets.accurracy: no such field; valid: accuracy",
        "latency_p95_ms",
        "limits.usd",
        "hours",
    ):
        assert expected in text


@pytest.mark.parametrize("code", [0xD800, 0xDCFF], ids=["half a pair", "a byte that is no UTF-8"])
def test_a_text_that_is_no_valid_unicode_is_refused_wherever_it_comes_in(tmp_path: Path, code: int) -> None:
    said = f"{WIN}{chr(code)}, 90 %"
    for read in (read_request, read_changes):
        with pytest.raises(RequestError, match=f"not valid Unicode: its character {len(WIN) + 1} is"):
            read(said)
    path = tmp_path / "brief.yaml"
    path.write_text(f'skill: mahjong\ntask: win\nrequest: "\\u{code:04x}"\n')
    with pytest.raises(RequestError, match="the brief is not valid Unicode"):
        read_brief_file(path)


def test_a_key_given_twice_in_a_brief_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: win\nlimits: {usd: 1}\nlimits: {usd: 100}\n")
    with pytest.raises(RequestError, match="limits given twice"):
        read_brief_file(path)


@pytest.mark.parametrize(
    ("said", "regions"),
    [
        ("in us-east", ("us-east",)),
        ("region us-east-1", ("us-east-1",)),
        ("us-east-1 only", ("us-east-1",)),
        ("hosted in europe-west4 or eastus2", ("europe-west4", "eastus2")),
        ("in US-East", ("us-east",)),
        ("in the US", ("us",)),
        ("US-based servers", ("us",)),
    ],
)
def test_a_region_is_kept_as_it_was_said(said: str, regions: tuple[str, ...]) -> None:
    assert read_request(f"{WIN}, 90 %, at most $1, {said}").limits.regions == regions


@pytest.mark.parametrize("said", ["in us-moon", "in us-northeast", "region eu-west-99"])
def test_a_region_that_no_cloud_has_is_refused_with_the_nearest(said: str) -> None:
    told = problems(f"{WIN}, 90 %, at most $1, {said}")
    assert f"'{said.split()[-1]}' begins no region's name; valid: " in told


def test_a_region_that_is_ruled_out_is_refused_and_not_asked_for() -> None:
    assert "may be used, not what may not" in problems(f"{WIN}, 90 %, at most $1, not in us-east-1")


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("on azur", "on azur"),
        ("on scaleway", "scaleway"),
        ("only on fluidstack or aws", "fluidstack"),
        ("on acme or aws", "on acme"),
        ("cloud: foocloud", "cloud: foocloud"),
        ("in Foo Cloud", "in Foo Cloud"),
    ],
)
def test_a_cloud_without_prices_is_refused_with_the_valid_ones(said: str, quoted: str) -> None:
    told = problems(f"{WIN}, 90 %, at most $1, {said}")
    assert f"'{quoted}' cannot be held: no prices are known of that cloud; valid: " in told
    assert told.count("cannot be held") == 1


def test_a_licence_in_a_brief_is_known_by_its_name_its_spdx_id_or_its_hub_tag(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: win\nlimits: {usd: 1, licences: [apache-2.0, gemma, Qwen License]}\n")
    assert read_brief_file(path).limits.licences == ("apache-2.0", "gemma", "Qwen License")
