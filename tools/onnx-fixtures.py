# Small ONNX files for tests/testthat/test-convert-onnx.R, with inputs and the outputs that
# onnxruntime gives (row-major), for every operator and its attributes, and nets that PyTorch exports.
#
#   pip install torch onnx onnxscript onnxruntime
#   python tools/onnx-fixtures.py tests/testthat/fixtures/onnx
#
# Only the files are committed; neither Python nor PyTorch is needed to test the package.
import json
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

warnings.filterwarnings("ignore")
out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.RandomState(4)
index = {}


def record(name, data):
    path = f"{out}/{name}.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {i.name: x for i, x in zip(session.get_inputs(), data)}
    floats = [o.name for o in session.get_outputs() if "float" in o.type]
    results = session.run(floats, feed)

    def rows(x):
        return {"shape": list(x.shape), "data": [float(f"{v:.8g}") for v in x.ravel()]}

    index[name] = {"inputs": [rows(x) for x in data], "outputs": [rows(x) for x in results]}


def array(*shape, low=-1.0, high=1.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def model(name, shape, nodes, weights=(), opset=17, rows=2, flat=True, inputs=None, batch="n"):
    """A file with operators on an input `x`, the last of which gives `y`."""
    nodes = [helper.make_node(op, i, o, name=f"{op}_{k}", **a) for k, (op, i, o, a) in enumerate(nodes)]
    if flat:
        nodes[-1].output[0] = "end"
        nodes.append(helper.make_node("Flatten", ["end"], ["y"], name="Flatten_end"))
    inputs = inputs or {"x": shape}
    infos = [helper.make_tensor_value_info(k, TensorProto.FLOAT, [batch, *s]) for k, s in inputs.items()]
    ends = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    stored = [numpy_helper.from_array(np.asarray(w), k) for k, w in dict(weights).items()]
    graph = helper.make_graph(nodes, name, infos, ends, stored)
    version = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=version[opset])
    onnx.save(made, f"{out}/{name}.onnx")
    record(name, [array(rows, *s) for s in inputs.values()])


def op(name, shape, kind, weights=(), opset=17, more=(), **attributes):
    """One operator on `x` and weights."""
    weights = dict(weights)
    model(name, shape, [(kind, ["x", *weights, *more], ["y"], attributes)], weights, opset)


# ---- operators and their attributes ----
w2 = dict(w=array(4, 3, 3, 2), b=array(4))
op("conv_pads", (3, 7, 6), "Conv", w2, pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2])
op("conv_same_upper", (3, 7, 6), "Conv", w2, auto_pad="SAME_UPPER", strides=[2, 2])
op("conv_same_lower", (3, 6, 5), "Conv", w2, auto_pad="SAME_LOWER", opset=11)
op("conv_valid", (3, 6, 5), "Conv", dict(w=array(4, 3, 3, 2)), auto_pad="VALID")
op("conv_groups", (4, 9), "Conv", dict(w=array(6, 2, 3), b=array(6)), group=2, pads=[2, 1], opset=7)
op("conv_transpose", (3, 4, 5), "ConvTranspose", dict(w=array(3, 2, 3, 2), b=array(2)), strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0])
op("conv_transpose_shape", (4, 5), "ConvTranspose", dict(w=array(4, 2, 4)), group=2, strides=[2], output_shape=[11])
op("conv_transpose_same", (2, 4, 4), "ConvTranspose", dict(w=array(2, 2, 3, 3)), strides=[2, 2], auto_pad="SAME_UPPER")
op("gemm", (5,), "Gemm", dict(w=array(5, 3), b=array(1, 3)), alpha=0.5, beta=2.0)
op("gemm_plain", (5,), "Gemm", dict(w=array(3, 5)), transB=1, opset=11)
op("matmul", (4, 5), "MatMul", dict(w=array(5, 3)))
op("matmul_image", (2, 3, 5), "MatMul", dict(w=array(1, 1, 5, 3)))
model("matmul_left", (4, 5), [("MatMul", ["w", "x"], ["y"], {})], dict(w=array(3, 4)))
op("max_pool", (2, 7, 6), "MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], dilations=[1, 2])
op("max_pool_ceil", (2, 8), "MaxPool", kernel_shape=[3], strides=[2], ceil_mode=1)
op("average_pool", (2, 7, 6), "AveragePool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 0])
op("average_pool_count", (2, 7, 6), "AveragePool", kernel_shape=[3, 2], pads=[1, 1, 1, 0], count_include_pad=1)
op("average_pool_same", (2, 7, 6), "AveragePool", kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")
op("global_average", (3, 4, 5), "GlobalAveragePool")
op("global_max", (3, 5), "GlobalMaxPool")
op("reduce_mean", (3, 4, 5), "ReduceMean", axes=[2, 3], keepdims=0, opset=13)
op("reduce_channels", (3, 4, 5), "ReduceMean", axes=[1], keepdims=1, opset=13)
op("reduce_sum", (3, 4, 5), "ReduceSum", dict(axes=np.array([-1])), keepdims=0)
op("reduce_max", (3, 4, 5), "ReduceMax", axes=[1, 3], keepdims=0)
op("reduce_min", (3, 4), "ReduceMin", axes=[2])
for kind, attributes in dict(
    Relu={}, LeakyRelu=dict(alpha=0.3), Elu=dict(alpha=0.7), Selu={}, Celu=dict(alpha=2.0), Sigmoid={},
    HardSigmoid=dict(alpha=0.3, beta=0.4), HardSwish={}, Tanh={}, Softplus={}, Softsign={}, Mish={},
    ThresholdedRelu=dict(alpha=0.5), Exp={},
).items():
    op(f"act_{kind.lower()}", (6,), kind, opset=18, **attributes)
op("gelu", (6,), "Gelu", opset=20)
op("gelu_approximate", (6,), "Gelu", opset=20, approximate="tanh")
op("shrink_hard", (6,), "Shrink", lambd=0.3)
op("shrink_soft", (6,), "Shrink", lambd=0.3, bias=0.3)
op("prelu", (3, 4, 5), "PRelu", dict(s=array(3, 1, 1)))
op("prelu_one", (6,), "PRelu", dict(s=array(1)))
op("clip_6", (6,), "Clip", min=0.0, max=0.6, opset=7)
op("clip_both", (6,), "Clip", dict(a=np.float32(-0.3), b=np.float32(0.4)))
model("clip_above", (6,), [("Clip", ["x", "", "b"], ["y"], {})], dict(b=np.float32(0.2)))
op("clip_below", (6,), "Clip", dict(a=np.float32(0.1)))
op("softmax_old", (3, 4), "Softmax", opset=11)
op("softmax_old_last", (3, 4), "Softmax", axis=2, opset=11)
op("softmax_new", (3, 4), "Softmax", axis=1, opset=13)
op("log_softmax", (5,), "LogSoftmax")
stats = dict(g=array(3), b=array(3), m=array(3), v=array(3, low=0.5, high=1.5))
op("batch_norm", (3, 4, 5), "BatchNormalization", stats, epsilon=0.01)
op("batch_norm_old", (3,), "BatchNormalization", stats, opset=7)
op("layer_norm", (3, 4), "LayerNormalization", dict(g=array(4), b=array(4)))
op("layer_norm_axes", (3, 4), "LayerNormalization", dict(g=array(3, 4)), axis=1, epsilon=0.1)
op("instance_norm", (3, 4, 5), "InstanceNormalization", dict(g=array(3), b=array(3)))
op("group_norm", (4, 5), "GroupNormalization", dict(g=array(4), b=array(4)), num_groups=2, opset=21)
op("add_channels", (3, 4), "Add", dict(c=array(3, 1)))
op("sub_last", (3, 4), "Sub", dict(c=array(4)))
model("sub_from", (3, 4), [("Sub", ["c", "x"], ["y"], {})], dict(c=array(1, 3, 4)))
op("div", (5,), "Div", dict(c=array(5, low=1, high=2)))
op("neg", (5,), "Neg")
op("flatten_2", (3, 4), "Flatten", axis=-2)
op("reshape", (3, 4), "Reshape", dict(s=np.array([0, 2, -1])))
op("squeeze", (3, 1, 4), "Squeeze", axes=[2], opset=11)
op("unsqueeze", (3, 4), "Unsqueeze", dict(s=np.array([1, -1])))
op("transpose", (3, 4, 5), "Transpose", perm=[0, 2, 3, 1])
op("slice", (3, 6), "Slice", dict(s=np.array([1, -4]), e=np.array([9999, -1]), a=np.array([1, 2])))
model("crop_channels_last", (6, 5, 3), [
    ("Pad", ["x", "p"], ["u"], {}), ("Slice", ["u", "s", "e"], ["v"], {}),
    ("Transpose", ["v"], ["t"], dict(perm=[0, 3, 1, 2])), ("GlobalMaxPool", ["t"], ["y"], {}),
], dict(p=np.array([0, 1, 0, 0, 0, 1, 2, 0]), s=np.array([0, 2, 1, 0]), e=np.array([2147483647, -1, 2147483647, 3])))
op("slice_old", (3, 6), "Slice", starts=[0, 1], ends=[2, 5], axes=[1, 2], opset=9)
op("gather", (3, 6), "Gather", dict(i=np.array(-2)), axis=2)
op("pad", (2, 4, 5), "Pad", dict(p=np.array([0, 0, 1, 2, 0, 0, 0, 1]), v=np.float32(0.5)))
op("pad_reflect", (2, 5), "Pad", dict(p=np.array([0, 0, 2, 0, 0, 1])), mode="reflect")
op("pad_edge", (2, 4, 5), "Pad", mode="edge", pads=[0, 0, 1, 0, 0, 0, 2, 1], opset=10)
op("pad_wrap", (2, 5), "Pad", dict(p=np.array([0, 0, 2, 0, 0, 1])), mode="wrap", opset=19)
op("pad_channels", (2, 4, 5), "Pad", dict(p=np.array([0, 1, 0, 0, 0, 2, 0, 0])))
op("pad_crop", (2, 4, 5), "Pad", dict(p=np.array([0, 0, -1, 1, 0, 0, 0, -2])))
op("pad_features", (5,), "Pad", dict(p=np.array([0, 1, 0, 2])))
op("upsample", (2, 3, 4), "Upsample", dict(s=np.array([1, 1, 2, 3], "f4")), mode="nearest", opset=9)
op("resize_old", (2, 3, 4), "Resize", dict(s=np.array([1, 1, 2, 3], "f4")), mode="nearest", opset=10)
model("resize", (2, 3, 4), [("Resize", ["x", "", "s"], ["y"], dict(mode="nearest"))], dict(s=np.array([1, 1, 2, 3], "f4")))
model("resize_sizes", (2, 5), [("Resize", ["x", "", "", "s"], ["y"], dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"))], dict(s=np.array([2, 2, 15])))
op("depth_to_space", (8, 2, 3), "DepthToSpace", blocksize=2)
op("depth_to_space_crd", (8, 2, 3), "DepthToSpace", blocksize=2, mode="CRD")
op("space_to_depth", (2, 4, 6), "SpaceToDepth", blocksize=2)
model("split", (6, 2), [
    ("Split", ["x"], ["a", "b", "c"], dict(axis=1, split=[1, 2, 3])), ("Concat", ["c", "a", "b", "a"], ["y"], dict(axis=-2)),
], opset=11)
model("split_even", (6,), [
    ("Split", ["x"], ["a", "b"], dict(axis=1, num_outputs=2)), ("Mul", ["a", "b"], ["y"], {}),
], opset=18)
model("broadcast", None, [("Mul", ["x", "s"], ["m"], {}), ("Add", ["m", "s"], ["y"], {})],
      inputs=dict(x=(3, 4, 5), s=(3, 1, 1)))
model("several", None, [("Sub", ["a", "b"], ["d"], {}), ("Sum", ["d", "a", "b"], ["s"], {}),
                        ("Mean", ["s", "a"], ["y"], {})], inputs=dict(a=(4,), b=(4,)))

# ---- functions that are spelt out ----
c = {k: np.float32(v) for k, v in dict(half=0.5, one=1, root=np.sqrt(2), three=3, six=6, two=2, twenty=20,
                                        zero=0, cube=0.044715, slope=np.sqrt(2 / np.pi), beta=1.702).items()}


def spelt(name, *nodes, opset=17):
    used = {i: c[i] for _, inputs, *_ in nodes for i in inputs if i in c}
    # Far enough out to see the tails.
    nodes = [("Mul", ["x", "far"], ["u"], {}), *[(o, i, [r], a[0] if a else {}) for o, i, r, *a in nodes]]
    model(name, (9,), nodes, dict(used, far=np.float32(8)), opset)


spelt("silu", ("Sigmoid", ["u"], "s"), ("Mul", ["s", "u"], "y"))
spelt("hard_swish", ("Add", ["u", "three"], "a"), ("Clip", ["a", "zero", "six"], "b"), ("Mul", ["u", "b"], "d"), ("Div", ["d", "six"], "y"))
spelt("hard_swish_sigmoid", ("HardSigmoid", ["u"], "a", dict(alpha=1 / 6)), ("Mul", ["u", "a"], "y"))
spelt("gelu_erf", ("Div", ["u", "root"], "a"), ("Erf", ["a"], "b"), ("Add", ["b", "one"], "d"), ("Mul", ["u", "d"], "e"), ("Mul", ["e", "half"], "y"))
spelt("gelu_erf_half", ("Mul", ["half", "u"], "h"), ("Div", ["u", "root"], "a"), ("Erf", ["a"], "b"), ("Add", ["one", "b"], "d"), ("Mul", ["h", "d"], "y"))
spelt("gelu_tanh", ("Pow", ["u", "three"], "a"), ("Mul", ["a", "cube"], "b"), ("Add", ["u", "b"], "d"), ("Mul", ["d", "slope"], "e"), ("Tanh", ["e"], "f"), ("Add", ["f", "one"], "g"), ("Mul", ["u", "half"], "h"), ("Mul", ["g", "h"], "y"))
spelt("softplus_where", ("Softplus", ["u"], "a"), ("Greater", ["u", "twenty"], "b"), ("Where", ["b", "u", "a"], "y"))
spelt("mish_spelt", ("Softplus", ["u"], "a"), ("Tanh", ["a"], "b"), ("Mul", ["u", "b"], "y"))
spelt("softsign_spelt", ("Abs", ["u"], "a"), ("Add", ["a", "one"], "b"), ("Div", ["u", "b"], "y"))
spelt("sigmoid_spelt", ("Neg", ["u"], "a"), ("Exp", ["a"], "b"), ("Add", ["b", "one"], "d"), ("Reciprocal", ["d"], "y"))
spelt("log_sigmoid", ("Sigmoid", ["u"], "a"), ("Log", ["a"], "y"))
spelt("relu_max", ("Max", ["u", "zero"], "y"))
spelt("relu6_min", ("Relu", ["u"], "a"), ("Min", ["a", "six"], "y"))
spelt("quick_gelu", ("Mul", ["u", "beta"], "a"), ("Sigmoid", ["a"], "b"), ("Mul", ["u", "b"], "y"))
spelt("square", ("Pow", ["u", "two"], "y"))
model("layer_norm_spelt", (3, 4), [
    ("ReduceMean", ["x"], ["m"], dict(axes=[-1])), ("Sub", ["x", "m"], ["d"], {}), ("Pow", ["d", "two"], ["q"], {}),
    ("ReduceMean", ["q"], ["v"], dict(axes=[-1])), ("Add", ["v", "eps"], ["e"], {}), ("Sqrt", ["e"], ["s"], {}),
    ("Div", ["d", "s"], ["n"], {}), ("Mul", ["n", "g"], ["a"], {}), ("Add", ["a", "b"], ["y"], {}),
], dict(two=np.float32(2), eps=np.float32(1e-5), g=array(4), b=array(4)), 11)

# ---- arithmetic of shapes, constants, layouts ----
shape_nodes = [
    ("Shape", ["x"], ["s"], {}), ("Gather", ["s", "zero"], ["n"], dict(axis=0)),
    ("Unsqueeze", ["n", "axes"], ["m"], {}), ("Concat", ["m", "rest"], ["t"], dict(axis=0)),
    ("Reshape", ["x", "t"], ["f"], {}), ("MatMul", ["f", "w"], ["y"], {}),
]
folded = dict(zero=np.array(0), axes=np.array([0]), rest=np.array([-1]), w=array(12, 2))
model("flatten_by_shape", (3, 4), shape_nodes, folded, flat=False)
model("fixed_rows", (3, 4), shape_nodes, folded, flat=False, batch=2)
model("expand_folded", (3, 4), [
    ("Shape", ["x"], ["s"], {}), ("Slice", ["s", "one", "three"], ["t"], {}), ("ConstantOfShape", ["t"], ["z"], {}),
    ("Expand", ["c", "t"], ["e"], {}), ("Add", ["z", "e"], ["a"], {}), ("Range", ["r0", "r4", "r1"], ["r"], {}),
    ("Cast", ["r"], ["f"], dict(to=1)), ("Mul", ["a", "f"], ["m"], {}), ("Add", ["x", "m"], ["y"], {}),
], dict(one=np.array([1]), three=np.array([3]), c=array(3, 1), r0=np.array(0), r4=np.array(4), r1=np.array(1)))
model("shuffle", (6, 4), [
    ("Reshape", ["x", "a"], ["r"], {}), ("Transpose", ["r"], ["t"], dict(perm=[0, 2, 1, 3])), ("Reshape", ["t", "b"], ["y"], {}),
], dict(a=np.array([-1, 2, 3, 4]), b=np.array([-1, 6, 4])))
model("channels_last", (6, 5, 3), [
    ("Div", ["x", "c"], ["u"], {}), ("Transpose", ["u"], ["t"], dict(perm=[0, 3, 1, 2])),
    ("Conv", ["t", "w"], ["v"], dict(pads=[1, 1, 1, 1])), ("Transpose", ["v"], ["l"], dict(perm=[0, 2, 3, 1])),
    ("Add", ["l", "b"], ["a"], {}), ("Relu", ["a"], ["r"], {}), ("Transpose", ["r"], ["p"], dict(perm=[0, 3, 1, 2])),
    ("MaxPool", ["p"], ["q"], dict(kernel_shape=[2, 2], strides=[2, 2])), ("Transpose", ["q"], ["o"], dict(perm=[0, 2, 3, 1])),
    ("Reshape", ["o", "s"], ["f"], {}), ("MatMul", ["f", "d"], ["y"], {}),
], dict(c=np.array([1, 2, 3], "f4"), w=array(4, 3, 3, 3), b=array(4), s=np.array([-1, 24]), d=array(24, 3)), flat=False)
model("half_weights", (5,), [("Cast", ["w"], ["u"], dict(to=1)), ("MatMul", ["x", "u"], ["y"], {})], dict(w=array(5, 3).astype("f2")))

# ---- nets as PyTorch exports them ----
import torch  # noqa: E402
from torch import nn  # noqa: E402


class Block(nn.Module):
    """Squeeze and excitation, channel shuffle, split, layer norm: what mobile nets are made of."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1), nn.Hardsigmoid())
        self.norm = nn.LayerNorm(4)
        self.mlp = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4))
        self.scale = nn.Parameter(torch.rand(4, 1, 1))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = nn.functional.hardswish(self.bn(self.a(x)))
        x = x * self.se(x)
        x = x + self.scale * self.mlp(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        a, b = x.chunk(2, dim=1)
        x = torch.cat([a, nn.functional.silu(b)], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = torch.cat([x.mean([2, 3]), nn.functional.max_pool2d(x, x.shape[-1]).flatten(1)], 1)
        return torch.softmax(self.head(x), 1)


torch.manual_seed(5)
net = Block()
net.bn.running_mean.normal_()
net.bn.running_var.uniform_(0.5, 1.5)
net.eval()
x = torch.randn(2, 3, 6, 6)
for name, opset, settings in [
    ("torch_block_9", 9, dict(dynamo=False)), ("torch_block_16", 16, dict(dynamo=False, dynamic_axes=dict(x={0: "n"}))),
    ("torch_block_18", 18, dict(dynamo=True, external_data=False, dynamic_shapes=({0: torch.export.Dim("n")},))),
    ("torch_block_20", 20, dict(dynamo=True, external_data=True)),
]:
    torch.onnx.export(net, (x,), f"{out}/{name}.onnx", opset_version=opset, input_names=["x"], output_names=["y"], verbose=False, **settings)
    record(name, [x.numpy()])

# ---- functions with numbers of their own, and cells taken one by one ----
c.update({k: np.float32(v) for k, v in dict(tenth=0.1, quarter=0.25, minus=-0.25).items()})
spelt("threshold_spelt", ("LessOrEqual", ["u", "tenth"], "a"), ("Where", ["a", "zero", "u"], "y"))
spelt("leaky_spelt", ("Greater", ["u", "zero"], "a"), ("Mul", ["u", "quarter"], "b"), ("Where", ["a", "u", "b"], "y"))
spelt("elu_spelt", ("Greater", ["u", "zero"], "a"), ("Not", ["a"], "b"), ("Elu", ["u"], "d"), ("Mul", ["d", "half"], "e"), ("Where", ["b", "e", "u"], "y"))
spelt("soft_shrink_spelt", ("Abs", ["u"], "a"), ("Sub", ["a", "quarter"], "b"), ("Relu", ["b"], "d"), ("Sign", ["u"], "e"), ("Mul", ["d", "e"], "y"))
spelt("softplus_scaled", ("Mul", ["u", "two"], "a"), ("Softplus", ["a"], "b"), ("Div", ["b", "two"], "d"), ("Greater", ["a", "three"], "e"), ("Where", ["e", "u", "d"], "y"))
spelt("abs", ("Abs", ["u"], "y"))
spelt("cube", ("Pow", ["u", "three"], "y"))
model("max_of_nodes", None, [("Max", ["a", "b", "half"], ["m"], {}), ("Min", ["m", "a"], ["y"], {})],
      dict(half=c["half"]), inputs=dict(a=(4,), b=(4,)))
model("slice_steps", (3, 7), [("Slice", ["x", "s", "e", "a", "t"], ["y"], {})],
      dict(s=np.array([1, -1]), e=np.array([3, -99]), a=np.array([1, 2]), t=np.array([2, -3])))
model("slice_step", (5, 6, 7), [("Slice", ["x", "s", "e", "a", "t"], ["y"], {})],
      dict(s=np.array([0, 1]), e=np.array([9999, 6]), a=np.array([2, 3]), t=np.array([2, 3])))
op("gather_any", (3, 6), "Gather", dict(i=np.array([[4, 5], [0, -1]])), axis=2)
op("tile", (3, 4), "Tile", dict(n=np.array([1, 2, 3])))
op("expand", (3, 1, 4), "Expand", dict(n=np.array([3, 5, 1])))
op("resize_tensorflow", (2, 3, 4), "Resize", dict(r=np.zeros(0, "f4"), s=np.array([1, 1, 2, 3], "f4")), opset=11,
   mode="nearest", coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor")

with open(f"{out}/index.json", "w") as file:
    json.dump(index, file, separators=(",", ":"))
print(len(index), "files")
