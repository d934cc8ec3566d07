"""Cross-validated figures of converged fits by scikit-learn: what `tests/cv.rs` holds `millstream cv` to.

    pip install scikit-learn pandas pyarrow
    python3 tests/expected/cv.py           # a minute; rewrites cv.json next to it

Five folds, drawn by chance; their rows are not those of millstream's folds, which does not show in the first two digits
of the means. The tables are those of ../shared/data, their training files alone.
"""

import json
import pathlib

import pandas as pd
import sklearn
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = pathlib.Path(__file__).parent
SHARED = HERE / "../../../shared/data"
SCORES = dict(log_loss="neg_log_loss", auc="roc_auc")


def figures(table, target):
    features = table.drop(columns=target)
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    # A penalty of a millionth of a row's weight settles how the categories share what the intercept could have, and
    # nothing else.
    fit = LogisticRegression(C=1e6, tol=1e-8, max_iter=10_000)
    folds = KFold(5, shuffle=True, random_state=1)
    found = cross_validate(make_pipeline(columns, fit), features, table[target], cv=folds, scoring=SCORES)
    return {name: float(abs(found[f"test_{name}"]).mean()) for name in SCORES}


def main():
    elec = pd.read_csv(SHARED / "elec/train.csv")
    fertility = pd.read_parquet(SHARED / "fertility/train.parquet")
    tables = [
        dict(path="elec/train.csv", target="class", figures=figures(elec, "class")),
        dict(path="fertility/train.parquet", target="morekids", figures=figures(fertility, "morekids")),
    ]
    (HERE / "cv.json").write_text(json.dumps(dict(sklearn=sklearn.__version__, tables=tables), indent=1) + "\n")


main()
