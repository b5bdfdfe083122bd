import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.detector import DetectorOutput
from fakeforensics.objectives.bce import Bce
from fakeforensics.objectives.joint import Joint
from fakeforensics.objectives.registry import build_objective

OUTPUT = DetectorOutput(torch.zeros(2, 4), torch.tensor([0.0, 1.0986123]), torch.tensor([4.0, 0.5]))
LABEL = torch.tensor([0.0, 1.0])


def test_hand_worked_losses():
    # real: 0.1 · 4 + log 2; fake: 0.1 / 0.500001 − log 3/4
    assert Joint(0.1).losses(OUTPUT, LABEL).tolist() == pytest.approx([1.093147, 0.487682], abs=1e-6)


def test_lambda_zero_is_bce_bit_for_bit():
    assert torch.equal(Joint(0.0).losses(OUTPUT, LABEL), Bce().losses(OUTPUT, LABEL))


def test_lambda_zero_leaves_the_gradients_of_bce_even_for_a_fake_on_the_centre():
    def gradient(objective):
        code = torch.tensor([[0.3, -0.2], [0.0, 0.0]], requires_grad=True)
        output = DetectorOutput(code, code.sum(dim=1), code.square().sum(dim=1))
        objective.losses(output, LABEL).sum().backward()
        return code.grad

    assert torch.equal(gradient(Joint(0.0)), gradient(Bce()))


def test_gradient_is_that_of_finite_differences():
    code = torch.tensor([[0.3, -0.2], [0.5, 0.7]], dtype=torch.float64, requires_grad=True)

    def losses(code):
        output = DetectorOutput(code, code.sum(dim=1), code.square().sum(dim=1))
        return Joint(0.3).losses(output, LABEL.double())

    assert torch.autograd.gradcheck(losses, code)


def test_scores_are_both():
    assert set(Joint(0.1).scores(OUTPUT)) == {"score_sl", "logit", "score_cd"}


@pytest.mark.parametrize("name", ["bce", "sad"])
def test_registry_knows_each_by_name(name):
    assert build_objective(name).name == name


def test_registry_gives_joint_its_lambda():
    assert build_objective("joint", 0.1).lambda_ == 0.1


@pytest.mark.parametrize("lambda_", [None, -0.1, float("nan"), float("inf")])
def test_joint_refuses_what_is_no_weight(lambda_):
    with pytest.raises(UserError, match="joint needs `lambda`"):
        build_objective("joint", lambda_)


def test_an_unknown_objective_is_named():
    with pytest.raises(UserError, match="'focal'"):
        build_objective("focal")
