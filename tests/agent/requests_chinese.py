"""Chinese requests as people write them, each with the brief it must give; written before the rules that read them."""

from .wanted import Wanted

REQUESTS: tuple[tuple[str, Wanted], ...] = (
    (
        "训练一个判断麻将是否胡牌的小模型，准确率至少95%，p95延迟不超过200毫秒，预算15美元以内",
        Wanted("win", accuracy=0.95, ms=200, usd=15),
    ),
    (
        "帮我做个麻将听牌模型，正确率九成以上，响应时间0.2秒以内，花费不超过100元，两小时之内搞定",
        Wanted("waits", accuracy=0.9, ms=200, usd=14, hours=2),
    ),
    ("麻将切牌，精度≥80%，延迟≤300ms，费用<20美金", Wanted("discard", accuracy=0.8, ms=300, usd=20)),
    ("判断14张牌能不能胡，百分之九十五以上，半小时内训练完，不花钱", Wanted("win", accuracy=0.95, hours=0.5)),
    (
        "我想要一个告诉我该打哪张牌的麻将模型，准确率不低于百分之七十，每秒能处理50个请求，预算1万元",
        Wanted("discard", accuracy=0.7, rps=50, usd=1400),
    ),
    (
        "麻将听什么牌？正确率要达到85%，参数不超过100万，免费",
        Wanted("waits", accuracy=0.85, parameters=1_000_000),
    ),
    (
        "請訓練一個判斷麻將是否和牌的模型，準確率不低於95%，延遲低於200毫秒，預算不超過15美元，30分鐘以內",
        Wanted("win", accuracy=0.95, ms=200, usd=15, hours=0.5),
    ),
    (
        "麻將聽牌，正確率九成五，回應時間零點三秒以下，每月費用不超過30美元",
        Wanted("waits", accuracy=0.95, ms=300, usd_per_month=30),
    ),
    ("麻将和了判定；错误率不超过5%；p95 200毫秒以内；15块钱", Wanted("win", accuracy=0.95, ms=200, usd=2.1)),
    ("麻将出牌建议，准确率65%以上就行，最多花5刀，一个小时内", Wanted("discard", accuracy=0.65, usd=5, hours=1)),
    (
        "用H100训练麻将胡牌判断模型，准确率98%，预算两百美元，服务器在欧洲",
        Wanted("win", accuracy=0.98, usd=200, accelerators=("H100",), regions=("eu",)),
    ),
    (
        "胡牌判断：准确率大于等于97.5%，响应时间小于等于150ms，吞吐量不少于每秒100次请求，成本控制在50欧元以内",
        Wanted("win", accuracy=0.975, ms=150, rps=100, usd=52.5),
    ),
    (
        "做一个小模型，一百万参数以内，能判断麻将手牌胡没胡，对的概率至少九成，延迟半秒以内，预算10美元",
        Wanted("win", accuracy=0.9, ms=500, usd=10, parameters=1_000_000),
    ),
    (
        "麻将听牌识别 准确率>=90% 延迟<=250ms 预算<=12美元 时间<=3小时",
        Wanted("waits", accuracy=0.9, ms=250, usd=12, hours=3),
    ),
    ("打麻将该切哪张？六成准确率即可，1.5小时，3美元", Wanted("discard", accuracy=0.6, usd=3, hours=1.5)),
    ("麻将胡牌，95%，200ms，$15，1h", Wanted("win", accuracy=0.95, ms=200, usd=15, hours=1)),
    (
        "请帮忙训练一个模型，输入十三张麻将牌，输出听哪些牌。要求：正确率百分之八十八；单次推理不超过四分之一秒；总费用不高于二十美元；"
        "训练时间不多于一个半小时。",
        Wanted("waits", accuracy=0.88, ms=250, usd=20, hours=1.5),
    ),
    (
        "预算￥200，做一个麻将胡牌检测模型，准确率起码92%，响应要在一百毫秒之内",
        Wanted("win", accuracy=0.92, ms=100, usd=28),
    ),
    (
        "麻将何切模型，准确率0.7，p95延迟0.1s，参数量50万以下，在美国的AWS上，最多40美元",
        Wanted("discard", accuracy=0.7, ms=100, usd=40, parameters=500_000, regions=("us",), clouds=("aws",)),
    ),
    (
        "判断是否胡牌（麻将），准确率９５％，延迟２００毫秒，预算１５美元",
        Wanted("win", accuracy=0.95, ms=200, usd=15),
    ),
    (
        "麻将和牌判断，点估计准确率95%即可，预算20美元",
        Wanted("win", accuracy=0.95, rule="point_estimate", usd=20),
    ),
    (
        "麻将听牌，错误率低于百分之三，每分钟处理3000个请求，月费50美元以下，训练费用8美元以下",
        Wanted("waits", accuracy=0.97, rps=50, usd=8, usd_per_month=50),
    ),
    (
        "弄个麻将胡牌的模型玩玩，十次里对九次就够了，一刻钟训好，别超过五块钱",
        Wanted("win", accuracy=0.9, usd=0.7, hours=0.25),
    ),
    (
        "麻将模型：该打哪张。正确率七成五；延迟十分之一秒；两百万参数以下；预算一百五十元",
        Wanted("discard", accuracy=0.75, ms=100, usd=21, parameters=2_000_000),
    ),
    (
        "我们需要一个麻将听牌预测服务，QPS不低于20，P95时延300毫秒以内，亚洲机房，预算上限1000美元",
        Wanted("waits", ms=300, rps=20, usd=1000, regions=("asia",)),
    ),
    (
        "训练麻将win模型, accuracy至少95%, latency p95 200ms以内, budget 15美元",
        Wanted("win", accuracy=0.95, ms=200, usd=15),
    ),
    (
        "想做一个判断麻将牌有没有胡的模型，准确率希望在94%以上，最好在2个小时内完成，花费在1,000元以内",
        Wanted("win", accuracy=0.94, usd=140, hours=2),
    ),
    (
        "麻雀牌型判斷：十四張牌是否胡牌，準確度九成八，延遲150毫秒內，花費50塊以內，用A100",
        Wanted("win", accuracy=0.98, ms=150, usd=7, accelerators=("A100",)),
    ),
    (
        "每个月服务费用不超过200块，做一个麻将打牌推荐模型，准确率60%，不超过50美分的训练费",
        Wanted("discard", accuracy=0.6, usd=0.5, usd_per_month=28),
    ),
    (
        "胡牌判断要快：每次1毫秒以内，准确率99%，参数10万，T4显卡，谷歌云，30美元，45分钟",
        Wanted(
            "win", accuracy=0.99, ms=1, usd=30, hours=0.75, parameters=100_000, accelerators=("T4",), clouds=("gcp",)
        ),
    ),
)

SECOND: tuple[tuple[str, Wanted], ...] = (
    ("麻将能胡吗？要求百分之九十七准确，80毫秒内回答，预算不超过25美元", Wanted("win", accuracy=0.97, ms=80, usd=25)),
    ("麻将该切什么牌，7成以上准确率，1块钱都不想花", Wanted("discard", accuracy=0.7)),
    ("不要求很准，七成就行，麻将打哪张，延迟一秒以内，不花钱", Wanted("discard", accuracy=0.7, ms=1000)),
    ("麻将胡牌判断，千分之五的错误率以内，100毫秒，1百美元", Wanted("win", accuracy=0.995, ms=100, usd=100)),
    (
        "想要麻将听牌模型，一百道题里至少答对八十五道，两个半小时之内，二十块以下",
        Wanted("waits", accuracy=0.85, usd=2.8, hours=2.5),
    ),
    (
        "麻将胡牌，一小时二十分钟内，失败率1%以下，30美元/月",
        Wanted("win", accuracy=0.99, usd_per_month=30, hours=4 / 3),
    ),
    ("麻將胡牌判定，準確率須達九十七趴，預算五塊五", Wanted("win", accuracy=0.97, usd=0.77)),
    ("判断一万二万三万能不能胡，准确率比90%高", Wanted("win", accuracy=0.9)),
    ("麻将胡牌，准确率一定要超过95%，时间不超过两个钟头", Wanted("win", accuracy=0.95, hours=2)),
    ("麻将胡牌，95%的请求延迟小于200毫秒，准确率为0.9以上", Wanted("win", accuracy=0.9, ms=200)),
    ("麻将胡牌，95%，在美国或欧洲的服务器，人民币两百元", Wanted("win", accuracy=0.95, usd=28, regions=("eu", "us"))),
    ("1、麻将听牌\n2、正确率85%\n3、100毫秒以内\n4、預算10美元", Wanted("waits", accuracy=0.85, ms=100, usd=10)),
)
"""Written after the rules; 18 of the 22 of this batch were right at first sight and 4 misread; those are among these."""

THIRD: tuple[tuple[str, Wanted], ...] = (
    ("麻将胡牌判断，准确率92%，预算八毛钱", Wanted("win", accuracy=0.92, usd=0.112)),
    ("麻将听牌，这手牌在等哪几张？七成五就行，五块八毛", Wanted("waits", accuracy=0.75, usd=0.812)),
    ("给我一手牌，列出能听的所有牌，麻将，70%，两美元", Wanted("waits", accuracy=0.7, usd=2)),
    (
        "一副麻将手牌胡了没有，95%，按实测算，3块5",
        Wanted("win", accuracy=0.95, rule="point_estimate", usd=0.49),
    ),
    (
        "麻将该打哪一张？六成，以实测值为准，一美元五十美分",
        Wanted("discard", accuracy=0.6, rule="point_estimate", usd=1.5),
    ),
    ("麻将14张里打哪张最好，62%，四角五分", Wanted("discard", accuracy=0.62, usd=0.063)),
    (
        "麻将听牌模型，告诉我听的是哪几张牌，准确率80%，不看置信区间，一块二",
        Wanted("waits", accuracy=0.8, rule="point_estimate", usd=0.168),
    ),
    (
        "做一个麻将和牌检测器，准确率九成三，按测得的准确率算，花费不超过一块钱",
        Wanted("win", accuracy=0.93, rule="point_estimate", usd=0.14),
    ),
    ("麻将，13张牌差哪张能胡？85%，120毫秒，0.5美元", Wanted("waits", accuracy=0.85, ms=120, usd=0.5)),
    ("麻将出牌推荐，一个请求不超过100毫秒，七成准确率，预算七毛五", Wanted("discard", accuracy=0.7, ms=100, usd=0.105)),
    ("麻將聽牌，要等哪幾張牌，正確率七成八，預算三塊半", Wanted("waits", accuracy=0.78, usd=0.49)),
    ("判断一手麻将牌是不是和了，九成，一个半美元", Wanted("win", accuracy=0.9, usd=1.5)),
    (
        "麻将胡牌判断，94%（实测准确率），一分钱也不花",
        Wanted("win", accuracy=0.94, rule="point_estimate"),
    ),
    ("麻将听哪张，88%，十二块五毛", Wanted("waits", accuracy=0.88, usd=1.75)),
    ("用一块L4显卡，麻将听牌，75%，预算两刀半", Wanted("waits", accuracy=0.75, usd=2.5, accelerators=("L4",))),
)
"""Written before the rules of their kinds; 1 of these 15 were right without them."""

FOURTH: tuple[tuple[str, Wanted], ...] = (
    ("麻将：告诉我差什么牌就能胡，80%，六毛六分钱", Wanted("waits", accuracy=0.8, usd=0.0924)),
    (
        "打麻将，这把牌听哪几张？九成，不必考虑置信区间，1元5角",
        Wanted("waits", accuracy=0.9, rule="point_estimate", usd=0.21),
    ),
    ("麻将胡牌，准确率91%，不按实测值，按置信下限，两块零五分", Wanted("win", accuracy=0.91, usd=0.287)),
    ("判断一手麻将牌能不能胡，实测延迟100毫秒，95%，三块五美金", Wanted("win", accuracy=0.95, ms=100, usd=3.5)),
    (
        "麻将切哪张，65%，测出来的正确率达标就行，五毛美元",
        Wanted("discard", accuracy=0.65, rule="point_estimate", usd=0.5),
    ),
    ("麻将有几张牌能胡，帮我判断等的是哪些，75%，半块钱", Wanted("waits", accuracy=0.75, usd=0.07)),
    ("用两张牌都行？不，给一副14张麻将手牌判断是否胡牌，一角钱，90%", Wanted("win", accuracy=0.9, usd=0.014)),
    ("麻将胡牌 90% 三块五分钟内", Wanted("win", accuracy=0.9, usd=0.42, hours=5 / 60)),
    ("麻将胡牌，90%，一百块五毛八分", Wanted("win", accuracy=0.9, usd=14.0812)),
    ("麻将胡牌，每秒50手牌，90%，每月5毛钱", Wanted("win", accuracy=0.9, rps=50, usd_per_month=0.07)),
    ("麻将胡牌，1副牌，90%，95%置信区间，一毛不拔", Wanted("win", accuracy=0.9)),
)
"""Written after the rules of 毛, 角 and 分 and of the measured value; 6 of the first 7 were right at first sight."""

REVIEWED: tuple[tuple[str, Wanted], ...] = (
    ("麻将胡牌，90%，每次训练5美元", Wanted("win", accuracy=0.9, usd=5)),
    ("麻将胡牌，准确率提高到95%", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，十次里最多错一次", Wanted("win", accuracy=0.9)),
    ("麻将胡牌，一百次中错不超过三次", Wanted("win", accuracy=0.97)),
    ("麻将胡牌，误判不超过5%", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，错的不超过5%", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，漏判不超过5%", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，误报和漏报不超过5%", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，准确率约为0.95", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，准确率不能比95%低", Wanted("win", accuracy=0.95)),
    ("麻将胡牌，90%，36秒内训练好", Wanted("win", accuracy=0.9, hours=0.01)),
    ("麻将胡牌，90%，人民币10元以下", Wanted("win", accuracy=0.9, usd=1.4)),
    ("日本麻将胡牌，90%，MIT许可证", Wanted("win", accuracy=0.9, licences=("MIT",))),
)
"""What a reviewer found misread, and requests beside it that must not be caught in the mending."""

FRESH: tuple[tuple[str, Wanted], ...] = (
    (
        "麻将胡牌判断，每一百次最多错五次，10美元，每月服务费不超过20美元",
        Wanted("win", accuracy=0.95, usd=10, usd_per_month=20),
    ),
    (
        "判断麻将手牌是否胡牌：正确率不能比93%低，延迟不高于0.1秒，预算大约八块钱",
        Wanted("win", accuracy=0.93, ms=100, usd=1.12),
    ),
    (
        "麻将和牌识别，错误率控制在百分之四以内，90秒内训练完，2美元",
        Wanted("win", accuracy=0.96, usd=2, hours=0.025),
    ),
    (
        "麻将该切哪张，准确率至少六成，每分钟600个请求，AWS，5美元",
        Wanted("discard", accuracy=0.6, rps=10, usd=5, clouds=("aws",)),
    ),
    (
        "麻将胡没胡，97%，Apache 2.0许可，欧洲机房，12美元",
        Wanted("win", accuracy=0.97, usd=12, regions=("eu",), licences=("Apache-2.0",)),
    ),
)

REFUSED: tuple[tuple[str, str], ...] = (
    ("麻将胡牌，90%，每次请求1美分", "'每次请求1美分' is no limit"),
    ("麻将胡牌，90%，每千次请求1美元", "no limit"),
    ("麻将胡牌，90%，每100次请求1美元", "no limit"),
    ("麻将胡牌，90%，每百万token 1美元", "no limit"),
    ("麻将胡牌，90%，1美分/次", "no limit"),
    ("麻将胡牌，准确率提高5%", "not the difference"),
    ("麻将胡牌，误报不超过5%", "one kind of error alone"),
    ("麻将胡牌，十次里最多对九次", "十次里"),
    ("麻将胡牌，90%，每2秒一个请求", "requests per second"),
    ("麻将胡牌，90%，首字延迟100毫秒", "p95 is what is measured"),
    ("麻将胡牌，90%，平均50毫秒", "p95 is what is measured"),
    ("麻将胡牌，95%的召回率", "exactly right"),
    ("麻将胡牌，90%，数据必须留在德国", "the regions known"),
    ("麻将胡牌，90%，周五之前", "a day is no time limit"),
    ("麻将胡牌，90%，不要GPL", "licences are allowed"),
    ("麻将胡牌，90%，预算不限", "name a sum"),
    ("麻将胡牌，90%，5到10美元", "a range"),
    ("麻将切牌，65%，预算五到八美元", "五到八美元"),
    ("麻将胡牌，准确率比现在高10%，5美元", "not the difference"),
    ("麻将胡牌，90%，每副牌5分钱", "no limit"),
    ("麻将胡牌，95%，服务器放在香港", "the regions known"),
    ("告诉我这手麻将是否胡牌，同时列出听哪些牌，90%", "one model does one task"),
    ("麻将胡牌，准确率不超过95%", "不超过95%"),
    ("麻将胡牌，准确率95%以下", "95%以下"),
    ("麻将胡牌，95%，延迟至少200毫秒", "至少200毫秒"),
    ("麻将胡牌，95%，每秒最多50个请求", "每秒最多50个请求"),
    ("麻将胡牌，错误率至少5%", "错误率至少5%"),
    ("麻将胡牌，95%，预算至少15美元", "至少15美元"),
    ("麻将胡牌，95%，20美元，不要H100", "不要H100"),
    ("麻将胡牌，95%，20美元，不在美国", "不在美国"),
    ("麻将胡牌，95%，20美元，不用AWS", "不用AWS"),
    ("麻将胡牌，95%，不用GPU", "不用GPU"),
    ("麻将胡牌，准确率80%到90%", "90"),
    ("麻将胡牌，95%，预算15", "15"),
    ("麻将胡牌，95%，预算一万", "一万"),
    ("麻将胡牌，95%，预算100港币", "100港币"),
    ("麻将胡牌，95分以上", "95分"),
    ("麻将胡牌，95%，几小时内", "几小时"),
    ("麻将胡牌，95%，平均延迟200毫秒", "p95 is what is measured"),
    ("麻将胡牌，95%，p99延迟200毫秒", "p95 is what is measured"),
    ("麻将胡牌，准确率80%，正确率90%", "80 and 90"),
    ("麻将胡牌，95%，免费用H100", "contradict each other"),
    ("麻将模型，听牌和切牌都要会", "tasks"),
    ("写诗的模型，准确率90%", "no skill fits"),
    ("麻将胡牌，95%，100美元，4张H100", "4张H100"),
    ("麻将胡牌，准确率120%", "120 % is impossible"),
    ("麻将胡牌，95%，每小时2美元", "no limit"),
    ("麻将胡牌，95%，三十分", "三十分"),
    ("麻将胡牌，95%，零元，用云服务器", "contradict each other"),
    ("麻将胡牌，准确率百分之一百", "no finite test"),
    ("麻将胡牌，95%，准确率不得高于百分之九十", "不得高于百分之九十"),
    ("麻将胡牌，95%，模型8兆", "8兆"),
    ("麻将听牌，准确率80%，预算新臺幣500元", "新臺幣500元"),
    ("麻将胡牌，三四百毫秒以内", "三四百毫秒"),
    ("麻将胡牌，准确率95%，预算负5美元", "负5"),
    ("麻将胡牌，准确率比90%低", "比90%低"),
    ("麻将胡牌，准确率95%，阿里云", "阿里云"),
    ("麻将胡牌，95%，1m30s", "1m30s"),
    ("麻将胡牌，95%，几毛钱", "几毛钱"),
    ("麻将胡牌，95%，五毛港币", "五毛港币"),
    ("麻将胡牌，95%，三五毛", "三五毛"),
    ("麻将胡牌，95%，5分", "5分"),
    ("麻将胡牌，95%，用2块4090", "4090"),
    ("麻将胡牌，95%，用几张H100，50美元", "几张H100"),
    ("一个麻将模型，听哪些牌和打哪张都要会，70%", "tasks"),
)
