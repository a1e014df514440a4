#!/usr/bin/env python3
"""Trains the small CNN that is shipped as inst/extdata/digits.rds.

Run it once, after `tools/setup --tests`, in that environment from the package's folder:
    ~/.cache/innsight/venv/bin/pip install scikit-learn
    KERAS_BACKEND=jax ~/.cache/innsight/venv/bin/python tools/train-digits.py
The data are scikit-learn's `digits`: 1797 scans of 8 x 8 pixels. 497 of them are held out. The model
goes to tools/save-digits.R as JSON; arrays are {dim, data} with data in R's column-major order.
"""

import json
import os
import subprocess
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 20261122


def r_array(x):
    x = np.asarray(x, dtype="float64")
    return {"dim": list(x.shape), "data": x.flatten(order="F").tolist()}


def r_layer(layer):
    """A Keras layer as an entry of the named-list form: channels first, weights (out, in, ...)."""
    if isinstance(layer, layers.Conv2D):
        kernel, bias = layer.get_weights()
        return {"type": "Conv2D", "weight": r_array(kernel.transpose(3, 2, 0, 1)),
                "bias": bias.tolist(), "padding": [1, 1, 1, 1],  # "same" for 3 x 3
                "activation_name": layer.activation.__name__}
    if isinstance(layer, layers.Dense):
        kernel, bias = layer.get_weights()
        return {"type": "Dense", "weight": r_array(kernel.T), "bias": bias.tolist(),
                "activation_name": layer.activation.__name__}
    if isinstance(layer, layers.MaxPooling2D):
        return {"type": "MaxPooling2D", "kernel_size": [2, 2], "strides": [2, 2]}
    if isinstance(layer, layers.Flatten):
        return {"type": "Flatten", "order": "channels_last"}
    raise TypeError(f"no list form for {type(layer).__name__}")


# Size, dropout and epochs were chosen by cross-validation on the training part alone.
keras.utils.set_random_seed(SEED)
digits = load_digits()
images = (digits.images / 16.0).astype("float32")[..., None]
x_train, x_test, y_train, y_test = train_test_split(
    images, digits.target, test_size=497, stratify=digits.target, random_state=SEED
)

model = keras.Sequential([
    keras.Input((8, 8, 1)),
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(2),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.Flatten(),
    layers.Dropout(0.5),
    layers.Dense(32, activation="relu"),
    layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=60, verbose=0)
accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
print(f"held-out accuracy of the Keras model: {accuracy:.4f} ({len(y_test)} scans)")

# Five scans of every digit, drawn from the held-out ones without a look at how they are classified.
draw = np.random.default_rng(SEED)
shown = np.concatenate([draw.choice(np.flatnonzero(y_test == k), 5, replace=False) for k in range(10)])
draw.shuffle(shown)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "digits.json")
    with open(path, "w") as file:
        json.dump({
            "layers": [r_layer(layer) for layer in model.layers
                       if not isinstance(layer, layers.Dropout)],
            "images": r_array(x_test.transpose(0, 3, 1, 2)),
            "labels": y_test.tolist(),
            "probabilities": r_array(model.predict(x_test, verbose=0)),
            "shown": (shown + 1).tolist(),
        }, file)
    subprocess.run(["Rscript", "tools/save-digits.R", path, "inst/extdata/digits.rds"], check=True)
