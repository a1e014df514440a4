//! Whole numbers that may depend on the number of rows, as extents of activations do.

/// `fixed + rows · (number of rows)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Int {
    // The order of the fields makes comparisons those for many rows.
    rows: i64,
    fixed: i64,
}

impl From<i64> for Int {
    fn from(fixed: i64) -> Self {
        Self { rows: 0, fixed }
    }
}

impl Int {
    /// The number of rows.
    pub const ROWS: Self = Self { rows: 1, fixed: 0 };

    /// The number, if it does not depend on the rows.
    pub fn fixed(self) -> Option<i64> {
        (self.rows == 0).then_some(self.fixed)
    }

    /// The sum.
    pub fn add(self, other: Self) -> Option<Self> {
        Some(Self {
            rows: self.rows.checked_add(other.rows)?,
            fixed: self.fixed.checked_add(other.fixed)?,
        })
    }

    /// The difference.
    pub fn sub(self, other: Self) -> Option<Self> {
        self.add(other.mul(Self::from(-1))?)
    }

    /// The product, of which one factor must not depend on the rows.
    pub fn mul(self, other: Self) -> Option<Self> {
        let (factor, sum) = match (self.fixed(), other.fixed()) {
            (Some(factor), _) => (factor, other),
            (None, Some(factor)) => (factor, self),
            (None, None) => return None,
        };
        Some(Self { rows: sum.rows.checked_mul(factor)?, fixed: sum.fixed.checked_mul(factor)? })
    }

    /// The quotient, towards zero; exact where it depends on the rows.
    pub fn div(self, other: Self) -> Option<Self> {
        let Some(divisor) = other.fixed() else {
            let quotient = Self::from(self.rows.checked_div(other.rows)?);
            return (other.mul(quotient)? == self).then_some(quotient);
        };
        if self.rows.checked_rem(divisor)? != 0
            || (self.rows != 0 && self.fixed.checked_rem(divisor)? != 0)
        {
            return None;
        }
        Some(Self {
            rows: self.rows.checked_div(divisor)?,
            fixed: self.fixed.checked_div(divisor)?,
        })
    }
}
