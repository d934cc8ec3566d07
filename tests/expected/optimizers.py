"""What PyTorch's optimisers make of a small data set: the numbers that `tests/optimizers.rs` holds
millstream's optimisers to.

    pip install torch
    python3 tests/expected/optimizers.py        # about a minute; rewrites optimizers.json next to it

Every combination is trained of
  - optimiser: SGD, Adagrad and RMSprop of torch.optim for 1,000 mini-batches of 32 rows, and gradient
    descent, which is torch.optim.SGD on the mean over all rows: 60 epochs, so 60 steps, on the first
    3,200 rows (each step is the same sum over all rows, so more rows or epochs would test nothing new);
  - features: `dense`, six numbers; `sparse`, a category column (one-hot) and a list column (multi-hot,
    a code that a list repeats counts as often as it stands there). Most categories are absent from
    most mini-batches, some for hundreds in a row, and common ones occur several times in one;
  - loss: logistic, and squared, which is (m-y)^2/2;
  - l2: weight_decay of all parameters but the bias;
  - importance weights: the loss of a mini-batch of B rows is sum(w*l)/B.

All is computed densely, in float64, with autograd's gradients: nothing here is lazy, sparse or written
by hand. Each case is trained a second time in float32; `float32` is the largest relative deviation of
those weights from float64's, which says how much of a deviation is owed to float32 alone. The
deviation of a from b is |a-b| / max(|b|, FLOOR).

The data comes from splitmix64 by integer arithmetic, and every number in it is an integer over a power
of two, so that another program can repeat it bit for bit; `check` is there to see that it did.
"""

import json
import pathlib

import torch

ROWS, GD_ROWS, BATCH, GD_EPOCHS = 32_000, 3_200, 32, 60
NUMBERS, CATEGORIES, LIST_CATEGORIES = 6, 200, 40  # a category's code 0 means missing
FLOOR = 0.01

# The rates are exact in binary, so that a trainer in float32 is given the same ones.
OPTIMIZERS = {
    "gd": (torch.optim.SGD, {"lr": 0.5}),
    "sgd": (torch.optim.SGD, {"lr": 0.0625}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.25, "eps": 1e-10}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.00390625, "alpha": 0.99, "eps": 1e-8}),
}


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def below(self, n):
        return (self.next() >> 33) % n


def rows():
    """The rows as (numbers * 256, category, list, score, weight * 4), and the check.

    The score, over 256, is the target of a regression; its sign is the class. It depends on all
    columns, so for a model of only some of them the others are noise.
    """
    random, result, total = SplitMix64(2024), [], 0
    for _ in range(ROWS):
        numbers = [random.below(512) - 256 for _ in range(NUMBERS)]
        # Ten groups of twenty categories, each half as frequent as the one before (the number of
        # trailing zeros of a random integer); within a group the first are the more frequent.
        bits, group = random.below(512) | 512, 0
        while bits % 2 == 0:
            bits, group = bits // 2, group + 1
        category = 1 + 20 * group + min(random.below(20), random.below(20))
        if random.below(16) == 0:
            category = 0
        codes = [1 + min(random.below(40), random.below(40)) for _ in range(random.below(4))]
        score = sum(c * x for c, x in zip((3, -2, 1, -1, 2, 0), numbers))
        score += (category * 37 % 101 - 50) * 8 + sum((code * 29 % 61 - 30) * 8 for code in codes)
        result.append((numbers, category, codes, score, 1 + random.below(8)))
        total += score
    return result, {"next": random.next(), "scores": total}


def features(data, kind):
    """The design matrix, without the bias's column of ones."""
    if kind == "dense":
        return torch.tensor([row[0] for row in data], dtype=torch.float64) / 256
    x = torch.zeros(len(data), 1 + CATEGORIES + 1 + LIST_CATEGORIES, dtype=torch.float64)
    for i, (_, category, codes, _, _) in enumerate(data):
        x[i, category] = 1
        for code in codes:
            x[i, 1 + CATEGORIES + code] += 1
    return x


def train(name, x, y, importance, loss, l2):
    """Trains in the precision of `x`; returns the bias and the weights."""
    make, options = OPTIMIZERS[name]
    bias = torch.zeros(1, dtype=x.dtype, requires_grad=True)
    weight = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = make([{"params": [bias], "weight_decay": 0.0}, {"params": [weight], "weight_decay": l2}], **options)
    if name == "gd":
        batches = [(x[:GD_ROWS], y[:GD_ROWS], importance[:GD_ROWS])] * GD_EPOCHS
    else:
        batches = zip(x.split(BATCH), y.split(BATCH), importance.split(BATCH))
    for x, y, importance in batches:
        margin = x @ weight + bias
        if loss == "logistic":
            losses = torch.nn.functional.binary_cross_entropy_with_logits(margin, y, reduction="none")
        else:
            losses = (margin - y) ** 2 / 2
        optimizer.zero_grad()
        ((importance * losses).sum() / len(y)).backward()
        optimizer.step()
    return torch.cat([bias, weight]).detach().double()


def main():
    torch.set_num_threads(1)
    data, check = rows()
    scores = torch.tensor([row[3] for row in data], dtype=torch.float64)
    targets = {"logistic": (scores > 0).double(), "squared": scores / 256}
    drawn = torch.tensor([row[4] for row in data], dtype=torch.float64) / 4
    cases = []
    for kind in ("dense", "sparse"):
        x = features(data, kind)
        for name in OPTIMIZERS:
            for loss, y in targets.items():
                for l2 in (0.0, 0.01):
                    for weighted in (False, True):
                        importance = drawn if weighted else torch.ones_like(drawn)
                        expected = train(name, x, y, importance, loss, l2)
                        single = train(name, x.float(), y.float(), importance.float(), loss, l2)
                        deviation = ((single - expected).abs() / expected.abs().clamp(min=FLOOR)).max().item()
                        case = {"features": kind, "optimizer": name, "loss": loss, "l2": l2, "weighted": weighted}
                        case |= {"float32": float(f"{deviation:.2g}")}
                        # The bias, then each column's or category's, to nine digits.
                        case |= {"weights": [float(f"{w:.9g}") for w in expected.tolist()]}
                        cases.append(case)
                        print({k: v for k, v in case.items() if k != "weights"}, flush=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    head = json.dumps({"torch": torch.__version__, "check": check, "floor": FLOOR})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(head[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
