"""What a training step takes on accelerators, by physics: FLOPs over peak, launches, optimiser traffic, exchange, memory.

Arithmetic on NumPy arrays that broadcast. No point of it was measured on a GPU by Stratos, so every constant here is an
assumption or a paper's, and the bands are as wide as a datasheet deserves.
"""

from dataclasses import dataclass

import numpy as np

from .physics import ACTIVATION_BYTES, Array, Chips, Models, active_parameters

TRAIN_MFU = (
    0.35  # assumption: model FLOPs utilisation of plain PyTorch; 0.3-0.5 is usual (PaLM, arXiv 2204.02311, 0.46)
)
FORWARD_MFU = 0.45  # assumption: a forward pass alone reaches more, as serving's prefill does
TOKENS_PER_STEP = 16_384  # assumption: a batch that fills a GPU without slowing learning at these sizes
LAUNCH_LAYER_S = 1.5e-3  # assumption: about 150 kernels a layer for forward, backward and optimiser at 10 us each
LAUNCH_STEP_S = 5e-3  # assumption: data loading, loss and logging of a step
LINK_SHARE = 0.6  # assumption: as serving's all-reduces were fitted to reach
OPTIMISER_BYTES = 28  # a parameter a step: AdamW reads weight, gradient, two moments, master, and writes four of them
ADAM_STATE_BYTES = 16  # a parameter: 2 weight + 2 gradient + 12 state in mixed precision, ZeRO (arXiv 1910.02054, 3.1)
ACTIVATION_LAYER_BYTES = 34  # a token, layer and hidden unit in 16 bits, attention not kept: arXiv 2205.05198, eq. 2
CHECKPOINT_LAYER_BYTES = 2  # the same when only each layer's input is kept and the rest computed again
LOGIT_BYTES = 10  # assumption: a token and word: 16-bit logits, 32-bit copy and gradient
LORA_RANK = 16  # assumption: a usual rank, on every linear layer
CONTEXT_GB = 2.0  # assumption: CUDA context, allocator and kernels' workspace


@dataclass(frozen=True, kw_only=True)
class TrainingMemory:
    """Bytes on one accelerator."""

    weights: Array
    gradients: Array
    optimiser: Array
    activations: Array
    teacher: Array
    usable: Array

    @property
    def needed(self) -> Array:
        """All of it, the context too."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.teacher + CONTEXT_GB * 1e9


def lora_parameters(models: Models, rank: int = LORA_RANK) -> Array:
    """Weights of adapters of `rank` on every linear layer.

    Each pair has rank x (in + out) weights. With attention of width a and KV width k, and an MLP of width f that is what
    is left of a layer's weights: about rank x (2 (h + a) + 2 (h + k) + 3 (h + f)) a layer.
    """
    kv_width = models.kv_elements / (2 * models.layers)
    attention = models.hidden * (2 * models.attention_width + 2 * kv_width)
    feed_forward = np.maximum(models.shared_parameters / models.layers - attention, models.hidden) / (3 * models.hidden)
    widths = 7 * models.hidden + 2 * models.attention_width + 2 * kv_width + 3 * feed_forward
    return rank * widths * models.layers


def forward_flops(models: Models, sequence_tokens: Array) -> Array:
    """FLOPs of a token's forward pass: 2 a weight, head included, and causal attention over half the sequence on average.

    Kaplan et al. 2020, arXiv 2001.08361, 2.1; attention as in PaLM, arXiv 2204.02311, appendix B, halved for the mask.
    """
    weights = active_parameters(models) + models.head_parameters
    return 2 * weights + 2 * models.layers * models.attention_width * sequence_tokens


def step_tokens(count: Array, sequence_tokens: Array) -> Array:
    """Tokens of one step: a usual batch, and at least a sequence for each accelerator."""
    return np.maximum(TOKENS_PER_STEP, count * sequence_tokens)


def step_seconds(
    models: Models, chips: Chips, *, count: Array, sequence_tokens: Array, lora: bool, checkpointing: bool
) -> Array:
    """Seconds of one step of the student on `count` accelerators: forward, backward, exchange and update.

    Backward is twice the forward pass; with adapters on frozen weights it is once, since their own gradients are not taken.
    Checkpointing adds a forward pass. Small models wait for launches, large ones for arithmetic.
    """
    passes = 1 + (1 if lora else 2) + (1 if checkpointing else 0)
    flops = passes * forward_flops(models, sequence_tokens) * step_tokens(count, sequence_tokens)
    compute = flops / (count * chips.peak_flops * TRAIN_MFU)
    trained = lora_parameters(models) if lora else models.block_parameters + models.stored_embedding_parameters
    update = trained * OPTIMISER_BYTES / (chips.bandwidth_bytes_s * count)
    # Sharded weights are gathered forward and backward, gradients scattered: three times the weights (ZeRO-3).
    gathered = 3 * (models.block_parameters + models.stored_embedding_parameters) * ACTIVATION_BYTES
    exchange = np.where(count > 1, gathered * (count - 1) / count / (chips.link_bytes_s * LINK_SHARE), 0.0)
    launch = LAUNCH_STEP_S + models.layers * LAUNCH_LAYER_S
    # Exchange hides behind arithmetic as far as that lasts.
    return np.maximum(np.maximum(launch, compute), exchange) + update


def forward_seconds(models: Models, chips: Chips, *, count: Array, tokens: Array, sequence_tokens: Array) -> Array:
    """Seconds of forward passes alone, such as a teacher's, batched as the student's steps are."""
    flops = forward_flops(models, sequence_tokens) * tokens
    launches = np.ceil(tokens / TOKENS_PER_STEP) * (LAUNCH_STEP_S + models.layers * LAUNCH_LAYER_S / 3)
    return np.maximum(flops / (count * chips.peak_flops * FORWARD_MFU), launches)


def memory(
    models: Models,
    chips: Chips,
    *,
    count: Array,
    sequence_tokens: Array,
    lora: bool,
    checkpointing: bool,
    weight_bytes: float,
    teacher_bytes: Array,
) -> TrainingMemory:
    """Memory on each of `count` accelerators at a micro-batch of one sequence; states and teacher are sharded over them."""
    parameters = models.block_parameters + models.stored_embedding_parameters
    trained = lora_parameters(models) if lora else parameters
    layer = CHECKPOINT_LAYER_BYTES if checkpointing else ACTIVATION_LAYER_BYTES
    once = ACTIVATION_LAYER_BYTES if checkpointing else 0  # the layer being computed again
    kept = (layer * models.layers + once) * models.hidden
    words = models.head_parameters / models.hidden
    adapters = trained * ACTIVATION_BYTES if lora else np.zeros(1)
    return TrainingMemory(
        weights=(parameters * weight_bytes + adapters) / count,
        gradients=trained * ACTIVATION_BYTES / count,
        optimiser=trained * (ADAM_STATE_BYTES - 2 * ACTIVATION_BYTES) / count,
        activations=sequence_tokens * (kept + words * LOGIT_BYTES),
        teacher=teacher_bytes / count,
        usable=chips.memory_bytes,
    )
