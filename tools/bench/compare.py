"""The engine's kernels against PyTorch's, layer by layer in turn, as a Markdown table.

    cargo build --release --manifest-path tools/bench/Cargo.toml
    python tools/bench/compare.py PROGRAM [ROUNDS [THREADS [NAME [BATCHES]]]]

PROGRAM is the program that the first line makes. Every cell is "ours / PyTorch's GFLOP/s (ratio of the
speeds)" at one batch size, each the best of all runs.
"""

import subprocess
import sys

import torch

import kernels

program = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
threads = [int(n) for n in sys.argv[3].split(",")] if len(sys.argv) > 3 else [1, 2]
wanted = sys.argv[4] if len(sys.argv) > 4 else ""
batches = [int(n) for n in sys.argv[5].split(",")] if len(sys.argv) > 5 else [1, 16]


def ours(name, count, rows):
    output = subprocess.run([program, str(count), str(rows), name], capture_output=True, text=True)
    times = [line.split("\t") for line in output.stdout.splitlines()]
    return [float(line[3]) for line in times if line[0] == name]


for count in threads:
    torch.set_num_threads(count)
    heads = [f"{way}, batch {rows}" for rows in batches for way in ("forward", "pullback")]
    print(f"\n{count} thread(s)\n\n| layer | {' | '.join(heads)} |\n|---{'|---' * len(heads)}|")
    for name, extents in kernels.layers():
        if wanted not in name:
            continue
        cells = []
        for rows in batches:
            best = [[float("inf")] * 2, [float("inf")] * 2]
            for _ in range(rounds):
                for side, times in enumerate((ours(name, count, rows), kernels.measure(rows, extents))):
                    best[side] = [min(pair) for pair in zip(best[side], times)]
            work = kernels.flops(rows, extents) / 1e6
            for mine, theirs in zip(*best):
                cells.append(f"{work / mine:.0f} / {work / theirs:.0f} ({theirs / mine:.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
