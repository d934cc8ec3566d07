"""What PyTorch makes of a small data set: the numbers that `tests/optimizers` holds millstream's learner to.

    pip install torch
    python3 tests/expected/optimizers.py        # some minutes; rewrites optimizers.json next to it

A case is trained by an optimiser of torch.optim (or by FTRL-Proximal, which torch does not have and which is
written here from its paper) on 1,000 mini-batches of 32 rows; by gradient descent, which is torch.optim.SGD on
the mean over all rows, for 60 epochs, so 60 steps, on the first 3,200 rows. Cases differ in
  - features: `dense`, six numbers; `sparse`, a category column (one-hot) and a list column (multi-hot, a code
    that a list repeats counts as often as it stands there); `all`, both. Most categories are absent from most
    mini-batches, some for hundreds in a row, and common ones occur several times in one;
  - form: one margin; a margin for each of five classes; a factorization machine of three factors;
  - loss, and class weights that multiply it;
  - l2: weight_decay of all parameters but the biases. l1: after each step a weight is drawn towards zero by l1
    times its own rate, but not across;
  - schedule: torch's LambdaLR with min(1, (t+1)/warm_up) * (t+1)^-power;
  - importance weights: the loss of a mini-batch of B rows is sum(w*l)/B, that of all rows sum(w*l)/sum(w);
  - offsets, which are added to the margins.

All is computed densely, in float64, with autograd's gradients: nothing here is lazy, sparse or derived by hand.
Each case is trained a second time in float32; `float32` is the largest relative deviation of those weights from
float64's, which says how much of a deviation is owed to float32 alone. The deviation of a from b is
|a-b| / max(|b|, FLOOR). `mean`, where it is given, is the mean of the weights after each step, of which that
after step t (from 0) weighs 2t+1.

The data comes from splitmix64 by integer arithmetic, and every number in it is an integer over a power of two,
so that another program can repeat it bit for bit; `check` is there to see that it did.
"""

import json
import pathlib
import time

import torch
from torch.nn import functional

ROWS, GD_ROWS, BATCH, GD_EPOCHS = 32_000, 3_200, 32, 60
NUMBERS, CATEGORIES, LIST_CATEGORIES = 6, 200, 40  # a category's code 0 means missing
FACTORS = 3
FLOOR = 0.01


def single(x):
    """The nearest number in float32: what a trainer in float32 is given."""
    return torch.tensor(x, dtype=torch.float32).item()


class Ftrl(torch.optim.Optimizer):
    """Algorithm 1 of McMahan et al., KDD 2013, every weight recomputed at every step; the penalties are
    counted once for each step so far. A weight that does not start from zero starts from the `z` that gives it."""

    def __init__(self, groups, lr, beta):
        super().__init__(groups, {"lr": lr, "beta": beta, "weight_decay": 0.0, "l1": 0.0})
        self.steps = 0

    def parts(self, group, p):
        state = self.state[p]
        if "sum" not in state:
            state["sum"] = torch.zeros_like(p)
        if "z" not in state:
            state["z"] = -p.detach() * (group["beta"] + state["sum"].sqrt()) / group["lr"]
        return state

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for group in self.param_groups:
            for p in group["params"]:
                state, t = self.parts(group, p), self.steps
                n = state["sum"] + p.grad**2
                sigma = (n.sqrt() - state["sum"].sqrt()) / group["lr"]
                z = state["z"] + p.grad - sigma * p
                state["sum"], state["z"] = n, z
                free = -(z - z.sign() * t * group["l1"])
                free /= (group["beta"] + n.sqrt()) / group["lr"] + t * group["weight_decay"]
                p.copy_(torch.where(z.abs() <= t * group["l1"], torch.zeros_like(z), free))


# What millstream calls an optimiser, torch's, its options, and the rate that each weight has after a step. The
# learning rates are exact in binary.
OPTIMIZERS = {
    "gd": ({"name": "gd"}, torch.optim.SGD, {"lr": 0.5}, None),
    "sgd": ({"name": "sgd", "momentum": 0.0}, torch.optim.SGD, {"lr": 0.0625}, None),
    "momentum": (
        {"name": "sgd", "momentum": 0.9},
        torch.optim.SGD,
        {"lr": 0.0078125, "momentum": single(0.9)},
        None,
    ),
    "adagrad": ({"name": "adagrad", "epsilon": 1e-10}, torch.optim.Adagrad, {"lr": 0.25, "eps": 1e-10}, "sum"),
    # Where a first gradient may be zero but for rounding, as at classes that are as probable as they are
    # frequent: Adagrad makes a whole step of that, to either side, unless epsilon is larger.
    "smooth": (
        {"name": "adagrad", "epsilon": 0.00390625},
        torch.optim.Adagrad,
        {"lr": 0.25, "eps": 0.00390625},
        "sum",
    ),
    "rmsprop": (
        {"name": "rmsprop", "decay": 0.99, "epsilon": 1e-8},
        torch.optim.RMSprop,
        {"lr": 0.00390625, "alpha": single(0.99), "eps": 1e-8},
        "square_avg",
    ),
    "ftrl": ({"name": "ftrl", "beta": 0.001}, Ftrl, {"lr": 0.25, "beta": single(0.001)}, None),
}

LOGISTIC, SQUARED, SOFTMAX = {"name": "logistic"}, {"name": "squared"}, {"name": "softmax"}


def row_losses(loss, m, y):
    """The loss of each row."""
    match loss["name"]:
        case "logistic":
            return functional.binary_cross_entropy_with_logits(m, y, reduction="none")
        case "hinge":
            return functional.relu(1 - (2 * y - 1) * m)
        case "squared-hinge":
            return functional.relu(1 - (2 * y - 1) * m) ** 2
        case "softmax":
            return functional.cross_entropy(m, y.long(), reduction="none")
        case "squared":
            return (m - y) ** 2 / 2
        case "huber":
            return functional.huber_loss(m, y, reduction="none", delta=loss["delta"])
        case "quantile":
            return torch.where(y > m, loss["tau"] * (y - m), (1 - loss["tau"]) * (m - y))
        case "epsilon-insensitive":
            return functional.relu((m - y).abs() - loss["epsilon"])
        case "poisson":
            return functional.poisson_nll_loss(m, y, reduction="none")


def target(loss, score):
    """A row's target of its integer score."""
    match loss["name"]:
        case "logistic" | "hinge" | "squared-hinge":
            return float(score > 0)
        case "softmax":
            return float(sum(score > border for border in (-800, -200, 200, 800)))
        case "poisson":
            return max(score, 0) / 1024
        case _:
            return score / 256


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

    Targets are functions of the score, which depends on all columns, so for a model of only some of them the
    others are noise. The offset is (weight * 4 - 4) / 8.
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
    """The design matrix, without the bias's column of ones, and the sums of the squares of what each of its
    numbers is a sum of: a code that a list repeats is as many features."""
    numbers = torch.tensor([row[0] for row in data], dtype=torch.float64) / 256
    if kind == "dense":
        return numbers, numbers**2
    x = torch.zeros(len(data), 1 + CATEGORIES + 1 + LIST_CATEGORIES, dtype=torch.float64)
    for i, (_, category, codes, _, _) in enumerate(data):
        x[i, category] = 1
        for code in codes:
            x[i, 1 + CATEGORIES + code] += 1
    return (x, x) if kind == "sparse" else (torch.cat([numbers, x], 1), torch.cat([numbers**2, x], 1))


class Model(torch.nn.Module):
    """Weights and biases of one of the forms; factors start from splitmix64."""

    def __init__(self, columns, form, dtype):
        super().__init__()
        self.classes = form.get("classes", 0)
        self.factors = form.get("factors", 0)
        parameter = lambda *shape: torch.nn.Parameter(torch.zeros(*shape, dtype=dtype))
        self.bias = parameter(max(self.classes, 1))
        self.weight = parameter(columns, max(self.classes, 1))
        if self.factors:
            random = SplitMix64(77)
            start = [[(random.below(256) - 128) / 2048 for _ in range(self.factors)] for _ in range(columns)]
            self.v = torch.nn.Parameter(torch.tensor(start, dtype=dtype))

    def forward(self, x, squares):
        margin = x @ self.weight + self.bias
        if self.factors:
            margin = margin + 0.5 * ((x @ self.v) ** 2 - squares @ self.v**2).sum(1, keepdim=True)
        return margin if self.classes else margin[:, 0]

    def numbers(self):
        """The bias's numbers, then each feature's."""
        bias, weight = self.bias.detach(), self.weight.detach()
        if self.factors:
            bias = torch.cat([bias, torch.zeros(self.factors, dtype=bias.dtype)])
            weight = torch.cat([weight, self.v.detach()], 1)
        return torch.cat([bias, weight.flatten()]).double()


def train(case, x, squares, y, importance, offsets):
    """Trains in the precision of `x`; returns the weights, and their mean if it is wanted."""
    _, make, options, accumulator = OPTIMIZERS[case["optimizer"]]
    l1, l2 = case.get("l1", 0.0), case.get("l2", 0.0)
    model = Model(x.shape[1], case.get("form", {}), x.dtype)
    penalized = [p for name, p in model.named_parameters() if name != "bias"]
    groups = [{"params": [model.bias], "weight_decay": 0.0}, {"params": penalized, "weight_decay": l2}]
    if make is Ftrl:
        groups[1]["l1"] = l1
    optimizer = make(groups, **options)
    if model.factors and case["optimizer"] in ("adagrad", "smooth", "ftrl"):
        # The factors' accumulators do not start from zero.
        optimizer.state[model.v]["sum"] = torch.full_like(model.v, single(1e-4))
    power, warm_up = case.get("schedule", (0, 0))
    factor = lambda t: min(1.0, (t + 1) / warm_up if warm_up else 1.0) * (t + 1) ** -power
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    class_weights = torch.tensor(case.get("class_weights", []), dtype=x.dtype)

    full = case["optimizer"] == "gd"
    parts = [t[:GD_ROWS] if full else t for t in (x, squares, y, importance, offsets)]
    batches = [parts] * GD_EPOCHS if full else list(zip(*(t.split(BATCH) for t in parts)))
    mean = 0.0
    for t, (x, squares, y, importance, offsets) in enumerate(batches):
        margin = model(x, squares)
        if case.get("offsets"):
            margin = margin + offsets
        losses = importance * row_losses(case["loss"], margin, y)
        if len(class_weights):
            losses = losses * class_weights[y.long()]
        optimizer.zero_grad()
        (losses.sum() / (importance.sum() if full else len(y))).backward()
        optimizer.step()
        if l1 and make is not Ftrl:
            with torch.no_grad():
                for p in penalized:
                    rate = optimizer.param_groups[1]["lr"]
                    if accumulator:
                        rate = rate / (optimizer.state[p][accumulator].sqrt() + options["eps"])
                    p.copy_(p.sign() * (p.abs() - rate * l1).clamp(min=0))
        scheduler.step()
        if case.get("mean"):
            mean = mean + (2 * t + 1) / len(batches) ** 2 * model.numbers()
    return model.numbers(), mean


def cases():
    """The cases, in groups."""

    def case(group, features, optimizer, loss, **others):
        others = {key: value for key, value in others.items() if value}
        return {"group": group, "features": features, "optimizer": optimizer, "loss": loss} | others

    for features in ("dense", "sparse"):
        for optimizer in ("gd", "sgd", "adagrad", "rmsprop"):
            for loss in (LOGISTIC, SQUARED):
                for l2 in (0.0, 0.01):
                    for weighted in (False, True):
                        yield case(optimizer, features, optimizer, loss, l2=l2, weighted=weighted)
        for loss in (LOGISTIC, SQUARED):
            for l2 in (0.0, 0.01):
                yield case("momentum", features, "momentum", loss, l2=l2, weighted=loss is SQUARED)
        for l1, l2 in ((0.0, 0.0), (0.0, 0.01), (0.002, 0.0), (0.002, 0.01)):
            yield case("ftrl", features, "ftrl", LOGISTIC, l1=l1, l2=l2)
        yield case("ftrl", features, "ftrl", SQUARED, l1=0.01, l2=0.01, weighted=True)
        for optimizer in ("gd", "sgd", "momentum", "adagrad", "rmsprop"):
            mean = features == "sparse" and optimizer != "gd"
            yield case("l1", features, optimizer, LOGISTIC, l1=0.004)
            yield case("l1", features, optimizer, LOGISTIC, l1=0.002, l2=0.01, mean=mean)
    for optimizer in ("gd", "sgd", "adagrad"):
        yield case("schedules", "dense", optimizer, LOGISTIC, schedule=(0.5, 10))
    for optimizer in ("sgd", "momentum", "adagrad", "rmsprop"):
        yield case("schedules", "sparse", optimizer, LOGISTIC, schedule=(0.5, 0), mean=True)
        yield case("schedules", "sparse", optimizer, LOGISTIC, schedule=(0.5, 0), l1=0.002, l2=0.01, mean=True)
        yield case("schedules", "sparse", optimizer, LOGISTIC, schedule=(0.25, 100), l2=0.01, mean=True)
        yield case("schedules", "sparse", optimizer, LOGISTIC, schedule=(0.25, 100), l1=0.004)
    for loss in (
        {"name": "hinge"},
        {"name": "squared-hinge"},
        {"name": "huber", "delta": 1.0},
        {"name": "quantile", "tau": 0.75},
        {"name": "epsilon-insensitive", "epsilon": 0.5},
        {"name": "poisson"},
    ):
        yield case("losses", "dense", "adagrad", loss, weighted=True)
        yield case("losses", "sparse", "adagrad", loss, l2=0.01)
    yield case("offsets", "dense", "adagrad", LOGISTIC, offsets=True)
    yield case("offsets", "dense", "gd", SQUARED, offsets=True, weighted=True)
    yield case("offsets", "sparse", "sgd", LOGISTIC, offsets=True, l2=0.01)
    yield case("offsets", "dense", "adagrad", {"name": "poisson"}, offsets=True)
    yield case("offsets", "dense", "adagrad", LOGISTIC, offsets=True, form={"form": "factors", "factors": 2})
    classes = {"form": "classes", "classes": 5}
    weights = (1.0, 2.0, 0.5, 1.0, 1.5)
    for optimizer in ("adagrad", "sgd"):
        for features in ("dense", "sparse"):
            of = "smooth" if (optimizer, features) == ("adagrad", "sparse") else optimizer
            yield case("classes", features, of, SOFTMAX, form=classes)
            yield case("classes", features, of, SOFTMAX, form=classes, class_weights=weights, l2=0.01)
    yield case("classes", "sparse", "adagrad", SOFTMAX, form=classes, l1=0.002, weighted=True)
    yield case("classes", "sparse", "ftrl", SOFTMAX, form=classes, l1=0.001, class_weights=weights)
    yield case("classes", "dense", "gd", SOFTMAX, form=classes, weighted=True, class_weights=weights)
    yield case("classes", "dense", "adagrad", LOGISTIC, class_weights=(0.5, 2.0), weighted=True)
    factors = {"form": "factors", "factors": FACTORS}
    for optimizer in ("adagrad", "sgd"):
        yield case("factors", "dense", optimizer, LOGISTIC, form=factors)
        yield case("factors", "all", "smooth" if optimizer == "adagrad" else optimizer, LOGISTIC, form=factors)
        yield case("factors", "all", optimizer, LOGISTIC, form=factors, l2=0.01)
    yield case("factors", "all", "adagrad", LOGISTIC, form=factors, l1=0.0001, l2=0.001, weighted=True)
    yield case("factors", "all", "momentum", LOGISTIC, form=factors)
    yield case("factors", "all", "ftrl", LOGISTIC, form=factors, l1=0.0005)
    yield case("factors", "dense", "gd", SQUARED, form=factors, weighted=True)


def main():
    torch.set_num_threads(1)
    data, check = rows()
    designs = {kind: features(data, kind) for kind in ("dense", "sparse", "all")}
    drawn = torch.tensor([row[4] for row in data], dtype=torch.float64)
    written = []
    for case in cases():
        began = time.monotonic()
        x, squares = designs[case["features"]]
        y = torch.tensor([target(case["loss"], row[3]) for row in data], dtype=torch.float64)
        importance = drawn / 4 if case.get("weighted") else torch.ones_like(drawn)
        parts = (x, squares, y, importance, (drawn - 4) / 8)
        expected, mean = train(case, *parts)
        rough, _ = train(case, *(t.float() for t in parts))
        deviation = ((rough - expected).abs() / expected.abs().clamp(min=FLOOR)).max().item()
        print(case, f"{deviation:.1e} in {time.monotonic() - began:.1f} s", flush=True)
        optimizer, _, options, _ = OPTIMIZERS[case["optimizer"]]
        # As millstream writes it: by its name, or by its name with its numbers.
        numbers = {key: value for key, value in case["loss"].items() if key != "name"}
        case["loss"] = {case["loss"]["name"]: numbers} if numbers else case["loss"]["name"]
        case |= {"optimizer": optimizer, "rate": options["lr"], "float32": float(f"{deviation:.2g}")}
        digits = lambda numbers, count: [float(f"{w:.{count}g}") for w in numbers.tolist()]
        if case.get("mean"):
            case["mean"] = digits(mean, 5)
        written.append(case | {"weights": digits(expected, 7)})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in written)
    head = json.dumps({"torch": torch.__version__, "check": check, "floor": FLOOR})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(head[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
