"""How many parameters a dense decoder of a given shape has, and what they weigh; nothing of mixtures or latent attention."""

from ...state.errors import Correctable
from ...state.model_facts import ModelFacts


def is_dense(facts: ModelFacts) -> bool:
    """Every weight is read for every token; a mixture of experts reads `active_parameters` of them."""
    return facts.parameters is not None and facts.active_parameters in (None, facts.parameters)


def count_parameters(facts: ModelFacts) -> int:
    """Parameters of a Llama-type decoder with this shape.

    With h hidden, H query and K key-value heads of d, f feed-forward, V embedding rows and L layers: V h for the embedding, once more
    where the output has its own; a layer has h d (2 H + 2 K) in attention, 3 h f in its gated feed-forward and two norms of h; one norm
    of h follows the last. Biases, further norms and whatever reads images are ignored. Source: Llama 2, arXiv 2307.09288, and its
    grouped queries, arXiv 2305.13245.
    Raises Correctable when a part of the shape is not known.
    """
    hidden, rows, layers = facts.hidden, facts.padded_vocabulary or facts.vocabulary, facts.layers
    heads, kv_heads, feed_forward, tied = facts.heads, facts.kv_heads, facts.feed_forward, facts.tied_embeddings
    if not (hidden and rows and layers and heads and kv_heads and feed_forward) or tied is None:
        raise Correctable(f"the parameters of {facts.name} cannot be counted: its shape is not fully known")
    head_dim = facts.head_dim or hidden // heads
    attention = hidden * head_dim * (2 * heads + 2 * kv_heads)
    layer = attention + 3 * hidden * feed_forward + 2 * hidden
    return rows * hidden * (1 if tied else 2) + layers * layer + hidden


def weight_bytes(facts: ModelFacts, bits: float) -> int | None:
    """Bytes that all weights take at so many bits each, scales and buffers left out; None where their number is not published."""
    return None if facts.parameters is None else round(facts.parameters * bits / 8)
