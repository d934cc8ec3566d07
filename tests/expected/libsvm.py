"""What scikit-learn reads from LIBSVM files: for each a digest.

    python libsvm.py FILE... > libsvm.json      # with scikit-learn 1.9

A digest holds the rows, the rows of each label, the features stored, the sum of their values, and a
checksum of where they are: the sum over all features of (row + 1) * (index + 1), modulo 2^61 - 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_svmlight_file

MODULUS = 2**61 - 1


def digest(path):
    features, labels = load_svmlight_file(path, zero_based=True)
    features = features.tocoo()
    places = zip(features.row.tolist(), features.col.tolist())
    return {
        "rows": features.shape[0],
        "labels": {f"{label:g}": int(count) for label, count in zip(*np.unique(labels, return_counts=True))},
        "features": int(features.nnz),
        "sum": float(features.data.sum()),
        "checksum": sum((row + 1) * (index + 1) for row, index in places) % MODULUS,
    }


json.dump({Path(path).name: digest(path) for path in sys.argv[1:]}, sys.stdout, indent=1)
print()
