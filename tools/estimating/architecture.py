"""The shape of a decoder, as far as arithmetic and memory traffic depend on it. It says nothing of how good a model is."""

from dataclasses import dataclass

from ...state.errors import Correctable
from ...state.model_facts import ModelFacts
from ...state.plan import StudentShape

NEEDED = ("parameters", "layers", "hidden", "heads", "kv_heads", "head_dim", "feed_forward", "vocabulary")


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A decoder with grouped-query attention and a gated MLP, dense or a mixture of experts; all figures are counts."""

    parameters: int
    """All weights, embeddings included."""
    active_parameters: int
    """Weights one token uses; equals `parameters` of a dense model."""
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    """Width of one dense layer's MLP, or of one expert's."""
    vocabulary: int
    """Rows of the embedding, padding included."""
    tied_embeddings: bool = False
    """One matrix is both embedding and output head; small models mostly do this."""

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {value!r}" for name, value in vars(self).items() if name != "tied_embeddings" and not value > 0
        ]
        if self.active_parameters > self.parameters:
            wrong.append(f"active_parameters {self.active_parameters:,} are more than parameters {self.parameters:,}")
        if wrong:
            raise Correctable(f"{', '.join(wrong)}; each must be a positive number, and fewer weights active than all")

    @property
    def embedding_parameters(self) -> int:
        """Weights of the embedding and the output head."""
        return self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)

    @property
    def kv_elements_per_token(self) -> int:
        """Numbers the cache keeps for one token: a key and a value of every KV head of every layer."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def is_estimable(facts: ModelFacts) -> bool:
    """Whether the catalogue holds every figure that an estimate needs."""
    return all(getattr(facts, name) is not None for name in NEEDED if name != "vocabulary") and (
        facts.padded_vocabulary is not None or facts.vocabulary is not None
    )


def architecture_of(facts: ModelFacts) -> Architecture:
    """The architecture of a catalogued model.

    An unstated `tied_embeddings` counts as untied, which reads and stores more, never less. Raises Correctable naming every
    figure that the catalogue lacks, such as of a model behind an API.
    """
    figures: dict[str, int | None] = {name: getattr(facts, name) for name in NEEDED}
    figures["vocabulary"] = facts.padded_vocabulary or facts.vocabulary
    missing = [name for name, value in figures.items() if value is None]
    if missing:
        raise Correctable(
            f"{facts.name!r} cannot be estimated: its {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not known; "
            "choose an open model whose architecture is published"
        )
    known = {name: value for name, value in figures.items() if value is not None}
    return Architecture(
        **known,
        active_parameters=facts.active_parameters or known["parameters"],
        tied_embeddings=bool(facts.tied_embeddings),
    )


def student_architecture(shape: StudentShape, parameters: int) -> Architecture:
    """The architecture of a student built from scratch with so many weights; those beyond its layers are its embedding.

    It has as many KV heads as heads, and one matrix for embedding and head.
    """
    return Architecture(
        parameters=parameters,
        active_parameters=parameters,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        kv_heads=shape.heads,
        head_dim=max(1, shape.hidden // shape.heads),
        feed_forward=shape.feed_forward,
        vocabulary=max(1, (parameters - shape.parameters(0)) // shape.hidden),
        tied_embeddings=True,
    )
