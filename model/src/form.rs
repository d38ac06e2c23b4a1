use crate::names::Given;

/// The form a model was sent in. It determines the field paths in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `Model.linear`.
    Linear,
    /// `Model.named`.
    Named,
    /// An encoded `LinearModel` in `Model.file`.
    Packed,
    /// A text in this field. Its parts have no fields of their own, so errors name the
    /// whole field.
    Text(&'static str),
}

/// A part of a model that an error can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Sense,
    Offset,
    VariableLower(usize),
    VariableUpper(usize),
    Objective(usize),
    Kind(usize),
    VariableName(usize),
    ConstraintLower(usize),
    ConstraintUpper(usize),
    ConstraintName(usize),
    /// The variable of a coefficient.
    EntryVariable(Entry),
    /// The value of a coefficient.
    EntryValue(Entry),
}

/// The position of a coefficient: its row, its index in the row, and its index among all
/// coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) row: usize,
    pub(crate) term: usize,
    pub(crate) position: usize,
}

impl Form {
    /// The field of the request that holds the whole model.
    pub(crate) fn root(self) -> &'static str {
        match self {
            Form::Linear => "linear",
            Form::Named => "named",
            Form::Packed => "file",
            Form::Text(field) => field,
        }
    }

    /// What is known about the names in the arrays of this form.
    pub(crate) fn names(self) -> Given {
        match self {
            Form::Linear | Form::Named | Form::Packed => Given::Unchecked,
            // Both readers reject a second row of the same name. A second column of the same name
            // is an error in MPS, and the same variable in LP.
            Form::Text(_) => Given::Unique,
        }
    }

    /// The path of the field that holds a part of the model.
    pub(crate) fn field(self, part: Part) -> String {
        match self {
            Form::Linear | Form::Packed => array(self.root(), part),
            Form::Named => named(part),
            Form::Text(field) => field.to_owned(),
        }
    }
}

fn array(root: &str, part: Part) -> String {
    let (array, index) = match part {
        Part::Sense => return format!("{root}.sense"),
        Part::Offset => return format!("{root}.objective_offset"),
        Part::VariableLower(j) => ("variable_lower", j),
        Part::VariableUpper(j) => ("variable_upper", j),
        Part::Objective(j) => ("objective", j),
        Part::Kind(j) => ("variable_kinds", j),
        Part::VariableName(j) => ("variable_names", j),
        Part::ConstraintLower(i) => ("constraint_lower", i),
        Part::ConstraintUpper(i) => ("constraint_upper", i),
        Part::ConstraintName(i) => ("constraint_names", i),
        Part::EntryVariable(entry) => ("column_indices", entry.position),
        Part::EntryValue(entry) => ("coefficients", entry.position),
    };
    format!("{root}.{array}[{index}]")
}

fn named(part: Part) -> String {
    match part {
        Part::Sense => "named.sense".to_owned(),
        Part::Offset => "named.objective_offset".to_owned(),
        Part::VariableLower(j) => format!("named.variables[{j}].lower"),
        Part::VariableUpper(j) => format!("named.variables[{j}].upper"),
        Part::Objective(j) => format!("named.variables[{j}].objective"),
        Part::Kind(j) => format!("named.variables[{j}].kind"),
        Part::VariableName(j) => format!("named.variables[{j}].name"),
        Part::ConstraintLower(i) => format!("named.constraints[{i}].lower"),
        Part::ConstraintUpper(i) => format!("named.constraints[{i}].upper"),
        Part::ConstraintName(i) => format!("named.constraints[{i}].name"),
        Part::EntryVariable(Entry { row, term, .. }) => {
            format!("named.constraints[{row}].terms[{term}].variable")
        }
        Part::EntryValue(Entry { row, term, .. }) => {
            format!("named.constraints[{row}].terms[{term}].coefficient")
        }
    }
}
