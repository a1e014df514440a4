"""Milliseconds of PyTorch's kernels for the layers of layers.txt; used by compare.py."""

import pathlib
import time

import torch
import torch.nn.functional as F


def layers():
    for line in (pathlib.Path(__file__).parent / "layers.txt").read_text().splitlines():
        name, extents = line.split(":")
        yield name, [int(n) for n in extents.split()]


def best(run):
    """The best of some runs, in milliseconds, of one thread those that it computed for."""
    clock = time.perf_counter if torch.get_num_threads() > 1 else time.thread_time
    run()
    times = []
    while len(times) < 3 or (sum(times) < 0.15 and len(times) < 1000):
        start = clock()
        run()
        times.append(clock() - start)
    return 1e3 * min(times)


def flops(rows, extents):
    if len(extents) == 2:
        return 2 * rows * extents[0] * extents[1]
    channels, outputs, kernel, stride, padding, height, width = extents
    sides = [n for n in (height, width) if n > 1]
    windows = 1
    for n in sides:
        windows *= (n + 2 * padding - kernel) // stride + 1
    return 2 * rows * channels * outputs * kernel ** len(sides) * windows


@torch.inference_mode()
def measure(rows, extents):
    """Forward and pullback."""
    if len(extents) == 2:
        inputs, outputs = extents
        x, s = torch.rand(rows, inputs) - 0.5, torch.rand(rows, outputs) - 0.5
        w, b = torch.rand(outputs, inputs) - 0.5, torch.rand(outputs)
        return best(lambda: F.linear(x, w, b)), best(lambda: s @ w)
    channels, outputs, kernel, stride, padding, height, width = extents
    sides = [n for n in (height, width) if n > 1]
    conv = F.conv1d if len(sides) == 1 else F.conv2d
    grad = torch.nn.grad.conv1d_input if len(sides) == 1 else torch.nn.grad.conv2d_input
    x = torch.rand(rows, channels, *sides) - 0.5
    w, b = torch.rand(outputs, channels, *[kernel] * len(sides)) - 0.5, torch.rand(outputs)
    settings = {"stride": stride, "padding": padding}
    s = conv(x, w, b, **settings)
    return (
        best(lambda: conv(x, w, b, **settings)),
        best(lambda: grad(x.shape, w, s, **settings)),
    )
