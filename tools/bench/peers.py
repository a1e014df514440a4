"""The networks of the comparison, and how captum and zennit explain them.

peers.R starts this file with the number of a port and asks it, line by line, to call a function.
Needs torch, torchvision, captum, zennit and onnx.
"""
import json
import socket
import statistics
import sys
import time
import warnings

import torch
from captum import attr
from torch import nn
from zennit import attribution, composites, rules, types

# Deprecations and notes on hooks.
warnings.simplefilter("ignore")


def mlp(*sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn_1d():
    return nn.Sequential(
        nn.Conv1d(3, 32, 9), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(32, 64, 9), nn.ReLU(), nn.MaxPool1d(4),
        nn.Flatten(), nn.Linear(3840, 128), nn.ReLU(), nn.Linear(128, 5),
    )


def cnn_2d():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4096, 128), nn.ReLU(), nn.Linear(128, 10),
    )


def vgg16():
    from torchvision.models import vgg16 as build

    net = build(weights=None)
    convolutions = [m for m in net.features]
    # Dropout does nothing here, and adaptive pooling to 7 x 7 neither at this size.
    dense = [m for m in net.classifier if not isinstance(m, nn.Dropout)]
    return nn.Sequential(*convolutions, nn.Flatten(), *dense)


def resnet50():
    from torchvision.models import resnet50 as build

    return build(weights=None)


def study_dense(depth):
    return mlp(10, *[128] * depth, 10)


def study_cnn():
    return nn.Sequential(
        nn.Conv2d(3, 5, 5), nn.ReLU(), nn.Conv2d(5, 5, 5), nn.ReLU(), nn.Flatten(),
        nn.Linear(5 * 56 * 56, 20),
    )


# name: (network, shape of the data, numbers of outputs to explain)
NETWORKS = {
    "a": (lambda: mlp(4, 15, 10, 5, 3), (150, 4), [3]),
    "b": (lambda: mlp(100, 256, 256, 10), (1000, 100), [10]),
    "c": (cnn_1d, (32, 3, 1000), [5]),
    "d": (cnn_2d, (32, 3, 32, 32), [10]),
    "e": (vgg16, (1, 3, 224, 224), [1, 5]),
    "f": (resnet50, (1, 3, 224, 224), [1]),
    "g5": (lambda: study_dense(5), (16, 10), [1, 10]),
    "g20": (lambda: study_dense(20), (16, 10), [1, 10]),
    "gc": (study_cnn, (16, 3, 64, 64), [1, 20]),
}

made = {}


def network(name):
    """A network with its data, the same every time."""
    if name not in made:
        torch.manual_seed(1)
        build, shape, _ = NETWORKS[name]
        made[name] = (build().eval(), torch.randn(shape))
    return made[name]


def outputs(name):
    return NETWORKS[name][2]


def export(name, folder):
    """Writes the network as ONNX and the data as 32-bit floats, row-major."""
    net, x = network(name)
    torch.onnx.export(net, (x[:1],), f"{folder}/{name}.onnx", dynamo=False, opset_version=13,
                      dynamic_axes={"x": {0: "n"}}, input_names=["x"])
    x.numpy().tofile(f"{folder}/{name}.bin")
    return list(x.shape)


def set_threads(threads):
    torch.set_num_threads(threads)


def timed(function):
    """Seconds of a call; the median of five if it takes less than 20 ms, as in peers.R."""
    def seconds():
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    first = seconds()
    return statistics.median([first] + [seconds() for _ in range(4)]) if first < 0.02 else first


def forward(name):
    net, x = network(name)
    with torch.no_grad():
        return timed(lambda: net(x))


def layer_rules(rule):
    return composites.LayerMapComposite([(types.Convolution, rule), (types.Linear, rule)])


def zennit_lrp(rule):
    def run(net, x, target):
        with attribution.Gradient(net, layer_rules(rule())) as attributor:
            attributor(x, torch.eye(net(x[:1]).shape[1])[[target] * len(x)])
    return run


def zennit_gradient(make):
    def run(net, x, target):
        with make(net) as attributor:
            attributor(x, torch.eye(net(x[:1]).shape[1])[[target] * len(x)])
    return run


def captum(make, **settings):
    return lambda net, x, target: make(net).attribute(x, target=target, **settings)


def captum_shap(net, x, target):
    attr.DeepLiftShap(net).attribute(x, x[:10], target=target)


# (method, peer): how one output is explained for all data points.
RUNS = {
    ("gradient", "captum"): captum(attr.Saliency, abs=False),
    ("gradient", "zennit"): zennit_gradient(attribution.Gradient),
    ("SmoothGrad 50", "captum"): captum(lambda net: attr.NoiseTunnel(attr.Saliency(net)),
                                        nt_samples=50, stdevs=0.1, nt_samples_batch_size=10),
    ("SmoothGrad 50", "zennit"): zennit_gradient(
        lambda net: attribution.SmoothGrad(net, noise_level=0.1, n_iter=50)),
    ("IntegratedGradient 50", "captum"): captum(attr.IntegratedGradients, n_steps=50,
                                                method="riemann_trapezoid",
                                                internal_batch_size=160),
    ("IntegratedGradient 50", "zennit"): zennit_gradient(
        lambda net: attribution.IntegratedGradients(net, n_iter=50)),
    ("LRP epsilon", "zennit"): zennit_lrp(lambda: rules.Epsilon(epsilon=0.01)),
    ("LRP alpha 1", "zennit"): zennit_lrp(lambda: rules.AlphaBeta(alpha=1, beta=0)),
    ("LRP alpha 2", "zennit"): zennit_lrp(lambda: rules.AlphaBeta(alpha=2, beta=1)),
    ("DeepLift rescale", "captum"): captum(attr.DeepLift),
    ("DeepSHAP 10", "captum"): captum_shap,
}


def peers(method):
    return [peer for (name, peer) in RUNS if name == method]


def run(name, method, peer, n_outputs):
    """Seconds for the first `n_outputs` outputs, one after the other, as these packages do it."""
    net, x = network(name)

    def all_outputs():
        for target in range(n_outputs):
            RUNS[method, peer](net, x.clone(), target)

    return timed(all_outputs)


def names():
    return list(NETWORKS)


def serve(port):
    """Calls the functions of this file as [name, arguments...] says, a line of JSON each way."""
    with socket.create_connection(("localhost", port)) as connection:
        lines = connection.makefile("rw")
        for line in lines:
            name, *arguments = json.loads(line)
            try:
                answer = globals()[name](*arguments)
            except Exception as error:  # a peer that cannot explain this network
                print(name, arguments, repr(error), file=sys.stderr)
                answer = None
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
