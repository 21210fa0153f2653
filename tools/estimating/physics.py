"""What one served request takes, by physics alone: bytes over bandwidth, FLOPs over peak, launches, all-reduce, queues.

Everything here is arithmetic on NumPy arrays that broadcast against each other; scalars are arrays of one. Constants come
from `calibration.py`. It does not cover speculative decoding, disaggregated prefill, or prefixes shared between requests.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

ACTIVATION_BYTES = 2  # activations and all-reduce messages stay in 16 bits whatever the weights are
RESERVE_GB = 1.5  # assumption: CUDA context, graphs and activations on each accelerator, beside weights and cache


@dataclass(frozen=True, kw_only=True)
class Models:
    """Architectures at a precision, each figure an array of one shape or broadcastable to it."""

    block_parameters: Array
    """Weights of all layers, embeddings and head excluded."""
    shared_parameters: Array
    """The part of `block_parameters` that every token uses: all of a dense model, attention of a mixture of experts."""
    expert_share: Array
    """Share of the remaining (expert) weights that one token uses; 1 where there are none."""
    head_parameters: Array
    """Weights of the output head, read once a step."""
    stored_embedding_parameters: Array
    layers: Array
    hidden: Array
    kv_heads: Array
    attention_width: Array
    """Query heads x head dimension."""
    kv_elements: Array
    """Numbers the cache keeps per token."""


@dataclass(frozen=True, kw_only=True)
class Chips:
    """Accelerators as their datasheets describe them, at the precision served."""

    memory_bytes: Array
    bandwidth_bytes_s: Array
    peak_flops: Array
    link_bytes_s: Array
    """One direction, one accelerator."""


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Bytes of a number by what it is for."""

    weight_bytes: Array
    head_bytes: Array
    kv_bytes: Array


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What is calibrated per (accelerator, engine, precision); see `calibration.CONSTANTS` for units and meaning."""

    bandwidth_share: Array
    cache_share: Array
    compute_share: Array
    layer_us: Array
    step_ms: Array
    sequence_us: Array
    all_reduce_us: Array
    link_share: Array
    interference: Array
    request_ms: Array
    first_token_steps: Array
    queue_factor: Array
    queue_power: Array
    memory_share: Array


@dataclass(frozen=True, kw_only=True)
class Point:
    """How one operating point behaves; means over requests, milliseconds and bytes on one accelerator."""

    ttft_ms: Array
    prefill_ms: Array
    """One prompt's own prefill, alone on the accelerators."""
    waiting_ms: Array
    """The part of `ttft_ms` that other clients cause: none at one client."""
    tpot_ms: Array
    batch: Array
    """Requests decoded together: the concurrency, or as many as the cache holds."""
    max_concurrency: Array
    """Requests whose whole context fits the cache at once; below 1 nothing can be served."""
    weight_bytes: Array
    kv_bytes: Array


def stored_bytes(models: Models, formats: Formats) -> Array:
    """Bytes of all weights: layers at the precision served, embedding and head in at least 16 bits."""
    return models.block_parameters * formats.weight_bytes + models.stored_embedding_parameters * formats.head_bytes


def read_bytes(models: Models, formats: Formats, batch: Array) -> Array:
    """Bytes of weights read in one decoding step of `batch` sequences.

    Of experts, those that at least one sequence is routed to: expected share 1 - (1 - k/E)^batch with uniform routing
    (assumption), where k/E is the share of expert weights that one token uses. An embedding is a look-up, not a read.
    """
    experts = models.block_parameters - models.shared_parameters
    if not experts.any():  # dense: the same at every batch, so the array stays small
        return models.block_parameters * formats.weight_bytes + models.head_parameters * formats.head_bytes
    touched = 1 - (1 - models.expert_share) ** batch
    return (
        models.shared_parameters + experts * touched
    ) * formats.weight_bytes + models.head_parameters * formats.head_bytes


def active_parameters(models: Models) -> Array:
    """Weights that one token is multiplied with, the head excluded."""
    return models.shared_parameters + (models.block_parameters - models.shared_parameters) * models.expert_share


def all_reduce_s(message_bytes: Array, ways: Array, link_bytes_s: Array, latency_s: Array) -> Array:
    """Seconds of one ring all-reduce: 2 (n-1)/n of the message over the link, and a latency; nothing alone.

    Source: Patarasuk and Yuan 2009, bandwidth-optimal all-reduce.
    """
    return np.where(ways > 1, latency_s + 2 * (ways - 1) / ways * message_bytes / link_bytes_s, 0.0)


def decode_step_s(
    models: Models, chips: Chips, formats: Formats, known: Constants, ways: Array, batch: Array, context: Array
) -> Array:
    """Seconds in which `batch` sequences of `context` tokens each get one more token."""
    # Sums of what does not depend on the batch, and of what grows with it, are made on the small axes first.
    bandwidth = chips.bandwidth_bytes_s * known.bandwidth_share
    cache_token = models.kv_elements * formats.kv_bytes / np.minimum(ways, models.kv_heads)
    used = 2 * (active_parameters(models) + models.head_parameters) / ways
    link = chips.link_bytes_s * known.link_share
    message = models.hidden * ACTIVATION_BYTES
    reduces = 2 * models.layers
    alone = models.layers * known.layer_us * 1e-6 + known.step_ms * 1e-3
    fixed = alone + reduces * all_reduce_s(np.zeros(1), ways, link, known.all_reduce_us * 1e-6)
    each = (
        known.sequence_us * 1e-6
        + cache_token * context / (chips.bandwidth_bytes_s * known.cache_share)
        + reduces * all_reduce_s(message, ways, link, np.zeros(1))
    )
    # Reading and multiplying overlap, so the slower of the two counts.
    reading = read_bytes(models, formats, batch) / (ways * bandwidth)
    busy = np.maximum(reading, used / (chips.peak_flops * known.compute_share) * batch)
    return busy + each * batch + fixed


def prefill_s(models: Models, chips: Chips, known: Constants, ways: Array, tokens: Array) -> Array:
    """Seconds in which one prompt of `tokens` is read: its FLOPs, causal attention included, all-reduces and launches."""
    flops = 2 * active_parameters(models) * tokens + 2 * models.layers * models.attention_width * tokens**2
    link = chips.link_bytes_s * known.link_share
    message = models.hidden * ACTIVATION_BYTES * tokens
    reduce = 2 * models.layers * all_reduce_s(message, ways, link, known.all_reduce_us * 1e-6)
    compute = flops / ways / (chips.peak_flops * known.compute_share)
    return compute + reduce + models.layers * known.layer_us * 1e-6


def operating_point(
    models: Models,
    chips: Chips,
    formats: Formats,
    known: Constants,
    *,
    ways: Array,
    concurrency: Array,
    input_tokens: Array,
    output_tokens: Array,
) -> Point:
    """A closed loop of `concurrency` clients on one deployment of `ways` accelerators in tensor parallel.

    TPOT is a decoding step and the share of other clients' prefills that falls between two of them: each client prefills
    once in `output_tokens` steps. TTFT is the own prefill behind some of theirs. Where the cache does not hold all clients
    comes the wait for a place: with M places, (C - M) of C clients wait, so by Little's law (C/M - 1) service times. Where
    prompts alone fill the accelerators, TTFT takes what the tokens leave of the cycle: then faster tokens make first tokens
    no faster.
    """
    weight_bytes = stored_bytes(models, formats) / ways
    pool = chips.memory_bytes * known.memory_share - RESERVE_GB * 1e9 - weight_bytes
    kv_token = models.kv_elements * formats.kv_bytes / np.minimum(ways, models.kv_heads)
    places = np.maximum(pool, 0.0) / (kv_token * (input_tokens + output_tokens))
    batch = np.maximum(np.minimum(concurrency, places), 1.0)
    step = decode_step_s(models, chips, formats, known, ways, batch, input_tokens + output_tokens / 2)
    prompt = prefill_s(models, chips, known, ways, input_tokens)
    others = batch - 1
    tpot = step + known.interference * prompt / output_tokens * others
    own = known.request_ms * 1e-3 + prompt + step * known.first_token_steps
    ttft = own + prompt * known.queue_factor * others**known.queue_power
    # All clients' prompts pass through the same accelerators once a cycle, so no cycle is shorter than they take.
    ttft = np.maximum(ttft, prompt * batch - (output_tokens - 1) * tpot)
    wait = (concurrency / batch - 1) * (output_tokens * tpot + ttft)
    return Point(
        ttft_ms=(ttft + wait) * 1e3,
        prefill_ms=prompt * 1e3,
        waiting_ms=(ttft + wait - own) * 1e3,
        tpot_ms=tpot * 1e3,
        batch=batch,
        max_concurrency=places,
        weight_bytes=weight_bytes,
        kv_bytes=kv_token * (input_tokens + output_tokens) * batch,
    )
