# Makes tests/testthat/fixtures/torch-modules.json and torch-graphs.json: small models with what
# PyTorch computes for them, once as trees of modules as R torch keeps them (axes counted from 1),
# once as traced graphs. Weights and inputs are waves that the tests make again.
#
#   python tools/torch-fixtures.py tests/testthat/fixtures
#
# Needs torch (PyPI); 2.15 was used.
import torch, json, re, warnings, sys
import torch.nn as nn, torch.nn.functional as F
warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
names = dict(Linear="nn_linear", Conv1d="nn_conv1d", Conv2d="nn_conv2d", ConvTranspose1d="nn_conv_transpose1d", ConvTranspose2d="nn_conv_transpose2d",
 BatchNorm1d="nn_batch_norm1d", BatchNorm2d="nn_batch_norm2d", LayerNorm="nn_layer_norm", GroupNorm="nn_group_norm", InstanceNorm1d="nn_instance_norm1d", InstanceNorm2d="nn_instance_norm2d",
 MaxPool1d="nn_max_pool1d", MaxPool2d="nn_max_pool2d", AvgPool1d="nn_avg_pool1d", AvgPool2d="nn_avg_pool2d",
 AdaptiveAvgPool1d="nn_adaptive_avg_pool1d", AdaptiveAvgPool2d="nn_adaptive_avg_pool2d", AdaptiveMaxPool1d="nn_adaptive_max_pool1d", AdaptiveMaxPool2d="nn_adaptive_max_pool2d",
 Flatten="nn_flatten", Unflatten="nn_unflatten", Upsample="nn_upsample", Identity="nn_identity", Dropout="nn_dropout", Dropout2d="nn_dropout2d", AlphaDropout="nn_alpha_dropout",
 ReLU="nn_relu", ReLU6="nn_relu6", LeakyReLU="nn_leaky_relu", RReLU="nn_rrelu", PReLU="nn_prelu", ELU="nn_elu", CELU="nn_celu", SELU="nn_selu", GELU="nn_gelu", SiLU="nn_silu", Mish="nn_mish",
 Softplus="nn_softplus", Sigmoid="nn_sigmoid", LogSigmoid="nn_log_sigmoid", Tanh="nn_tanh", Softsign="nn_softsign", Hardswish="nn_hardswish", Hardsigmoid="nn_hardsigmoid", Hardtanh="nn_hardtanh",
 Hardshrink="nn_hardshrink", Softshrink="nn_softshrink", Tanhshrink="nn_tanhshrink", Softmax="nn_softmax", LogSoftmax="nn_log_softmax", Sequential="nn_sequential")
def wave(shape, k):
    n = 1
    for s in shape: n *= s
    return (torch.sin(torch.arange(1, n + 1) * 0.7 + k) * 0.8).reshape(shape)
def fill(model):
    k = 0; shapes = {}
    for n, t in model.state_dict().items():
        if "num_batches" in n: continue
        k += 1
        v = wave(t.shape, k)
        t.copy_(v.abs() + 0.5 if n.endswith("running_var") else v)
        shapes[n] = list(t.shape)
    return shapes
def plain(v):
    if isinstance(v, (tuple, list, torch.Size)): return [plain(a) for a in v]
    return v
def tree(m):
    f = {}
    for k, v in vars(m).items():
        if k.startswith("_") or k in ("training", "inplace"): continue
        if v is None or isinstance(v, (int, float, str, bool, tuple, list)): f[k] = plain(v)
    for k in ("dim", "start_dim", "end_dim"):
        if isinstance(f.get(k), int) and f[k] >= 0: f[k] += 1
    own = {n: list(t.shape) for n, t in list(m._parameters.items()) + list(m._buffers.items()) if t is not None and "num_b" not in n}
    return dict({"class": names[type(m).__name__]}, fields={k: v for k, v in f.items() if v is not None}, weights=own, children={n: tree(c) for n, c in m.named_children()})
def case(model, *shapes, rows=2, text=False, name=None):
    model.eval(); w = fill(model)
    x = [wave((rows,) + s, 0) * 2 for s in shapes]
    with torch.no_grad(): y = model(*x)
    ys = list(y) if isinstance(y, tuple) else [y]
    out = dict(input_dim=[list(s) for s in shapes], weights=w, y=[[round(v, 5) for v in t.flatten().tolist()] for t in ys])
    if text:
        tr = torch.jit.trace(model, tuple(x), check_trace=False)
        g = str(tr.inlined_graph)
        out["graph"] = [re.sub(r"\s+# .*$", "", l) for l in g.split("\n") if l.strip()]
    else: out["module"] = tree(model)
    out["name"] = name or ", ".join(str(c) for c in model.children())
    return out
S = nn.Sequential
sig, img = (2, 6), (2, 4, 5)
mods = []
def m(shape, *ms): mods.append(case(S(*ms, nn.Flatten()), shape))
for c in [nn.Conv1d(2,3,3,stride=2,padding=1,dilation=1,bias=False), nn.Conv1d(2,2,4,padding="same"), nn.Conv1d(2,4,2,groups=2,padding="valid"), nn.Conv1d(2,2,3,padding=1,padding_mode="circular"),
  nn.ConvTranspose1d(2,4,3,stride=2,padding=1,output_padding=1,groups=2), nn.BatchNorm1d(2,eps=0.01), nn.LayerNorm([2,6]), nn.LayerNorm(6, elementwise_affine=False), nn.GroupNorm(1,2), nn.InstanceNorm1d(2, affine=True), nn.InstanceNorm1d(2, affine=True, track_running_stats=True),
  nn.MaxPool1d(3,stride=2,padding=1,ceil_mode=True), nn.MaxPool1d(2,dilation=2), nn.AvgPool1d(4,stride=2,padding=1,count_include_pad=False), nn.AdaptiveAvgPool1d(3), nn.AdaptiveMaxPool1d(1),
  nn.Linear(6,3), nn.Softmax(dim=1), nn.LogSoftmax(dim=-1), nn.PReLU(2), nn.Upsample(scale_factor=2.0)]: m(sig, c)
for c in [nn.Conv2d(2,3,(3,2),stride=(2,1),padding=(1,0),dilation=(1,2)), nn.Conv2d(2,2,(2,4),padding="same"), nn.Conv2d(2,2,3,padding=(1,2),padding_mode="reflect"),
  nn.ConvTranspose2d(2,1,(2,3),stride=(2,1),padding=(0,1),output_padding=(1,0)), nn.BatchNorm2d(2,affine=False), nn.LayerNorm([4,5],bias=False), nn.InstanceNorm2d(2),
  nn.MaxPool2d(2,padding=1), nn.MaxPool2d((2,3),stride=(1,2),padding=(0,1)), nn.AvgPool2d(2,ceil_mode=True), nn.AvgPool2d((3,2),stride=1,padding=(1,0)), nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((2,5)), nn.AdaptiveMaxPool2d((4,1)),
  nn.Linear(5,2), nn.Softmax(dim=2), nn.Upsample(scale_factor=(2.0,1.0)), nn.Flatten(2), nn.Dropout2d()]: m(img, c)
for c in [nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.RReLU(0.1,0.4), nn.PReLU(), nn.ELU(0.7), nn.CELU(0.6), nn.SELU(), nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Softplus(2,1), nn.Sigmoid(), nn.LogSigmoid(), nn.Tanh(), nn.Softsign(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(-0.3,0.8), nn.Hardshrink(0.4), nn.Softshrink(0.3), nn.Tanhshrink(), nn.Softmax(1), nn.LogSoftmax(1), nn.Identity(), nn.AlphaDropout(), nn.Unflatten(1,(2,3)), nn.BatchNorm1d(6), nn.LayerNorm(6)]: m((6,), c)
m((6,), nn.Linear(6,4), S(nn.ReLU(), S(nn.Dropout(), nn.Linear(4,3,bias=False))), nn.Softmax(-1))

class Fn(nn.Module):
    def __init__(self, f, **mods):
        super().__init__(); self.f = f
        for n, v in mods.items():
            if isinstance(v, torch.Tensor): self.register_buffer(n, v)
            else: setattr(self, n, v)
    def forward(self, *x): return self.f(self, *x)
graphs = []
def g(name, f, *shapes, **mods): graphs.append(case(Fn(f, **mods), *shapes, text=True, name=name))
g("arithmetic", lambda s,x: 2 - (x * 3 + 0.5) / 4 + 1.5 * (-x), (4,))
g("alpha", lambda s,x: torch.add(s.a(x), s.b(x), alpha=-0.5) - torch.sub(x[:, :3], s.a(x), alpha=2), (4,), a=nn.Linear(4,3), b=nn.Linear(4,3))
g("constants", lambda s,x: ((x - s.mean) / s.std * s.v + s.c).flatten(1), (2,3,3), mean=torch.zeros(1,2,1,1), std=torch.zeros(2,1,1), v=torch.zeros(3), c=torch.zeros(2,3,3))
g("gate", lambda s,x: (x * torch.sigmoid(s.c(x.mean((2,3), keepdim=True)))).flatten(1), (2,3,4), c=nn.Conv2d(2,2,1))
g("heads", lambda s,x: (s.a(F.relu_(s.t(x))), F.softmax(s.b(s.t(x)), 1)), (3,), t=nn.Linear(3,4), a=nn.Linear(4,2), b=nn.Linear(4,3))
g("view", lambda s,x: s.l(x.view(x.size(0), -1).reshape(x.shape[0], 2, x.size(1) * x.size(2) // 2).view(-1, 12)), (3,4), l=nn.Linear(12,2))
g("permute", lambda s,x: s.l(x.permute(0,2,3,1).contiguous().flatten(1)), (2,3,2), l=nn.Linear(12,2))
g("transpose", lambda s,x: s.l(x.transpose(1,2)).mean(1), (2,5), l=nn.Linear(2,3))
g("sums", lambda s,x: torch.cat([x.sum(3).flatten(1), x.mean(1).flatten(1), x.amax((1,3)), x.mean((1,2,3)).unsqueeze(1), x.sum((2,3)).squeeze()], 1), (2,3,4))
g("parts", lambda s,x: (lambda a,b,c: torch.cat([c, a*b[:, :, :2], x[:, :, -3:-1]], 1).flatten(1))(*x.chunk(3, dim=2)), (2,6))
g("split", lambda s,x: (lambda a,b: torch.cat([b, torch.tanh(a)], -1))(*x.split([2,3], 1)), (5,))
g("select", lambda s,x: s.l(x[:, 1]) + x[:, :, -1].narrow(1,0,2), (3,4), l=nn.Linear(4,2))
g("matmul", lambda s,x: torch.addmm(s.l.bias, x @ s.w, s.l.weight.t()), (3,), w=torch.zeros(3,4), l=nn.Linear(4,2))
g("pads", lambda s,x: F.pad(F.pad(x, (1,2,0,1), value=0.5), (1,1,1,0), mode="reflect").flatten(1), (1,3,4))
g("upsampled", lambda s,x: F.interpolate(s.c(x), scale_factor=2, mode="nearest").flatten(1), (2,3,3), c=nn.Conv2d(2,1,2, padding="same"))
g("norms", lambda s,x: s.i(s.g(s.n(x))).flatten(1), (4,3), n=nn.LayerNorm(3), g=nn.GroupNorm(2,4), i=nn.InstanceNorm1d(4, affine=True))
g("functions", lambda s,x: F.hardtanh(F.gelu(F.elu(x, 0.5)) + F.softplus(x, 2., 10.) - F.mish(x) + F.hardswish(x) * F.leaky_relu(x, .2) + F.celu(x) + F.selu(x) + F.logsigmoid(x) + torch.exp(x) + F.relu6(x) + F.silu(x) + s.p(x), -0.9, 4.), (5,), p=nn.PReLU())
g("pools", lambda s,x: torch.cat([F.max_pool2d(x, 2, 1, 1).flatten(1), F.avg_pool2d(x, (2,1)).flatten(1), F.adaptive_max_pool2d(x, 2).flatten(1), F.adaptive_avg_pool2d(x, 1).flatten(1)], 1), (2,4,4))
g("transposed", lambda s,x: s.d(F.dropout(s.c(x), training=False)).flatten(1), (2,4), c=nn.ConvTranspose1d(2,4,3,stride=2,output_padding=1,groups=2), d=nn.Conv1d(4,2,2,stride=2,dilation=2,groups=2))
g("two inputs", lambda s,a,b: s.l(torch.cat([b.flatten(1), a], 1)) + a, (2,), (2,3), l=nn.Linear(8,2))
g("shared", lambda s,x: s.l(torch.tanh(s.l(x))) + x, (3,), l=nn.Linear(3,3))
json.dump(dict(framework="PyTorch " + torch.__version__.split("+")[0], cases=mods), open(sys.argv[1] + "/torch-modules.json", "w"), separators=(",",":"))
json.dump(dict(framework="PyTorch " + torch.__version__.split("+")[0], cases=graphs), open(sys.argv[1] + "/torch-graphs.json", "w"), separators=(",",":"))
