"""What PyTorch and scikit-learn say of losses and their derivatives: the numbers that `tests/losses.rs` holds
millstream's losses to.

    pip install torch scikit-learn
    python3 tests/expected/losses.py        # seconds; rewrites losses.json next to it

Losses are torch's modules, derivatives torch's autograd, all in float64. What torch has not is scikit-learn's:
the hinges and the epsilon-insensitive loss are those of its SGD, which come with derivatives of their own, the
pinball loss is `mean_pinball_loss` of one row each. No margin lies at a kink. Margins and labels are integers over powers of two, which float32 holds exactly.
"""

import json
import pathlib
import random

import sklearn
import torch
from sklearn.linear_model import _sgd_fast as sgd
from sklearn.metrics import mean_pinball_loss

ROWS = 200


def by_torch(module, margins, labels):
    m = torch.tensor(margins, dtype=torch.float64, requires_grad=True)
    losses = module(m, torch.tensor(labels, dtype=torch.float64))
    losses.sum().backward()
    return losses.tolist(), m.grad.tolist()


def by_sgd(loss, margins, labels):
    pairs = list(zip(margins, labels))
    return [loss.py_loss(m, y) for m, y in pairs], [loss.py_dloss(m, y) for m, y in pairs]


def pinball(tau, margins, labels):
    losses = [mean_pinball_loss([y], [m], alpha=tau) for m, y in zip(margins, labels)]
    # A straight line on each side: its slope is what one more step of 1/1024 costs.
    step = [mean_pinball_loss([y], [m + 2**-10], alpha=tau) for m, y in zip(margins, labels)]
    return losses, [(b - a) * 2**10 for a, b in zip(losses, step)]


def main():
    draw = random.Random(7)
    # Odd multiples of 1/64 lie on no kink.
    margins = [(2 * draw.randrange(-400, 400) + 1) / 64 for _ in range(ROWS)]
    classes = [draw.randrange(2) for _ in range(ROWS)]
    signs = [2 * c - 1 for c in classes]
    numbers = [draw.randrange(-200, 200) / 32 for _ in range(ROWS)]
    counts = [float(min(draw.randrange(12), draw.randrange(40))) for _ in range(ROWS)]
    logs = [m / 2 for m in margins]
    cases = []

    def case(loss, margins, labels, expected, labels_are=None):
        losses, gradient = expected
        cases.append(dict(loss=loss, margins=margins, labels=labels_are or labels, losses=losses, gradient=gradient))

    bce = torch.nn.BCEWithLogitsLoss(reduction="none")
    case("logistic", margins, classes, by_torch(bce, margins, classes))
    case("hinge", margins, signs, by_sgd(sgd.Hinge(1.0), margins, signs), classes)
    case("squared-hinge", margins, signs, by_sgd(sgd.SquaredHinge(1.0), margins, signs), classes)
    half_mse = lambda m, y: torch.nn.MSELoss(reduction="none")(m, y) / 2
    case("squared", margins, numbers, by_torch(half_mse, margins, numbers))
    for delta in (0.25, 1.5):
        huber = torch.nn.HuberLoss(reduction="none", delta=delta)
        case({"huber": {"delta": delta}}, margins, numbers, by_torch(huber, margins, numbers))
    for tau in (0.125, 0.5, 0.9):
        case({"quantile": {"tau": tau}}, margins, numbers, pinball(tau, margins, numbers))
    for epsilon in (0.0, 0.5):
        svr = sgd.EpsilonInsensitive(epsilon)
        case({"epsilon-insensitive": {"epsilon": epsilon}}, margins, numbers, by_sgd(svr, margins, numbers))
    nll = torch.nn.PoissonNLLLoss(log_input=True, full=False, reduction="none")
    case("poisson", logs, counts, by_torch(nll, logs, counts))

    rows = []
    for classes in (2, 3, 4, 9, 17):
        for _ in range(10):
            m = [draw.randrange(-400, 400) / 32 for _ in range(classes)]
            label = draw.randrange(classes)
            x = torch.tensor([m], dtype=torch.float64, requires_grad=True)
            loss = torch.nn.CrossEntropyLoss()(x, torch.tensor([label]))
            loss.backward()
            rows.append(dict(margins=m, label=label, loss=loss.item(), gradient=x.grad[0].tolist()))

    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    softmax = ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows)
    versions = json.dumps({"torch": torch.__version__, "scikit-learn": sklearn.__version__})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(versions[:-1] + ', "cases": [\n' + lines + '\n], "softmax": [\n' + softmax + "\n]}\n")


if __name__ == "__main__":
    main()
