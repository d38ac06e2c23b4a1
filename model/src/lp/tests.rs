#![allow(clippy::unwrap_used, reason = "a test may fail")]

use solvemesh::v1::{LinearModel, ObjectiveSense, VariableKind};

use crate::{
    FaultKind, Limits,
    reading::{ReadError, Reading},
};

const INF: f64 = f64::INFINITY;

fn read(text: &str) -> Result<Reading, ReadError> {
    super::read(text, &Limits::default())
}

fn reading(text: &str) -> Reading {
    read(text).unwrap_or_else(|error| panic!("{error:?} in\n{text}"))
}

fn model(text: &str) -> LinearModel {
    reading(text).model
}

/// The model whose constraints are `rows`.
fn with_rows(rows: &str) -> LinearModel {
    model(&format!("min\n x + y + z\nst\n{rows}\nend"))
}

/// The bounds of the model's one constraint and its coefficients of x, y, z.
fn row(text: &str) -> (f64, f64, [f64; 3]) {
    let model = with_rows(text);
    assert_eq!(model.constraint_lower.len(), 1, "{text}");
    let mut coefficients = [0.0; 3];
    for (column, coefficient) in model.column_indices.iter().zip(&model.coefficients) {
        coefficients[*column as usize] = *coefficient;
    }
    (model.constraint_lower[0], model.constraint_upper[0], coefficients)
}

/// The bounds of x in a model where `text` follows the objective `x + y` and a constraint.
fn bounds_of_x(text: &str) -> (f64, f64) {
    let model = model(&format!("min x + y\nst\nc: x + y >= 1\n{text}\nend"));
    (model.variable_lower[0], model.variable_upper[0])
}

/// Asserts that a text is rejected at a position, with an error of a class and a message.
#[track_caller]
fn refused(text: &str, line: usize, column: usize, kind: FaultKind, reason: &str) {
    let error = read(text).expect_err(text);
    assert_eq!((error.place.line, error.place.column), (line, column), "{error:?}");
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.message.contains(reason), "{error:?}");
}

#[track_caller]
fn refused_row(row: &str, column: usize, kind: FaultKind, reason: &str) {
    refused(&format!("min x + y\nst\n{row}\nend"), 3, column, kind, reason);
}

#[track_caller]
fn refused_bound(bound: &str, column: usize, kind: FaultKind, reason: &str) {
    refused(&format!("min x + y\nst\nbounds\n{bound}\nend"), 4, column, kind, reason);
}

use FaultKind::{Invalid, Syntax, Unsupported};

#[test]
fn the_product_mix_is_read_as_written() {
    let text = "\\ Wyndor\nMaximize\n profit: 3 Doors + 5 Windows\nSubject To\n \
                plant1: Doors <= 4\n plant2: 2 Windows <= 12\n \
                plant3: 3 Doors + 2 Windows <= 18\nEnd\n";
    let Reading { model, warnings, .. } = reading(text);
    assert_eq!(model.sense(), ObjectiveSense::Maximize);
    assert_eq!(model.variable_names, ["Doors", "Windows"]);
    assert_eq!(model.objective, [3.0, 5.0]);
    assert_eq!(model.variable_lower, [0.0, 0.0]);
    assert_eq!(model.variable_upper, [INF, INF]);
    assert_eq!(model.constraint_names, ["plant1", "plant2", "plant3"]);
    assert_eq!(model.constraint_lower, [-INF; 3]);
    assert_eq!(model.constraint_upper, [4.0, 12.0, 18.0]);
    assert_eq!(model.row_starts, [0, 1, 2, 4]);
    assert_eq!(model.column_indices, [0, 1, 0, 1]);
    assert_eq!(model.coefficients, [1.0, 2.0, 3.0, 2.0]);
    assert_eq!((model.variable_count, model.constraint_count), (Some(2), Some(3)));
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn the_sense_has_many_spellings() {
    for word in ["min", "MINIMIZE", "Minimise", "minimum"] {
        assert_eq!(model(&format!("{word} x\nend")).sense(), ObjectiveSense::Minimize);
    }
    for word in ["max", "Maximize", "MAXIMISE", "maximum"] {
        assert_eq!(model(&format!("{word} x\nend")).sense(), ObjectiveSense::Maximize);
    }
}

#[test]
fn the_objective_may_be_empty_named_and_have_a_constant() {
    assert_eq!(model("min\nend").variable_names, [""; 0]);
    assert_eq!(model("min\n obj:\nst\n c: x >= 1\nend").objective, [0.0]);
    let with_constant = model("min cost: 2 x + 10 - x - 3\nend");
    assert_eq!(with_constant.objective, [1.0]);
    assert_eq!(with_constant.objective_offset, 7.0);
}

#[test]
fn signs_coefficients_and_names_may_touch() {
    assert_eq!(row("2x-y+.5z>=1"), (1.0, INF, [2.0, -1.0, 0.5]));
    assert_eq!(row("- - x + - 3 y - -2 z >= 1"), (1.0, INF, [1.0, -3.0, 2.0]));
    assert_eq!(row("1e3x + 2.E-1 y + 1e+2z <= 1"), (-INF, 1.0, [1e3, 0.2, 1e2]));
    assert_eq!(row("3 * x + 2*y <= 1"), (-INF, 1.0, [3.0, 2.0, 0.0]));
}

#[test]
fn an_exponent_touches_its_number_and_anything_else_is_a_name() {
    assert_eq!(model("min 2e1\nend").objective_offset, 20.0);
    assert_eq!(model("min 2 e1\nend").variable_names, ["e1"]);
    assert_eq!(model("min 2ex\nend").variable_names, ["ex"]);
    for (text, column) in
        [("x + 2e", 5), ("x + 1.0D3", 5), ("x + 1_000", 5), ("x + 1.2.3", 5), ("x + 5;", 5)]
    {
        refused_row(text, column, Syntax, "is not a number");
    }
    refused_row("x >= 1e999", 6, Invalid, "too large");
}

#[test]
fn every_comparison_has_its_spellings() {
    for operator in ["<", "<=", "=<"] {
        assert_eq!(row(&format!("x {operator} 2")), (-INF, 2.0, [1.0, 0.0, 0.0]));
    }
    for operator in [">", ">=", "=>"] {
        assert_eq!(row(&format!("x{operator}-2")), (-2.0, INF, [1.0, 0.0, 0.0]));
    }
    assert_eq!(row("x = 2"), (2.0, 2.0, [1.0, 0.0, 0.0]));
    for operator in ["!=", "==", "<>", "<=>"] {
        refused_row(&format!("x {operator} 2"), 3, Syntax, "is not a comparison");
    }
    refused_row("x!= 2", 2, Syntax, "is not a comparison");
}

#[test]
fn constants_go_to_the_right_and_variables_to_the_left() {
    assert_eq!(row("x - 1 >= 2"), (3.0, INF, [1.0, 0.0, 0.0]));
    assert_eq!(row("3 x + 2 >= 2 x + 5"), (3.0, INF, [1.0, 0.0, 0.0]));
    assert_eq!(row("x <= 2 y - z + 1"), (-INF, 1.0, [1.0, -2.0, 1.0]));
    assert_eq!(row("5 >= x + y + 1"), (-INF, 4.0, [1.0, 1.0, 0.0]));
    assert_eq!(row("5 = x"), (5.0, 5.0, [1.0, 0.0, 0.0]));
}

#[test]
fn a_ranged_row_keeps_both_ends() {
    assert_eq!(row("-5 <= x + y <= 8"), (-5.0, 8.0, [1.0, 1.0, 0.0]));
    assert_eq!(row("8 >= x + y + 1 >= -5"), (-6.0, 7.0, [1.0, 1.0, 0.0]));
    assert_eq!(row("r: -5 <= x\n + y\n <= 8"), (-5.0, 8.0, [1.0, 1.0, 0.0]));
    assert_eq!(row("-inf <= x + y <= +infinity"), (-INF, INF, [1.0, 1.0, 0.0]));
}

#[test]
fn two_comparisons_that_are_not_a_range_are_rejected() {
    refused_row("1 <= x >= 2", 8, Invalid, "two comparisons");
    refused_row("1 <= x = 2", 8, Invalid, "two comparisons");
    refused_row("1 = x = 2", 7, Invalid, "two comparisons");
    refused_row("x <= 1 <= y", 8, Invalid, "two comparisons");
    refused_row("1 <= x <= y", 11, Invalid, "third part");
}

#[test]
fn terms_of_one_variable_are_summed_and_zeros_left_out() {
    let twice = with_rows("c: x + y + 2 x + 0 z >= 1\nd: y + x - y >= 1");
    assert_eq!(twice.row_starts, [0, 2, 3]);
    assert_eq!(twice.column_indices, [0, 1, 0]);
    assert_eq!(twice.coefficients, [3.0, 1.0, 1.0]);
    assert_eq!(model("min x + 2 x\nend").objective, [3.0]);
}

#[test]
fn a_row_without_variables_is_kept() {
    assert_eq!(row("con: = 0"), (0.0, 0.0, [0.0; 3]));
    assert_eq!(row("0 x = 0"), (0.0, 0.0, [0.0; 3]));
    assert_eq!(row("con: 0 >= -5"), (-5.0, INF, [0.0; 3]));
    assert_eq!(row("con: -5 <= 0 <= 3"), (-5.0, 3.0, [0.0; 3]));
    assert_eq!(with_rows("con: = 0\n-3 x + y <= 5").constraint_lower.len(), 2);
}

#[test]
fn a_right_hand_side_ends_with_its_line() {
    let rows = with_rows("x + y >= 2\n-3 x + y <= 5\ny >= -\n 2\n z <= 1");
    assert_eq!(rows.constraint_lower, [2.0, -INF, -2.0, -INF]);
    assert_eq!(rows.coefficients, [1.0, 1.0, -3.0, 1.0, 1.0, 1.0]);
    assert_eq!(with_rows("a: x >= 1 b: y >= 2").constraint_names, ["a", "b"]);
}

#[test]
fn a_left_hand_side_may_span_lines() {
    assert_eq!(row("c:\n x\n + 2\n y -\n z\n >=\n 3"), (3.0, INF, [1.0, 2.0, -1.0]));
}

#[test]
fn a_missing_operator_is_reported_where_it_is_missing() {
    refused_row("c: x y >= 2", 6, Syntax, "missing before `y`");
    refused_row("c: 3 4 x >= 2", 6, Syntax, "missing before `4`");
    refused_row("c: x + >= 2", 8, Syntax, "expected a number or a variable");
    refused("min x\nst\n c: x + y\n d: x >= 1\nend", 4, 2, Syntax, "complete the constraint");
    refused("min x\nst\n c: x + y >= \nend", 4, 1, Syntax, "expected a number or a variable");
    refused_row("<= -8", 1, Invalid, "exclude 0");
}

#[test]
fn a_constraint_without_name_and_terms_is_kept_with_a_warning() {
    for text in [">= 0\n r: x >= 4", "r: x >= 4\n >= 0", "r: x >= 4\n <= 8"] {
        let Reading { model, warnings, .. } = reading(&format!("min x\nst\n {text}\nend"));
        assert_eq!(model.constraint_lower.len(), 2, "{text}");
        assert_eq!(model.coefficients, [1.0], "{text}");
        assert!(warnings.iter().any(|warning| warning.contains("without terms")), "{warnings:?}");
    }
}

#[test]
fn a_constraint_may_have_the_name_of_a_keyword() {
    let rows = with_rows("end: x >= 1\nst : y >= 1\nbounds: z >= 1\nfree: x + y >= 1");
    assert_eq!(rows.constraint_names, ["end", "st", "bounds", "free"]);
}

#[test]
fn names_may_have_every_character_that_the_format_allows() {
    let names = "x#1 y_i(1,2) b_capa_;1; é x[1,2] _a !b \"c\" {d} ‘e’ f.g @h C24(6) (93) ,i ;j a|b";
    let sum = names.replace(' ', " + ");
    let read = model(&format!("min {sum}\nend"));
    assert_eq!(read.variable_names, names.split(' ').collect::<Vec<_>>());
    let rows = with_rows(
        "(93): x >= 1\n C24(6): 2 y >= 1\n[7]_ : z >= 0".replace("[7]_ ", "R[7]").as_str(),
    );
    assert_eq!(rows.constraint_names, ["(93)", "C24(6)", "R[7]"]);
}

#[test]
fn the_name_of_the_model_may_precede_the_objective() {
    for (head, name) in [
        ("Problem afiro\n", "afiro"),
        ("PROBLEM\n\n a fine one \\ it is\n", "a fine one"),
        ("problem: mine\n", "mine"),
        ("Problem\n", ""),
        ("\\Problem name: other\nProblem this\n", "this"),
    ] {
        let read = reading(&format!("{head}Minimize\n x\nst\n x >= 1\nend"));
        assert_eq!((read.name.as_str(), read.model.objective), (name, vec![1.0]), "{head}");
    }
}

#[test]
fn the_other_lp_format_is_recognised() {
    for text in
        ["max: 3x+2y;\nc1: x<=4;", "/* objective */\nmax: 3x;", "// a\nmin: x;", "Maximise: x;"]
    {
        let error = read(text).unwrap_err();
        assert!(error.kind == Syntax && error.message.contains("lp_solve"), "{text}: {error:?}");
    }
    let inside = "Minimize\n o: a\nSubject To\n r: a >= 2\n/* a comment */\nEnd";
    refused(inside, 5, 1, Syntax, "lp_solve");
    refused("Minimize\n o: a // all\nEnd", 2, 7, Syntax, "lp_solve");
}

#[test]
fn invalid_names_are_rejected() {
    refused_row("x + .y >= 1", 5, Syntax, "can't begin with `.`");
    refused_row("x + 3 (x + y) >= 1", 7, Syntax, "brackets");
    refused_row("x, y >= 1", 4, Syntax, "missing before `y`");
    refused_row("x ; y >= 1", 3, Syntax, "no separators");
    refused_row("f(x + y) >= 1", 1, Syntax, "brackets");
    refused_row(": x >= 1", 1, Syntax, "no name");
    refused_row("x ≥ 1", 3, Syntax, "unexpected character '≥'");
    refused_row("x | y >= 1", 3, Syntax, "missing before `|`");
    refused_row("9/10 x >= 1", 2, Syntax, "division");
    refused_row("x / 2 >= 1", 3, Syntax, "division");
}

#[test]
fn nan_and_infinite_coefficients_are_refused() {
    refused_row("nan x >= 1", 1, Invalid, "nan");
    refused_row("x >= NaN", 6, Invalid, "nan");
    refused_row("inf x >= 1", 5, Syntax, "missing before `x`");
    refused_row("x + inf >= 1", 5, Invalid, "infinity");
    refused_row("x >= inf + 1", 12, Invalid, "infinity");
    refused_row("3 inf x >= 1", 3, Invalid, "infinity");
    refused_row("x >= 1e20", 3, Invalid, "lower bound can't be infinity");
    refused_row("x <= -inf", 3, Invalid, "upper bound can't be -infinity");
    refused_row("c: inf >= inf", 8, Invalid, "infinity");
    refused_row("1e308 x + 1e308 x >= 1", 19, Invalid, "not finite");
    refused("min inf\nend", 1, 5, Invalid, "not finite");
}

#[test]
fn a_row_may_be_free_on_either_side() {
    assert_eq!(row("x <= inf"), (-INF, INF, [1.0, 0.0, 0.0]));
    assert_eq!(row("x >= -1e30"), (-INF, INF, [1.0, 0.0, 0.0]));
}

#[test]
fn a_name_given_to_two_constraints_is_refused_with_both_lines() {
    refused("min x\nst\nc: x >= 1\n c: x <= 3\nend", 4, 2, Invalid, "line 3");
}

#[test]
fn all_forms_of_bounds_are_read() {
    assert_eq!(bounds_of_x(""), (0.0, INF));
    assert_eq!(bounds_of_x("bounds\n x free"), (-INF, INF));
    assert_eq!(bounds_of_x("bounds\n -inf <= x <= +Infinity"), (-INF, INF));
    assert_eq!(bounds_of_x("bound x >= -5"), (-5.0, INF));
    assert_eq!(bounds_of_x("bounds\n 5 >= x"), (0.0, 5.0));
    assert_eq!(bounds_of_x("bounds\n x = 3"), (3.0, 3.0));
    assert_eq!(bounds_of_x("bounds\n 0.5 < x < 1"), (0.5, 1.0));
    assert_eq!(bounds_of_x("bounds\n 9 => x => -1e2"), (-100.0, 9.0));
    assert_eq!(bounds_of_x("bounds\n x <= 7\n x >= 2"), (2.0, 7.0));
    assert_eq!(bounds_of_x("bounds\n -1e20 <= x <= 1e21"), (-INF, INF));
    assert_eq!(bounds_of_x("bounds\n x <= 3\nbounds\n 1 <= x"), (1.0, 3.0));
    assert_eq!(bounds_of_x("bounds\n 2 <= x\n <= 3"), (2.0, 3.0));
}

#[test]
fn invalid_bounds_are_rejected() {
    refused_bound("x != 3", 3, Syntax, "is not a comparison");
    refused_bound("2 x <= 3", 3, Syntax, "expected `<=`");
    refused_bound("x + y <= 3", 3, Syntax, "expected `<=`");
    refused_bound("x <= y", 6, Syntax, "expected a number");
    refused_bound("b: x <= 3", 1, Syntax, "expected a number");
    refused_bound("x >= 1 <= 4", 8, Syntax, "expected a number");
    refused_bound("1 <= x >= 4", 8, Invalid, "same way");
    refused_bound("x >= inf", 3, Invalid, "infinity");
    refused_bound("x = -inf", 3, Invalid, "infinity");
    refused_bound("x >= nan", 6, Invalid, "nan");
}

#[test]
fn bounds_may_share_and_span_lines() {
    let text =
        "min x + y + z\nst\nbounds\n 0.1 <= x <= 3.4 -0.35 <= y <= 0.35 -0.25 <= z\n <= 0.5\nend";
    let Reading { model, warnings, .. } = reading(text);
    assert_eq!(model.variable_lower, [0.1, -0.35, -0.25]);
    assert_eq!(model.variable_upper, [3.4, 0.35, 0.5]);
    assert_eq!(warnings, ["line 4: several bounds on one line"]);
    let text = "min x + y + z\nst\nbounds\n x free y >= 1 y <= 2 4 >= z\nend";
    let model = self::model(text);
    assert_eq!(model.variable_lower, [-INF, 1.0, 0.0]);
    assert_eq!(model.variable_upper, [INF, 2.0, 4.0]);
}

#[test]
fn a_variable_only_in_bounds_or_lists_is_added_with_a_warning() {
    let text = "min x\nst\n x >= 2\nbounds\n v free\n 0 <= w <= 5\ngeneral\n k x\nbinary\n b\nend";
    let Reading { model, warnings, .. } = reading(text);
    assert_eq!(model.variable_names, ["x", "v", "w", "k", "b"]);
    assert_eq!(model.objective, [1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(model.variable_upper, [INF, INF, 5.0, INF, 1.0]);
    assert_eq!(model.variable_lower[1], -INF);
    assert_eq!(
        warnings,
        ["line 5: `v` and 3 more variables are in neither the objective nor a constraint; added \
          with cost 0"]
    );
}

#[test]
fn the_last_of_two_bounds_counts_with_a_warning() {
    let text = "min x\nst\nbounds\n x <= 3\n x <= 3\n x <= 4\nend";
    let Reading { model, warnings, .. } = reading(text);
    assert_eq!(model.variable_upper, [4.0]);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("line 6: the upper bound of `x` was 3"), "{warnings:?}");
}

#[test]
fn a_negative_upper_bound_leaves_the_lower_bound_0_with_a_warning() {
    let Reading { model, warnings, .. } = reading("min x\nst\nbounds\n x <= -5\nend");
    assert_eq!((model.variable_lower[0], model.variable_upper[0]), (0.0, -5.0));
    assert!(warnings[0].contains("upper bound -5"), "{warnings:?}");
    let both = reading("min x\nst\nbounds\n x <= -5\n x >= -9\nend");
    assert_eq!(both.warnings, [""; 0]);
}

#[test]
fn integer_variables_keep_their_bounds() {
    for word in ["general", "Generals", "gen", "integer", "INTEGERS", "int"] {
        let read = model(&format!("min x + y\nst\nbounds\n y <= 9\n{word}\n x y\nend"));
        assert_eq!(read.variable_kinds, [i32::from(VariableKind::Integer); 2]);
        assert_eq!(read.variable_lower, [0.0, 0.0]);
        assert_eq!(read.variable_upper, [INF, 9.0]);
    }
}

#[test]
fn binary_variables_are_integers_within_0_and_1() {
    for word in ["binary", "Binaries", "BIN"] {
        let read = model(&format!("min x + y\nst\nbounds\n y = 1\n{word}\n x y\nend"));
        assert_eq!(read.variable_kinds, [i32::from(VariableKind::Integer); 2]);
        assert_eq!(read.variable_lower, [0.0, 1.0]);
        assert_eq!(read.variable_upper, [1.0, 1.0]);
    }
    let wide = reading("min x\nst\nbin\n x\nbounds\n -2 <= x <= 9\nend");
    assert_eq!((wide.model.variable_lower[0], wide.model.variable_upper[0]), (0.0, 1.0));
    assert!(wide.warnings[0].contains("narrowed"), "{:?}", wide.warnings);
}

#[test]
fn semi_continuous_and_general_make_semi_integer() {
    let text = "min x + y + z\nst\nbounds\n 2 <= x <= 9\n y <= 8\n z <= 7\n\
                semi-continuous\n x y\ngeneral\n y\nsemi-integer\n z\nend";
    let kinds = [
        VariableKind::SemiContinuous.into(),
        VariableKind::SemiInteger.into(),
        VariableKind::SemiInteger.into(),
    ];
    assert_eq!(model(text).variable_kinds, kinds);
}

#[test]
fn a_semi_continuous_variable_needs_sound_bounds() {
    let text = |bound: &str| format!("min x\nst\nbounds\n {bound}\nsemis\n x\nend");
    refused(&text("x >= 1"), 6, 2, Invalid, "finite upper bound");
    refused(&text("-1 <= x <= 1"), 6, 2, Invalid, "negative lower bound");
    refused("min x\nst\nsemi\n x\nbin\n x\nend", 4, 2, Invalid, "binary");
}

#[test]
fn a_list_of_variables_holds_only_names() {
    refused("min x\nst\ngeneral x end", 3, 11, Invalid, "beginning of a line");
    refused("min x\nst\ngeneral\n 3\nend", 4, 2, Syntax, "expected a variable");
    refused("min x + bin\nst\ngeneral\nbin\nx\nend", 4, 1, Syntax, "both a variable");
}

#[test]
fn unsupported_features_are_rejected_by_name() {
    refused("min [ x ^2 ] / 2\nend", 1, 5, Unsupported, "quadratic");
    refused("min x + [ x * y ]\nend", 1, 9, Unsupported, "quadratic");
    refused_row("x * y >= 1", 3, Unsupported, "quadratic");
    refused_row("x^2 >= 1", 2, Unsupported, "quadratic");
    refused_row("c: x = 1 -> y >= 2", 10, Unsupported, "indicator");
    refused("min multi-objectives\n o: x\nend", 1, 1, Unsupported, "several objectives");
    for (section, what) in [
        ("SOS", "special ordered sets"),
        ("sos2", "special ordered sets"),
        ("Lazy Constraints", "lazy constraints"),
        ("user cuts", "user cuts"),
        ("General Constraints", "general constraints"),
        ("PWLObj", "piecewise linear"),
        ("Indicators", "indicator"),
    ] {
        refused(&format!("min x\nst\n{section}\n s: x\nend"), 3, 1, Unsupported, what);
    }
}

#[test]
fn sections_come_in_order_and_on_lines_of_their_own() {
    refused("min x\nst\nmax x\nend", 3, 1, Syntax, "each once");
    refused("min x\nbounds\nst\n x >= 1\nend", 3, 1, Syntax, "each once");
    refused("min x subject to\nx >= 1\nend", 1, 7, Syntax, "beginning of a line");
    refused("min x <= 3\nend", 1, 7, Syntax, "expected a section");
    refused("min x +\nst\nend", 2, 1, Syntax, "expected a number or a variable");
}

#[test]
fn nothing_but_comments_follows_the_end() {
    assert_eq!(model("min x\nend\n\n\\ done\n\n").objective, [1.0]);
    refused("min x\nend\n y\n", 3, 2, Syntax, "nothing after `End`");
    refused("min x\nend\nend\n", 3, 1, Syntax, "nothing after `End`");
}

#[test]
fn a_missing_end_is_a_warning() {
    let warnings = reading("min x\nst\n x >= 1").warnings;
    assert!(warnings[0].contains("no `End`"), "{warnings:?}");
}

#[test]
fn a_text_without_a_model_is_a_syntax_error_at_its_position() {
    refused("", 1, 1, Syntax, "no model");
    refused(" \n\\ only words\n", 2, 13, Syntax, "no model");
    refused("garbage in\n", 1, 1, Syntax, "expected `Minimize`");
    refused("\u{0}\u{1}\u{fffd}\n", 1, 1, Syntax, "unexpected character");
    refused("NAME afiro\nROWS\n", 1, 1, Syntax, "expected `Minimize`");
    refused("max: 3x + 2y;\n", 1, 1, Syntax, "lp_solve");
}

#[test]
fn comments_end_with_their_line_or_their_block() {
    assert_eq!(row("x \\ + y\n + z \\* + y *\\ >= 1"), (1.0, INF, [1.0, 0.0, 1.0]));
    assert_eq!(row("x \\* + y\n + y *\\ + z >= 1"), (1.0, INF, [1.0, 0.0, 1.0]));
    // A block that is not closed is a comment to the end of its line.
    assert_eq!(row("\\***\n x >= 1\n\\* done"), (1.0, INF, [1.0, 0.0, 0.0]));
    assert_eq!(row("\\* one\n x >= 1\n\\* two *\\"), (1.0, INF, [1.0, 0.0, 0.0]));
}

#[test]
fn carriage_returns_tabs_and_a_byte_order_mark_are_blanks() {
    let text = "\u{feff}Minimize\r\n\tx\r\nSubject\tTo\r\n c1:\tx >= 1\r\nEnd\r\n";
    assert_eq!(model(text).constraint_lower, [1.0]);
}

#[test]
fn columns_count_characters() {
    refused_row("é1 + ü2 ^ 2 >= 1", 9, Unsupported, "quadratic");
    refused("\u{feff}mim x", 1, 1, Syntax, "`mim`");
}

#[test]
fn the_model_name_is_read_from_a_comment_at_the_head() {
    assert_eq!(reading("\\ made by hand\n\\Problem name: a b \nmin x\nend").name, "a b");
    assert_eq!(reading("\\   Problem name     : AFIRO\nmin x\nend").name, "AFIRO");
    assert_eq!(reading("min x\n\\Problem name: late\nend").name, "");
}

#[test]
fn warnings_are_bounded() {
    let lines: String = (0..1000).map(|bound| format!(" x <= {bound}\n")).collect();
    let warnings = reading(&format!("min x\nst\nbounds\n{lines}end")).warnings;
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[20], "and 979 more such warnings");
}

#[test]
fn public_models_have_the_size_that_is_published() {
    let Some(folder) = solvemesh_testkit::instances::folder() else { return };
    let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
    let mut seen = 0;
    for line in index.lines().filter(|line| line.split(',').nth(2) == Some("lp")) {
        let fields: Vec<&str> = line.split(',').collect();
        let Reading { model, warnings, .. } =
            reading(&std::fs::read_to_string(folder.join(fields[1])).unwrap());
        let integers = model.variable_kinds.iter().filter(|&&kind| kind != 1).count();
        let size = [
            model.constraint_lower.len(),
            model.variable_lower.len(),
            model.coefficients.len(),
            integers,
        ];
        let published: Vec<usize> = fields[4..8].iter().map(|n| n.parse().unwrap()).collect();
        assert_eq!(size, published[..], "{}", fields[0]);
        assert_eq!(warnings, [""; 0], "{}", fields[0]);
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn public_edge_cases_are_read_or_rejected_as_expected() {
    let Some(folder) = solvemesh_testkit::instances::folder() else { return };
    let text = |name: &str| std::fs::read_to_string(folder.join("edge").join(name)).unwrap();

    let end = model(&text("highs_1451.lp"));
    assert_eq!(end.constraint_names, ["end"]);
    assert_eq!((end.constraint_lower[0], end.constraint_upper[0]), (3.0, INF));
    assert_eq!(end.variable_kinds, [i32::from(VariableKind::Integer)]);

    let lo1 = model(&text("moi_example_lo1.lp"));
    assert_eq!(lo1.sense(), ObjectiveSense::Maximize);
    assert_eq!(lo1.variable_upper, [INF, 10.0, INF, INF]);
    assert_eq!(lo1.coefficients.len(), 9);

    refused(&text("moi_invalid_bound_2.lp"), 6, 5, Syntax, "`!=` is not a comparison");
    refused(&text("highs_qjh.lp"), 5, 17, Unsupported, "quadratic");
}

#[test]
fn too_many_variables_are_an_error_at_the_first_that_is_too_many() {
    for count in [1, 2, 63, 64, 65, 200] {
        let limits = Limits { max_variables: count, ..Limits::default() };
        // Every variable twice, so that the names of an expression are more than its variables.
        let terms: String = (0..count).map(|index| format!("x{index} + x{index} +\n")).collect();
        let text = format!("min\n{terms}z\n+ ?");
        let error = super::read(&text, &limits).unwrap_err();
        assert_eq!((error.place.line, error.kind), (2 + count, FaultKind::TooLarge), "{error:?}");
    }
}
