"""Whether every plan becomes a task that SkyPilot itself accepts, and prices as the plan does.

Random briefs are planned by the rule planner with the executor of rented servers over the built-in snapshot and SkyPilot's catalogues, each
plan is written as a task by that executor's own functions, and SkyPilot's classes read, validate and optimise it in a process of its own
(`--sky-python`), with all its clouds taken as enabled and nothing started. Beside the plan's own task: with the runners-up as fallbacks, on
two servers, at the spot price, and as a SkyServe service. Then every offer that may be chosen, plan or none, is asked for alone.

SkyPilot's catalogues are written from the same snapshot. With `--moved` every price of theirs is then another one than the snapshot's, by
a factor of 0.5 to 2, and a tenth of the servers is not in them; without it prices agree by construction, and what is tested is the way
through: names, regions, counts, spot, servers, hours. `--catalogues` takes a folder of SkyPilot's own (CLOUD/vms.csv) in their place; for
clouds that it lacks the snapshot's stay. Quotas, credentials and free capacity are not covered.
"""

import statistics
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..state.plan import Candidate, Offer, Plan
from ..tools.cloud.carrying import carried
from ..tools.cloud.package import pins, staged
from ..tools.cloud.servers import KEEPING_MINUTES
from ..tools.cloud.services import replicas, service
from ..tools.cloud.startable import ALONE, ANYWHERE, CLOUDS, KEEPS, SPOT_MARK, startable, why_not
from ..tools.cloud.tasks import SHARED, SetUp, fallbacks, resources, task, written
from ..tools.generation import GenerateJob
from ..tools.pricing.look_up import LookUpPrices, look_up_prices
from ..tools.pricing.sky_catalogue import SkyCatalogue
from .cloud.asking import CATALOGUES, Answer, Priced, ask, home
from .cloud.briefs import AllClouds, planned
from .reporting import Claim, Report, arguments

PLANS, QUICK_PLANS = 200, 30
"""On other machines; a brief without one is counted and another drawn."""
NEAR = 0.05
SHOWN = 12
"""Reasons of refusals in the report."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A plan on a server of a cloud, with what may stand in for it."""

    plan: Plan
    ranked: int
    """Fallbacks among the plan's own runners-up."""
    instead: tuple[Offer, ...]
    """All fallbacks, those first."""


def cases(report: Report, count: int, executor: AllClouds) -> list[Case]:
    """So many plans on servers that SkyPilot can start, and how the other briefs ended."""
    offers, listed = ({offer.id: offer for offer in _choosable(by)} for by in (executor.catalogue(), None))
    catalogue = executor.catalogue().folder
    ended, found = Counter[str](), list[Case]()
    for _, outcome in planned(report.seed, executor):
        if outcome is None or outcome.plan is None:
            ended["refused" if outcome is None else outcome.status] += 1
            continue
        if outcome.plan.offer.id not in offers:
            ended["this machine"] += 1
            continue
        plan = outcome.plan
        if (why := why_not(plan.offer, catalogue)) is not None:
            ended[f"on a server that is told beforehand not to start: {why}"] += 1
            continue
        ended["on a cloud's server"] += 1
        reserved = plan.candidate.usd.high
        ranked = fallbacks(plan, plan.runners_up, offers, reserved, catalogue)
        others = fallbacks(plan, [*plan.runners_up, *_elsewhere(plan, offers)], offers, reserved, catalogue)
        found.append(Case(plan=plan, ranked=len(ranked), instead=tuple(others)))
        if len(found) == count:
            break
    report.details["briefs"] = dict(ended)
    off = [
        abs(case.plan.offer.usd_per_hour / listed[case.plan.offer.id].usd_per_hour - 1) > NEAR
        for case in found
        if case.plan.offer.id in listed
    ]
    what = f"plans on servers that the price list has at a price more than {NEAR:.0%} from SkyPilot's"
    report.add(Claim(name=what, value=sum(off) / len(found), unit="share", n=len(found), goal="none", met=None))
    report.details["plans with a fallback among their own runners-up"] = sum(bool(case.ranked) for case in found)
    report.add(Claim(name="random briefs, for plans on clouds' servers", value=ended.total(), unit="briefs", n=count,
                     goal="none", met=None))  # fmt: skip
    return found


def _choosable(started_by: SkyCatalogue | None = None) -> list[Offer]:
    prices = look_up_prices(LookUpPrices(), started_by=started_by)
    return [one.plain(executable=True) for one in prices.offers if not one.doubts]


def _elsewhere(plan: Plan, offers: Mapping[str, Offer]) -> Sequence[Candidate]:
    """As many more as there could be: the plan's own candidate on servers of the same parts elsewhere, at their price."""
    made: list[Candidate] = []
    for offer in offers.values():
        same = (offer.accelerator, offer.accelerator_count) == (plan.offer.accelerator, plan.offer.accelerator_count)
        if same and offer.vcpus == plan.offer.vcpus and offer.id != plan.offer.id and offer.cloud in startable(CLOUDS):
            dearer = offer.usd_per_hour / plan.offer.usd_per_hour
            usd = plan.candidate.usd
            at = {"value": usd.value * dearer, "low": usd.low * dearer, "high": usd.high * dearer}
            made.append(plan.candidate.model_copy(update={"offer_id": offer.id, "usd": usd.model_copy(update=at)}))
    return made


def spot(offer: Offer, catalogue: Path) -> Offer | None:
    """The same server at its spot price; None where it has none that is below the other, or SkyPilot has none."""
    price = offer.spot_usd_per_hour
    if not price or price >= offer.usd_per_hour:
        return None
    cheap = offer.model_copy(update={"id": offer.id + SPOT_MARK, "usd_per_hour": price})
    return cheap if why_not(cheap, catalogue) is None else None


def two(offer: Offer) -> Offer:
    """Two such servers in one cluster."""
    return offer.model_copy(
        update={"id": f"{offer.id} x 2 servers", "nodes": 2, "usd_per_hour": 2 * offer.usd_per_hour}
    )


def write(folder: Path, found: Sequence[Case], catalogue: Path) -> dict[str, list[tuple[Case, Path, float]]]:
    """The files by kind, each with its case and what SkyPilot should ask for an hour of it."""
    package, set_up = staged(folder / "package"), SetUp(pins=pins())
    files: dict[str, list[tuple[Case, Path, float]]] = {}
    for number, case in enumerate(found):
        at = folder / "jobs" / str(number)
        at.mkdir(parents=True)
        job = GenerateJob(
            skill="mahjong",
            task="win",
            seed=0,
            data_folder=at,
            examples=1,
            splits=("dev",),
            held_out_items=1,
            workers=1,
        )
        sent, offer = carried(job, at), case.plan.offer

        def put(kind: str, made: dict[str, object], price: float, at: Path = at, case: Case = case) -> None:
            files.setdefault(kind, []).append((case, written(made, at / f"{kind}.yaml"), price))

        put("plan", task(sent, offer, package, at, set_up, idle_minutes=KEEPING_MINUTES), offer.usd_per_hour)
        if case.instead:
            put("fallbacks", task(sent, offer, package, at, set_up, fallbacks=case.instead), offer.usd_per_hour)
        if offer.cloud not in ALONE:
            (module,) = SHARED
            pair = two(offer)
            put("two", task(sent, pair, package, at, set_up, module=module), pair.usd_per_hour)
        if (cheap := spot(offer, catalogue)) is not None:
            put("spot", task(sent, cheap, package, at, set_up), cheap.usd_per_hour)
        carried_rps = (case.plan.candidate.throughput_rps or case.plan.candidate.latency_p95_ms).value
        wanted = replicas(3 * carried_rps, carried_rps)
        put("service", service(f"model-{number}", at, offer, package, set_up, wanted), offer.usd_per_hour)
        if cheap is not None:
            wanted = replicas(3 * carried_rps, carried_rps, spot=True, on_demand=1)
            put("spot_service", service(f"model-{number}", at, offer, package, set_up, wanted), cheap.usd_per_hour)
    return files


KINDS = {
    "plan": "plans' tasks",
    "fallbacks": "tasks with fallbacks, the plan's own first",
    "two": "tasks on two servers",
    "spot": "tasks at the spot price",
    "service": "services",
    "spot_service": "services on spot servers, one on demand",
}


def measure_plans(report: Report, python: Path, at: Path, found: Sequence[Case], folder: Path) -> Answer:
    """Every file of every plan."""
    files = write(folder, found, at / CATALOGUES)
    tasks = {kind: one for kind, one in files.items() if "service" not in kind}
    services = {kind: one for kind, one in files.items() if "service" in kind}
    answer = ask(
        python,
        at,
        tasks=[path for one in tasks.values() for _, path, _ in one],
        services=[path for one in services.values() for _, path, _ in one],
    )
    told = {one.path: one for one in (*answer.tasks, *answer.services)}
    for kind, one in files.items():
        _tell(report, kind, [(case, told[path], price) for case, path, price in one])
    return answer


def _tell(report: Report, kind: str, rows: Sequence[tuple[Case, Priced, float]]) -> None:
    """Accepted, as asked for, and priced within NEAR: of all that were asked, so that a refusal is no agreement."""
    what, n, goal = KINDS[kind], len(rows), kind == "plan"
    taken = [(case, one, price) for case, one, price in rows if one.refused is None]
    same = [(case, one, price) for case, one, price in taken if _as_asked(kind, case, one)]
    ratios = [one.usd_per_hour / price for _, one, price in same]
    near = [ratio for ratio in ratios if abs(ratio - 1) <= NEAR]
    report.details[kind] = {
        "refused": _reasons(one.refused for _, one, _ in rows if one.refused),
        "other than asked": [one.model_dump(mode="json") for case, one, _ in taken if not _as_asked(kind, case, one)][
            :SHOWN
        ],
        "ratios": _spread(ratios),
        "by cloud": dict(Counter(case.plan.offer.cloud for case, _, _ in rows)),
        "servers": len({case.plan.offer.id for case, _, _ in rows}),
        "example": yaml.safe_load(rows[0][1].path.read_text(encoding="utf-8")),
    }
    for words, part in (
        ("accepted", taken),
        ("cloud, region, type, count, spot, servers as asked", same),
        (f"priced within {NEAR:.0%}", near),
    ):
        report.add(Claim(name=f"{what}: {words}", value=len(part) / n, unit="share", n=n,
                         goal="1" if goal else "none", met=len(part) == n if goal else None))  # fmt: skip
    if kind == "fallbacks":
        stood_in = sum(_is(one.second, case.instead[0]) for case, one, _ in taken)
        report.add(Claim(name=f"{what}: the next one is taken where the first cannot be had", value=stood_in / n,
                         unit="share", n=n, goal="none", met=None))  # fmt: skip
    if goal:
        dollars = [
            one.usd_per_hour * case.plan.candidate.hours.value / case.plan.candidate.usd.value
            for case, one, _ in same
            if case.plan.candidate.usd.value
        ]
        report.details["dollars"] = _spread(dollars)
        worst = max(dollars, key=lambda ratio: abs(ratio - 1), default=float("nan"))
        report.add(Claim(name="SkyPilot's price of the plan's hours over the plan's dollars, the farthest", value=worst,
                         unit="ratio", n=len(dollars), goal=f"1 +- {NEAR}", met=abs(worst - 1) <= NEAR))  # fmt: skip


def _as_asked(kind: str, case: Case, one: Priced) -> bool:
    offer = case.plan.offer
    here = one.cloud == offer.cloud and one.instance_type == offer.instance_type
    place = offer.region == "unstated" or (one.region or "").lower() == offer.region.lower()
    parts = sum(one.accelerators.values()) == offer.accelerator_count and one.nodes == (2 if kind == "two" else 1)
    listed = one.wanted == (1 + len(case.instead) if kind == "fallbacks" else 1) and one.ordered == (
        kind == "fallbacks"
    )
    return here and place and parts and listed and one.use_spot == (kind in ("spot", "spot_service"))


def _is(named: str | None, offer: Offer) -> bool:
    """Whether cloud/region/type is an offer's."""
    return (named or "").lower() == f"{offer.cloud}/{offer.region}/{offer.instance_type}".lower()


def measure_offers(report: Report, python: Path, at: Path, folder: Path) -> None:
    """Every offer that may be chosen, by itself; and whether `why_not` says beforehand what SkyPilot says."""
    offers, catalogue = _choosable(), at / CATALOGUES
    folder.mkdir()
    asked = [offer for offer in offers if offer.cloud in CLOUDS]
    paths = [folder / f"{number}.yaml" for number in range(len(asked))]
    for path, offer in zip(paths, asked, strict=True):
        path.write_text(yaml.safe_dump({"resources": resources(offer), "run": "true"}), encoding="utf-8")
    told = ask(python, at, tasks=paths).tasks
    foretold = [(offer, one, why_not(offer, catalogue)) for offer, one in zip(asked, told, strict=True)]
    kept = [(offer, one, why) for offer, one, why in foretold if offer.cloud not in KEEPS]
    agreed = sum((one.refused is None) == (why is None) for _, one, why in kept)
    right = sum(one.refused is None and why is None for _, one, why in kept)
    report.details["offers"] = {
        "by cloud": _by_cloud(foretold),
        "refused": _reasons(one.refused for _, one, _ in foretold if one.refused),
        "clouds SkyPilot starts no servers of": dict(
            Counter(offer.cloud for offer in offers if offer.cloud not in CLOUDS)
        ),
        "clouds whose servers do not end themselves": dict(
            Counter(offer.cloud for offer in asked if offer.cloud in KEEPS)
        ),
    }
    report.add(Claim(name="offers that may be chosen, which SkyPilot can start and leave alone", value=right / len(offers),
                     unit="share", n=len(offers), goal="none", met=None))  # fmt: skip
    report.add(Claim(name="offers of which why_not says beforehand what SkyPilot says", value=agreed / len(kept),
                     unit="share", n=len(kept), goal="1", met=agreed == len(kept)))  # fmt: skip


def _by_cloud(rows: Sequence[tuple[Offer, Priced, str | None]]) -> Mapping[str, object]:
    """How far SkyPilot's prices are from the snapshot's."""
    found: dict[str, object] = {}
    for cloud in sorted({offer.cloud for offer, _, _ in rows}):
        mine = [(offer, one) for offer, one, _ in rows if offer.cloud == cloud]
        ratios = [one.usd_per_hour / offer.usd_per_hour for offer, one in mine if one.refused is None]
        within = sum(abs(ratio - 1) <= NEAR for ratio in ratios)
        found[cloud] = {"offers": len(mine), "known": len(ratios), "within 5 %": within, **_spread(ratios)}
    return found


def _reasons(said: Iterable[str]) -> list[tuple[str, int]]:
    return Counter(one[:200] for one in said).most_common(SHOWN)


def _spread(ratios: Sequence[float]) -> dict[str, float]:
    if not ratios:
        return {}
    return {"least": min(ratios), "median": statistics.median(ratios), "most": max(ratios)}


def measure_knowledge(report: Report, answer: Answer) -> None:
    """What is written down of SkyPilot's clouds, held against its classes."""
    mine = {"clouds": CLOUDS, "keeps": KEEPS, "alone": ALONE}
    wrong = {name: sorted(known ^ getattr(answer, name)) for name, known in mine.items()}
    report.details["knowledge"] = {
        "version": answer.version,
        "wrong": wrong,
        "no region can be asked of": sorted(ANYWHERE),
    }
    report.add(Claim(name=f"clouds known otherwise than by SkyPilot {answer.version}", value=sum(map(len, wrong.values())),
                     unit="clouds", n=len(answer.clouds), goal="0", met=not any(wrong.values())))  # fmt: skip


def main() -> None:
    """Runs the eval."""
    given = arguments(
        __doc__ or "",
        [
            ("--sky-python", {"type": Path, "required": True, "help": "the Python of SkyPilot's environment"}),
            (
                "--catalogues",
                {"type": Path, "default": None, "help": "folder of SkyPilot's own catalogues, CLOUD/vms.csv"},
            ),
            ("--moved", {"action": "store_true", "help": "catalogues at other prices than the snapshot's"}),
        ],
    )
    report = Report(eval="cloud_tasks", seed=given.seed, quick=given.quick)
    with tempfile.TemporaryDirectory(prefix="stratos-cloud-tasks-") as scratch:
        folder = Path(scratch)
        at = home(folder / "home", given.catalogues, given.seed if given.moved else None)
        executor = AllClouds(at / CATALOGUES)
        found = cases(report, QUICK_PLANS if given.quick else PLANS, executor)
        answer = measure_plans(report, given.sky_python, at, found, folder / "plans")
        measure_knowledge(report, answer)
        measure_offers(report, given.sky_python, at, folder / "offers")
    if given.quick:
        report.left_out = f"{PLANS - QUICK_PLANS} of {PLANS} plans"
    report.print(given.json)


if __name__ == "__main__":
    main()
