"""What a request must be read as: its task and every target and limit, those not named left open."""

from dataclasses import dataclass

from stratos.state.brief import AccuracyRule, Brief, Limits, Targets


@dataclass(frozen=True)
class Wanted:
    """A brief's fields by short names: `ms` is the latency at p95, `rps` requests per second."""

    task: str
    accuracy: float | None = None
    rule: AccuracyRule = "lower_bound"
    ms: float | None = None
    rps: float | None = None
    usd: float = 0.0
    usd_per_month: float | None = None
    hours: float | None = None
    accelerators: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    parameters: int | None = None
    licences: tuple[str, ...] = ()

    def brief(self, request: str, assumptions: tuple[str, ...]) -> Brief:
        """The whole brief; figures are to be equal to nine digits, as `rounded` gives them."""
        return Brief(
            request=request,
            skill="mahjong",
            task=self.task,
            targets=Targets(
                accuracy=self.accuracy, accuracy_rule=self.rule, latency_p95_ms=self.ms, throughput_rps=self.rps
            ),
            limits=Limits(
                usd=self.usd,
                usd_per_month=self.usd_per_month,
                hours=self.hours,
                accelerators=self.accelerators,
                regions=self.regions,
                clouds=self.clouds,
                licences=self.licences,
                max_parameters=self.parameters,
            ),
            assumptions=assumptions,
        )


def rounded(brief: Brief) -> dict[str, object]:
    """The brief as plain values, its figures to nine decimals."""
    targets, limits = brief.targets.model_dump(), brief.limits.model_dump()
    for fields in (targets, limits):
        for name, value in fields.items():
            fields[name] = round(value, 9) if isinstance(value, float | int) else value
    return {**brief.model_dump(), "targets": targets, "limits": limits}
