#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use solvemesh::v1::{BasisStatus, ObjectiveSense, StartingPoint, VariableKind};

use super::{NlModel, NlObjective, read_nl};
use crate::{Fault, FaultKind, Limits, Place};

const INF: f64 = f64::INFINITY;

/// A header for these numbers of variables, constraints and objectives, entries of J and of G, and
/// integers; and the segments after it.
fn text(counts: [usize; 6], segments: &str) -> String {
    let [n, m, objectives, nonzeros, gradients, integers] = counts;
    format!(
        "g3 1 1 0\t# problem test\n {n} {m} {objectives} 0 0 0\n 0 0 0 0 0 0\n 0 0\n 0 0 0\n \
         0 0 0 1\n 0 {integers} 0 0 0\n {nonzeros} {gradients}\n 0 0\n 0 0 0 0 0\n{segments}"
    )
}

fn read(text: &str) -> Result<NlModel, Fault> {
    read_nl(text.as_bytes(), &Limits::default(), NlObjective::First)
}

/// The terms of each row of the matrix.
fn rows(read: &NlModel) -> Vec<Vec<(i32, f64)>> {
    let model = &read.model;
    let row = |ends: &[i32]| {
        (ends[0] as usize..ends[1] as usize)
            .map(|it| (model.column_indices[it], model.coefficients[it]))
            .collect()
    };
    model.row_starts.windows(2).map(row).collect()
}

/// The Wyndor Glass product mix: maximise 3 x + 5 y with x <= 4, 2 y <= 12, 3 x + 2 y <= 18.
const WYNDOR: &str = "C0\nn0\nC1\nn0\nC2\nn0\nO0 1\nn0\nr\n1 4\n1 12\n1 18\nb\n2 0\n2 0\nk1\n2\n\
                      J0 1\n0 1\nJ1 1\n1 2\nJ2 2\n0 3\n1 2\nG0 2\n0 3\n1 5\n";

fn wyndor() -> String {
    text([2, 3, 1, 4, 2, 0], WYNDOR)
}

/// A model with one constraint and two variables, with this expression and row `0 x0 + 0 x1`.
fn with_expression(expression: &str) -> String {
    let segments =
        format!("C0\n{expression}\nO0 0\nn0\nr\n0 -10 10\nb\n3\n3\nk1\n0\nJ0 2\n0 1\n1 0\n");
    text([2, 1, 1, 2, 0, 0], &segments)
}

#[test]
fn a_linear_program_is_read() {
    let read = read(&wyndor()).unwrap();
    assert_eq!((read.name.as_str(), read.options.as_slice()), ("test", &[1, 1, 0][..]));
    assert_eq!(read.model.sense(), ObjectiveSense::Maximize);
    assert_eq!(read.model.objective, [3.0, 5.0]);
    assert_eq!(read.model.constraint_upper, [4.0, 12.0, 18.0]);
    assert_eq!(read.model.constraint_lower, [-INF; 3]);
    assert_eq!(
        (&read.model.variable_lower[..], &read.model.variable_upper[..]),
        (&[0.0; 2][..], &[INF; 2][..])
    );
    assert_eq!(rows(&read), [vec![(0, 1.0)], vec![(1, 2.0)], vec![(0, 3.0), (1, 2.0)]]);
    assert_eq!((read.start, read.warnings), (None, Vec::new()));
}

#[test]
fn comments_blank_lines_and_carriage_returns_are_allowed() {
    let plain = wyndor();
    let commented =
        plain.replace('\n', "\t# a comment\r\n").replace("\r\nr\t", "\r\n\r\n# bounds\r\nr\t");
    assert!(commented.contains("# bounds"));
    assert_eq!(read(&plain).unwrap().model, read(&commented).unwrap().model);
}

#[test]
fn every_kind_of_bounds_is_read() {
    let segments = "r\n0 -1 2.5\n1 3\n2 -4\n3\n4 5e0\nb\n0 0 1\n1 3\n2 -Infinity\n3\n4 -2\n";
    let read = read(&text([5, 5, 0, 0, 0, 0], segments)).unwrap();
    let lower = [-1.0, -INF, -4.0, -INF, 5.0];
    assert_eq!(read.model.constraint_lower, lower);
    assert_eq!(read.model.constraint_upper, [2.5, 3.0, INF, INF, 5.0]);
    assert_eq!(read.model.variable_lower, [0.0, -INF, -INF, -INF, -2.0]);
    assert_eq!(read.model.variable_upper, [1.0, 3.0, INF, INF, -2.0]);
    assert_eq!(read.objective, None);
    assert_eq!(read.model.sense(), ObjectiveSense::Minimize);
}

#[test]
fn binary_and_integer_variables_come_last() {
    let header =
        text([4, 0, 0, 0, 0, 1], "b\n3\n3\n0 0 1\n0 0 9\n").replace("0 1 0 0 0\n", "1 1 0 0 0\n");
    let kinds = read(&header).unwrap().model.variable_kinds;
    let (continuous, integer) = (VariableKind::Continuous as i32, VariableKind::Integer as i32);
    assert_eq!(kinds, [continuous, continuous, integer, integer]);
}

#[test]
fn nonlinear_variables_come_first_with_their_integers_at_the_end_of_each_group() {
    let file = text([9, 0, 0, 0, 0, 1], "b\n3\n3\n3\n3\n3\n3\n3\n3\n3\n")
        // Four in constraints, seven up to those in objectives only, two in both.
        .replacen("\n 0 0 0\n", "\n 4 7 2\n", 1)
        .replacen(" 0 1 0 0 0\n", " 0 1 1 1 2\n", 1);
    let kinds = read(&file).unwrap().model.variable_kinds;
    let integers: Vec<usize> =
        (0..9).filter(|&it| kinds[it] == VariableKind::Integer as i32).collect();
    assert_eq!(integers, [1, 3, 5, 6, 8]);
}

#[test]
fn constants_move_to_the_bounds_and_into_the_objective() {
    let segments = "C0\nn2.5\nO0 0\nn7\nr\n0 1 4\nb\n3\nk0\nJ0 1\n0 1\nG0 1\n0 2\n";
    let read = read(&text([1, 1, 1, 1, 1, 0], segments)).unwrap();
    assert_eq!(read.model.objective_offset, 7.0);
    assert_eq!((read.model.constraint_lower[0], read.model.constraint_upper[0]), (-1.5, 1.5));
}

#[test]
fn linear_expressions_are_folded() {
    for (expression, constant, terms) in [
        ("v0", 0.0, [2.0, 0.0]),
        ("o0\nv1\nn3", 3.0, [1.0, 1.0]),
        ("o1\nn3\nv1", 3.0, [1.0, -1.0]),
        ("o2\nn3\nv1", 0.0, [1.0, 3.0]),
        ("o2\nv1\nn3", 0.0, [1.0, 3.0]),
        ("o3\nv1\nn4", 0.0, [1.0, 0.25]),
        ("o5\nv1\nn1", 0.0, [1.0, 1.0]),
        ("o5\nn2\nn3", 8.0, [1.0, 0.0]),
        ("o16\nv1", 0.0, [1.0, -1.0]),
        ("o54\n3\nv0\nv1\no2\nn-2\nv1", 0.0, [2.0, -1.0]),
        ("o2\no0\nn1\nn2\no1\nv0\no54\n3\nv1\nv0\nn5", -15.0, [1.0, -3.0]),
        ("o39\nn9", 3.0, [1.0, 0.0]),
        ("s12", 12.0, [1.0, 0.0]),
        ("l-70000", -70000.0, [1.0, 0.0]),
        ("o54\n0", 0.0, [1.0, 0.0]),
    ] {
        let read = read(&with_expression(expression)).unwrap();
        let mut found = [0.0; 2];
        rows(&read)[0].iter().for_each(|&(column, value)| found[column as usize] += value);
        assert_eq!(found, terms, "{expression:?}");
        assert_eq!(read.model.constraint_upper[0], 10.0 - constant, "{expression:?}");
    }
}

#[test]
fn defined_variables_are_folded() {
    let file = with_expression("o0\nv2\nv3").replacen(
        "C0\n",
        "V2 1 0\n0 4\nn1\nV3 0 0\no2\nn2\nv2\nC0\n",
        1,
    );
    let read = read(&file).unwrap();
    assert_eq!(rows(&read), [vec![(0, 13.0), (1, 0.0)]]);
    assert_eq!(read.model.constraint_lower[0], -13.0);
}

#[test]
fn nonlinear_expressions_are_rejected_with_their_owner() {
    for (expression, what) in [
        ("o2\nv0\nv1", "a product of variables"),
        ("o3\nn1\nv1", "a division by variables"),
        ("o5\nv0\nn2", "a power of variables"),
        ("o5\nn2\nv0", "exponent"),
        ("o44\nv0", "exp of variables"),
        ("o46\nv0", "o46 (cos)"),
        ("o35\no22\nv0\nn1\nn1\nn0", "o35 (if)"),
        ("f0 1\nv0", "a function"),
    ] {
        let fault = read(&with_expression(expression)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unsupported);
        let message = &fault.message;
        assert!(
            message.starts_with("constraint 0 is not linear") && message.contains(what),
            "{message}"
        );
        assert!(fault.place.unwrap().line > 11, "{fault:?}");
    }
    let objective = wyndor().replacen("O0 1\nn0", "O0 1\no5\nv0\nn2", 1);
    assert!(read(&objective).unwrap_err().message.starts_with("objective 0 is not linear"));
}

#[test]
fn numbers_that_are_not_finite_are_rejected_in_expressions() {
    for expression in ["o3\nv0\nn0", "o3\nn0\nn0", "nInfinity", "o0\nn1e308\nn1e308", "o43\nn-1"] {
        let message = read(&with_expression(expression)).unwrap_err().message;
        assert!(message.contains("not finite"), "{expression:?}: {message}");
    }
}

/// With work for each argument that grows with those before it, these would take hours.
#[test]
fn long_sums_take_time_in_proportion_to_their_length() {
    let arguments = 300_000;
    let sum = format!("o54\n{arguments}{}", "\nv0".repeat(arguments));
    let differences = format!("{}v0{}", "o1\n".repeat(arguments), "\nn1".repeat(arguments));
    for expression in [sum, differences] {
        assert!(read(&with_expression(&expression)).is_ok());
    }
}

#[test]
fn what_is_not_supported_is_rejected_by_name() {
    let lp = wyndor();
    for (from, to, what) in [
        ("r\n1 4\n", "r\n5 1 1\n", "constraint 0: complementarity"),
        ("0 0 0 0 0 0\n", "0 0 1 0 0 0\n", "complementarity"),
        ("2 3 1 0 0 0\n", "2 3 1 0 0 1\n", "logical"),
        ("C0\n", "L0\n", "logical"),
        ("k1\n", "S0 1 sosno\n0 1\nk1\n", "SOS sets are not supported (suffix `sosno`)"),
        ("k1\n", "S4 1 ref\n0 1\nk1\n", "suffix `ref`"),
        ("k1\n", "S4 1 sosref\n0 1\nk1\n", "suffix `sosref`"),
    ] {
        let file = lp.replacen(from, to, 1);
        assert_ne!(file, lp, "{from}");
        let fault = read(&file).unwrap_err();
        assert!(fault.message.contains(what), "{fault}");
        assert_eq!(fault.kind, FaultKind::Unsupported);
    }
}

#[test]
fn errors_have_their_line_and_column() {
    let lp = wyndor();
    for (from, to, place, what) in [
        ("g3 1", "h3 1", (1, 1), "begins with"),
        ("g3 1", "g99 1", (1, 2), "0 to 9 options"),
        (" 2 3 1", " 2 x 1", (2, 4), "`x` is not an integer"),
        (" 2 3 1", " -2 3 1", (2, 2), "must not be negative"),
        ("1 12\n", "7 12\n", (21, 1), "begin with a digit from 0 to 5, not `7`"),
        ("1 12\n", "1 12 13\n", (21, 6), "unexpected `13`"),
        ("J2 2\n0 3\n", "J2 2\n0 3,5\n", (33, 3), "`3,5` is not a number"),
        ("J2 2\n0 3\n", "J2 2\n9 3\n", (33, 1), "there is no variable 9"),
        ("J2 2\n0 3\n", "J2 2\n0\n", (33, 2), "a number is missing"),
        ("J2 2\n", "J1 2\n", (32, 4), "constraint 1 has two J segments"),
        ("k1\n", "q1\n", (26, 1), "unknown segment `q`"),
        ("O0 1\n", "O0 7\n", (17, 4), "is 0 or 1, not 7"),
    ] {
        let file = lp.replacen(from, to, 1);
        assert_ne!(file, lp, "{from}");
        let fault = read(&file).unwrap_err();
        assert!(fault.message.contains(what), "{fault}");
        let (line, column) = place;
        assert_eq!(fault.place, Some(Place { line, column }), "{fault}");
        assert_eq!(fault.field, "file");
    }
}

#[test]
fn a_truncated_file_is_rejected_wherever_it_ends() {
    let lp = wyndor();
    let lines: Vec<&str> = lp.split_inclusive('\n').collect();
    for count in 0..lines.len() {
        let fault = read(&lines[..count].concat()).expect_err("truncated");
        assert!(fault.place.is_some(), "{fault:?}");
    }
}

#[test]
fn counts_of_the_header_are_checked_before_they_are_believed() {
    let limits = Limits { max_variables: 10, max_nonzeros: 3, ..Limits::default() };
    let read = |text: &str| read_nl(text.as_bytes(), &limits, NlObjective::First);
    let fault = read(&text([11, 0, 0, 0, 0, 0], "b\n")).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge);
    assert!(fault.message.contains("max_variables is 10"), "{fault}");
    let fault = read(&wyndor()).unwrap_err();
    assert!(fault.message.contains("max_nonzeros is 3"), "{fault}");
    let huge = text([4_000_000, 0, 0, 0, 0, 0], "b\n");
    let fault = read_nl(huge.as_bytes(), &Limits::default(), NlObjective::First).unwrap_err();
    assert!(fault.message.contains("truncated"), "{fault}");
}

#[test]
fn short_files_that_would_expand_are_rejected() {
    // Each defined variable is the sum of the one before with itself: 2^60 terms.
    let mut defined = "V2 0 0\no0\nv0\nv1\n".to_owned();
    for index in 3..63 {
        defined += &format!("V{index} 0 0\no0\nv{0}\nv{0}\n", index - 1);
    }
    let file = with_expression("v62").replacen("C0\n", &format!("{defined}C0\n"), 1);
    let fault = read(&file).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge, "{fault}");
}

#[test]
fn deep_expressions_take_no_stack() {
    let deep = "o16\n".repeat(500_000) + "v1";
    let read = read(&with_expression(&deep)).unwrap();
    assert_eq!(rows(&read)[0], [(0, 1.0), (1, 1.0)]);
    let deeper = "o16\n".repeat(1_000_001) + "v1";
    let fault = self::read(&with_expression(&deeper)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge);
}

#[test]
fn one_of_several_objectives_is_chosen() {
    let segments = "O0 0\nn1\nO1 1\no2\nv0\nv0\nO2 1\nn5\nb\n3\nG0 1\n0 2\nG2 1\n0 7\n";
    let file = text([1, 0, 3, 0, 2, 0], segments);
    let first = read(&file).unwrap();
    assert_eq!((first.objective, first.model.objective[0]), (Some(0), 2.0));
    assert_eq!(first.warnings, ["the file has 3 objectives; the first one is used"]);
    let choose = |objective| read_nl(file.as_bytes(), &Limits::default(), objective);
    let third = choose(NlObjective::Index(2)).unwrap();
    assert_eq!((third.model.objective[0], third.model.objective_offset), (7.0, 5.0));
    assert_eq!(third.model.sense(), ObjectiveSense::Maximize);
    let none = choose(NlObjective::None).unwrap();
    assert_eq!((none.model.objective[0], none.objective), (0.0, None));
    assert!(
        choose(NlObjective::Index(1)).unwrap_err().message.contains("objective 1 is not linear")
    );
    assert!(choose(NlObjective::Index(3)).unwrap_err().message.contains("no objective 3"));
}

#[test]
fn rows_may_come_in_any_order() {
    let file =
        wyndor().replace("J0 1\n0 1\nJ1 1\n1 2\n", "").replace("G0", "J0 1\n0 1\nJ1 1\n1 2\nG0");
    assert_eq!(read(&file).unwrap().model, read(&wyndor()).unwrap().model);
}

#[test]
fn the_initial_guess_is_the_start_of_a_model_with_integers() {
    let guess = |integers| {
        let segments = "x2\n2 5\n0 1.5\nb\n3\n3\n3\n";
        read(&text([3, 0, 0, 0, 0, integers], segments)).unwrap().start
    };
    let expected = StartingPoint {
        variable_indices: vec![0, 2],
        values: vec![1.5, 5.0],
        ..StartingPoint::default()
    };
    assert_eq!(guess(1), Some(expected));
    // An LP starts from a basis only.
    assert_eq!(guess(0), None);
}

#[test]
fn the_basis_of_an_lp_is_its_start_if_it_is_complete() {
    use BasisStatus::{Basic, Lower, Upper};
    let with =
        |suffixes: &str| read(&wyndor().replacen("k1\n", &format!("{suffixes}k1\n"), 1)).unwrap();
    let whole = with("S0 2 sstatus\n0 1\n1 1\nS1 3 sstatus\n0 1\n1 4\n2 4\n");
    let basis = whole.start.unwrap().basis.unwrap();
    assert_eq!(basis.variables, [Basic as i32; 2]);
    assert_eq!(basis.constraints, [Basic as i32, Upper as i32, Upper as i32]);
    let rest = with("S1 3 sstatus\n0 1\n1 1\n2 1\n").start.unwrap().basis.unwrap();
    assert_eq!(rest.variables, [Lower as i32; 2]);
    let partial = with("S1 2 sstatus\n0 1\n1 1\n");
    assert_eq!(partial.start, None);
    assert!(partial.warnings[0].contains("sstatus"), "{:?}", partial.warnings);
}

#[test]
fn other_suffixes_guesses_and_declarations_are_skipped() {
    let more = "F0 1 -1 myfunc\nS0 1 priority\n1 5\nS6 1 weight\n0 2.5\nS7 1 note\n0 -1.5\n\
                d2\n0 1.5\n2 -3\n";
    let file = wyndor().replacen("k1\n", &format!("{more}k1\n"), 1);
    assert_eq!(read(&file).unwrap().model, read(&wyndor()).unwrap().model);
}

#[test]
fn the_options_may_have_a_tolerance() {
    let file = wyndor().replacen("g3 1 1 0\t", "g3 1 3 0 1e-06\t", 1);
    let read = read(&file).unwrap();
    assert_eq!((read.options, read.tolerance), (vec![1, 3, 0], Some(1e-6)));
}

/// The Wyndor model in the binary form, little-endian or not.
fn binary(big_endian: bool) -> Vec<u8> {
    let order = if big_endian { "2" } else { "1" };
    let header = text([2, 3, 1, 4, 2, 0], "").replacen("g3", "b3", 1).replacen(
        " 0 0 0 1\n",
        &format!(" 0 0 {order} 1\n"),
        1,
    );
    let mut bytes = header.into_bytes();
    let mut put = |letters: &[u8], ints: &[i32], reals: &[f64]| {
        bytes.extend(letters);
        for int in ints {
            bytes.extend(if big_endian { int.to_be_bytes() } else { int.to_le_bytes() });
        }
        for real in reals {
            bytes.extend(if big_endian { real.to_be_bytes() } else { real.to_le_bytes() });
        }
    };
    put(b"S", &[0, 1, 8], &[]);
    put(b"priority", &[1, 3], &[]);
    put(b"C", &[0], &[]);
    put(b"n", &[], &[0.0]);
    put(b"O", &[0, 1], &[]);
    put(b"o", &[54, 1], &[]);
    put(b"n", &[], &[2.0]);
    put(b"r", &[], &[]);
    for upper in [4.0, 12.0, 18.0] {
        put(b"1", &[], &[upper]);
    }
    put(b"b", &[], &[]);
    put(b"2", &[], &[0.0]);
    put(b"2", &[], &[0.0]);
    put(b"k", &[1, 2], &[]);
    for (row, terms) in [(0, &[(0, 1.0)][..]), (1, &[(1, 2.0)]), (2, &[(0, 3.0), (1, 2.0)])] {
        put(b"J", &[row, terms.len() as i32], &[]);
        terms.iter().for_each(|&(column, value)| put(b"", &[column], &[value]));
    }
    put(b"G", &[0, 2, 0], &[3.0]);
    put(b"", &[1], &[5.0]);
    bytes
}

#[test]
fn the_binary_form_is_read_in_either_byte_order() {
    let mut expected = read(&wyndor()).unwrap().model;
    expected.objective_offset = 2.0;
    for big_endian in [false, true] {
        let read = read_nl(&binary(big_endian), &Limits::default(), NlObjective::First).unwrap();
        assert_eq!(read.model, expected);
    }
}

#[test]
fn errors_in_the_binary_form_have_their_offset() {
    let whole = binary(false);
    let header = text([2, 3, 1, 4, 2, 0], "").len();
    for length in header..whole.len() {
        let fault = read_nl(&whole[..length], &Limits::default(), NlObjective::First).unwrap_err();
        assert!(fault.message.starts_with("byte "), "{fault}");
    }
    let mut unknown = whole;
    unknown[header] = b'?';
    let fault = read_nl(&unknown, &Limits::default(), NlObjective::First).unwrap_err();
    assert_eq!(fault.message, format!("byte {header}: unknown segment `?`"));
    let other = String::from_utf8_lossy(&binary(false)).replacen(" 0 0 1 1\n", " 0 0 5 1\n", 1);
    let fault = read_nl(other.as_bytes(), &Limits::default(), NlObjective::First).unwrap_err();
    assert!(fault.message.contains("numbers of the kind 5"), "{fault}");
}
