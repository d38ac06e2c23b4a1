/// The sections of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Name,
    Sense,
    Objective,
    Rows,
    Columns,
    Rhs,
    Ranges,
    Bounds,
    End,
}

/// What a word in column 1 stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Section(Section),
    /// A section that is recognised but not supported: its feature, in the plural.
    Unsupported(&'static str),
}

impl Header {
    /// Parses a word as a header, in any case. `None` if it is unknown.
    pub(super) fn named(word: &str) -> Option<Header> {
        let header = match word.to_ascii_uppercase().as_str() {
            "NAME" => Header::Section(Section::Name),
            "OBJSENSE" => Header::Section(Section::Sense),
            "OBJNAME" => Header::Section(Section::Objective),
            "ROWS" => Header::Section(Section::Rows),
            "COLUMNS" => Header::Section(Section::Columns),
            "RHS" => Header::Section(Section::Rhs),
            "RANGES" => Header::Section(Section::Ranges),
            "BOUNDS" => Header::Section(Section::Bounds),
            "ENDATA" => Header::Section(Section::End),
            "QUADOBJ" | "QMATRIX" | "QSECTION" => Header::Unsupported("quadratic objectives"),
            "QCMATRIX" => Header::Unsupported("quadratic constraints"),
            "CSECTION" => Header::Unsupported("conic constraints"),
            "SOS" | "SOS1" | "SOS2" | "SETS" => Header::Unsupported("special ordered sets"),
            "INDICATORS" => Header::Unsupported("indicator constraints"),
            "LAZYCONS" => Header::Unsupported("lazy constraints"),
            "USERCUTS" => Header::Unsupported("user cuts"),
            "PWLOBJ" => Header::Unsupported("piecewise linear objectives"),
            "PWLNAM" | "PWLCON" => Header::Unsupported("piecewise linear constraints"),
            "GENCONS" => Header::Unsupported("general constraints"),
            "MULTIOBJ" => Header::Unsupported("several objectives"),
            _ => return None,
        };
        Some(header)
    }
}

impl Section {
    /// The section that must precede this one.
    pub(super) fn needs(self) -> Option<Section> {
        match self {
            Section::Columns => Some(Section::Rows),
            Section::Rhs | Section::Ranges | Section::Bounds | Section::End => {
                Some(Section::Columns)
            }
            Section::Name | Section::Sense | Section::Objective | Section::Rows => None,
        }
    }

    /// The keyword of the section.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Section::Name => "NAME",
            Section::Sense => "OBJSENSE",
            Section::Objective => "OBJNAME",
            Section::Rows => "ROWS",
            Section::Columns => "COLUMNS",
            Section::Rhs => "RHS",
            Section::Ranges => "RANGES",
            Section::Bounds => "BOUNDS",
            Section::End => "ENDATA",
        }
    }
}
