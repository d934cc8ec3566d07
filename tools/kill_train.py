#!/usr/bin/env python3
"""Kills trainings, cross-validations and searches at random moments (SIGKILL), goes on with them from their checkpoints
each time, and compares the model in the end with that of a run which nobody disturbs. Formats and commands take turns.

    tools/kill_train.py [--kills 100] [--rows 200000] [--seed 1]

Needs a release build (cargo build --release) and nothing else.
"""
import argparse, gzip, hashlib, json, pathlib, random, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "target" / "release"
# Ways of learning: races, hold-outs, penalties that act late, shuffles, exact fits, folds, halving, several passes. Not as
# many as a multiple of the formats, so that each comes to meet each.
COMMANDS = [
    "train",
    "search --range learning-rate=0.01..1 --range l2=1e-7..1e-4 --bayes 24",
    "train --epochs 3",
    "cv --folds 3",
    "train --optimizer rmsprop --l2 0.0001 --epochs 2 --holdout 0.1",
    "train --optimizer ftrl --l1 0.00001",
    "search --grid learning-rate=0.05,0.1,0.3 --full --places 2 --refit --epochs 2",
    "train --factors 4",
    "train --optimizer lbfgs --epochs 5",
]
# Most kills of one run.
MOST = 6


def make_data(folder, rows):
    """The same rows as Parquet, Arrow, CSV, compressed CSV and JSON lines."""
    for form in ["parquet", "ipc", "csv"]:
        pieces = ["--row-group-rows", "10000"] if form == "parquet" else []
        make = [BIN / "mkdata", "clicks", "--rows", str(rows), "--rows-per-file", str(rows // 3), *pieces]
        subprocess.run([*make, "--format", form, "-o", folder / form], check=True, stderr=subprocess.DEVNULL)
    text = sorted((folder / "csv").glob("*.csv"))
    packed = folder / "gz"
    packed.mkdir()
    for path in text:
        (packed / (path.name + ".gz")).write_bytes(gzip.compress(path.read_bytes(), 1))
    lines = folder / "jsonl"
    lines.mkdir()
    for path in text:
        header, *records = path.read_text().splitlines()
        names = header.split(",")
        with open(lines / (path.stem + ".jsonl"), "w") as out:
            for record in records:
                cells = {name: cell for name, cell in zip(names, record.split(",")) if cell}
                numbers = {n: int(c) if n == "label" or n.startswith("I") else c for n, c in cells.items()}
                out.write(json.dumps(numbers) + "\n")
    return ["parquet", "ipc", "csv", "gz", "jsonl"]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        forms = make_data(folder, args.rows)
        kills, models, rounds = 0, 0, 0
        while kills < args.kills:
            form = forms[rounds % len(forms)]
            words = COMMANDS[rounds % len(COMMANDS)]
            rounds += 1
            command = [BIN / "millstream", *words.split(), folder / form, "--target", "label", "--quiet"]
            start = time.time()
            subprocess.run([*command, "-o", folder / "whole"], check=True, stdout=subprocess.DEVNULL)
            seconds = time.time() - start
            expected = digest(folder / "whole")
            out = folder / "out"
            disturbed = 0
            while True:
                every = chance.choice(["20ms", "50ms", "0.2s"])
                threads = str(chance.randint(1, 4))
                run = subprocess.Popen(
                    [*command, "-o", out, "--resume", "--checkpoint-every", every, "--threads", threads],
                    stdout=subprocess.DEVNULL,
                )
                if kills < args.kills and disturbed < MOST:
                    time.sleep(chance.uniform(0, 0.8 * seconds))
                    run.kill()
                code = run.wait()
                if code == 0:
                    break
                if code != -9:
                    sys.exit(f"{form} {words}: exit code {code}")
                kills, disturbed = kills + 1, disturbed + 1
            found = digest(out)
            left = sorted(p.name for p in folder.iterdir() if p.name.startswith((".out", ".whole", "out.")))
            print(f"{form:8} {words:80} {disturbed} kills  {found}", flush=True)
            if found != expected:
                sys.exit(f"the undisturbed model was {expected}")
            if left:
                sys.exit(f"left behind: {left}")
            models += 1
            out.unlink()
    print(f"{kills} kills in {models} runs: every model is that of the run which nobody disturbed")


if __name__ == "__main__":
    main()
