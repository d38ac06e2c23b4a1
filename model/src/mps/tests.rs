#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

use crate::{
    FaultKind, Limits,
    reading::{ReadError, Reading},
};

const INF: f64 = f64::INFINITY;

fn read(text: &str) -> Result<Reading, ReadError> {
    super::read(text, &Limits::default())
}

/// A file with the rows `obj` (N), `l`, `g`, `e`, and the columns `x`, and `i`, which
/// is integer; `rest` follows COLUMNS.
fn file(rest: &str) -> String {
    format!(
        "NAME small\nROWS\n N obj\n L l\n G g\n E e\nCOLUMNS\n x obj 1 l 1\n x g 1 e 1\n \
         M 'MARKER' 'INTORG'\n i obj 2 l 3\n M 'MARKER' 'INTEND'\n{rest}"
    )
}

fn reading(text: &str) -> Reading {
    read(text).unwrap_or_else(|error| panic!("{error:?} in\n{text}"))
}

/// The model of the small file with these lines in a section.
fn with(section: &str, lines: &[&str]) -> LinearModel {
    reading(&file(&format!("{section}\n {}\nENDATA\n", lines.join("\n ")))).model
}

/// The position, class and message of the error in a text.
fn error(text: &str) -> (usize, usize, FaultKind, String) {
    let error = read(text).unwrap_err();
    (error.place.line, error.place.column, error.kind, error.message)
}

/// The message of the error in the small file with these lines in a section.
fn error_with(section: &str, lines: &[&str]) -> String {
    error(&file(&format!("{section}\n {}\nENDATA\n", lines.join("\n ")))).3
}

fn row(model: &LinearModel, row: usize) -> (f64, f64) {
    (model.constraint_lower[row], model.constraint_upper[row])
}

fn bounds(lines: &[&str]) -> [(f64, f64); 2] {
    let model = with("BOUNDS", lines);
    [0, 1].map(|j| (model.variable_lower[j], model.variable_upper[j]))
}

#[test]
fn a_file_is_converted_to_arrays_by_rows() {
    let Reading { name, model, .. } = reading(&file("RHS\n R l 4\nENDATA\n"));
    assert_eq!(name, "small");
    assert_eq!(model.constraint_names, ["l", "g", "e"]);
    assert_eq!(model.variable_names, ["x", "i"]);
    assert_eq!(model.objective, [1.0, 2.0]);
    assert_eq!(model.row_starts, [0, 2, 3, 4]);
    assert_eq!(model.column_indices, [0, 1, 0, 0]);
    assert_eq!(model.coefficients, [1.0, 3.0, 1.0, 1.0]);
    assert_eq!(model.constraint_lower, [-INF, 0.0, 0.0]);
    assert_eq!(model.constraint_upper, [4.0, INF, 0.0]);
    assert_eq!(
        model.variable_kinds,
        [VariableKind::Continuous as i32, VariableKind::Integer as i32]
    );
}

#[test]
fn line_ends_of_any_kind_are_read_and_the_last_may_be_missing() {
    let text = file("RHS\n R l 4\nENDATA");
    assert_eq!(reading(&text.replace('\n', "\r\n")).model, reading(&text).model);
}

#[test]
fn the_objective_sense_is_on_one_line_or_two_in_any_case() {
    for sense in ["OBJSENSE MAX", "OBJSENSE\n    MAXIMIZE", "objsense\nmax", "OBJSENSE maximize"] {
        for text in [format!("{sense}\n{}", file("ENDATA")), file(&format!("RHS\n{sense}\nENDATA"))]
        {
            assert_eq!(reading(&text).model.sense, ObjectiveSense::Maximize as i32, "{text}");
        }
    }
    assert_eq!(reading(&file("OBJSENSE MIN\nENDATA")).model.sense, ObjectiveSense::Minimize as i32);
}

#[test]
fn an_unknown_sense_is_rejected() {
    let (line, column, kind, message) = error(&format!("OBJSENSE minimax\n{}", file("ENDATA")));
    assert_eq!((line, column, kind), (1, 10, FaultKind::Syntax));
    assert!(message.contains("`minimax`"), "{message}");
    assert!(read(&format!("OBJSENSE\n MAX\n MIN\n{}", file("ENDATA"))).is_err());
}

#[test]
fn the_first_n_row_is_the_objective_and_the_others_are_left_out_with_a_warning() {
    let text = "ROWS\n N a\n L r\n N b\nCOLUMNS\n x a 1 b 2\n x r 1\nRHS\n R b 7\nENDATA\n";
    let first = reading(text);
    assert_eq!(first.model.objective, [1.0]);
    assert_eq!(first.model.objective_offset, 0.0);
    assert_eq!(first.warnings, ["an N row that is not the objective is left out: `b`"]);
    let chosen = reading(&format!("OBJNAME\n b\n{text}"));
    assert_eq!(chosen.model.objective, [2.0]);
    assert_eq!(chosen.model.objective_offset, -7.0);
    assert!(read(&format!("OBJNAME r\n{text}")).is_err(), "r is no N row");
}

#[test]
fn the_rhs_of_the_objective_is_its_negative_constant() {
    assert_eq!(with("RHS", &["R obj -4"]).objective_offset, 4.0);
    assert_eq!(with("RHS", &["R obj 4"]).objective_offset, -4.0);
}

#[test]
fn the_name_of_a_set_may_be_absent() {
    for line in ["R l 4 g -2", "l 4 g -2"] {
        let model = with("RHS", &[line]);
        assert_eq!((row(&model, 0), row(&model, 1)), ((-INF, 4.0), (-2.0, INF)), "{line}");
    }
    assert_eq!(row(&with("RHS", &["l 4"]), 0), (-INF, 4.0));
    assert_eq!(bounds(&["UP x 4", "FR i"]), [(0.0, 4.0), (-INF, INF)]);
    assert_eq!(bounds(&["FR x 0", "BV B i"]), [(-INF, INF), (0.0, 1.0)]);
}

#[test]
fn a_range_widens_an_equation_by_its_sign_and_an_inequality_by_its_size() {
    let model = reading(&file("RHS\n R l 4 g 4\n R e 4\nRANGES\n R l -3 g -3\n R e -3\nENDATA"));
    assert_eq!([0, 1, 2].map(|i| row(&model.model, i)), [(1.0, 4.0), (4.0, 7.0), (1.0, 4.0)]);
    let model = reading(&file("RANGES\n R l 3 g 3\n R e 3\nRHS\n R l 4 g 4\n R e 4\nENDATA"));
    assert_eq!([0, 1, 2].map(|i| row(&model.model, i)), [(1.0, 4.0), (4.0, 7.0), (4.0, 7.0)]);
    assert_eq!(row(&with("RANGES", &["R e 0"]), 2), (0.0, 0.0));
    assert!(error_with("RANGES", &["R obj 1"]).contains("can't have a range"));
}

#[test]
fn each_bound_type_sets_its_bounds() {
    assert_eq!(bounds(&["UP B x 4", "UI B i 4"]), [(0.0, 4.0), (0.0, 4.0)]);
    assert_eq!(bounds(&["LO B x 4", "LI B i 4"]), [(4.0, INF), (4.0, INF)]);
    assert_eq!(bounds(&["FX B x 4", "PL B i"]), [(4.0, 4.0), (0.0, INF)]);
    assert_eq!(bounds(&["MI B x", "UP B x 2", "MI B i"]), [(-INF, 2.0), (-INF, INF)]);
    assert_eq!(bounds(&["UP B x 1e30", "LO B i -inf"]), [(0.0, INF), (-INF, INF)]);
    assert_eq!(bounds(&["up B x Infinity", "FX B i 1d0"]), [(0.0, INF), (1.0, 1.0)]);
}

#[test]
fn bounds_of_integer_kinds_make_the_column_integer() {
    for line in ["BV B x", "LI B x 1", "UI B x 9"] {
        let kind = with("BOUNDS", &[line]).variable_kinds[0];
        assert_eq!(kind, VariableKind::Integer as i32, "{line}");
    }
}

#[test]
fn a_semi_continuous_column_keeps_its_integrality() {
    let model = with("BOUNDS", &["SC B x 10", "SC B i 10", "LO B i 1.1"]);
    let kinds = [VariableKind::SemiContinuous as i32, VariableKind::SemiInteger as i32];
    assert_eq!(model.variable_kinds, kinds);
    assert_eq!((model.variable_lower[1], model.variable_upper[1]), (1.1, 10.0));
    let kind = with("BOUNDS", &["SI B x 10"]).variable_kinds[0];
    assert_eq!(kind, VariableKind::SemiInteger as i32);
    for line in ["SC B x 1e30", "SC B x 0", "SC B x -1"] {
        assert!(error_with("BOUNDS", &[line]).contains("above 0 and finite"), "{line}");
    }
    assert!(error_with("BOUNDS", &["SC B x 3", "LO B x -1"]).contains("lower bound is -1"));
}

#[test]
fn an_integer_column_without_bounds_is_binary_with_a_warning() {
    let Reading { model, warnings, .. } = reading(&file("ENDATA"));
    assert_eq!((model.variable_lower[1], model.variable_upper[1]), (0.0, 1.0));
    assert_eq!(warnings, ["an integer column without bounds is taken as [0, 1]: `i`"]);
    assert_eq!(bounds(&["LO B i 0"])[1], (0.0, INF), "any bound leaves the usual defaults");
}

#[test]
fn a_negative_upper_bound_alone_unbounds_below_with_a_warning() {
    let Reading { model, warnings, .. } = reading(&file("BOUNDS\n UP B x -2\n LO B i 0\nENDATA"));
    assert_eq!((model.variable_lower[0], model.variable_upper[0]), (-INF, -2.0));
    assert!(warnings[0].contains("unbounded below: `x`"), "{warnings:?}");
    assert_eq!(bounds(&["UP B x -2", "LO B x 0"])[0], (0.0, -2.0), "the lower bound is given");
    assert_eq!(bounds(&["UP B x 0"])[0], (0.0, 0.0));
}

#[test]
fn bounds_of_all_sets_apply_and_a_contradiction_is_refused() {
    assert_eq!(bounds(&["LO A x 1", "UP B x 2", "UP C x 2"])[0], (1.0, 2.0));
    assert!(error_with("BOUNDS", &["UP A x 2", "UP B x 3"]).contains("3 here and was 2 before"));
}

#[test]
fn only_the_first_set_of_right_hand_sides_or_ranges_is_used() {
    let lines = "A l 1\n B g 7\n B l 9\n g 2\n C e 1";
    let Reading { model, warnings, .. } =
        reading(&file(&format!("RHS\n {lines}\nRANGES\n {lines}\nENDATA\n")));
    assert_eq!([0, 1, 2].map(|index| row(&model, index)), [(0.0, 1.0), (2.0, 4.0), (0.0, 0.0)]);
    let warned = warnings.iter().filter(|warning| warning.contains("`B` beside `A`")).count();
    assert_eq!(warned, 2, "{warnings:?}");
}

#[test]
fn a_dollar_in_the_place_of_a_field_begins_a_comment() {
    let text = "NAME D\nROWS\n N OBJ $ cost\n L $r\n L r\nCOLUMNS\n $x OBJ -1 $r 2 $ both\n \
                y r 0 $ empty column\n z $ nothing\nRHS\n S r 3 $ or 4\n $r 5\nBOUNDS\n \
                UP B $x 4 $ so\n FR B y $ free\n BV z $\nENDATA\n";
    let text = text.replace(" z $ nothing\n", " z r 1 $r 0 $\n");
    let Reading { model, warnings, .. } = reading(&text);
    assert_eq!(model.variable_names, ["$x", "y", "z"]);
    assert_eq!(model.constraint_names, ["$r", "r"]);
    assert_eq!((model.constraint_upper, model.objective), (vec![5.0, 3.0], vec![-1.0, 0.0, 0.0]));
    assert_eq!(model.variable_upper, [4.0, INF, 1.0]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_dollar_begins_a_comment_in_the_fixed_format_too() {
    let text = "NAME\nROWS\n N  my cost\n L  a row\nCOLUMNS\n    one x     my cost            1.0   \
                $ a comment of any length, over the fields\n    one x     a row              2.0\nRHS\n    \
                RHS       a row              3.0\nENDATA\n";
    let Reading { model, .. } = reading(text);
    assert_eq!((model.objective, model.coefficients), (vec![1.0], vec![2.0]));
    assert_eq!(model.variable_names, ["one x"]);
}

#[test]
fn a_bound_after_bv_replaces_it_with_a_warning() {
    let after = |lines: &[&str]| {
        let rest = format!("BOUNDS\n {}\nENDATA\n", lines.join("\n "));
        let Reading { model, warnings, .. } = reading(&file(&rest));
        let warned = warnings.iter().any(|text| text.contains("after BV") && text.contains("`x`"));
        (model.variable_lower[0], model.variable_upper[0], model.variable_kinds[0], warned)
    };
    let integer = VariableKind::Integer.into();
    assert_eq!(after(&["BV B x", "FX B x 1"]), (1.0, 1.0, integer, true));
    assert_eq!(after(&["BV B x", "FX B x 0"]), (0.0, 0.0, integer, true));
    assert_eq!(after(&["BV B x", "LO B x 1"]), (1.0, 1.0, integer, true));
    assert_eq!(after(&["BV B x", "UP B x 7"]), (0.0, 7.0, integer, true));
    assert_eq!(after(&["BV B x", "UP B x 1"]), (0.0, 1.0, integer, false));
    // Bounds that are not from a BV must still agree.
    assert!(error_with("BOUNDS", &["BV B x", "UP B x 7", "UP B x 8"]).contains("was 7 before"));
    assert!(error_with("BOUNDS", &["FX B x 7", "BV B x"]).contains("was 7 before"));
}

#[test]
fn only_a_number_may_be_in_the_place_of_a_value_that_is_not_used() {
    assert_eq!(bounds(&["FR B x 0", "PL B i 1e30"])[0], (-INF, INF));
    for kind in ["FR", "MI", "PL", "BV"] {
        let message = error_with("BOUNDS", &[&format!("{kind} B x junk")]);
        assert!(message.contains("`junk`") && message.contains(kind), "{message}");
    }
}

#[test]
fn a_sense_in_a_comment_is_a_warning() {
    let read = |head: &str, rest: &str| {
        let Reading { model, warnings, .. } = reading(&format!("{head}{}", file(rest)));
        let warned =
            warnings.iter().any(|text| text.contains("SENSE") && text.contains("minimised"));
        (model.sense(), warned)
    };
    let (min, max) = (ObjectiveSense::Minimize, ObjectiveSense::Maximize);
    assert_eq!(read("*SENSE:Maximize\n", "ENDATA\n"), (min, true));
    assert_eq!(read("* made by hand\n* sense:maximize\n", "ENDATA\n"), (min, true));
    assert_eq!(read("*SENSE:Minimize\n", "ENDATA\n"), (min, false));
    assert_eq!(read("*SENSE:Maximize\n", "OBJSENSE MAX\nENDATA\n"), (max, false));
}

#[test]
fn duplicates_are_rejected() {
    let twice = |text: &str| error(text).3;
    assert!(twice("ROWS\n N o\n L r\n G r\nCOLUMNS\nENDATA").contains("declared twice"));
    let rows = "ROWS\n N o\n L r\nCOLUMNS\n";
    assert!(twice(&format!("{rows} x r 1 r 2\nENDATA")).contains("given twice"));
    assert!(twice(&format!("{rows} x o 1\n x r 1\n x o 0\nENDATA")).contains("given twice"));
    assert!(twice(&format!("{rows} x r 1\n y r 1\n x o 1\nENDATA")).contains("duplicate column"));
    assert!(twice(&format!("{rows} x r 1\nRHS\n A r 1\n A r 1\nENDATA")).contains("given twice"));
    assert!(twice(&format!("{rows} x r 1\nRHS\nRHS\nENDATA")).contains("duplicate section"));
}

#[test]
fn undeclared_names_are_rejected_at_their_position() {
    let (line, column, kind, message) = error(&file("RHS\n R l 4 nowhere 5\nENDATA"));
    assert_eq!((line, column, kind), (14, 8, FaultKind::Invalid));
    assert!(message.contains("`nowhere`"), "{message}");
    assert!(error_with("BOUNDS", &["UP B nobody 5"]).contains("`nobody`"));
    assert!(error_with("BOUNDS", &["FR B nobody"]).contains("`nobody`"));
}

#[test]
fn the_first_error_of_lines_that_are_added_together_is_reported() {
    // Each line has an error that is found in a different step.
    let wrong = [" x r 1 nowhere 2", " x r 1 r 2", " x r one", " x r", " 'M 'MARKER' 'NOTHING'"];
    for (index, first) in wrong.iter().enumerate() {
        for before in [0, 1, 31, 32, 70] {
            let columns: String = (0..before).map(|i| format!(" y{i} r 1 o 2\n")).collect();
            let second = wrong[(index + 1) % wrong.len()];
            let text = format!("ROWS\n N o\n L r\nCOLUMNS\n{columns}{first}\n{second}\n");
            assert_eq!(error(&text).0, 5 + before, "{text}");
        }
    }
    let text = "ROWS\n N o\n L r\nCOLUMNS\n x nowhere 1\nRAWS\n";
    assert_eq!(error(text).0, 5, "also before the next section");
    assert_eq!(error(text.trim_end_matches("RAWS\n")).0, 5, "also at the end of the file");
}

#[test]
fn a_duplicate_is_found_in_columns_of_every_length() {
    let rows: String = (0..40).map(|row| format!(" L r{row}\n")).collect();
    for length in [1, 15, 16, 17, 18, 40] {
        let column = |name: &str| -> String {
            (0..length).map(|row| format!(" {name} r{row} 1\n")).collect()
        };
        let text = format!("ROWS\n N o\n{rows}COLUMNS\n{}{}", column("x"), column("y"));
        assert_eq!(reading(&text).model.coefficients.len(), 2 * length);
        for row in [0, length / 2, length - 1] {
            let twice = format!("{text} y r{row} 2\n");
            assert_eq!(error(&twice).0, twice.lines().count(), "{length} entries, row {row}");
            assert!(error(&twice).3.contains("given twice"));
        }
    }
}

#[test]
fn numbers_are_read_strictly() {
    for number in ["9/10", "nan", "inf", "1,5", "x.aa1", "0x1p3", "1e999"] {
        let text = format!("ROWS\n N o\nCOLUMNS\n x o {number}\nENDATA");
        let (line, column, ..) = error(&text);
        assert_eq!((line, column), (4, 6), "{number}");
    }
    let message = error("ROWS\n N o\nCOLUMNS\n x o 1e15\nENDATA").3;
    assert!(message.contains("below 1e15"), "{message}");
    assert!(error_with("BOUNDS", &["UP B x nan"]).contains("not a number"));
    assert!(error_with("BOUNDS", &["LO B x inf"]).contains("excludes every value"));
    assert!(error_with("RHS", &["R e 1e30"]).contains("can't be satisfied"));
}

#[test]
fn columns_may_have_names_of_sections() {
    let text = "ROWS\n N o\n L RHS\nCOLUMNS\n RHS RHS 1\n RANGES RHS 2\n ENDATA RHS 3\n\
                RHS\n RHS RHS 5\nBOUNDS\n UP BOUNDS RANGES 4\nENDATA\n";
    let model = reading(text).model;
    assert_eq!(model.variable_names, ["RHS", "RANGES", "ENDATA"]);
    assert_eq!(model.variable_upper, [INF, 4.0, INF]);
}

#[test]
fn unsupported_sections_are_rejected_by_name() {
    for (section, feature) in [
        ("QUADOBJ", "quadratic objectives"),
        ("QSECTION obj", "quadratic objectives"),
        ("QCMATRIX l", "quadratic constraints"),
        ("SOS", "special ordered sets"),
        ("INDICATORS", "indicator constraints"),
        ("LAZYCONS", "lazy constraints"),
        ("PWLOBJ", "piecewise linear objectives"),
        ("GENCONS", "general constraints"),
    ] {
        let (line, column, kind, message) = error(&file(&format!("{section}\n x x 1\nENDATA")));
        assert_eq!((line, column, kind), (13, 1, FaultKind::Unsupported), "{section}");
        assert_eq!(message, format!("{feature} are not supported"));
    }
    let sets = "ROWS\n N o\nCOLUMNS\n S 'MARKER' 'SOSORG'\nENDATA";
    assert_eq!(error(sets).2, FaultKind::Unsupported);
}

#[test]
fn a_missing_endata_is_a_warning_or_without_columns_an_error() {
    assert_eq!(error(""), (1, 1, FaultKind::Syntax, "the file is empty".to_owned()));
    let Reading { model, warnings, .. } = reading(&file("RHS\n R l 4\n"));
    assert_eq!(model.constraint_upper[0], 4.0);
    assert!(warnings[0].contains("no ENDATA"), "{warnings:?}");
    let (line, _, _, message) = error("ROWS\n N o\nCOLUMNS\n");
    assert_eq!((line, message.as_str()), (3, "the file ends without ENDATA"));
    let (line, column, ..) = error(&file("ENDATA\n\n* said\n  more\n"));
    assert_eq!((line, column), (16, 3));
}

#[test]
fn sections_are_required_in_their_order() {
    assert!(error("NAME\nENDATA").3.contains("without COLUMNS"));
    assert!(error("COLUMNS\nENDATA").3.contains("without ROWS"));
    assert!(error("ROWS\n N o\nRHS\nENDATA").3.contains("without COLUMNS"));
    assert!(error("ROWS\n L r\nCOLUMNS\nENDATA").3.contains("no objective"));
    assert!(error(" NAME\n").3.contains("before the first section"));
    assert!(error("NAME x\nRAWS\n").3.contains("`RAWS`"));
    assert!(error("ROWS extra\n N o\n").3.contains("`extra`"));
    assert!(reading("ROWS\n N o\nCOLUMNS\nENDATA").model.variable_names.is_empty());
}

#[test]
fn markers_must_match() {
    let columns = |lines: &str| error(&format!("ROWS\n N o\nCOLUMNS\n{lines}\nENDATA")).3;
    assert!(columns(" M 'MARKER' 'INTEND'").contains("INTEND without INTORG"));
    assert!(columns(" M 'MARKER' 'INTORG'\n M 'MARKER' 'INTORG'").contains("within"));
    assert!(columns(" M 'MARKER' 'NOTHING'").contains("unknown marker"));
}

#[test]
fn names_with_blanks_are_read_in_fixed_format() {
    let text = "NAME\nROWS\n N  COST\n L  RO W1\nCOLUMNS\n    VA R1     RO W1     3              \
                COST      2.7\nRHS\n              RO W1     5.4\nBOUNDS\n UP BND       VA R1     \
                4\nENDATA\n";
    let Reading { model, warnings, .. } = reading(text);
    assert_eq!(model.variable_names, ["VA R1"]);
    assert_eq!(model.constraint_names, ["RO W1"]);
    assert_eq!((model.coefficients[0], model.objective[0]), (3.0, 2.7));
    assert_eq!((model.constraint_upper[0], model.variable_upper[0]), (5.4, 4.0));
    assert!(warnings[0].starts_with("read as fixed-format MPS"), "{warnings:?}");

    let (line, column, _, message) = error(&text.replace("5.4", "x.4"));
    assert_eq!((line, column), (8, 25), "the fixed reader got further: {message}");
    let (line, column, _, message) = error(&text.replace(" L  RO W1", " L RO W1"));
    assert_eq!((line, column), (4, 7), "the error of the free format is returned: {message}");
}
