"""English requests as people write them, each with the brief it must give; written before the rules that read them."""

from .wanted import Wanted

REQUESTS: tuple[tuple[str, Wanted], ...] = (
    ("win; acc>=95; p95<=200ms; budget: $15", Wanted("win", accuracy=0.95, ms=200, usd=15)),
    (
        "mahjong win checker. accuracy: 95%. latency: 200 ms. budget: 20 USD. time: 2 hours.",
        Wanted("win", accuracy=0.95, ms=200, usd=20, hours=2),
    ),
    (
        "Could you please build me a small model that tells me whether a mahjong hand is complete? I would like it to be right "
        "nine times out of ten, to answer in a tenth of a second or less, and I'd rather not spend more than twenty US dollars on it.",
        Wanted("win", accuracy=0.9, ms=100, usd=20),
    ),
    (
        "need mahjong discard model asap stop 60 pct ok stop under 1.5 hrs stop max 10 bucks",
        Wanted("discard", accuracy=0.6, usd=10, hours=1.5),
    ),
    ("Which mahjong tile should I throw? 70% accuracy, sub-100ms, free", Wanted("discard", accuracy=0.7, ms=100)),
    (
        "tenpai waits model, 80% exact match, p95 0.25s, 50 qps, <= 1M params, $0.50",
        Wanted("waits", accuracy=0.8, ms=250, rps=50, usd=0.5, parameters=1_000_000),
    ),
    (
        "I want a model with at most a million parameters that says if 14 tiles win, 95 out of 100 right, on an H100, "
        "budget 200 dollars",
        Wanted("win", accuracy=0.95, usd=200, parameters=1_000_000, accelerators=("H100",)),
    ),
    ("mahjong/waits acc 0.85 lat 300ms cost<$5 time<3h", Wanted("waits", accuracy=0.85, ms=300, usd=5, hours=3)),
    (
        "Detect winning mahjong hands. Error rate must not exceed 2%. Throughput of at least 100 requests per second. "
        "Latency of at most 150 ms at p95. Total cost below €50.",
        Wanted("win", accuracy=0.98, ms=150, rps=100, usd=52.5),
    ),
    (
        "It should never take longer than half a second to tell me which tiles my mahjong hand is waiting for, and be correct "
        "at least 75% of the time; $3 tops",
        Wanted("waits", accuracy=0.75, ms=500, usd=3),
    ),
    (
        "hey, can u make a mahjong bot that picks the best discard? 65%+ would be great, 400 milisecs max, got 5 bucks and a "
        "quarter of an hour",
        Wanted("discard", accuracy=0.65, ms=400, usd=5, hours=0.25),
    ),
    (
        "Mahjong: is this hand complete? Accuracy no lower than 98 %, response time no longer than 1 s, training no longer "
        "than 45 minutes, spend nothing.",
        Wanted("win", accuracy=0.98, ms=1000, hours=0.75),
    ),
    (
        "Win detection for riichi mahjong, accuracy of 97.5 percent judged as a point estimate, at most USD 1,250, servers in "
        "Europe",
        Wanted("win", accuracy=0.975, rule="point_estimate", usd=1250, regions=("eu",)),
    ),
    (
        "waits on mahjong hands; ≥ 90 %; ≤ 250 ms; ≤ 12 €; AWS only; A100",
        Wanted("waits", accuracy=0.9, ms=250, usd=12.6, clouds=("aws",), accelerators=("A100",)),
    ),
    (
        "Make it tell me what my hand waits for (mahjong), 88% of the time correct, serving should cost less than $30 a month "
        "and building it less than $8",
        Wanted("waits", accuracy=0.88, usd=8, usd_per_month=30),
    ),
    (
        "mahjong win, ninety-nine percent, two hundred milliseconds, fifteen dollars, two and a half hours",
        Wanted("win", accuracy=0.99, ms=200, usd=15, hours=2.5),
    ),
    (
        "Ｍａｈｊｏｎｇ win, accuracy ９５％, p95 ２００ｍｓ, budget ＄１５",
        Wanted("win", accuracy=0.95, ms=200, usd=15),
    ),
    (
        "Target: mahjong discard. Min accuracy 60%. Max latency 100-ms. Max budget $2. Deadline: 1 hour 30 minutes.",
        Wanted("discard", accuracy=0.6, ms=100, usd=2, hours=1.5),
    ),
    (
        "a mahjong model to spot winning hands: accuracy at least .95, p95 under .2 s, less than 500k parameters, no more than "
        "50 cents",
        Wanted("win", accuracy=0.95, ms=200, usd=0.5, parameters=500_000),
    ),
    (
        "We require a discard recommender for mahjong with 70 percent exactness, capable of 3,000 requests per minute, 95th "
        "percentile latency 120 ms, in the US, on a T4, up to $40",
        Wanted("discard", accuracy=0.7, ms=120, rps=50, usd=40, regions=("us",), accelerators=("T4",)),
    ),
    (
        "I don't want to spend more than £20 on a mahjong winning-hand classifier, and it shouldn't be less than 92% accurate",
        Wanted("win", accuracy=0.92, usd=25),
    ),
    ("mahjong win 96% 180ms $7 1h", Wanted("win", accuracy=0.96, ms=180, usd=7, hours=1)),
    (
        "winning hand yes/no for mahjong tiles, wrong at most 1 in 20 times, 1/4 second",
        Wanted("win", accuracy=0.95, ms=250),
    ),
    (
        "Tell winning from losing mahjong hands, three quarters right is fine, in under a quarter of a second, for nothing",
        Wanted("win", accuracy=0.75, ms=250),
    ),
    (
        "ready-hand waits in mahjong: accuracy > 80 %, latency < 0.3 seconds, throughput > 20 req/s, cost < 10 US dollars, "
        "time < 4 hours",
        Wanted("waits", accuracy=0.8, ms=300, rps=20, usd=10, hours=4),
    ),
    (
        "mahjong discard, 55 %, half a dollar, at most half a million parameters",
        Wanted("discard", accuracy=0.55, usd=0.5, parameters=500_000),
    ),
    (
        "please train a mahjong win model to 94% accuracy within an hour and a half for at most 1k dollars on GCP in Asia",
        Wanted("win", accuracy=0.94, usd=1000, hours=1.5, clouds=("gcp",), regions=("asia",)),
    ),
    (
        "Budget is $25 and the deadline is 90 minutes. What I need: a model that, given 13 mahjong tiles, lists the tiles it is "
        "waiting for, 85% of the time fully correct, each answer within 350 milliseconds.",
        Wanted("waits", accuracy=0.85, ms=350, usd=25, hours=1.5),
    ),
    (
        "mahjong win, accuracy = 95 %, latency = 200 ms (p95), budget = 15 USD, region = eu",
        Wanted("win", accuracy=0.95, ms=200, usd=15, regions=("eu",)),
    ),
    (
        "A model which decides if a mahjong hand wins. 9 in 10 right. 10 requests/second. 100 dollars max.",
        Wanted("win", accuracy=0.9, rps=10, usd=100),
    ),
)

SECOND: tuple[tuple[str, Wanted], ...] = (
    (
        "I need something that can judge mahjong hands. It has to get at least 19 out of every 20 right and respond in 50ms or "
        "faster. I can pay up to $12.50.",
        Wanted("win", accuracy=0.95, ms=50, usd=12.5),
    ),
    (
        "acc: 90; latency: 250ms; budget: 9 USD; time: 40min; task: waits",
        Wanted("waits", accuracy=0.9, ms=250, usd=9, hours=2 / 3),
    ),
    ("win mahjong 95percent 200millisecs 15usd", Wanted("win", accuracy=0.95, ms=200, usd=15)),
    (
        "A model with fewer than 3 million parameters for mahjong discards, 58% exact, EU only, $60",
        Wanted("discard", accuracy=0.58, usd=60, parameters=3_000_000, regions=("eu",)),
    ),
    ("1) mahjong waits 2) 85% accuracy 3) 100 ms 4) $10", Wanted("waits", accuracy=0.85, ms=100, usd=10)),
    (
        "Accuracy isn't allowed to drop below 90%. Latency can't go over 300 ms. Cost can't exceed $7. Task: mahjong win.",
        Wanted("win", accuracy=0.9, ms=300, usd=7),
    ),
    ("mahjong win, monthly cost $20, total $30, accuracy 90", Wanted("win", accuracy=0.9, usd=30, usd_per_month=20)),
    ("mahjong win, response within 2 minutes, $20/mo", Wanted("win", ms=120_000, usd_per_month=20)),
    ("mahjong win, 95% of requests under 200 ms, accuracy 90%", Wanted("win", accuracy=0.9, ms=200)),
    (
        "mahjong win, 90 %, at most 1.000,50 €, in the US or Europe",
        Wanted("win", accuracy=0.9, usd=1050.525, regions=("eu", "us")),
    ),
    (
        "mahjong waits, ninety-two point five percent, 1.2 seconds, seven dollars and fifty cents",
        Wanted("waits", accuracy=0.925, ms=1200, usd=7.5),
    ),
    ("mahjong win, 90 %, $5, but on an H100", Wanted("win", accuracy=0.9, usd=5, accelerators=("H100",))),
    (
        "mahjong win:\n- 90 % right\n- an hour at most\n- a second or less per answer",
        Wanted("win", accuracy=0.9, ms=1000, hours=1),
    ),
)
"""Written after the rules; 20 of the 25 of this batch were right at first sight and 5 refused; those are among these."""

THIRD: tuple[tuple[str, Wanted], ...] = (
    (
        "Which tiles complete a 13-tile mahjong hand? 80% as measured is enough. A buck and a half.",
        Wanted("waits", accuracy=0.8, rule="point_estimate", usd=1.5),
    ),
    ("mahjong win, 90 %, half a buck", Wanted("win", accuracy=0.9, usd=0.5)),
    (
        "I want a model that is told 13 mahjong tiles and lists all the tiles that would complete the hand, 75% right, "
        "three and a half dollars",
        Wanted("waits", accuracy=0.75, usd=3.5),
    ),
    (
        "Is the mahjong hand complete or not: 93 %, judged by the measured value, a dollar",
        Wanted("win", accuracy=0.93, rule="point_estimate", usd=1),
    ),
    ("tenpai reader for mahjong, at least 70%, two dollars fifty", Wanted("waits", accuracy=0.7, usd=2.5)),
    (
        "Best discard in mahjong, 65 % raw accuracy, seventy-five cents",
        Wanted("discard", accuracy=0.65, rule="point_estimate", usd=0.75),
    ),
    (
        "Name every tile that completes my mahjong hand. 72 percent, no confidence interval needed, a quarter of a dollar.",
        Wanted("waits", accuracy=0.72, rule="point_estimate", usd=0.25),
    ),
    (
        "mahjong win model, 96%, just the measured value and not the lower bound; $2.25",
        Wanted("win", accuracy=0.96, rule="point_estimate", usd=2.25),
    ),
    (
        "Does a mahjong hand of fourteen tiles win? Ninety percent. One dollar and twenty cents.",
        Wanted("win", accuracy=0.9, usd=1.2),
    ),
    ("mahjong, what am I waiting for? 68 %, 1.5 bucks, 90 ms", Wanted("waits", accuracy=0.68, ms=90, usd=1.5)),
    (
        "Check whether a mahjong hand is complete. 95 % on the lower bound of the interval. A dollar and a quarter.",
        Wanted("win", accuracy=0.95, usd=1.25),
    ),
    (
        "mahjong discard, 60%, on an A100 or an H100, four and a half dollars",
        Wanted("discard", accuracy=0.6, usd=4.5, accelerators=("A100", "H100")),
    ),
    (
        "mahjong tenpai: which tile completes the hand? I do not need a confidence interval, 85 % measured, a euro and a half",
        Wanted("waits", accuracy=0.85, rule="point_estimate", usd=1.575),
    ),
    (
        "Tell me whether these mahjong tiles make a complete hand; 97%; within a dollar",
        Wanted("win", accuracy=0.97, usd=1),
    ),
    (
        "mahjong win, 91%, a hundred dollars a month for serving and two and a half dollars for training",
        Wanted("win", accuracy=0.91, usd=2.5, usd_per_month=100),
    ),
)
"""Written before the rules of their kinds; 5 of these 15 were right without them."""

FOURTH: tuple[tuple[str, Wanted], ...] = (
    (
        "Mahjong: list the tiles which complete a hand. 77 % right, a buck fifty.",
        Wanted("waits", accuracy=0.77, usd=1.5),
    ),
    ("I've got a dollar and need a mahjong win model with 88% accuracy", Wanted("win", accuracy=0.88, usd=1)),
    (
        "Do these 14 mahjong tiles complete a hand? 90 %, $1, p95 100 ms as measured at the client",
        Wanted("win", accuracy=0.9, usd=1, ms=100),
    ),
    (
        "mahjong discard 64% without a confidence interval, 3 bucks",
        Wanted("discard", accuracy=0.64, rule="point_estimate", usd=3),
    ),
    (
        "mahjong win, 90 %, not the measured value but the lower bound, one and a half euros",
        Wanted("win", accuracy=0.9, usd=1.575),
    ),
    (
        "In tenpai, which tiles finish my mahjong hand? 71%, under half a dollar",
        Wanted("waits", accuracy=0.71, usd=0.5),
    ),
    (
        "Whether a mahjong hand is complete, 94% by the observed accuracy, five dollars and five cents",
        Wanted("win", accuracy=0.94, rule="point_estimate", usd=5.05),
    ),
    (
        "mahjong waits, eighty percent measured, don't care about the lower bound, a pound fifty, H200 only",
        Wanted("waits", accuracy=0.8, rule="point_estimate", usd=1.875, accelerators=("H200",)),
    ),
    (
        "mahjong win, 80 % (95 % confidence interval not needed), $1",
        Wanted("win", accuracy=0.8, rule="point_estimate", usd=1),
    ),
    ("mahjong win, 90 %, I don't want a point estimate, $3", Wanted("win", accuracy=0.9, usd=3)),
    ("mahjong win, 90 %, don't use the lower end servers, $3", Wanted("win", accuracy=0.9, usd=3)),
    ("which tile should I discard to complete my mahjong hand, 60 %", Wanted("discard", accuracy=0.6)),
)
"""Written after the rules of money and of the measured value; 6 of the first 8 were right at first sight."""

REVIEWED: tuple[tuple[str, Wanted], ...] = (
    ("mahjong win, 90 %, $5 per run", Wanted("win", accuracy=0.9, usd=5)),
    ("mahjong win, 90 %, $5/month", Wanted("win", accuracy=0.9, usd_per_month=5)),
    ("mahjong win, 90 %, every hand judged for $5", Wanted("win", accuracy=0.9, usd=5)),
    ("mahjong win, 90 %, $1m", Wanted("win", accuracy=0.9, usd=1_000_000)),
    ("mahjong win, 90 %, 1 000 USD", Wanted("win", accuracy=0.9, usd=1000)),
    ("mahjong win, 90 %, $1 000", Wanted("win", accuracy=0.9, usd=1000)),
    ("mahjong win, accuracy 95 100 dollars", Wanted("win", accuracy=0.95, usd=100)),
    ("mahjong win, 90 %, 1 000 000 parameters", Wanted("win", accuracy=0.9, parameters=1_000_000)),
    ("mahjong win, 90 %, no dearer than a dollar", Wanted("win", accuracy=0.9, usd=1)),
    ("mahjong win, 90 %, not a cent", Wanted("win", accuracy=0.9)),
    ("mahjong win, 5% or fewer errors", Wanted("win", accuracy=0.95)),
    ("mahjong win, 10% or less may be wrong", Wanted("win", accuracy=0.9)),
    ("mahjong win, 5% or less of answers bad", Wanted("win", accuracy=0.95)),
    ("mahjong win, 1 in 100 hands may be wrong", Wanted("win", accuracy=0.99)),
    ("mahjong win, at most one mistake in ten", Wanted("win", accuracy=0.9)),
    ("mahjong win, wrong at most one time in twenty", Wanted("win", accuracy=0.95)),
    ("mahjong win, wrong once in a hundred", Wanted("win", accuracy=0.99)),
    ("mahjong win, misses at most 5%", Wanted("win", accuracy=0.95)),
    ("mahjong win, at most 5% misclassified", Wanted("win", accuracy=0.95)),
    ("mahjong win, error rate 0.05", Wanted("win", accuracy=0.95)),
    ("mahjong win, accuracy of at least 5 %", Wanted("win", accuracy=0.05)),
    ("mahjong win, at least 5 % right", Wanted("win", accuracy=0.05)),
    ("mahjong win, make sure at least 95 % are right", Wanted("win", accuracy=0.95)),
    ("mahjong: is 1s 1s the pair of a winning hand, 90 %", Wanted("win", accuracy=0.9)),
    ("mahjong, a winning hand with a 5s tile, 90 %", Wanted("win", accuracy=0.9)),
    ("mahjong waits, 1s, 70%, $2", Wanted("waits", accuracy=0.7, ms=1000, usd=2)),
    ("mahjong win, 90 %, trained in under 45 s", Wanted("win", accuracy=0.9, hours=0.0125)),
    ("mahjong win, 90 %, 36 seconds of training", Wanted("win", accuracy=0.9, hours=0.01)),
    ("mahjong win, 90 %, ready in 36 seconds", Wanted("win", accuracy=0.9, hours=0.01)),
    ("mahjong win, 90 %, the answer ready in 1 second", Wanted("win", accuracy=0.9, ms=1000)),
    ("mahjong win, 90 %, 100/s", Wanted("win", accuracy=0.9, rps=100)),
    ("mahjong win, 90 %, $1, AWS", Wanted("win", accuracy=0.9, usd=1, clouds=("aws",))),
    ("mahjong win, 90 %, $1, on AWS or GCP", Wanted("win", accuracy=0.9, usd=1, clouds=("aws", "gcp"))),
    ("mahjong win, 90 %, $1, within Europe", Wanted("win", accuracy=0.9, usd=1, regions=("eu",))),
    ("a winning hand in American mahjong, 90 %, $1", Wanted("win", accuracy=0.9, usd=1)),
    ("mahjong win, 90 %, MIT licence only", Wanted("win", accuracy=0.9, licences=("MIT",))),
    ("mahjong win, 90 %, Apache-licensed base", Wanted("win", accuracy=0.9, licences=("Apache-2.0",))),
    ("mahjong win, 90 %, BSD or GPLv3", Wanted("win", accuracy=0.9, licences=("BSD-3-Clause", "GPL-3.0-only"))),
    ("mahjong win, 90 %, Llama 3 licence", Wanted("win", accuracy=0.9, licences=("LicenseRef-Llama",))),
)
"""What a reviewer found misread, and requests beside it that must not be caught in the mending."""

FRESH: tuple[tuple[str, Wanted], ...] = (
    (
        "Hi! I'd love a tiny net that looks at my fourteen tiles and says whether the mahjong hand is complete. Nine out of ten "
        "right would do, answers within 150 ms, and please keep it under eight dollars.",
        Wanted("win", accuracy=0.9, ms=150, usd=8),
    ),
    (
        "Riichi discard helper: 60 % or better, no slower than 0.3 s per query, budget of 6 euros, train for at most 2 hrs",
        Wanted("discard", accuracy=0.6, ms=300, usd=6.3, hours=2),
    ),
    (
        "At most 3% of winning-hand verdicts in mahjong may be wrong; p95 latency 90 ms; total spend 12 USD.",
        Wanted("win", accuracy=0.97, ms=90, usd=12),
    ),
    (
        "Our mahjong club wants to know which tiles a hand is waiting on, with mistakes in fewer than 1 of 10 answers; cost cap "
        "$3.50; 20 queries a second",
        Wanted("waits", accuracy=0.9, rps=20, usd=3.5),
    ),
    (
        "mahjong win, 92%, MIT or Apache-2.0, EU only, $9",
        Wanted("win", accuracy=0.92, usd=9, regions=("eu",), licences=("MIT", "Apache-2.0")),
    ),
    ("mahjong waits, no more than 2 errors in 20, 110 ms, $6", Wanted("waits", accuracy=0.9, ms=110, usd=6)),
    (
        "Is this a complete mahjong hand? Fail on at most 4 percent of hands. Two euros.",
        Wanted("win", accuracy=0.96, usd=2.1),
    ),
)
"""Of 53 new requests in both languages, 22 of 23 clear ones and 24 of 30 that must be refused came out right at first sight."""

REFUSED: tuple[tuple[str, str], ...] = (
    ("mahjong win, 90 %, 1 cent per request", "'1 cent per request' is no limit"),
    ("mahjong win, 90 %, 5 USD/request", "no limit"),
    ("mahjong win, 90 %, $3/GPU-hour", "'$3/GPU-hour' is no limit"),
    ("mahjong win, 90 %, 3 dollars for each hour", "no limit"),
    ("mahjong win, 90 %, $3 per quarter", "no limit"),
    ("mahjong win, 90 %, $10 per night", "no limit"),
    ("mahjong win, 90 %, 10 dollars each", "no limit"),
    ("mahjong win, 90 %, $1 per 1000 requests", "no limit"),
    ("mahjong win, 90 %, each request may cost 1 cent", "no limit"),
    ("mahjong win, 5% or more errors", "cannot be aimed at"),
    ("mahjong win, misses at least 5%", "an error rate"),
    ("mahjong win, improve accuracy by 5%", "not the difference"),
    ("mahjong win, 95 %, 20% cheaper", "not the difference"),
    ("mahjong win, 95 %, 20 ms faster", "not the difference"),
    ("mahjong win, accuracy 0.95%", "for a share of 0.95 95 %"),
    ("mahjong win, accuracy of 5 %", "'error rate at most 5 %'"),
    ("mahjong win, at most 5%", "'error rate at most 5 %'"),
    ("mahjong win, false positives under 5%", "one kind of error alone"),
    ("mahjong win, 90 %, latency 200m", "'200m'"),
    ("mahjong win, 90 %, 50p", "'50p'"),
    ("mahjong win, 90 %, a dollar or two", "'a dollar or two'"),
    ("mahjong win, 90 %, one or two dollars", "a range"),
    ("mahjong win, 90 %, one fifty dollars", "not understood: 'dollars'"),
    ("mahjong win, 90 %, minus 1 dollar", "-1 dollars is impossible"),
    ("mahjong win, 90 %, within seconds", "name a figure"),
    ("mahjong win, 90 %, a request every 2 seconds", "requests per second"),
    ("mahjong win, 90 %, avg latency 50 ms", "p95 is what is measured"),
    ("mahjong win, 90 %, mean 50 ms", "p95 is what is measured"),
    ("mahjong win, 90 %, average of 50 ms", "p95 is what is measured"),
    ("mahjong win, 90 %, 50 ms typical", "p95 is what is measured"),
    ("mahjong win, 90 %, TTFT 100 ms", "p95 is what is measured"),
    ("mahjong win, 90 %, cold start under 2 s", "p95 is what is measured"),
    ("mahjong win, 90 %, worst-case 100 ms", "p95 is what is measured"),
    ("mahjong win, 95% recall", "exactly right"),
    ("mahjong win, 95% precision", "exactly right"),
    ("mahjong win, 95% sure", "exactly right"),
    ("mahjong win, availability 99.9%", "exactly right"),
    ("mahjong win, 90 % with a 99 % confidence interval", "always the 95 % one"),
    ("mahjong win, 90 %, data must stay in Germany", "the regions known"),
    ("mahjong win, 90 %, hosted in Potsdam", "the regions known"),
    ("mahjong win, 90 %, only in canada", "the regions known"),
    ("mahjong win, 90 %, in Europe or Canada", "the regions known"),
    ("mahjong win, 90 %, no GPL", "licences are allowed"),
    ("mahjong win, 90 %, permissive licence", "such as MIT"),
    ("mahjong win, 90 %, is AWS fine", "say 'on AWS'"),
    ("mahjong win, 90 %, by Friday", "a day is no time limit"),
    ("mahjong win, 90 %, no spot instances", "kinds of instance"),
    ("tell whether a mahjong hand wins and which tile to discard, 90 %", "one model does one task"),
    ("mahjong win, 90 %, unlimited budget", "name a sum"),
    ("mahjong win, 90 %, no cost limit", "name a sum"),
    ("mahjong win, 90 %, money is no object", "name a sum"),
    ("mahjong win, between ninety and ninety-five percent", "a range"),
    ("mahjong win, 95%-98%", "a range"),
    ("mahjong win, 90 %, $5-10", "a range"),
    ("mahjong win, 90 %, up to 100 requests per second", "no target"),
    ("mahjong win, 90 %, p95 0.2", "name its unit"),
    ("mahjong win, 90 %, budget 15", "name its unit"),
    ("mahjong win, 95%, half a cent for every verdict", "no limit"),
    ("Mahjong waits model, 85%, somewhere between $5 and $10", "a range"),
    ("mahjong waits, 80%, money's no issue", "name a sum"),
    ("mahjong win, 10% more accurate than the last one, $5", "not the difference"),
    ("mahjong win, hosted in our office, 95%, $3", "the regions known"),
    ("mahjong win, 95%, finish it this weekend, $4", "a day is no time limit"),
    ("mahjong win, 95%, must be finished before Monday morning, $4", "a day is no time limit"),
    ("mahjong win, accuracy of at most 95 %, $5", "cannot be aimed at"),
    ("mahjong win, 95 % or less", "cannot be aimed at"),
    ("mahjong win, 95 %, latency of at least 200 ms", "cannot be aimed at"),
    ("mahjong win, 95 %, at most 50 requests per second", "cannot be aimed at"),
    ("mahjong win, error rate of at least 5 %", "cannot be aimed at"),
    ("mahjong win, 95 %, $15 minimum", "cannot be aimed at"),
    ("mahjong win, it must not exceed 95 % accuracy", "cannot be aimed at"),
    ("mahjong win, 95 %, $20, not in the US", "not in the US"),
    ("mahjong win, 95 %, $20, anywhere outside Europe", "outside Europe"),
    ("mahjong win, 95 %, $20, no H100", "no H100"),
    ("mahjong win, 95 %, $20, without an A100", "without an A100"),
    ("mahjong win, 95 %, $20, but not on AWS", "not on AWS"),
    ("mahjong win, 95 %, no GPU", "no GPU"),
    ("mahjong win, 95 %, on CPU only", "CPU only"),
    ("mahjong win, 90-95 %", "90-95"),
    ("mahjong win, 95 %, between 100 and 200 ms", "100"),
    ("mahjong win, 95 %, budget: 15", "15"),
    ("mahjong win, 95 %, A$20", "A$20"),
    ("mahjong win, 95 %, 20 Canadian dollars", "20 Canadian"),
    ("mahjong win, 95 %, on 4 H100s, $100", "4"),
    ("mahjong win, 95 %, within a few hours", "a few hours"),
    ("mahjong win, 95 %, 50 tokens per second", "50 tokens"),
    ("mahjong win, 95 %, average latency 200 ms", "p95 is what is measured"),
    ("mahjong win, 95 %, 99th percentile latency under 200 ms", "p95 is what is measured"),
    ("mahjong win, at least ninety", "ninety"),
    ("mahjong win, five nines", "five nines"),
    ("mahjong win, 95 %, model under 1M", "1M"),
    ("mahjong win, 95 % right and at most 10 % wrong", "90 and 95"),
    ("mahjong win, 95 %, model of 8 MB", "8 MB"),
    ("mahjong win, 95 %, a few bucks", "a few bucks"),
    ("mahjong win, 95 %, a dollar a day", "a dollar a day"),
    ("mahjong win, 95 %, several H100s, $50", "several H100s"),
)
