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
    /// The column of the last line.
    last: usize,
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

    /// The lower and the upper bound that a line of this type sets.
    fn ends(self, value: f64) -> (Option<f64>, Option<f64>) {
        let infinity = f64::INFINITY;
        match self {
            Kind::Upper | Kind::IntegerUpper => (None, Some(value)),
            Kind::Lower | Kind::IntegerLower => (Some(value), None),
            Kind::Fixed => (Some(value), Some(value)),
            Kind::Free => (Some(-infinity), Some(infinity)),
            Kind::MinusInfinity => (Some(-infinity), None),
            Kind::PlusInfinity => (None, Some(infinity)),
            Kind::Binary => (Some(0.0), Some(1.0)),
            Kind::SemiContinuous | Kind::SemiInteger => (None, Some(value)),
        }
    }

    fn is_semi(self) -> bool {
        matches!(self, Kind::SemiContinuous | Kind::SemiInteger)
    }

    fn makes_integer(self) -> bool {
        matches!(self, Kind::Binary | Kind::IntegerLower | Kind::IntegerUpper | Kind::SemiInteger)
    }
}

/// Whether a bound of this type has a value. False for unknown types.
pub(super) fn takes_value(kind: &str) -> bool {
    Kind::named(kind).is_some_and(Kind::takes_value)
}

impl Bounds {
    pub(super) fn new(columns: usize) -> Self {
        Bounds { columns: vec![None; columns], ..Bounds::default() }
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
        let Some(column) = columns.find_near(name, self.last) else {
            let message = format!("column `{name}` is not declared in COLUMNS");
            return Err(line.invalid(bound.column, message));
        };
        self.last = column;
        let value = value(line, bound, kind)?;
        let (lower, upper) = kind.ends(value);
        check_ends(line, bound, kind, (lower, upper))?;
        // A bound after BV replaces it. Any other two must agree, see `set`.
        if self.columns[column].is_some_and(|limits| limits.binary) && kind != Kind::Binary {
            self.replace_binary(column, (lower, upper));
        }
        let limits = self.columns[column].get_or_insert_default();
        set("lower", &mut limits.lower, lower, line, bound.column)?;
        set("upper", &mut limits.upper, upper, line, bound.column)?;
        limits.integer |= kind.makes_integer();
        limits.binary |= kind == Kind::Binary;
        if kind.is_semi() {
            // The first one: an error about it names where the column became semi-continuous.
            limits.semi.get_or_insert(line.place(bound.kind));
        }
        Ok(())
    }

    /// Makes room for bounds that replace those of a BV. A bound of the BV is kept if the new
    /// line does not have it.
    fn replace_binary(&mut self, column: usize, (lower, upper): (Option<f64>, Option<f64>)) {
        let Some(limits) = &mut self.columns[column] else { return };
        let differs = |end: Option<f64>, was| end.is_some_and(|end| Some(end) != was);
        if differs(lower, limits.lower) || differs(upper, limits.upper) {
            self.replaced.push(column);
        }
        limits.binary = false;
        limits.lower = limits.lower.filter(|_| lower.is_none());
        limits.upper = limits.upper.filter(|_| upper.is_none());
    }
}

/// The value of a line; 0 for a type that takes none. A number in its place is ignored.
fn value(line: &Line, bound: &Bound, kind: Kind) -> Result<f64, ReadError> {
    if kind.takes_value() {
        return number::bound(line, bound.value);
    }
    let text = bound.value.text;
    if text.is_empty() || number::is_bound(text) {
        return Ok(0.0);
    }
    let message = format!("{} has no value, but `{text}` is in its place", bound.kind.text);
    Err(line.syntax(bound.value, message))
}

/// Rejects bounds that exclude every value, and semi-continuous columns without a finite upper
/// bound above 0.
fn check_ends(
    line: &Line,
    bound: &Bound,
    kind: Kind,
    (lower, upper): (Option<f64>, Option<f64>),
) -> Result<(), ReadError> {
    let name = bound.column.text;
    if lower == Some(f64::INFINITY) || upper == Some(f64::NEG_INFINITY) {
        let message = format!("this bound excludes every value of `{name}`");
        return Err(line.invalid(bound.value, message));
    }
    if kind.is_semi() && !upper.is_some_and(|upper| upper > 0.0 && upper.is_finite()) {
        let message =
            format!("`{name}` is semi-continuous; its upper bound must be above 0 and finite");
        return Err(line.invalid(bound.value, message));
    }
    Ok(())
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
