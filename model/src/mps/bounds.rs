use super::{
    columns::Columns,
    line::{Line, Token},
    number,
    record::Bound,
};
use crate::{FaultKind, Place, reading::ReadError};

/// What BOUNDS says of one column.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    /// A bound of this column makes it integer.
    pub(super) integer: bool,
    /// Where the column was made semi-continuous.
    pub(super) semi: Option<Place>,
    /// Whether its bounds are those of a BV, which later ones replace.
    binary: bool,
}

/// The section BOUNDS.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// For each column; `None` where nothing is said.
    columns: Vec<Option<Limits>>,
    /// The columns whose BV was followed by another bound that differs.
    replaced: Vec<usize>,
}

/// The kinds of bound.
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

/// Whether a bound of this kind has a value.
pub(super) fn takes_value(kind: &str) -> bool {
    Kind::named(kind).is_some_and(Kind::takes_value)
}

impl Bounds {
    pub(super) fn new(columns: usize) -> Self {
        Bounds { columns: vec![None; columns], replaced: Vec::new() }
    }

    /// The columns whose BV was followed by another bound that differs.
    pub(super) fn replaced(&self) -> &[usize] {
        &self.replaced
    }

    /// What is said of a column, if anything is.
    pub(super) fn of(&self, column: usize) -> Option<Limits> {
        self.columns.get(column).copied().flatten()
    }

    /// A line of the section.
    pub(super) fn add(
        &mut self,
        line: &Line,
        bound: &Bound,
        columns: &Columns,
    ) -> Result<(), ReadError> {
        let Some(kind) = Kind::named(bound.kind.text) else {
            let message = format!("`{}` is no kind of bound we know", bound.kind.text);
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
            let message = format!("{kind} has no value, and `{text}` is not even a number");
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
            return Err(line.invalid(bound.value, format!("`{name}` has no value left")));
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
            // Of a BV, what is not replaced stays.
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
    /// Refuses a semi-continuous column whose lower bound is negative, which only the
    /// end of the section can tell.
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

/// Sets one end. Given twice, it must be the same.
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
