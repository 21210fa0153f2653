"""Generated requests: whatever the figures, their order and the words around them, they come back exactly or are refused."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.agent.intake import read_request
from stratos.agent.numerals import chinese_value
from stratos.state.brief import Brief
from stratos.state.errors import RequestError

DIGITS = "零一二三四五六七八九"


@dataclass(frozen=True)
class Figure:
    """One figure as written, and the field and value it must come back as."""

    written: str
    field: str
    value: float


def in_chinese(number: int) -> str:
    """The numeral of 1 to 99,999, as it is read aloud."""
    if number >= 10_000:
        rest = number % 10_000
        return (
            in_chinese(number // 10_000) + "万" + ("零" if 0 < rest < 1000 else "") + (in_chinese(rest) if rest else "")
        )
    text, gap = "", False
    for power, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // power % 10
        if digit:
            text += ("零" if gap and text else "") + DIGITS[digit] + name
        gap = not digit
    return text.removeprefix("一") if text.startswith("一十") else text


def plain(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


tenths = st.integers(200, 999).map(lambda number: number / 10)
counts = st.integers(1, 9999)


@st.composite
def english_figures(draw: st.DrawFn) -> list[Figure]:
    share, ms, cents, minutes, rate, size = (
        draw(tenths), draw(counts), draw(st.integers(1, 999_999)), draw(st.integers(1, 600)), draw(counts), draw(counts),
    )  # fmt: skip
    least, most = (
        st.sampled_from(["", "at least ", ">= ", "no less than ", "over ", "min "]),
        st.sampled_from(["", "at most ", "<= ", "under ", "no more than ", "up to ", "not exceeding "]),
    )
    accuracy = draw(
        st.sampled_from(["{} %", "{}% right", "{} percent", "accuracy of {}%", "accuracy: {}%", "an accuracy of {} %"])
    )
    latency = draw(st.sampled_from(["{} ms", "{}ms", "{} milliseconds", "{}-ms", "{} millisecs"]))
    money = draw(st.sampled_from(["${}", "{} dollars", "USD {}", "{} USD", "{} US dollars", "{} bucks", "US${}"]))
    return [
        Figure(draw(least) + accuracy.format(plain(share)), "accuracy", share / 100),
        Figure(draw(most) + latency.format(draw(st.sampled_from([str(ms), f"{ms:,}"]))), "latency_p95_ms", ms),
        Figure(draw(most) + money.format(draw(st.sampled_from([f"{cents / 100:.2f}", f"{cents / 100:,.2f}"]))), "usd", cents / 100),
        Figure(draw(most) + f"{minutes} " + draw(st.sampled_from(["minutes", "min", "mins"])), "hours", minutes / 60),
        Figure(draw(least) + f"{rate} " + draw(st.sampled_from(["requests per second", "rps", "qps", "req/s"])), "throughput_rps", rate),
        Figure(draw(most) + f"{size}k parameters", "max_parameters", size * 1000),
    ]  # fmt: skip


@st.composite
def chinese_figures(draw: st.DrawFn) -> list[Figure]:
    share, ms, money, minutes, rate, size = (
        draw(st.integers(20, 99)), draw(counts), draw(st.integers(1, 99_999)), draw(st.integers(1, 600)), draw(counts), draw(counts),
    )  # fmt: skip

    def number(value: int) -> str:
        return draw(st.sampled_from([str(value), in_chinese(value)]))

    def least(figure: str) -> str:
        return draw(st.sampled_from(["{}", "至少{}", "不低于{}", "大于等于{}", "{}以上", "≥{}", "不得低于{}"])).format(
            figure
        )

    def most(figure: str) -> str:
        return draw(
            st.sampled_from(
                ["{}", "不超过{}", "{}以内", "{}以下", "最多{}", "小于{}", "{}之内", "<={}", "控制在{}以内"]
            )
        ).format(figure)

    percent = draw(
        st.sampled_from([f"{share}%", f"{share} %", f"百分之{in_chinese(share)}", f"百分之{share}", f"{share}％"])
    )
    currency, rate_usd = draw(
        st.sampled_from([("美元", 1.0), ("美金", 1.0), ("元", 0.14), ("块钱", 0.14), ("欧元", 1.05)])
    )
    asked = draw(st.sampled_from(["个请求", "次请求"]))
    sized = draw(st.sampled_from(["参数{}以下", "{}参数以内", "参数量不超过{}", "最多{}个参数"]))
    return [
        Figure(draw(st.sampled_from(["", "准确率", "正确率", "準確率"])) + least(percent), "accuracy", share / 100),
        Figure(draw(st.sampled_from(["", "延迟", "响应时间", "p95延迟", "延遲"])) + most(number(ms) + "毫秒"), "latency_p95_ms", ms),
        Figure(draw(st.sampled_from(["", "预算", "费用", "花费"])) + most(number(money) + currency), "usd", money * rate_usd),
        Figure(draw(st.sampled_from(["", "训练时间", "时间"])) + most(number(minutes) + "分钟"), "hours", minutes / 60),
        Figure("每秒" + draw(st.sampled_from(["", "至少"])) + number(rate) + asked, "throughput_rps", rate),
        Figure(sized.format(f"{size}万"), "max_parameters", size * 10_000),
    ]  # fmt: skip


def read_back(brief: Brief) -> dict[str, float]:
    """The fields that hold a figure."""
    fields = brief.targets.model_dump() | brief.limits.model_dump()
    return {
        name: value for name, value in fields.items() if isinstance(value, float | int) and (name, value) != ("usd", 0)
    }


def check(request: str, chosen: list[Figure]) -> None:
    wanted = {figure.field: figure.value for figure in chosen}
    assert read_back(read_request(request)) == pytest.approx(wanted, rel=1e-9, abs=1e-4), request


@settings(max_examples=150)
@given(figures=english_figures(), data=st.data())
def test_english_figures_come_back_exactly(figures: list[Figure], data: st.DataObject) -> None:
    chosen = data.draw(st.permutations(figures))[: data.draw(st.integers(1, len(figures)))]
    joint = data.draw(st.sampled_from([", ", "; ", ". ", ",  ", "\n- "]))
    check("A mahjong win model" + joint + joint.join(figure.written for figure in chosen), chosen)


@settings(max_examples=150)
@given(figures=chinese_figures(), data=st.data())
def test_chinese_figures_come_back_exactly(figures: list[Figure], data: st.DataObject) -> None:
    chosen = data.draw(st.permutations(figures))[: data.draw(st.integers(1, len(figures)))]
    joint = data.draw(st.sampled_from(["，", "；", "。", "、", " ", "\n"]))
    check("判断麻将是否胡牌的模型" + joint + joint.join(figure.written for figure in chosen), chosen)


NOISE = (
    "about and with in or not the of for model hands over no than times under second a 以上 不 的 在 半 约 和 个 成 左右 以内 最多 一 万 "
    "内 点 大概 至少 , ; ， 。 : ( ) / - + %"
)
"""Words that name no target and no limit, so that no figure beside them may become another."""


@settings(max_examples=300)
@given(figures=st.one_of(english_figures(), chinese_figures()), data=st.data())
def test_stray_words_change_no_figure(figures: list[Figure], data: st.DataObject) -> None:
    chosen = data.draw(st.permutations(figures))[: data.draw(st.integers(1, 3))]
    noise = st.lists(st.sampled_from(NOISE.split()), max_size=2).map(" ".join)
    written = " ".join(f"{data.draw(noise)} {figure.written}" for figure in chosen)
    try:
        check(f"mahjong win {written} {data.draw(noise)}", chosen)
    except RequestError:
        return


@given(number=st.integers(1, 99_999))
def test_chinese_numerals_are_read_as_they_are_spoken(number: int) -> None:
    assert chinese_value(in_chinese(number)) == number
