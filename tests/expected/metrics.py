"""What scikit-learn says of margins: the figures that `tests/metrics.rs` holds millstream's metrics to.

    pip install numpy scikit-learn
    python3 tests/expected/metrics.py        # seconds; rewrites metrics.json next to it

A few hundred rows each of two classes, four classes, numbers, a quantile and counts, once without and once
with importance weights. All is computed in float64 from numbers that float32 holds exactly.

The margins of `binary` have eight significant bits and are all different, so that each has a bin of its own in
millstream's histogram and nothing is approximate; `coarse` has ties; `fine` has margins that share bins, where
only the bounds that millstream reports can hold. Calibration in groups of equal weight is scikit-learn's
`calibration_curve(strategy="quantile")`, which knows no weights.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.calibration import calibration_curve

ROWS, CLASSES, TAU = 400, 4, 0.8
random = np.random.default_rng(11)


def in_float32(x, bits):
    """Rounds to `bits` significant bits."""
    fraction, exponent = np.frexp(x)
    return np.ldexp(np.round(fraction * 2**bits) / 2**bits, exponent)


def binary(y, m, w):
    p, decision = 1 / (1 + np.exp(-m)), (m > 0).astype(int)
    figures = dict(
        log_loss=metrics.log_loss(y, p, sample_weight=w),
        auc=metrics.roc_auc_score(y, m, sample_weight=w),
        average_precision=metrics.average_precision_score(y, m, sample_weight=w),
        accuracy=metrics.accuracy_score(y, decision, sample_weight=w),
        balanced_accuracy=metrics.balanced_accuracy_score(y, decision, sample_weight=w),
        precision=metrics.precision_score(y, decision, sample_weight=w),
        recall=metrics.recall_score(y, decision, sample_weight=w),
        f1=metrics.f1_score(y, decision, sample_weight=w),
        brier=metrics.brier_score_loss(y, p, sample_weight=w),
        confusion=metrics.confusion_matrix(y, decision, sample_weight=w).tolist(),
    )
    if w is None and len(np.unique(in_float32(m, 8))) == len(m):
        observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
        figures["calibration"] = dict(observed=observed.tolist(), predicted=predicted.tolist())
        figures["calibration_error"] = np.abs(observed - predicted).mean()
    return figures


def hinge(y, m, w):
    figures = binary(y, m, w)
    for name in ("log_loss", "brier", "calibration", "calibration_error"):
        figures.pop(name, None)
    return figures | dict(mean_loss=metrics.hinge_loss(y, m, sample_weight=w))


def classes(y, m, w):
    p = np.exp(m) / np.exp(m).sum(axis=1, keepdims=True)
    decision = m.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(y, decision, sample_weight=w)
    return dict(
        log_loss=metrics.log_loss(y, p, sample_weight=w),
        accuracy=metrics.accuracy_score(y, decision, sample_weight=w),
        balanced_accuracy=metrics.balanced_accuracy_score(y, decision, sample_weight=w),
        macro_f1=metrics.f1_score(y, decision, sample_weight=w, average="macro"),
        brier=metrics.brier_score_loss(y, p, sample_weight=w, scale_by_half=False),
        confusion=metrics.confusion_matrix(y, decision, sample_weight=w).tolist(),
        classes=[dict(zip(("precision", "recall", "f1", "support"), map(float, row))) for row in zip(precision, recall, f1, support)],
    )


def numbers(y, p, w):
    return dict(
        rmse=metrics.root_mean_squared_error(y, p, sample_weight=w),
        mae=metrics.mean_absolute_error(y, p, sample_weight=w),
        r2=metrics.r2_score(y, p, sample_weight=w),
        bias=np.average(p - y, weights=w),
    )


def quantile(y, p, w):
    pinball = metrics.mean_pinball_loss(y, p, sample_weight=w, alpha=TAU)
    return numbers(y, p, w) | dict(pinball=pinball, coverage=np.average(y <= p, weights=w))


def poisson(y, m, w):
    p = np.exp(m)
    return numbers(y, p, w) | dict(poisson_deviance=metrics.mean_poisson_deviance(y, p, sample_weight=w))


def main():
    weights = random.integers(1, 64, ROWS) / 16
    cases = []

    def case(name, loss, figures, y, m, scale=1.0, offset=0.0):
        """Labels `y` and margins `m` as millstream has them; the figures are of the target's own units."""
        assert np.array_equal(m.astype(np.float32), m) and np.array_equal(y.astype(np.float32), y)
        for w in (None, weights):
            own = lambda x: x if scale == 1 else x * scale + offset
            cases.append(
                dict(
                    name=name,
                    loss=loss,
                    scale=scale,
                    outputs=1 if m.ndim == 1 else m.shape[1],
                    margins=m.ravel().tolist(),
                    labels=y.tolist(),
                    weights=[] if w is None else w.tolist(),
                    figures={k: v if isinstance(v, (list, dict)) else float(v) for k, v in figures(own(y), own(m), w).items()},
                )
            )

    def distinct(bits):
        m = np.unique(in_float32(random.normal(-0.5, 2, 4 * ROWS), bits))
        return random.permutation(m)[:ROWS]

    drawn = lambda m: (random.random(ROWS) < 1 / (1 + np.exp(-m))).astype(int)
    for name, m in (
        ("binary", distinct(8)),
        ("coarse", np.round(random.normal(-0.5, 2, ROWS) * 4) / 4),
        ("fine", in_float32(random.normal(1, 0.05, ROWS), 20)),
    ):
        y = drawn(m)
        case(name, "logistic", binary, y, m)
        case(name, "hinge", hinge, y, m)
    m = in_float32(random.normal(0, 1.5, (ROWS, CLASSES)), 16)
    # The last class is rare, and hardly ever predicted.
    m[:, -1] -= 4
    m = in_float32(m, 16)
    gumbel = random.gumbel(size=m.shape)
    case("classes", "softmax", classes, (m + gumbel).argmax(axis=1), m)
    y = in_float32(random.normal(0, 1, ROWS), 20)
    m = in_float32(0.8 * y + random.normal(0.1, 0.5, ROWS), 20)
    case("numbers", "squared", numbers, y, m)
    case("scaled", "squared", numbers, y, m, scale=12.5, offset=1000.0)
    case("huber", {"huber": {"delta": 3.0}}, numbers, y, m, scale=12.5, offset=1000.0)
    case("quantile", {"quantile": {"tau": TAU}}, quantile, y, m, scale=12.5, offset=1000.0)
    m = in_float32(random.normal(0.5, 1, ROWS), 20)
    case("poisson", "poisson", poisson, random.poisson(np.exp(m)), m)

    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    head = json.dumps({"scikit-learn": sklearn.__version__, "numpy": np.__version__})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(head[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
