"""What SkyPilot itself makes of task files, without a cloud: accepted, where they would run and at what price.

Run by SkyPilot's own Python, with a HOME of its own that holds catalogues: `python dry_run.py < asked.json`. Nothing of Stratos is
imported here, and nothing is started. Every cloud is taken as enabled; no credentials are asked for, so no quota is checked.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUnknownLambdaType=false

import json
import re
import sys
import time
from contextlib import redirect_stdout
from typing import Any


def main() -> None:
    """Reads `{"tasks": [path, ...], "services": [path, ...]}`; writes one JSON document."""
    asked = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # SkyPilot's tables are for people
        import sky
        from sky.utils import registry

        known = registry.CLOUD_REGISTRY
        clouds = {name: cloud for name, cloud in known.items() if name not in ("kubernetes", "slurm", "ssh")}
        _enable(list(clouds.values()))
        answer = {
            "version": sky.__version__,
            "clouds": sorted(known),
            "keeps": sorted(name for name, cloud in clouds.items() if not _has(cloud, "AUTODOWN")),
            "alone": sorted(name for name, cloud in clouds.items() if not _has(cloud, "MULTI_NODE")),
            "tasks": [_task(path) for path in asked.get("tasks", ())],
            "services": [_service(path) for path in asked.get("services", ())],
        }
    json.dump(answer, sys.stdout)


def _enable(clouds: list[Any]) -> None:
    """As SkyPilot's own tests do it: no cloud is asked whether it may be used, nor for what is reserved there."""
    import sky.check
    from sky.clouds import GCP

    sky.check.get_cached_enabled_clouds_or_refresh = lambda *_, **__: clouds
    GCP.get_reservations_available_resources = lambda *_, **__: {}


def _has(cloud: Any, feature: str) -> bool:
    """Whether SkyPilot's class of a cloud has a feature, such as that servers can end themselves when they were idle."""
    from sky import Resources, exceptions
    from sky.clouds import CloudImplementationFeatures as Feature

    try:
        cloud.check_features_are_supported(Resources(cloud=cloud), {Feature[feature]})
    except exceptions.NotSupportedError:
        return False
    return True


def _task(path: str) -> dict[str, Any]:
    """One task read, validated and optimised; where it names several servers, once more as if the first could not be had."""
    started = time.monotonic()
    try:
        task, best = _optimised(path, None)
        ordered = isinstance(task.resources, list)
        second = _optimised(path, [best])[1] if ordered else None
    except Exception as error:  # what SkyPilot refuses, by whatever class, is what is asked for here
        return {"path": path, "refused": f"{type(error).__name__}: {_plain(str(error))}"}
    return {
        "path": path,
        "refused": None,
        "cloud": str(best.cloud).lower(),
        "region": best.region,
        "instance_type": best.instance_type,
        "accelerators": best.accelerators or {},
        "use_spot": best.use_spot,
        "disk_gib": best.disk_size,
        "nodes": task.num_nodes,
        "usd_per_hour": best.get_cost(3600) * task.num_nodes,
        "wanted": len(task.resources),
        "ordered": ordered,
        "second": second and f"{str(second.cloud).lower()}/{second.region}/{second.instance_type}",
        "seconds": time.monotonic() - started,
    }


def _optimised(path: str, blocked: list[Any] | None) -> tuple[Any, Any]:
    """A task, and where SkyPilot would run it."""
    import sky
    from sky import optimizer

    task = _read(path)
    task.validate()
    with sky.Dag() as dag:
        dag.add(task)
    optimizer.Optimizer.optimize(dag, quiet=True, blocked_resources=blocked)
    assert task.best_resources is not None
    return task, task.best_resources


def _read(path: str) -> Any:
    """A task's file as `sky` reads it, with something in the place of each secret."""
    import sky
    import yaml

    with open(path, encoding="utf-8") as file:
        told = yaml.safe_load(file)
    return sky.Task.from_yaml_config(told, secrets_overrides=[(name, "secret") for name in told.get("secrets", ())])


def _service(path: str) -> dict[str, Any]:
    """One service read and validated, as `sky serve up` does before it starts anything; and optimised as one replica."""
    from sky.serve import serve_utils

    found = _task(path)
    if found["refused"]:
        return found
    try:
        task = _read(path)
        serve_utils.validate_service_task(task, pool=False)
    except Exception as error:  # as above
        return {"path": path, "refused": f"{type(error).__name__}: {_plain(str(error))}"}
    assert task.service is not None
    return {**found, "service": task.service.to_yaml_config()}


def _plain(text: str) -> str:
    """Without colours, on one line."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())[:600]


if __name__ == "__main__":
    main()
