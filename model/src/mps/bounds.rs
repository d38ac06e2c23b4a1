use super::{
    columns::Columns,
    line::{Line, Token},
    number,
    record::Bound,
};
use crate::{FaultKind, Place, reading::ReadError};

/// The entries of BOUNDS for one column, combined.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    /// Whether a bound makes the column integer.
    pub(super) integer: bool,
    /// The position of the bound that makes the column semi-continuous.
    pub(super) semi: Option<Place>,
    /// Whether its bounds are from a BV: later ones replace them.
    binary: bool,
}

/// The section BOUNDS.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// For each column; `None` if it has no entry.
    columns: Vec<Option<Limits>>,
    /// The columns with a BV and a later bound that differs from it.
    replaced: Vec<usize>,
}

/// The type of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Upper,
    Lower,
    Fixed,
    Free,
    MinusInfinity,
    PlusInfinity,
    Binary,
    IntegerLower,
    IntegerUpper,
    SemiContinuous,
    SemiInteger,
}

impl Kind {
    fn named(name: &str) -> Option<Kind> {
        Some(match name.to_ascii_uppercase().as_str() {
            "UP" => Kind::Upper,
            "LO" => Kind::Lower,
            "FX" => Kind::Fixed,
            "FR" => Kind::Free,
            "MI" => Kind::MinusInfinity,
            "PL" => Kind::PlusInfinity,
            "BV" => Kind::Binary,
            "LI" => Kind::IntegerLower,
            "UI" => Kind::IntegerUpper,
            "SC" => Kind::SemiContinuous,
            "SI" => Kind::SemiInteger,
            _ => return None,
        })
    }

    fn takes_value(self) -> bool {
        !matches!(self, Kind::Free | Kind::MinusInfinity | Kind::PlusInfinity | Kind::Binary)
    }
}

/// Whether a bound of this type has a value. False for unknown types.
pub(super) fn takes_value(kind: &str) -> bool {
    Kind::named(kind).is_some_and(Kind::takes_value)
}

impl Bounds {
    pub(super) fn new(columns: usize) -> Self {
        Bounds { columns: vec![None; columns], replaced: Vec::new() }
    }

    /// The columns with a BV and a later bound that differs from it.
    pub(super) fn replaced(&self) -> &[usize] {
        &self.replaced
    }

    /// The entries for a column; `None` if it has none.
    pub(super) fn of(&self, column: usize) -> Option<Limits> {
        self.columns.get(column).copied().flatten()
    }

    /// Adds a line of the section.
    pub(super) fn add(
        &mut self,
        line: &Line,
        bound: &Bound,
        columns: &Columns,
    ) -> Result<(), ReadError> {
        let Some(kind) = Kind::named(bound.kind.text) else {
            let message = format!("unknown bound type `{}`", bound.kind.text);
            return Err(line.syntax(bound.kind, message));
        };
        let name = bound.column.text;
        let Some(column) = columns.find(name) else {
            let message = format!("column `{name}` is not declared in COLUMNS");
            return Err(line.invalid(bound.column, message));
        };
        let value = if kind.takes_value() {
            number::bound(line, bound.value)?
        } else if bound.value.text.is_empty() || number::is_bound(bound.value.text) {
            0.0
        } else {
            let (kind, text) = (bound.kind.text, bound.value.text);
            let message = format!("{kind} has no value, but `{text}` is in its place");
            return Err(line.syntax(bound.value, message));
        };
        let infinity = f64::INFINITY;
        let (lower, upper) = match kind {
            Kind::Upper | Kind::IntegerUpper => (None, Some(value)),
            Kind::Lower | Kind::IntegerLower => (Some(value), None),
            Kind::Fixed => (Some(value), Some(value)),
            Kind::Free => (Some(-infinity), Some(infinity)),
            Kind::MinusInfinity => (Some(-infinity), None),
            Kind::PlusInfinity => (None, Some(infinity)),
            Kind::Binary => (Some(0.0), Some(1.0)),
            Kind::SemiContinuous | Kind::SemiInteger => (None, Some(value)),
        };
        let semi = matches!(kind, Kind::SemiContinuous | Kind::SemiInteger);
        if lower == Some(infinity) || upper == Some(-infinity) {
            return Err(
                line.invalid(bound.value, format!("this bound excludes every value of `{name}`"))
            );
        }
        if semi && !(value > 0.0 && value.is_finite()) {
            let message =
                format!("`{name}` is semi-continuous; its upper bound must be above 0 and finite");
            return Err(line.invalid(bound.value, message));
        }
        let limits = self.columns[column].get_or_insert_default();
        if limits.binary && kind != Kind::Binary {
            let differs = |end: Option<f64>, was| end.is_some_and(|end| Some(end) != was);
            if differs(lower, limits.lower) || differs(upper, limits.upper) {
                self.replaced.push(column);
            }
            // A bound of the BV is kept if the new one does not replace it.
            limits.binary = false;
            limits.lower = limits.lower.filter(|_| lower.is_none());
            limits.upper = limits.upper.filter(|_| upper.is_none());
        }
        set("lower", &mut limits.lower, lower, line, bound.column)?;
        set("upper", &mut limits.upper, upper, line, bound.column)?;
        limits.integer |= matches!(
            kind,
            Kind::Binary | Kind::IntegerLower | Kind::IntegerUpper | Kind::SemiInteger
        );
        limits.binary |= kind == Kind::Binary;
        if semi {
            limits.semi.get_or_insert(line.place(bound.kind));
        }
        Ok(())
    }
}

impl Limits {
    /// Rejects a semi-continuous column with a negative lower bound. Called at the end of the
    /// section, because the lower bound may follow.
    pub(super) fn check(&self, name: &str) -> Result<(), ReadError> {
        match (self.semi, self.lower) {
            (Some(place), Some(lower)) if lower < 0.0 => Err(ReadError {
                place,
                kind: FaultKind::Invalid,
                message: format!("`{name}` is semi-continuous, but its lower bound is {lower}"),
            }),
            _ => Ok(()),
        }
    }
}

/// Sets one bound. A second one must be equal.
fn set(
    end: &str,
    place: &mut Option<f64>,
    value: Option<f64>,
    line: &Line,
    name: Token,
) -> Result<(), ReadError> {
    let Some(value) = value else { return Ok(()) };
    match *place {
        Some(before) if before != value => {
            let message = format!(
                "the {end} bound of column `{}` is {value} here and was {before} before",
                name.text
            );
            Err(line.invalid(name, message))
        }
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}
