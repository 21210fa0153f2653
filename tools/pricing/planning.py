"""Which offers are worth predicting for, and this machine as one of them."""

from ...state.plan import LOCAL, Machine, Offer
from .accelerators import accelerator_facts, known_accelerator
from .look_up import ListedOffer, Prices

# Accelerators with a compiler stack of their own (Neuron, SynapseAI, Qualcomm); what trains and serves here speaks
# CUDA or ROCm.
OTHER_STACKS = ("Inferentia", "Trainium", "Gaudi", "Qualcomm")


def _predictable(accelerator: str) -> bool:
    facts = accelerator_facts().get(accelerator)
    return facts is not None and facts.bf16_dense_tflops is not None and not accelerator.startswith(OTHER_STACKS)


def planning_set(prices: Prices, *, predictable_only: bool = True) -> tuple[ListedOffer, ...]:
    """The cheapest choosable offer of each (cloud, accelerator, count), or (cloud, vCPUs) without an accelerator.

    Nothing is lost by it: accuracy, latency and hours are predicted from the accelerator, its count and, on a CPU, the
    vCPUs, so a dearer offer of the same key gives the same predictions at a higher price and is dominated. Clouds are
    kept apart because not every cloud can be executed on. `predictable_only` drops accelerators without a published
    BF16 figure, whose speed would have to be invented, and those of another software stack. Order: price, then id. It
    sees only what `prices` lists: look up without `limit`.
    """
    best: dict[tuple[str, str | None, float | None], ListedOffer] = {}
    for offer in sorted(prices.offers, key=lambda offer: (offer.usd_per_hour, offer.id)):
        if offer.doubts or (predictable_only and offer.accelerator and not _predictable(offer.accelerator)):
            continue
        size = offer.accelerator_count if offer.accelerator else offer.vcpus
        best.setdefault((offer.cloud, offer.accelerator, size), offer)
    return tuple(best.values())


def this_machine(machine: Machine, usd_per_hour: float = 0.0) -> Offer:
    """This machine as an offer at its owner's price, US dollars per hour (0: already paid for).

    Its GPUs count when all are one model of the accelerator table that a speed can be predicted for; otherwise it is
    offered as a CPU.
    """
    names = {known_accelerator(gpu.name) for gpu in machine.gpus}
    name = names.pop() if len(names) == 1 else None
    usable = name is not None and _predictable(name)
    accelerator, count = (name, len(machine.gpus)) if usable else (None, 0)
    return Offer(
        id="local/local/this-machine" + (f"/{accelerator} x {count}" if usable else ""),
        cloud=LOCAL,
        instance_type="this-machine",
        region=LOCAL,
        accelerator=accelerator,
        accelerator_count=count,
        accelerator_memory_gib=min(gpu.memory_gib for gpu in machine.gpus) if usable else None,
        vcpus=machine.cores,
        memory_gib=machine.memory_gib,
        usd_per_hour=usd_per_hour,
        spot_usd_per_hour=None,
        price_basis="owner",
        source="this machine's owner",
        as_of=None,
        executable=True,
        doubts=(),
    )
