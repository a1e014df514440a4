//! Operators on constants, computed when the file is read: mostly the arithmetic of shapes.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};

use super::call::Call;
use super::constant::{cells, types, Constant, AXES};
use super::function;
use super::graph::Result;
use super::symbol::Int;

/// Operators that are computed where their inputs are constants.
pub const FOLDED: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "Cast",
    "CastLike",
    "Ceil",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Div",
    "Equal",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Reshape",
    "Shape",
    "Size",
    "Slice",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Where",
];

const ROWS: &str = "computes with the number of rows in a way that is not known";

/// An array of either kind of numbers, and the same done to it.
macro_rules! either {
    ($constant:expr, $x:ident => $result:expr) => {
        match $constant.unpacked().as_ref() {
            Constant::Real($x) => Constant::Real($result),
            Constant::Whole($x) => Constant::Whole($result),
            Constant::Weights(_) => return Err("has an input of an unknown type".into()),
        }
    };
}

/// The results of an operator whose inputs are all constants; `left` is how many cells may still be
/// made.
pub fn fold<'a>(call: &Call<'_, 'a>, left: &mut usize) -> Result<Vec<Constant<'a>>> {
    // The larger ones are limited before they are made.
    let given: usize = call.constants().iter().map(|constant| constant.len()).sum();
    spend(left, given)?;
    let x = || call.constant(0);
    let result = match call.op() {
        "Identity" => x()?.clone(),
        "Cast" => cast(x()?, call.int("to", types::FLOAT))?,
        "CastLike" => match call.constant(1)? {
            Constant::Whole(_) => cast(x()?, types::INT64)?,
            _ => cast(x()?, types::FLOAT)?,
        },
        "Shape" => shape_of(call, x()?.shape().iter().map(|n| Int::from(*n as i64)).collect()),
        "Size" => scalar(Int::from(x()?.len() as i64)),
        "Transpose" => {
            let constant = x()?;
            let axes = call.permutation(constant.shape().len())?;
            constant.permuted(&axes)
        }
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let constant = x()?;
            let own: Vec<Int> = constant.shape().iter().map(|n| Int::from(*n as i64)).collect();
            let target = fixed(&call.target(&own)?)?;
            constant
                .reshaped(&target)
                .ok_or_else(|| format!("cannot make {target:?} of {:?}", constant.shape()))?
        }
        "Concat" => concat(call)?,
        "Gather" => gather(call)?,
        "Slice" => {
            let constant = x()?;
            let mut result = constant.clone();
            for (axis, [start, end, step]) in call.slices(&constant.shape())? {
                let slice = Slice::new(start as isize, Some(end as isize), step as isize);
                result = either!(result, x => x.slice_axis(Axis(axis), slice).to_owned());
            }
            result
        }
        "Split" => {
            let constant = x()?;
            let (axis, parts) = call.parts(&constant.shape())?;
            return parts
                .into_iter()
                .map(|[start, end]| {
                    let slice = Slice::from(start..end);
                    Ok(either!(constant, x => x.slice_axis(Axis(axis), slice).to_owned()))
                })
                .collect();
        }
        "Expand" => {
            let target = fixed(&call.whole(1)?)?;
            let shape = common(&[&x()?.shape(), &target])?;
            spend(left, shape.iter().product())?;
            either!(x()?, x => spread(x, &shape)?.to_owned())
        }
        "Tile" => {
            let repeats = fixed(&call.whole(1)?)?;
            let mut result = x()?.clone();
            if repeats.len() != result.shape().len() {
                return Err(format!(
                    "repeats {} axes {} times",
                    result.shape().len(),
                    repeats.len()
                ));
            }
            for (axis, n) in repeats.into_iter().enumerate() {
                spend(left, result.len().saturating_mul(n))?;
                if n == 0 {
                    return Err("repeats an axis 0 times".into());
                }
                result = either!(result, x => {
                    let copies = vec![x.view(); n];
                    ndarray::concatenate(Axis(axis), &copies).map_err(|e| e.to_string())?
                });
            }
            result
        }
        "ConstantOfShape" => {
            let target = fixed(&call.whole(0)?)?;
            spend(left, cells(&target).unwrap_or(usize::MAX))?;
            let target = IxDyn(&target);
            match call.tensor("value")? {
                Some(Constant::Whole(x)) => Constant::Whole(ArrayD::from_elem(target, first(&x)?)),
                Some(other) => {
                    Constant::Real(ArrayD::from_elem(target, other.scalar().unwrap_or(0.0)))
                }
                None => Constant::Real(ArrayD::zeros(target)),
            }
        }
        "Range" => range(call, left)?,
        "ReduceSum" | "ReduceProd" | "ReduceMin" | "ReduceMax" | "ReduceMean" => reduce(call)?,
        "Where" => {
            let (condition, a, b) = (call.constant(0)?, call.constant(1)?, call.constant(2)?);
            let shape = common(&[&condition.shape(), &a.shape(), &b.shape()])?;
            spend(left, shape.iter().product())?;
            let condition = whole(condition)?;
            let condition = spread(&condition, &shape)?;
            let choose = |c: &Int| *c != Int::from(0);
            match (a, b) {
                (Constant::Whole(a), Constant::Whole(b)) => {
                    let (a, b) = (spread(a, &shape)?, spread(b, &shape)?);
                    let zip = ndarray::Zip::from(condition).and(a).and(b);
                    Constant::Whole(zip.map_collect(|c, a, b| if choose(c) { *a } else { *b }))
                }
                _ => {
                    let (a, b) = (real(a)?, real(b)?);
                    let (a, b) = (spread(&a, &shape)?, spread(&b, &shape)?);
                    let zip = ndarray::Zip::from(condition).and(a).and(b);
                    Constant::Real(zip.map_collect(|c, a, b| if choose(c) { *a } else { *b }))
                }
            }
        }
        "Neg" | "Not" | "Floor" | "Ceil" | "Reciprocal" | "Abs" | "Exp" | "Log" | "Sqrt" => {
            unary(call.op(), x()?)?
        }
        op => elementwise(op, call, left)?,
    };
    spend(left, result.len())?;
    Ok(vec![result])
}

fn spend(left: &mut usize, cells: usize) -> Result<()> {
    *left = left.checked_sub(cells).ok_or("computes constants that are too large")?;
    Ok(())
}

/// The `Shape` of extents, of which an operator may want a part.
pub fn shape_of<'a>(call: &Call<'_, 'a>, extents: Vec<Int>) -> Constant<'a> {
    let n = extents.len() as i64;
    let bound = |position: i64| {
        (if position < 0 { position.saturating_add(n) } else { position }).clamp(0, n) as usize
    };
    let (start, end) = (bound(call.int("start", 0)), bound(call.int("end", n)));
    Constant::whole(extents.get(start..end).unwrap_or_default().iter().copied())
}

/// Whole numbers without the rows, at least 0.
fn fixed(values: &[Int]) -> Result<Vec<usize>> {
    let values: Option<Vec<usize>> = values
        .iter()
        .map(|n| usize::try_from(n.fixed()?).ok().filter(|n| *n <= i32::MAX as usize))
        .collect();
    values.filter(|values| values.len() <= AXES).ok_or_else(|| ROWS.into())
}

fn scalar<'a>(value: Int) -> Constant<'a> {
    Constant::Whole(ArrayD::from_elem(IxDyn(&[]), value))
}

fn first(x: &ArrayD<Int>) -> Result<Int> {
    x.first().copied().ok_or_else(|| "has an empty input".into())
}

fn real(x: &Constant) -> Result<ArrayD<f64>> {
    x.to_real().ok_or_else(|| ROWS.into())
}

fn whole(x: &Constant) -> Result<ArrayD<Int>> {
    match x {
        Constant::Whole(x) => Ok(x.clone()),
        other => Ok(real(other)?.mapv(|x| Int::from(x as i64))),
    }
}

fn cast<'a>(x: &Constant<'a>, to: i64) -> Result<Constant<'a>> {
    Ok(match (x, to) {
        (_, types::STRING) => return Err("makes strings".into()),
        (Constant::Whole(x), types::BOOL) => {
            Constant::Whole(x.mapv(|n| Int::from(i64::from(n != Int::from(0)))))
        }
        (x, types::BOOL) => Constant::Whole(real(x)?.mapv(|x| Int::from(i64::from(x != 0.0)))),
        (Constant::Weights(_), to) if types::FLOATS.contains(&to) => x.clone(),
        (x, to) if types::FLOATS.contains(&to) => Constant::Real(real(x)?),
        (x, _) => Constant::Whole(whole(x)?),
    })
}

/// The extents that arrays have together.
fn common(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        for (extent, own) in result[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*extent, *own) {
                (a, b) if a == b || b == 1 => {}
                (1, b) => *extent = b,
                (a, b) => return Err(format!("combines arrays with the extents {a} and {b}")),
            }
        }
    }
    match cells(&result) {
        Some(_) => Ok(result),
        None => Err("computes constants that are too large".into()),
    }
}

fn spread<'x, T>(x: &'x ArrayD<T>, shape: &[usize]) -> Result<ArrayViewD<'x, T>> {
    x.broadcast(IxDyn(shape)).ok_or_else(|| format!("cannot repeat {:?} to {shape:?}", x.shape()))
}

fn concat<'a>(call: &Call<'_, 'a>) -> Result<Constant<'a>> {
    let inputs = call.constants();
    let rank = call.constant(0)?.shape().len();
    let axis = call.axis("axis", 0, rank)?;
    if inputs.iter().any(|x| x.shape().len() != rank) {
        return Err("combines arrays with different numbers of axes".into());
    }
    let failed = |e: ndarray::ShapeError| e.to_string();
    if inputs.iter().all(|x| matches!(x, Constant::Whole(_))) {
        let arrays: Vec<_> = inputs.into_iter().map(whole).collect::<Result<_>>()?;
        let views: Vec<_> = arrays.iter().map(|x| x.view()).collect();
        return ndarray::concatenate(Axis(axis), &views).map(Constant::Whole).map_err(failed);
    }
    let arrays: Vec<_> = inputs.into_iter().map(real).collect::<Result<_>>()?;
    let views: Vec<_> = arrays.iter().map(|x| x.view()).collect();
    ndarray::concatenate(Axis(axis), &views).map(Constant::Real).map_err(failed)
}

fn gather<'a>(call: &Call<'_, 'a>) -> Result<Constant<'a>> {
    let data = call.constant(0)?;
    let axis = call.axis("axis", 0, data.shape().len())?;
    let extent = data.shape()[axis];
    let indices = whole(call.constant(1)?)?;
    let positions: Vec<usize> =
        indices.iter().map(|index| position(*index, extent)).collect::<Result<_>>()?;
    let shape = [&data.shape()[..axis], indices.shape(), &data.shape()[axis + 1..]].concat();
    if shape.len() > AXES
        || cells(&shape).is_none_or(|n| n > data.len().saturating_mul(64).max(1 << 16))
    {
        return Err("computes constants that are too large".into());
    }
    let taken = either!(data, x => x.select(Axis(axis), &positions));
    taken.reshaped(&shape).ok_or_else(|| "gathers values that are not there".into())
}

/// The position that an index, counted from the end if negative, means on an axis.
pub fn position(index: Int, extent: usize) -> Result<usize> {
    let index = index.fixed().ok_or(ROWS)?;
    let position = if index < 0 { index.saturating_add(extent as i64) } else { index };
    usize::try_from(position)
        .ok()
        .filter(|position| *position < extent)
        .ok_or_else(|| format!("takes the element {index} of {extent}"))
}

fn range<'a>(call: &Call<'_, 'a>, left: &mut usize) -> Result<Constant<'a>> {
    let [start, limit, delta] = [0, 1, 2].map(|i| call.constant(i));
    let (start, limit, delta) = (start?, limit?, delta?);
    let numbers = [start, limit, delta].map(|x| x.scalar().ok_or(ROWS));
    let [from, to, by] = numbers;
    let (from, to, by) = (from?, to?, by?);
    let n = ((to - from) / by).ceil();
    if !n.is_finite() {
        return Err("counts without an end".into());
    }
    let n = n.max(0.0).min(u32::MAX.into()) as usize;
    spend(left, n)?;
    let values = (0..n).map(|i| from + i as f64 * by);
    Ok(match start {
        Constant::Whole(_) => Constant::whole(values.map(|x| Int::from(x as i64))),
        _ => Constant::Real(values.collect::<ndarray::Array1<_>>().into_dyn()),
    })
}

fn reduce<'a>(call: &Call<'_, 'a>) -> Result<Constant<'a>> {
    let x = call.constant(0)?;
    let shape = x.shape();
    let axes = call.reduced(shape.len())?;
    let mut result = x.unpacked().into_owned();
    for axis in &axes {
        if shape[*axis] == 0 {
            return Err("has an empty input".into());
        }
        result = match (&result, call.op()) {
            (Constant::Whole(x), op) => {
                let combine = |a: Int, b: Int| match op {
                    "ReduceSum" => a.add(b),
                    "ReduceProd" => a.mul(b),
                    "ReduceMin" => Some(a.min(b)),
                    "ReduceMax" => Some(a.max(b)),
                    _ => None,
                };
                let lines = x.map_axis(Axis(*axis), |line| {
                    line.iter().skip(1).try_fold(line[0], |a, b| combine(a, *b))
                });
                let values: Option<Vec<Int>> = lines.iter().copied().collect();
                let values = ArrayD::from_shape_vec(lines.raw_dim(), values.ok_or(ROWS)?);
                Constant::Whole(values.map_err(|e| e.to_string())?.insert_axis(Axis(*axis)))
            }
            (x, op) => {
                let lines = real(x)?.map_axis(Axis(*axis), |line| match op {
                    "ReduceSum" => line.sum(),
                    "ReduceProd" => line.product(),
                    "ReduceMin" => line.fold(f64::INFINITY, |a, b| a.min(*b)),
                    "ReduceMax" => line.fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
                    _ => line.sum() / line.len() as f64,
                });
                Constant::Real(lines.insert_axis(Axis(*axis)))
            }
        };
    }
    let kept = super::call::without(&result.shape(), &axes, call.int("keepdims", 1) == 1);
    result.reshaped(&kept).ok_or_else(|| ROWS.into())
}

fn unary<'a>(op: &str, x: &Constant<'a>) -> Result<Constant<'a>> {
    if let Constant::Whole(x) = x {
        let result = |n: &Int| match op {
            "Neg" => Int::from(0).sub(*n),
            "Not" => Some(Int::from(i64::from(*n == Int::from(0)))),
            "Abs" => Some((*n).max(Int::from(0).sub(*n)?)),
            "Floor" | "Ceil" => Some(*n),
            _ => None,
        };
        let values: Option<Vec<Int>> = x.iter().map(result).collect();
        let values = ArrayD::from_shape_vec(x.raw_dim(), values.ok_or(ROWS)?);
        return values.map(Constant::Whole).map_err(|e| e.to_string());
    }
    let result = real(x)?.mapv(|x| match op {
        "Neg" => -x,
        "Floor" => x.floor(),
        "Ceil" => x.ceil(),
        "Reciprocal" => 1.0 / x,
        other => function::value(other, &[x]).unwrap_or(f64::NAN),
    });
    Ok(Constant::Real(result))
}

/// Arithmetic and comparisons of two or more constants.
fn elementwise<'a>(op: &str, call: &Call<'_, 'a>, left: &mut usize) -> Result<Constant<'a>> {
    let inputs = call.constants();
    let mut inputs = inputs.into_iter();
    let mut result = inputs.next().ok_or("has no input")?.unpacked().into_owned();
    for other in inputs {
        let shape = common(&[&result.shape(), &other.shape()])?;
        spend(left, shape.iter().product())?;
        result = if let (Constant::Whole(a), Constant::Whole(b)) = (&result, other) {
            let zip = ndarray::Zip::from(spread(a, &shape)?).and(spread(b, &shape)?);
            let values = zip.map_collect(|a, b| whole_numbers(op, *a, *b));
            let values: Option<Vec<Int>> = values.iter().copied().collect();
            let values = ArrayD::from_shape_vec(IxDyn(&shape), values.ok_or(ROWS)?);
            Constant::Whole(values.map_err(|e| e.to_string())?)
        } else {
            let (a, b) = (real(&result)?, real(other)?);
            let zip = ndarray::Zip::from(spread(&a, &shape)?).and(spread(&b, &shape)?);
            let values = zip.map_collect(|a, b| match op {
                "Mod" => a % b,
                "Equal" => f64::from(a == b),
                other => function::value(other, &[*a, *b]).unwrap_or(f64::NAN),
            });
            if matches!(op, "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual") {
                Constant::Whole(values.mapv(|x| Int::from(x as i64)))
            } else {
                Constant::Real(values)
            }
        };
    }
    Ok(result)
}

fn whole_numbers(op: &str, a: Int, b: Int) -> Option<Int> {
    let flag = |truth: bool| Some(Int::from(i64::from(truth)));
    let zero = Int::from(0);
    match op {
        "Add" => a.add(b),
        "Sub" => a.sub(b),
        "Mul" => a.mul(b),
        "Div" => a.div(b),
        "Min" => Some(a.min(b)),
        "Max" => Some(a.max(b)),
        "Mod" => a.fixed()?.checked_rem_euclid(b.fixed()?).map(Int::from),
        "Pow" => a.fixed()?.checked_pow(u32::try_from(b.fixed()?).ok()?).map(Int::from),
        "Equal" => flag(a == b),
        "Greater" => flag(a > b),
        "GreaterOrEqual" => flag(a >= b),
        "Less" => flag(a < b),
        "LessOrEqual" => flag(a <= b),
        "And" => flag(a != zero && b != zero),
        "Or" => flag(a != zero || b != zero),
        _ => None,
    }
}
