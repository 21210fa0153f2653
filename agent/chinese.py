"""Rewrites what a Chinese request says of figures and places into the English words that the rules read.

A glossary and a few rules of word order: 95%以上 becomes "≥ 95 %", 每秒五十个请求 "50 requests per second". Other words stay.
"""

import re
from fractions import Fraction
from functools import partial

from .english import join_times
from .numerals import CHINESE_NUMBER, chinese_value, plain
from .wording import UNREAD, Wording

_SIMPLIFIED = str.maketrans(
    "將準臺確聽預算費錢遲時間響應內過參數萬億兩點個歐雲錯誤張塊鐘開於達條請單無顧處顯標圓幣鎊週歲爾範圍國亞訓練斷牌為麼幾庫縣區機務伺"
    "負載檢測帶設備贏選擇該來這還讓從會對並說種樣與價額總約僅別沒鍾罷復產實現輸發級長慢遠較佔線廠頁紅純瞬筆題聯環質穩",
    "将准台确听预算费钱迟时间响应内过参数万亿两点个欧云错误张块钟开于达条请单无顾处显标圆币镑周岁尔范围国亚训练断牌为么几库县区机务伺"
    "负载检测带设备赢选择该来这还让从会对并说种样与价额总约仅别没钟罢复产实现输发级长慢远较占线厂页红纯瞬笔题联环质稳",
)
_HAN = r"[\u3400-\u9fff〇]"
_NUMBER = rf"(?P<n>{CHINESE_NUMBER})"
_NUMBER_TOO = f"(?:{CHINESE_NUMBER})"
_OTHER_MONEY = "(?:[新加澳坡台港韩泰越]+(?:币|元|圆|盾|铢)|卢布|卢比|法郎|比索)"
_VAGUE = r"(?:好?几|数|若干)[十百千万]?"

_COMPARATORS = (
    (
        "≤",
        r"(?:不|别|勿|没)(?:得|能|可|可以|要|会|应|应该|应当|许|必|用|需|需要)?再?(?:超过|超出|超|高于|大于|多于|长于|慢于|晚于|迟于)",
    ),
    ("≥", r"(?:不|别|勿)(?:得|能|可|可以|要|会|应|应该|应当|许)?再?(?:低于|少于|小于|差于|短于|逊于)"),
    ("≥", r"大于或?等于|高于或?等于|至少|最少|最低|最小|起码|下限|达到|不下"),
    (
        "≤",
        r"小于或?等于|低于或?等于|至多|最多|最高|最大|最长|最慢|最晚|顶多|上限|控制在|限制在|不到|小于|低于|少于|快于|短于",
    ),
    ("≥", r"大于|高于|多于|超过|超出"),
)
_AFTER = (
    ("≥", r"(?:及|或|和|或者)?(?:以上|之上|往上|起步)"),
    ("≤", r"(?:时间|的时间)?(?:及|或|和|或者)?(?:以内|之内|内|以下|之下|封顶|为限|为上限|打住)"),
)
_UNITS = (
    ("ms", "毫秒"),
    ("microseconds", "微秒"),
    ("seconds", "秒钟?"),
    ("minutes", "分钟"),
    ("hours", "个?(?:小时|钟头)"),
    ("days", "天"),
    ("weeks", "个?(?:星期|礼拜)|周"),
    ("months", "个月"),
    ("dollars", "美元|美金|美刀|美圆|刀"),
    ("cents", "美分"),
    ("euros", "欧元"),
    ("pounds", "英镑"),
    ("yen", "日元|日圆|円"),
    ("元", "元|圆|人民币"),
    ("parameters", "个?参数量?"),
    ("tiles", "张(?!\\s*(?:[A-Za-z]|显卡))|枚"),
)
_COUNTED_IN_TENTHS = r"[一二两三四五六七八九\d]"
_NO_MORE = (
    r"(?!\.\d|,\d{3}|[\d零一二两三四五六七八九十百千万亿点成个秒分天周张枚次条笔手副台轮级度名年月季毫微小钟刻趴%])"
)
"""Behind a bare digit that is a tenth, as in 三块五: nothing that makes it a figure of its own, as in 三块五分钟."""

_FEN = rf"零?(?P<fen>{_COUNTED_IN_TENTHS})(?:分(?!钟)|{_NO_MORE})"
_BOARD = r"(?!\s*(?:[A-Za-z显儿]|\d{4}))"
_IN_DOLLARS = r"钱?\s*(?:(?P<us>美元|美金|美刀|美圆)|人民币)?"
_VAGUE_MONEY = "毛|角|分钱|块钱?"
_INTERVAL = r"(?:95\s*%\s*|百分之九十五)?的?置信(?:区间)?的?(?:下限|下界|区间|水平|度)?|区间的?(?:下限|下界)"
_MEASURED = r"(?:实测|实际测得|测得|测出来?|测量)"
_ASKED = (
    r"(?:(?:个|次|条|笔|手|副)\s*)?(?:推理|并发)?(?:请求|查询|推理|调用|问题)|(?:次|条|笔)|(?:手|副)(?:麻将)?(?:手?牌)?"
)
_PLACES = {"欧洲": "europe", "欧盟": "the eu", "美国": "the us", "亚洲": "asia"}
_AT_A_PLACE = r"(?:\s*(?:区域?|地区|机房|服务器|数据中心|节点|境内|云))"
_CLOUDS = {
    "谷歌云": "gcp",
    "亚马逊云(?:科技)?|亚马逊": "aws",
    "微软云": "azure",
    "甲骨文云": "oci",
    "阿里云": "alibaba",
    "腾讯云": "tencent",
    "华为云": "huawei",
}
_NO = r"(?:不要用?|不想用?|不能用?|不可用?|不用|不许用?|不使用|别用?|禁用|禁止使用?|没有|无需|无|不含|避开|除了?)"
_FREE = (
    "免费|一毛不拔|(?:一|1)(?:块|分|毛)钱?(?:都|也)?不(?:想|愿|能|要)?花|不花(?:一[分毛块])?钱|"
    "不要钱|不用花钱|无需花费|零成本|零预算|零费用"
)
_PHRASES = (
    (" CPU only ", r"(?:只|仅|纯)(?:能|限|要|可)?(?:用|使用|在|有|靠)?\s*CPU(?:\s*上)?"),
    (
        " error rate ",
        "误[判报率]*[和与及或、]?漏[判报率]+|漏[判报]率?[和与及或、]误[判报]率?|错误率|出错率|失误率|误判率?|差错率|错判率?|误差率?|失败率|漏[判报]率?|错误",
    ),
    (" false positive ", "误报率?|假阳性率?"),
    (" wrong ", r"(?:[出判答弄搞算认]错|错)的?(?=\s*(?:[≤≥\d,;.]|$))|出错|判错|答错"),
    (" win rate ", "胜率"),
    (" recall ", "召回率?|查全率"),
    (" availability ", "可用[性率]|在线率"),
    (" ttft ", "首(?:字|个?\\s*token|包)"),
    (" cold start ", "冷启动"),
    (" worst-case ", "最[坏差]情况下?的?|最坏"),
    (" typical ", "典型|通常"),
    (
        " unlimited budget ",
        "预算(?:不限|无限制?|没有?上限|不设上限|不封顶)|(?:不限|无限)预算|(?:没有|无|不设)预算(?:限制|上限)|不差钱|钱不是问题|花多少钱?都(?:行|可以|无所谓)|不计成本",
    ),
    (" licence ", "许可(?:证|协议)?|开源协议"),
    (" accuracy ", "准确率|正确率|准确度|正确度|精确度|精准度|精确率|精度|准度"),
    (" average latency ", "平均(?:延迟|时延|延时|响应时间|响应)"),
    (" average ", "平均"),
    (" median latency ", "(?:延迟)?中位数?(?:延迟|时延|延时|响应时间)?"),
    (" latency ", "延迟|时延|延时|(?:响应|回应|反应|推理)(?:时间|速度)?"),
    (" point estimate ", "点估计"),
    (" training ", "训练(?:时间|耗时|时长)?"),
    (" throughput ", "吞吐量?"),
    (" parameters ", "参数(?:规模|数量|量|数)?"),
    (" dollars ", "美元|美金"),
    (" euros ", "欧元"),
    (" per month ", r"/\s*个?月"),
    (" monthly ", "(?:每|一)个?月的?|月(?=费|付|租|预算|成本|均)"),
    (" per hour ", "每个?小时"),
    (
        " served for ",
        r"(?:提供)?(?:服务|部署|上线|托管)(?:时长|时间)?(?:为|是)?(?=\s*[≤≥\d一二两三四五六七八九十半]+\s*(?:个月|months))",
    ),
    (" daily ", "每天|每日"),
    (" weekly ", "每周"),
    (" yearly ", "每年"),
    (" budget ", "预算|费用|花费|成本|开销|开支|费(?![用劲力])"),
    (" no cloud ", f"(?:{_NO}|不上)云(?:端|服务器)?"),
    (" cloud ", "云(?:端|上|服务器)?"),
    (" GPU ", "显卡"),
)


def is_chinese(text: str) -> bool:
    """Whether any of it is written in Chinese characters."""
    return bool(re.search(_HAN, text))


def rewrite(wording: Wording) -> None:
    """Figures, units, comparators and places of a Chinese request in English words."""
    wording.sub(_HAN, lambda match: match.group(0).translate(_SIMPLIFIED))
    wording.sub(rf"(?:¥|人民币)(?=\s*{_NUMBER_TOO}\s*[元块圆])", "")
    wording.sub(r"¥|人民币(?=\s*\d)", "CNY ")
    wording.sub(_FREE, " for free ")
    wording.sub(r"(?<![\d.])1(?=(?:手|副)(?:麻将)?(?:手?牌)?)", "一")
    wording.sub("大约|大概|(?<![节预])约(?!束)为?|左右|上下", " ")
    _write_rule(wording)
    wording.sub(rf"负\s*{_NUMBER_TOO}", UNREAD)
    wording.sub(r"(\d\d(?:\.\d)?)\s*%的?(?:请求|响应|情况)(?=[^,;.]{0,12}\d)", r" p\1 ")
    wording.sub(
        rf"{_OTHER_MONEY}\s*{_NUMBER}\s*[元块圆毛角]?|{_NUMBER_TOO}\s*[块毛角分]?钱?\s*{_OTHER_MONEY}", f" {UNREAD} "
    )
    _write_places(wording)
    _write_shares(wording)
    _write_times(wording)
    for sign, words in _COMPARATORS:
        wording.sub(rf"(?:{words})(?:或者?等于)?(?:为|是|在|了)?", f" {sign} ")
    _write_figures(wording)
    for english, words in _PHRASES:
        wording.sub(words, english)
    wording.sub("的(?= (?:error rate|accuracy|latency|budget|parameters|wrong) )", " ")
    wording.sub(
        r"\b(accuracy|latency|throughput|rate|QPS) *(?:要求|希望|目标|期望|必须|需要?|应该?|得|要|为|是|在|达|到)+",
        r"\1 ",
    )
    wording.sub(r"\d[\d.,]*\s*[百千万亿]", UNREAD)
    join_times(wording)
    wording.sub(rf"(?<={_HAN})(?=[A-Za-z0-9$€£<>≤≥=+-])|(?<=[A-Za-z0-9%$€£<>≤≥=])(?={_HAN})", " ")
    _move_comparators(wording)


def _in_digits(words: str) -> str:
    value = chinese_value(words)
    return UNREAD if value is None else plain(value)


def _write_shares(wording: Wording) -> None:
    """百分之九十五, 九成五, 十次里对九次: each a percentage; 四分之一秒 a part of a second."""
    of = CHINESE_NUMBER

    def part(match: re.Match[str], scale: float) -> str:
        whole, some = chinese_value(match["whole"]), chinese_value(match["some"])
        return UNREAD if not whole or some is None else plain(float(scale * Fraction(some) / Fraction(whole)))

    fraction = rf"(?P<whole>{of})分之(?P<some>{of})"
    wording.sub(rf"{fraction}(?=个?(?:毫秒|秒|分钟|小时|钟头|天))", lambda match: f" {part(match, 1)}")
    wording.sub(fraction, lambda match: f" {part(match, 100)} % ")
    wording.sub(rf"{_NUMBER}\s*趴", partial(_scaled, unit="%"))
    counted, among = r"(?:次|局|手|题|道|个|副)(?:牌|题)?", r"(?:里面?|当?中|之中)"
    wording.sub(
        rf"(?P<whole>{of}){counted}{among}?(?:,\s*)?(?:最多|至多|顶多|不超过|不多于|只能|只许|可以|允许|能|会)*"
        rf"(?:[判答做弄搞出]?错|误判)(?:了|的)?(?:最多|至多|顶多|不超过|不多于|个)*(?P<some>{of})(?:{counted})?",
        lambda match: f" error rate ≤ {part(match, 100)} % ",
    )
    wording.sub(
        rf"(?P<whole>{of}){counted}{among}?(?:,\s*)?(?:至少|起码|要|能|得|可以)*"
        rf"(?:答对|判对|做对|对|正确)(?P<some>{of})(?:{counted})?",
        lambda match: f" {part(match, 100)} % ",
    )
    wording.sub(rf"(?!一){of}{counted}{among}", UNREAD)
    wording.sub(
        r"([一二三四五六七八九十\d])成([一二三四五六七八九半\d]?)(?![功员本为立绩熟\d十百千万元块美欧个秒分小毫])",
        _tenths,
    )


def _tenths(match: re.Match[str]) -> str:
    more = match[2].replace("半", "五") or "零"
    return f" {plain(10 * (chinese_value(match[1]) or 0) + (chinese_value(more) or 0))} % "


def _write_times(wording: Wording) -> None:
    """半小时, 一个半小时, 两小时半, 一刻钟."""
    for unit, words in (
        ("hours", "个半(?:小时|钟头|钟)|个?(?:小时|钟头)半"),
        ("minutes", "分半钟?|分钟半"),
        ("seconds", "秒半"),
        ("days", "天半"),
    ):
        wording.sub(rf"{_NUMBER}\s*(?:{words})", partial(_scaled, unit=unit, more=0.5))
    wording.sub(rf"{_NUMBER}刻钟", partial(_scaled, unit="minutes", times=15))
    wording.sub(
        rf"{_NUMBER}个半(?=美元|美金|美刀|刀|欧元|英镑|块|元)",
        lambda match: f" {UNREAD if (value := chinese_value(match['n'])) is None else plain(value + 0.5)}",
    )
    wording.sub(r"半(?=个?(?:毫秒|秒|分钟|小时|钟头|天|个月|刀|美元|美金|美刀|块|元|毛|角))", " 0.5 ")
    wording.sub(r"(?<=小时)\s*(\d+|[一二三四五六七八九十]+)分(?!钟)", r" \1分钟")


def _scaled(match: re.Match[str], *, unit: str, times: float = 1, more: float = 0) -> str:
    value = chinese_value(match["n"])
    return f" {UNREAD if value is None else plain(times * value + more)} {unit} "


def _write_rule(wording: Wording) -> None:
    """What the accuracy is judged by: 按实测值 is the measured value, 不看置信区间 "point estimate"."""
    wording.sub(
        rf"(?:不|别|无|没)(?:是|用|必|须|需要?|要求?|想|会)?(?:看|管|考虑|在意|参考|算|给|计算|用|以|按|有|要)*\s*(?:{_INTERVAL})"
        r"(?:为准|来?算|计算)?",
        " point estimate ",
    )
    wording.sub(_INTERVAL, " confidence interval ")
    wording.sub(
        rf"(?P<no>不|别|非)?(?:是|要|能)?(?:(?:按照?|依照?|以|凭|看|用){_MEASURED}(?:到)?的?|实测|{_MEASURED}的(?=值|准确|正确|精)|{_MEASURED}值)"
        r"(?:值|结果|数值|数)?(?:为准|来?算|计算|判断)?",
        lambda match: " not as measured " if match["no"] else " as measured ",
    )


def _write_money(wording: Wording) -> None:
    """三块五, 五块八毛, 八毛五, 三块零五分, 一分钱: yuan, its tenths (毛, 角) and hundredths (分); dollars where 美 says so."""
    tenth = rf"(?P<tenth>{_COUNTED_IN_TENTHS}|半)"
    parts = rf"(?:零?(?P<jiao>{_COUNTED_IN_TENTHS})[毛角](?:{_FEN})?|零?(?P<cents>{_COUNTED_IN_TENTHS})分(?!钟)|{tenth}{_NO_MORE})"
    wording.sub(rf"{_NUMBER}\s*(?:[元圆]|块{_BOARD}){parts}?{_IN_DOLLARS}", partial(_money, times=1))
    wording.sub(
        rf"{_NUMBER}\s*[毛角](?![形度色落洲利])(?:{_FEN}|(?P<half>半){_NO_MORE})?{_IN_DOLLARS}",
        partial(_money, times=0.1),
    )
    wording.sub(rf"{_NUMBER}\s*分钱\s*(?P<us>美元|美金|美刀)?", partial(_money, times=0.01))
    for unit, words in (("dollars", "美元|美金|美刀|美圆|刀"), ("euros", "欧元"), ("pounds", "英镑")):
        wording.sub(rf"{_NUMBER}\s*(?:{words}){tenth}{_NO_MORE}", partial(_money, times=1, unit=unit))


def _money(match: re.Match[str], *, times: float, unit: str = "元") -> str:
    """An amount of money with its parts of ten and of a hundred."""
    worth = {"jiao": 0.1, "tenth": 0.1, "fen": 0.01, "cents": 0.01, "half": 0.01}
    given = {name: text.replace("半", "五") for name, text in match.groupdict().items() if text}
    more = sum((chinese_value(given[name]) or 0) * worth[name] for name in worth if name in given)
    return _scaled(match, unit="dollars" if "us" in given else unit, times=times, more=more)


def _write_figures(wording: Wording) -> None:
    """Numbers with their units; rates, whose unit may stand before the number; then numbers that no unit follows."""
    for rate, word in (
        ("second", "秒钟?"), ("minute", "分钟?"), ("hour", "个?小时"), ("day", "[天日]"), ("week", "周"), ("month", "个?月"),
    ):  # fmt: skip
        short = rate in ("second", "minute")  # money is never given per second, but "$50/月" is
        bare, maybe = (r"|(?=\s*(?:[,;.]|$))", "?") if short else ("", "")
        wording.sub(
            rf"每{word}(?P<before>[^\d,.;{UNREAD}]{{0,12}}?)(?<!分之){_NUMBER}(?:\s*(?:{_ASKED}){bare})",
            lambda match, rate=rate: f"{match['before']} {_in_digits(match['n'])} requests per {rate} ",
        )
        wording.sub(
            rf"{_NUMBER}\s*(?:{_ASKED}){maybe}\s*(?:每|/)\s*{word}",
            lambda match, rate=rate: f" {_in_digits(match['n'])} requests per {rate} ",
        )
    units = "|".join([*(words for unit, words in _UNITS if unit != "tiles"), _VAGUE_MONEY])
    wording.sub(rf"(?:{_VAGUE})(?=个?(?:{units})|[张块](?:[HABLVT]\d|RTX|GPU|显卡))", f" {UNREAD} ")
    wording.sub(rf"{_NUMBER}\s*(?=[到至~-]\s*{_NUMBER_TOO}\s*(?:{units}))", partial(_scaled, unit=""))
    _write_money(wording)
    for english, words in _UNITS:
        wording.sub(rf"{_NUMBER}\s*(?:{words})", partial(_scaled, unit=english))
    wording.sub(rf"CNY\s*{_NUMBER}", lambda match: f" CNY {_in_digits(match['n'])} ")
    wording.sub(rf"(?:美元|美金)\s*{_NUMBER}", lambda match: f" {_in_digits(match['n'])} dollars ")
    wording.sub(
        rf"(?P<before>[≤≥]\s*|(?:参数|预算|费用|花费|成本|QPS|准确率|正确率)[量为是:=\s]*){_NUMBER}(?!\s*%|\.?\d)",
        _behind_label,
    )
    wording.sub(
        r"(?<![零一二三四五六七八九十百千万亿第])(?:[一二两三四五六七八九]+[十百千万亿]|十(?=[一二三四五六七八九]))"
        r"[零一二三四五六七八九十百千万亿]*(?!幺)",
        _alone,
    )


def _behind_label(match: re.Match[str]) -> str:
    """A figure without a unit, for the rules to place or refuse; 一 may also begin a word, as in 一定."""
    if len(match["n"]) == 1 and not match["n"].isdigit() and re.match(_HAN, match.string[match.end() :]):
        return match[0]
    return f"{match['before']}{_in_digits(match['n'])} "


def _alone(match: re.Match[str]) -> str:
    """A numeral that nothing places: digits, which are refused later; but 一万 or 二三万 alone is a tile."""
    words = match.group(0)
    value = chinese_value(words)
    if value is None or re.fullmatch("[一二三四五六七八九]万", words):
        return words
    return f" {plain(value)} "


def _write_places(wording: Wording) -> None:
    for words, cloud in _CLOUDS.items():
        wording.sub(words, f" on {cloud} ")
    names = "AWS|GCP|Azure|OCI|Lambda|RunPod|Vast|Nebius|CoreWeave"
    wording.sub(rf"{_NO}\s*(?:在)?\s*(?:on )?(?={names})", " not on ")
    wording.sub(rf"(?:在|用|使用|仅限|只限|通过|上|的)\s*(?={names})", " on ")
    wording.sub(rf"(?:{_NO}|非)\s*(?=(?:[HABLVT]\d|GPU|显卡|RTX|MI\d|MIT|Apache|[AL]?GPL|BSD))", " no ")
    places = "|".join(_PLACES)
    also = rf"\s*(?:或者?|和|及|与|/|,)\s*(?:{places})(?![^,;.]*麻将)"
    wording.sub(
        rf"(?:不(?:要|能|可以?|得|许)?放?在|别放?在|除了?|避开|非|不要|排除)\s*(?P<place>{places})",
        lambda match: f" not in {_PLACES[match['place']]} ",
    )
    wording.sub(
        rf"(?:(?:放?在|位于|于|只用|只限|仅限|限|选|用)\s*(?:{places})|(?:{places})(?=的?{_AT_A_PLACE}|{also}))(?:{also})?",
        lambda match: " in " + " or ".join(_PLACES[place] for place in re.findall(places, match[0])) + " ",
    )
    wording.sub(rf"(?:第\s*)?{_NUMBER}\s*百?分位数?", lambda match: f" p{_in_digits(match['n'])} ")


def _move_comparators(wording: Wording) -> None:
    """Puts a comparator that stands behind its figure before it."""
    figure = r"(?P<figure>(?:[$€£]\s?)?\d[\d.,]*\s*(?:%|元|[a-z]+(?:\s+per\s+[a-z]+)?)?(?:\s*(?:parameters|budget))?)"
    for sign, other, words in (("≥", "≤", "高|大|多|好"), ("≤", "≥", "低|小|少|快|短|便宜|差")):
        wording.sub(
            rf"(?P<no>不(?:能|得|可以?|要|会|应该?|许)?)?比\s*{figure}\s*[还要更再]?(?:{words})",
            lambda match, sign=sign, other=other: f" {other if match['no'] else sign} {match['figure']} ",
        )
    for sign, words in _AFTER:
        wording.sub(rf"{figure}\s*(?:的\s*)?(?:{words})", lambda match, sign=sign: f" {sign} {match['figure']} ")
