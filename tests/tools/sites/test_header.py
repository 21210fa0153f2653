"""Headers of the whole search space: shapes, padding that changes nothing, and weights shared with the bank."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import random

import pytest
import torch
from pydantic import ValidationError
from stratos.tools.sites.heads.header import (
    OPERATIONS,
    POOLS,
    Block,
    HeaderSpec,
    Operation,
    all_parts,
    composed,
    new_header,
)

WIDTH, CLASSES = 12, 5


def features() -> tuple[torch.Tensor, torch.Tensor]:
    """Three texts of 7, 4 and 1 tokens."""
    torch.manual_seed(0)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] + [0] * 6])
    return torch.randn(3, 7, WIDTH), mask


def any_header(seed: int) -> HeaderSpec:
    drawing = random.Random(seed)
    return composed(lambda _, options: drawing.randrange(options), blocks=3, cells=2)


def every_kind() -> list[HeaderSpec]:
    each = [
        HeaderSpec(blocks=(Block(inputs=(0, 0), operations=(operation, "skip")),), pool=pool)
        for operation in OPERATIONS
        for pool in POOLS
    ]
    return [HeaderSpec(), *each, *(any_header(seed) for seed in range(20))]


@pytest.mark.parametrize("spec", every_kind(), ids=lambda spec: spec.model_dump_json())
def test_what_pads_a_text_changes_nothing(spec: HeaderSpec) -> None:
    given, mask = features()
    header = new_header(spec.parts(), WIDTH, CLASSES).eval()
    logits = header(given, mask, spec)
    padded = torch.cat([given, torch.randn(3, 4, WIDTH) * 100], dim=1)
    longer = header(padded, torch.cat([mask, torch.zeros(3, 4)], dim=1), spec)
    other = given.masked_fill(mask[..., None] == 0, 7.0)
    assert logits.shape == (3, CLASSES)
    assert torch.allclose(logits, longer, atol=1e-5)
    assert torch.allclose(logits, header(other, mask, spec), atol=1e-5)


@pytest.mark.parametrize("spec", every_kind()[1:], ids=lambda spec: spec.model_dump_json())
def test_a_header_of_its_own_computes_what_it_does_in_the_bank(spec: HeaderSpec) -> None:
    given, mask = features()
    bank = new_header(all_parts(blocks=3, cells=2), WIDTH, CLASSES).eval()
    own = new_header(spec.parts(), WIDTH, CLASSES).eval()
    shared = bank.state_dict()
    own.load_state_dict({name: shared[name] for name in own.state_dict()})
    assert torch.equal(own(given, mask, spec), bank(given, mask, spec))


def test_a_mean_and_a_maximum_of_neighbours_by_hand() -> None:
    """One feature, tokens 1, 5, 3 and one that is not there: neighbours that are there alone count."""
    row = torch.tensor([[[1.0], [5.0], [3.0], [100.0]]])
    mask = torch.tensor([[1, 1, 1, 0]])

    def over(operation: Operation) -> list[float]:
        spec = HeaderSpec(blocks=(Block(inputs=(0, 0), operations=(operation, operation)),))
        there = mask[..., None].float()
        return (new_header([], 1, 2).cell(row, there, spec, 0) / 2).reshape(-1).tolist()

    assert over("mean_3") == pytest.approx([3.0, 3.0, 4.0, 0.0])
    assert over("max_3") == pytest.approx([5.0, 5.0, 5.0, 0.0])
    assert over("skip") == pytest.approx([1.0, 5.0, 3.0, 0.0])


def test_what_no_block_reads_is_the_cells_output() -> None:
    """Block 1 reads block 0, block 2 the features: the mean of blocks 1 and 2."""
    given, mask = features()
    skip: tuple[Operation, Operation] = ("skip", "skip")
    blocks = tuple(Block(inputs=places, operations=skip) for places in ((0, 0), (1, 1), (0, 0)))
    there = mask[..., None].float()
    found = new_header([], WIDTH, CLASSES).cell(given, there, HeaderSpec(blocks=blocks), 0)
    assert torch.allclose(found, given * there * (4 + 2) / 2)


def test_a_block_reads_only_what_is_before_it() -> None:
    with pytest.raises(ValidationError, match="block 1 reads 2, there is 0 to 1; block 1 reads -1"):
        HeaderSpec(
            blocks=(
                Block(inputs=(0, 0), operations=("skip", "skip")),
                Block(inputs=(2, -1), operations=("skip", "mlp")),
            )
        )


def test_all_operations_learn() -> None:
    given, mask = features()
    bank = new_header(all_parts(blocks=2, cells=1), WIDTH, CLASSES)
    for operation in ("conv_3", "conv_5", "mlp", "gated"):
        operations: tuple[Operation, Operation] = (operation, "skip")  # pyright: ignore[reportAssignmentType]
        spec = HeaderSpec(blocks=(Block(inputs=(0, 0), operations=operations),), pool="attention")
        bank.zero_grad()
        bank(given, mask, spec).logsumexp(-1).sum().backward()
        touched = {
            name.split(".")[1]
            for name, weight in bank.parts.named_parameters(prefix="parts")
            if weight.grad is not None
        }
        assert touched == {f"cell0-block0-0-{operation}"}
        assert bank.attention.weight.grad.abs().sum() > 0
