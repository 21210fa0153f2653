"""Who wrote a folder of shards: kept beside them, so that a teacher's text is never taken for gold, nor gold for a teacher's."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from ..generation import file_sha256
from ..jobs import write_atomic
from .alignment import LogitAlignment

PROVENANCE_FILE = "provenance.json"


class Sampling(Record):
    """How a teacher's completions were drawn and chosen."""

    samples: int = Field(default=1, gt=0, description="completions drawn for every prompt")
    temperature: float = Field(default=0.0, ge=0, description="0: greedy")
    top_p: float = Field(default=1.0, gt=0, le=1)
    keep: int = Field(default=1, gt=0, description="different completions kept of a prompt, the most frequent first")
    verify: bool = Field(default=True, description="keep only what the skill's verifier calls exact")
    seed: int = 0


class Counts(Record):
    """What became of one shard's prompts."""

    prompts: int
    drawn: int
    kept: int
    malformed: int = Field(description="drawn, and not a completion of the skill's form")
    rejected: int = Field(description="well formed, and refused by the verifier")
    repeated: int = Field(description="the same text as another of its prompt")
    surplus: int = Field(description="different, and more than are kept of a prompt")
    disagreeing: int = Field(description="prompts whose completions do not all give one answer")
    unanswered: int = Field(description="prompts of which nothing was kept")


class Written(Record):
    """One shard that a teacher wrote."""

    source_sha256: str = Field(description="of the shard whose prompts were answered")
    sha256: str
    counts: Counts


class Provenance(Record):
    """All shards of a folder that one teacher wrote in one way."""

    teacher_sha256: str
    skill: str
    task: str
    sampling: Sampling
    shards: dict[str, Written] = Field(default_factory=dict[str, Written])


def read_provenance(folder: Path) -> Provenance | None:
    """What is known of a folder's shards; None where no teacher wrote any."""
    path = folder / PROVENANCE_FILE
    return Provenance.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def write_provenance(folder: Path, provenance: Provenance) -> None:
    """Replaces what is known."""
    write_atomic(folder / PROVENANCE_FILE, provenance.model_dump_json(indent=2))


def require_text(part: LogitAlignment, shards: Sequence[Path], teacher_sha256: str) -> None:
    """Raises Correctable when a shard was written by someone else than the alignment's `text` says."""
    for shard in shards:
        found = read_provenance(shard.parent)
        written = found.shards.get(shard.name) if found else None
        by_teacher = written is not None and written.sha256 == file_sha256(shard)
        if part.text == "gold" and by_teacher:
            raise Correctable(f"shard {str(shard)!r} was written by a teacher, and 'text' says 'gold': say 'teacher'")
        if part.text == "teacher" and not by_teacher:
            raise Correctable(
                f"'text' says 'teacher', and no {PROVENANCE_FILE} beside {str(shard)!r} names this very file: "
                "let stratos.tools.training.sequences write it, or say 'gold'"
            )
        if part.text == "teacher" and found is not None and found.teacher_sha256 != teacher_sha256:
            raise Correctable(
                f"shard {str(shard)!r} was written by the teacher {found.teacher_sha256[:12]}..., "
                f"and the logits are of {teacher_sha256[:12]}..."
            )
