#!/usr/bin/env python3
"""Trains the small residual network that is shipped as inst/extdata/digits.onnx.

    pip install torch onnx onnxscript scikit-learn
    python tools/train-digits-onnx.py

The scans are those of tools/train-digits.py, with the same 497 held out. What PyTorch makes of the 50
that are shipped in digits.rds goes to tests/testthat/fixtures/digits-onnx.csv.
"""

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SEED = 20261122


def conv(inputs, outputs, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    )


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.second = conv(channels, channels), conv(channels, channels)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


torch.manual_seed(SEED)
torch.set_num_threads(1)
digits = load_digits()
images = (digits.images / 16.0).astype("float32")[:, None]
x_train, x_test, y_train, y_test = train_test_split(
    images, digits.target, test_size=497, stratify=digits.target, random_state=SEED
)

model = nn.Sequential(
    conv(1, 12), nn.ReLU(), Block(12), conv(12, 24, stride=2), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, 10), nn.Softmax(dim=1),
)
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
epochs = 60
steps = epochs * (len(x_train) // 50)
plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
x, y = torch.from_numpy(x_train), torch.from_numpy(y_train)
for _ in range(epochs):
    for rows in torch.randperm(len(x)).split(50):
        loss = nn.functional.nll_loss(torch.log(model(x[rows]) + 1e-12), y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()

model.eval()
with torch.no_grad():
    probabilities = model(torch.from_numpy(x_test)).numpy()
accuracy = np.mean(probabilities.argmax(1) == y_test)
print(f"held-out accuracy: {accuracy:.4f} ({len(y_test)} scans)")

# The same draw as in tools/train-digits.py.
draw = np.random.default_rng(SEED)
shown = np.concatenate([draw.choice(np.flatnonzero(y_test == k), 5, replace=False) for k in range(10)])
draw.shuffle(shown)
np.savetxt("tests/testthat/fixtures/digits-onnx.csv", probabilities[shown], "%.7g", ",")

program = torch.onnx.export(
    model, (torch.zeros(1, 1, 8, 8),), input_names=["scan"], output_names=["digit"],
    verbose=False,
)
# Without the exporter's notes: half of the file, with the paths of this machine.
file = program.model_proto
for part in [file, file.graph, *file.graph.node, *file.graph.value_info, *file.graph.initializer]:
    part.ClearField("metadata_props")
for node in file.graph.node:
    node.ClearField("doc_string")
onnx.save(file, "inst/extdata/digits.onnx")
