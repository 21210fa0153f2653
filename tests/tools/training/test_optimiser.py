"""Muon: what orthogonalising gives, and that its state continues exactly."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from stratos.tools.training.optimiser import MuonWithAdamW, orthogonalised


class Net(torch.nn.Module):
    """One embedding outside and two matrices inside `layers`, as a decoder has them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(10, 8)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 24, bias=False)])


def stepped(net: Net, optimiser: MuonWithAdamW, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    for _ in range(steps):
        for weight in net.parameters():
            weight.grad = torch.randn_like(weight)
        optimiser.step(1.0)


def new(net: Net) -> MuonWithAdamW:
    return MuonWithAdamW(net, rate_matrices=0.02, rate_rest=0.003)


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((16, 16), (8, 24), (24, 8)):
        values = torch.linalg.svdvals(orthogonalised(torch.randn(3, *shape)))
        assert float(values.min()) > 0.3
        assert float(values.max()) < 1.3


def test_an_orthogonal_matrix_keeps_its_directions() -> None:
    torch.manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(8, 8))
    turned = orthogonalised(q[None])[0]
    assert torch.allclose(turned / turned.norm(), q / q.norm(), atol=1e-3)


def test_matrices_in_layers_take_steps_of_one_size_whatever_their_gradient() -> None:
    net = Net()
    (matrix,) = net.layers[0].parameters()
    before, optimiser = matrix.detach().clone(), new(net)
    for weight in net.parameters():
        weight.grad = 1000 * torch.eye(*weight.shape)
    optimiser.step(1.0)
    assert 0.01 < float((matrix.detach() - before).abs().max()) < 0.03


def test_a_restored_state_continues_bit_for_bit() -> None:
    net, twin = Net(), Net()
    first, second = new(net), new(twin)
    stepped(net, first, 3, seed=1)
    stepped(twin, second, 3, seed=1)
    third = new(twin)
    third.load_state_dict(second.state_dict())
    stepped(net, first, 3, seed=2)
    stepped(twin, third, 3, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))
