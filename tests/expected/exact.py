"""Coefficients of converged fits by scikit-learn: the numbers that `tests/exact.rs` holds `--optimizer lbfgs` to.

    pip install scikit-learn pandas
    python3 tests/expected/exact.py        # a minute; rewrites exact.json next to it

millstream's penalty is on the mean loss: C = 1 / (l2 * the sum of weights) for scikit-learn's `LogisticRegression`, and
alpha = l2 for its `PoissonRegressor`; its squared loss is half the square, so that `Ridge`'s alpha = l2 * the sum of
weights, and `ElasticNet`'s alpha = l1 + l2. Softmax is determined up to one number for each feature, which the penalty
settles for weights but not for biases: these are centred. `elec` (where it is at hand, ../shared/data) is
standardised first, the small table is made here and part of exact.json.
"""

import json
import pathlib

import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor, Ridge
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
ELEC = HERE / "../../../shared/data/elec/train.csv"
ROWS = 600
TIGHT = dict(tol=1e-10, max_iter=100_000)


def small_table():
    draw = np.random.default_rng(5)
    x = np.round(draw.normal(size=(ROWS, 4)) * [1, 1, 0.5, 2] * 64) / 64
    x[:, 3] += x[:, 0]
    table = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    noise = draw.logistic(size=ROWS)
    table["two"] = np.where(x @ [1, -0.5, 0.3, 0.2] + noise > 1, "yes", "no")
    margins = x @ draw.normal(size=(4, 3)) + draw.gumbel(size=(ROWS, 3))
    table["three"] = np.array(["low", "mid", "top"])[margins.argmax(axis=1)]
    table["number"] = np.round((x @ [3, 0, -2, 0.5] + 2 * noise) * 64) / 64
    table["exposure"] = draw.integers(1, 6, size=ROWS)
    table["count"] = draw.poisson(table["exposure"] * np.exp(x @ [0.5, 0, -0.3, 0.1] - 1))
    table["importance"] = draw.integers(1, 5, size=ROWS)
    return table


def one(model, names):
    coefficients = np.ravel(model.coef_)
    return dict(bias=[float(np.ravel(model.intercept_)[0])], weights=dict(zip(names, [[w] for w in coefficients.tolist()])))


def several(model, names):
    bias = model.intercept_ - model.intercept_.mean()
    return dict(bias=bias.tolist(), weights=dict(zip(names, model.coef_.T.tolist())))


def logistic(x, y, l1=0.0, l2=0.0, total=None, sample_weight=None, **more):
    total = len(y) if total is None else total
    if l1:
        options = dict(solver="saga", C=1 / ((l1 + l2) * total), l1_ratio=l1 / (l1 + l2))
    else:
        options = dict(solver="newton-cholesky", C=1 / (l2 * total))
    return LogisticRegression(**options, **TIGHT, **more).fit(x, y, sample_weight=sample_weight)


def main():
    table = small_table()
    names = ["a", "b", "c", "d"]
    x = table[names].to_numpy()
    weight = table["importance"].to_numpy()
    cases = []

    def case(target, options, expected):
        cases.append(dict(target=target, options=options, **expected))

    two, three, number = table["two"], table["three"], table["number"]
    case("two", "--l2 0.01", one(logistic(x, two, l2=0.01), names))
    case("two", "--l1 0.05", one(logistic(x, two, l1=0.05), names))
    case("two", "--l1 0.02 --l2 0.03", one(logistic(x, two, l1=0.02, l2=0.03), names))
    case("two", "--l2 0.01 --class-weight balanced", one(logistic(x, two, l2=0.01, class_weight="balanced"), names))
    weighted = logistic(x, two, l2=0.01, total=weight.sum(), sample_weight=weight)
    case("two", "--l2 0.01 --weight importance", one(weighted, names))
    case("three", "--l2 0.01", several(logistic(x, three, l2=0.01), names))
    case("three", "--l2 0.01 --class-weight balanced", several(logistic(x, three, l2=0.01, class_weight="balanced"), names))
    ridge = Ridge(alpha=0.1 * ROWS, tol=1e-12).fit(x, number)
    case("number", "--l2 0.1", one(ridge, names))
    ridge = Ridge(alpha=0.1 * weight.sum(), tol=1e-12).fit(x, number, sample_weight=weight)
    case("number", "--l2 0.1 --weight importance", one(ridge, names))
    case("number", "--l1 0.5", one(ElasticNet(alpha=0.5, l1_ratio=1.0, **TIGHT).fit(x, number), names))
    case("number", "--l1 0.3 --l2 0.3", one(ElasticNet(alpha=0.6, l1_ratio=0.5, **TIGHT).fit(x, number), names))
    exposure = table["exposure"]
    counts = PoissonRegressor(alpha=0.01, **TIGHT).fit(x, table["count"])
    case("count", "--loss poisson --l2 0.01", one(counts, names))
    # A row of exposure e is e rows of a rate; the mean is over rows, so the penalty is as many times weaker.
    rates = PoissonRegressor(alpha=0.01 * ROWS / exposure.sum(), **TIGHT)
    rates.fit(x, table["count"] / exposure, sample_weight=exposure)
    case("count", "--loss poisson --l2 0.01 --exposure exposure", one(rates, names))

    elec = pd.read_csv(ELEC)
    columns = [c for c in elec.columns if c != "class"]
    scaled = StandardScaler().fit_transform(elec[columns])
    fits = []
    for l2 in (1e-2, 1e-4, 1 / len(elec)):
        fits.append(dict(l2=l2, **one(logistic(scaled, elec["class"], l2=l2), columns)))
    out = dict(sklearn=sklearn.__version__, columns=list(table.columns), rows=table.astype(str).values.tolist(), cases=cases, elec=fits)
    lines = [f'{json.dumps(k)}: {json.dumps(v, separators=(",", ":"))}' for k, v in out.items()]
    (HERE / "exact.json").write_text("{" + ",\n".join(lines) + "}\n")


main()
