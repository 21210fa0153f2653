"""The account of rented servers, worked out by hand: what each of its rules is for. Random histories of it are in test_money."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from stratos.state.errors import OutOfTime, ServerUnavailable, ToolFailed
from stratos.tools.cloud.account import RELEASED, Account, Rented, changing
from stratos.tools.cloud.account import of_run as account_folder
from stratos.tools.cloud.servers import ENDING_MINUTES, HELD_MINUTES, KEEPING_MINUTES, UNWANTED_MINUTES, Servers
from stratos.tools.cloud.whereabouts import cluster_of

from ...building import offer
from .simulated import MINUTE, SimulatedCloud

HOUR = 3600.0
OFFER = offer(6.0).model_copy(update={"id": "slurm/loopback/cpu", "held_minutes": HELD_MINUTES})
"""A dime a minute."""
CLUSTER = "stratos-one"


def rented(since: float | None, usd_per_hour: float = 6.0, **changes: object) -> Rented:
    return Rented(offer="x", usd_per_hour=usd_per_hour, asked_at=since).model_copy(update=changes)


def up(since: float, **account: float) -> Account:
    """With one server, by the dime a minute."""
    return Account(**account).asked(CLUSTER, rented(None), since)  # pyright: ignore[reportArgumentType]


def test_a_clock_that_was_set_back_gives_no_money_back() -> None:
    assert rented(HOUR).cost(0.0) == 0.0
    assert rented(0.0).cost(HOUR) == 6.0


def test_servers_end_when_what_is_left_pays_for_ending_them_alone() -> None:
    account = Account(reserved_usd=3.0, servers={"a": rented(0.0), "b": rented(10 * MINUTE)})
    # After ten minutes one dollar is used; both together use 20 cents a minute, so that the other two last ten minutes more.
    assert account.ends_at(0.0) == pytest.approx(20 * MINUTE)
    assert account.ends_at(ENDING_MINUTES) == pytest.approx(17 * MINUTE)


def test_servers_that_cost_nothing_need_not_end() -> None:
    assert Account(servers={"a": rented(0.0, 0.0)}).ends_at(0.0) is None
    assert Account().ends_at(0.0) is None


def test_a_server_that_is_asked_for_once_more_costs_what_it_costs_now_and_keeps_what_it_cost() -> None:
    again = (
        Account()
        .asked(CLUSTER, rented(None), 0.0)
        .ended(CLUSTER, None, HOUR)
        .asked(CLUSTER, rented(None, 12.0), 2 * HOUR)
    )
    assert again.cost(3 * HOUR) == 6.0 + 12.0
    once_more = again.asked(CLUSTER, rented(None, 99.0), 2.5 * HOUR)
    assert once_more.launched(CLUSTER) == again.launched(CLUSTER)  # it is up: since when, and its price, stay


def test_an_ended_server_cost_what_is_told_or_the_most_it_can_have() -> None:
    account = Account().asked(CLUSTER, rented(None), 0.0)
    assert account.ended(CLUSTER, 1.5, HOUR).cost(HOUR) == 1.5
    assert account.ended(CLUSTER, None, HOUR).cost(9 * HOUR) == 6.0
    assert account.ended(CLUSTER, 0.0, HOUR).up == {}


def test_a_call_is_charged_once_and_money_for_it_is_not_set_aside_again() -> None:
    charged = up(0.0).reserved_for("1", 5.0, 1.3).charged_to("1", 2.0, 20 * MINUTE)
    assert charged.charged_to("1", 9.0, HOUR) == charged
    assert charged.reserved_for("1", 5.0, 1.3) == charged
    later = charged.reserved_for("2", 4.0, 1.3)
    assert (later.reserved_usd, later.charged_to("2", 3.5, HOUR).charged) == (6.0, {"1": 2.0, "2": 1.5})


def test_what_one_call_bore_too_much_the_last_charge_gives_back() -> None:
    by_the_clock = up(0.0).reserved_for("1", 5.0, 1.3).charged_to("1", 3.0, 0.0)
    assert by_the_clock.charged_to("2", 2.0, 0.0).charged["2"] == 0.0  # a call costs nothing or more
    released = by_the_clock.charged_to(RELEASED, 2.0, 0.0)
    assert (released.charged[RELEASED], released.charged_usd) == (-1.0, 2.0)
    assert released.charged_to(RELEASED, 2.5, 0.0).charged_usd == 2.5  # resumed, and released once more


@pytest.mark.parametrize(
    ("reserved_usd", "cost_usd", "kept_usd"),
    [
        (5.0, 2.0, 1.3),
        (3.0, 2.0, 1.0),
        (2.0, 2.5, 0.0),
    ],  # enough; less than ten minutes and three; more used than reserved
)
def test_keeping_a_server_is_paid_from_what_is_left_alone(
    reserved_usd: float, cost_usd: float, kept_usd: float
) -> None:
    charged = up(0.0).reserved_for("1", reserved_usd, 1.3).charged_to("1", cost_usd, 0.0)
    assert charged.reserved_usd - charged.charged_usd == pytest.approx(kept_usd)
    gone = up(0.0).reserved_for("1", reserved_usd, 1.3).ended(CLUSTER, cost_usd, 0.0).charged_to("1", cost_usd, 0.0)
    assert gone.reserved_usd == gone.charged_usd


def test_money_for_the_next_call_takes_back_that_the_watchdog_stopped() -> None:
    assert Account(stopped="nearly used").reserved_for("2", 1.0, 0.1).stopped == ""


@pytest.fixture
def cloud() -> SimulatedCloud:
    return SimulatedCloud(random=random.Random(0), capacity=1.0)


def of_run(folder: Path, cloud: SimulatedCloud) -> Servers:
    return Servers(folder, cloud, now=lambda: cloud.now)


def asked(servers: Servers, cloud: SimulatedCloud, call: str = "1", usd: float = 5.0, cluster: str = CLUSTER) -> None:
    servers.reserve(call, OFFER, usd, cluster)
    servers.ask(cluster, OFFER, lambda: cloud.launch(cluster))


def test_ten_minutes_and_three_are_kept_for_the_next_call(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    assert servers.charge("1")[1] == pytest.approx((KEEPING_MINUTES + ENDING_MINUTES) / 60 * 6.0)
    assert (KEEPING_MINUTES, ENDING_MINUTES) == (10, 3)


def test_one_that_ended_itself_between_two_calls_does_not_count_as_up(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    servers.charge("1")
    cloud.ends(CLUSTER)
    cloud.pass_by(20 * MINUTE)
    before, used_usd = cloud.now, cloud.seconds[CLUSTER] / HOUR * 6.0
    asked(servers, cloud, "2")
    server = servers.account.servers[CLUSTER]
    assert (server.asked_at, server.used_usd) == (before, pytest.approx(used_usd))


def test_a_run_has_one_server_at_a_time(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    asked(servers, cloud, "2", cluster="stratos-two")
    assert (set(cloud.up), set(servers.account.up)) == ({"stratos-two"}, {"stratos-two"})


def test_nothing_is_asked_for_where_no_more_is_left_than_ending_costs(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    with pytest.raises(ToolFailed, match="no money is reserved"):
        servers.ask(CLUSTER, OFFER, lambda: cloud.launch(CLUSTER))
    with pytest.raises(OutOfTime):
        asked(servers, cloud, usd=ENDING_MINUTES / 60 * 6.0)
    assert cloud.launches == []
    asked(servers, cloud, usd=(ENDING_MINUTES + 0.1) / 60 * 6.0)
    assert cloud.launches == [CLUSTER]


def test_after_the_watchdog_stopped_a_call_nothing_more_is_asked_for_in_it(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers, saved = of_run(tmp_path, cloud), list[str]()
    asked(servers, cloud)
    at = servers.account.servers[CLUSTER].asked_at
    assert at is not None
    cloud.now = at + (50 - ENDING_MINUTES) * MINUTE - 1
    assert servers.watch(saved.append)
    cloud.now += 1
    assert not servers.watch(saved.append)
    assert (saved, cloud.up, "were nearly used" in servers.account.stopped) == ([CLUSTER], {}, True)
    with pytest.raises(OutOfTime):
        servers.ask(CLUSTER, OFFER, lambda: cloud.launch(CLUSTER))


@pytest.mark.parametrize("usd_per_hour", [0.0, 9.0])
def test_a_bill_is_what_skypilot_reports_and_its_disks(
    tmp_path: Path, cloud: SimulatedCloud, usd_per_hour: float
) -> None:
    servers, cloud.usd_per_hour = of_run(tmp_path, cloud), {CLUSTER: usd_per_hour}
    with_disk = OFFER.model_copy(update={"disk_usd_per_hour": 1.0})
    servers.reserve("1", with_disk, 50.0, CLUSTER)
    servers.ask(CLUSTER, with_disk, lambda: cloud.launch(CLUSTER))
    cloud.pass_by(HOUR)
    told, _ = servers.charge("1")
    hours = (cloud.now - cloud.up[CLUSTER]) / HOUR
    assert told == pytest.approx(hours * ((usd_per_hour or 6.0) + 1.0))
    rest = servers.release()
    assert told + rest == pytest.approx(cloud.seconds[CLUSTER] / HOUR * ((usd_per_hour or 6.0) + 1.0))


def test_by_this_machines_clock_where_skypilot_cannot_say_or_has_forgotten(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    at = servers.account.servers[CLUSTER].asked_at
    assert at is not None
    cloud.unreached_until = cloud.now + 5 * MINUTE
    assert servers.charge("1")[0] == pytest.approx((cloud.now - at) / HOUR * 6.0)
    cloud.now += 6 * MINUTE
    cloud.up.clear()  # as after a month: it is not in the report any more
    servers.look()
    assert servers.account.servers[CLUSTER].used_usd == pytest.approx((cloud.now - at) / HOUR * 6.0)


def test_one_that_never_came_up_cost_nothing_and_is_ended_all_the_same(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)

    def half_way() -> None:
        cloud.up[CLUSTER] = cloud.now
        raise ToolFailed("set-up failed")

    servers.reserve("1", OFFER, 5.0, CLUSTER)
    with pytest.raises(ServerUnavailable, match="set-up failed"):
        servers.ask(CLUSTER, OFFER, half_way)
    assert (cloud.up, servers.account.up) == ({}, {})
    cloud.refuses["stratos-two"] = "no capacity"
    assert servers.charge("1")[0] > 0.0  # it was up
    servers.reserve("2", OFFER, 5.0, "stratos-two")
    with pytest.raises(ServerUnavailable):
        servers.ask("stratos-two", OFFER, lambda: cloud.launch("stratos-two"))
    assert servers.charge("2")[0] == 0.0


def test_one_that_was_never_asked_for_or_is_gone_may_be_ended(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    servers.end([CLUSTER])
    assert servers.account.servers == {}
    asked(servers, cloud)
    servers.release()
    before = servers.account
    cloud.now += HOUR
    servers.gone(CLUSTER)  # the watchdog was as quick
    assert servers.account == before


def test_one_that_stays_is_told_and_stays_on_the_account(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    cloud.stays.add(CLUSTER)
    with pytest.raises(ToolFailed, match=f"cluster {CLUSTER} is still there"):
        servers.release()
    assert set(servers.account.up) == {CLUSTER}


def asked_and_ended_meanwhile(servers: Servers, cloud: SimulatedCloud, unreached_s: float = 0.0) -> None:
    """Somebody ends the server while it is launched, and it comes up all the same; then SkyPilot cannot be reached for so long."""
    servers.reserve("1", OFFER, 5.0, CLUSTER)

    def launch() -> None:
        servers.gone(CLUSTER)
        cloud.launch(CLUSTER)
        cloud.unreached_until = cloud.now + unreached_s

    servers.ask(CLUSTER, OFFER, launch)


def test_one_that_is_up_though_the_watchdog_ended_it_meanwhile_is_ended_once_more(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    with pytest.raises(ToolFailed, match="was ended: somebody else released it"):
        asked_and_ended_meanwhile(servers, cloud)
    assert cloud.up == {}


def unwanted(servers: Servers) -> None:
    def broken_off() -> None:
        raise KeyboardInterrupt

    servers.reserve("1", OFFER, 5.0, CLUSTER)
    with pytest.raises(KeyboardInterrupt):
        servers.ask(CLUSTER, OFFER, broken_off)


@pytest.mark.parametrize(("minutes", "is_waited_for"), [(UNWANTED_MINUTES - 1, True), (UNWANTED_MINUTES + 1, False)])
def test_one_that_is_not_wanted_may_still_come_up_for_a_while(
    tmp_path: Path, cloud: SimulatedCloud, minutes: float, is_waited_for: bool
) -> None:
    servers = of_run(tmp_path, cloud)
    unwanted(servers)
    servers.end([CLUSTER])  # as run_all does: it is not there yet, and stays on the account
    cloud.now += minutes * MINUTE
    assert servers.watch(_nothing) is is_waited_for


def killed_while_launching(servers: Servers, cloud: SimulatedCloud) -> None:
    """What is written of an agent that was killed while SkyPilot was at work on a server."""
    servers.reserve("1", OFFER, 5.0, CLUSTER)
    with changing(servers.run_folder) as book:
        book.account = book.account.asked(CLUSTER, rented(None), cloud.now)


@pytest.mark.parametrize("by", ["looking", "ending it"])
def test_one_that_was_being_launched_when_its_agent_was_killed_is_ended_when_it_comes_up(
    tmp_path: Path, cloud: SimulatedCloud, by: str
) -> None:
    servers = of_run(tmp_path, cloud)
    killed_while_launching(servers, cloud)
    if by == "looking":
        servers.look(lambda: False)
    else:
        servers.end([CLUSTER])
    cloud.now += 20 * MINUTE
    assert servers.watch(_nothing)
    cloud.up[CLUSTER] = cloud.now  # SkyPilot's server went on
    assert servers.watch(_nothing)
    assert cloud.up == {}


def test_one_that_nobody_waits_for_and_that_did_not_come_up_within_an_hour_is_gone(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    killed_while_launching(servers, cloud)
    cloud.now += (UNWANTED_MINUTES + 1) * MINUTE
    servers.look(lambda: False)
    assert servers.account.up == {}


def test_looking_in_the_middle_of_a_launch_loses_nothing(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    servers.reserve("1", OFFER, 5.0, CLUSTER)

    def looked_at_meanwhile() -> None:
        servers.look()
        cloud.launch(CLUSTER)

    servers.ask(CLUSTER, OFFER, looked_at_meanwhile)
    assert (set(cloud.up), set(servers.account.up)) == ({CLUSTER}, {CLUSTER})


def test_one_that_is_asked_for_again_while_somebody_looks_is_not_taken_as_gone(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    cloud.ends(CLUSTER)

    class Slow(SimulatedCloud):
        def names(self, *, refresh: bool) -> set[str]:
            with changing(tmp_path) as book:  # in the seconds that this takes
                book.account = book.account.asked(CLUSTER, rented(None), cloud.now)
            return set()

    of_run(tmp_path, Slow(random=random.Random(0))).look()
    assert set(servers.account.up) == {CLUSTER}


def test_what_was_not_there_yet_has_cost_nothing_when_its_run_is_resumed(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    killed_while_launching(servers, cloud)
    cloud.now += 55 * MINUTE  # by this machine's clock that is more than was reserved
    asked(servers, cloud)
    assert cloud.launches == [CLUSTER]


def test_what_came_up_and_ended_itself_unseen_is_not_forgotten(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    killed_while_launching(servers, cloud)
    cloud.up[CLUSTER] = cloud.now
    cloud.now += 20 * MINUTE
    cloud.ends(CLUSTER)
    servers.look()
    assert servers.account.cost(cloud.now) == pytest.approx(2.0)


def test_one_that_is_up_though_it_was_ended_and_cannot_be_reached_is_ended_by_the_watchdog(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    with pytest.raises(ToolFailed, match="no connection"):
        asked_and_ended_meanwhile(servers, cloud, MINUTE)
    cloud.now += MINUTE
    assert servers.watch(_nothing)
    assert (cloud.up, servers.watch(_nothing)) == ({}, False)


def test_one_that_cannot_be_ended_is_not_kept_until_its_money_is_used(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    cloud.unreached_until = cloud.now + MINUTE
    with pytest.raises(ToolFailed, match="no connection"):
        servers.release()
    cloud.now += MINUTE
    assert servers.watch(_nothing)
    assert (cloud.up, servers.watch(_nothing)) == ({}, False)


def test_money_that_is_reserved_while_the_watchdog_decides_keeps_the_server(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    servers.charge("1")
    cloud.now += (KEEPING_MINUTES + 1) * MINUTE

    class Late(Servers):
        @property
        def account(self) -> Account:
            found = super().account
            servers.reserve("2", OFFER, 20.0, CLUSTER)
            return found

    assert Late(tmp_path, cloud, now=lambda: cloud.now).watch(_nothing)
    assert (servers.account.stopped, set(cloud.up)) == ("", {CLUSTER})


def test_money_that_is_reserved_while_the_watchdog_saves_keeps_the_server(
    tmp_path: Path, cloud: SimulatedCloud
) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    servers.charge("1")
    cloud.now += (KEEPING_MINUTES + 1) * MINUTE
    assert servers.watch(lambda cluster: asked(servers, cloud, "2", 20.0))
    assert (servers.account.stopped, set(cloud.up)) == ("", {CLUSTER})


def test_what_was_paid_before_is_not_paid_again_at_the_newest_price(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    cloud.now += HOUR
    servers.end([CLUSTER])
    first_s = cloud.seconds[CLUSTER]
    assert servers.charge("1")[0] == pytest.approx(first_s / HOUR * 6.0)
    dearer = OFFER.model_copy(update={"usd_per_hour": 60.0})
    servers.reserve("2", dearer, 90.0, CLUSTER)
    servers.ask(CLUSTER, dearer, lambda: cloud.launch(CLUSTER))
    since = cloud.up[CLUSTER]
    assert servers.charge("2")[0] == pytest.approx((cloud.now - since) / HOUR * 60.0)
    cloud.now += HOUR
    assert servers.release() == pytest.approx(
        (cloud.seconds[CLUSTER] - first_s) / HOUR * 60.0 - servers.account.charged["2"]
    )


def test_a_server_is_kept_for_ten_minutes_however_long_its_launch_took(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    asked(servers, cloud)
    servers.charge("1")
    assert servers.account.ends_at(ENDING_MINUTES) == pytest.approx(cloud.now + KEEPING_MINUTES * MINUTE)


def test_of_a_cluster_that_was_never_asked_for_nothing_is_noted(tmp_path: Path, cloud: SimulatedCloud) -> None:
    servers = of_run(tmp_path, cloud)
    servers.gone("stratos-unknown")
    assert servers.account == Account()


@pytest.mark.parametrize(
    ("job", "folder"),
    [
        ("runs/r1/003-distill/student", "runs/r1"),
        ("deployments/m/servers/1-ab/there", "deployments/m/servers/1-ab"),
        ("deployments/runs/servers/1-ab/there", "deployments/runs/servers/1-ab"),
        ("runs/space/deployments/m/servers/1-ab/there", "runs/space/deployments/m/servers/1-ab"),
        ("runs/space/runs/r1/003-distill", "runs/space/runs/r1"),
        ("elsewhere/job", "elsewhere"),
    ],
)
def test_whose_account_a_job_is_on_is_told_by_where_it_lies(tmp_path: Path, job: str, folder: str) -> None:
    assert account_folder(tmp_path / job) == tmp_path / folder


def test_a_workspace_that_is_reached_by_a_link_has_the_same_clusters(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    call = Path("runs", "r1", "003-distill")
    assert cluster_of(tmp_path / "link" / call, OFFER) == cluster_of(tmp_path / "real" / call / "student", OFFER)


_nothing: Callable[[str], None] = lambda cluster: None  # noqa: E731
