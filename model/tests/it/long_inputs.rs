//! Inputs of a few megabytes that take a reader hours if its work for a byte, a token, a line
//! or an error grows with the text before it. A linear reader takes seconds, even without
//! optimisation. The tests don't measure the time: a regression shows as a test that hangs.

use solvemesh::v1::{Model, ModelFile, model};
use solvemesh_model::{Faults, Limits, ReadModel, read};

/// The number of repeated items.
const MANY: usize = 1 << 17;

/// The length in bytes of a line with a single token, comment or blank.
const LONG: usize = 1 << 21;

fn file(name: &str, content: Vec<u8>) -> Result<ReadModel, Faults> {
    let file = ModelFile { name: name.to_owned(), content: content.into(), ..Default::default() };
    let form = Some(model::Form::File(file));
    read(Model { form, ..Default::default() }, &Limits::default())
}

fn lp(text: &str) -> Result<ReadModel, Faults> {
    file("long.lp", text.into())
}

fn mps(text: &str) -> Result<ReadModel, Faults> {
    file("long.mps", text.into())
}

fn many(item: impl Fn(usize) -> String) -> String {
    (0..MANY).fold(String::new(), |mut text, index| {
        text.push_str(&item(index));
        text
    })
}

#[test]
fn a_comment_of_invalid_utf8_is_read() {
    let invalid = vec![0xff; LONG];
    let blanks = vec![b' '; LONG];
    let text = [b"min x\nst\nend".as_slice(), &blanks, b"\\", &invalid].concat();
    assert_eq!(file("long.lp", text).unwrap().size.variable_count, 1);
    let lines = b"\\\xff\xfe\n".repeat(MANY);
    let text = [lines.as_slice(), b"min x\nst\nend"].concat();
    assert_eq!(file("long.lp", text).unwrap().size.variable_count, 1);
    let text = [b"*".as_slice(), &invalid, b"\nROWS\n N o\nCOLUMNS\nENDATA\n"].concat();
    assert_eq!(file("long.mps", text).unwrap().size.variable_count, 0);
}

#[test]
fn an_invalid_byte_after_a_long_line_has_its_position() {
    let text = ["min ".as_bytes(), "ä".repeat(LONG / 2).as_bytes(), b"\xff\\"].concat();
    let Faults(faults) = file("long.lp", text).unwrap_err();
    assert_eq!(faults[0].place.unwrap().column, LONG / 2 + 5);
}

#[test]
fn lp_text_of_one_long_line_is_read() {
    let terms = many(|i| format!("+ x{i} "));
    let normal = lp(&format!("min {terms}\nst\n{terms}{terms} >= 1\nend")).unwrap();
    assert_eq!(
        (normal.size.variable_count as usize, normal.size.nonzero_count as usize),
        (MANY, MANY)
    );
    assert!(lp(&format!("min\nst {} >= 1\nend", "x + y + ".repeat(MANY) + "x")).is_ok());
    assert!(lp(&format!("min {}x\nst\nend", "+-".repeat(LONG / 2))).is_ok());
    assert!(lp(&format!("min 0.{} x\nst\nend", "1".repeat(LONG))).is_ok());
    assert!(lp(&format!("min x\nst\nx > 1\ngen\n{}\nend", "x ".repeat(MANY))).is_ok());
    let late = lp(&format!("min\nst x > {} x ^ 2", "1 + ".repeat(MANY))).unwrap_err();
    assert_eq!(late.0[0].place.unwrap().column, 8 + 4 * MANY + 3);
}

#[test]
fn lp_text_of_many_lines_is_read() {
    let rows = many(|i| format!("c{i}: x > {i}\n"));
    let bounds = "x < 1\nx < 2\n".repeat(MANY);
    let normal = lp(&format!("min x\nst\n{rows}bounds\n{bounds}end")).unwrap();
    assert_eq!(normal.size.constraint_count as usize, MANY);
    assert!(normal.warnings.len() < 200, "the rest is counted");
    assert!(lp(&format!("min x\nst\n{}end", "general\n".repeat(MANY))).is_ok());
    assert!(lp(&format!("min x\nst\nx > 1\n{}end", "bounds\n x < 1\n".repeat(MANY))).is_ok());
    let twice = lp(&format!("min x\nst\n{rows}c0: x > 1")).unwrap_err();
    assert_eq!(twice.0[0].place.unwrap().line, MANY + 3);
}

#[test]
fn lp_comments_of_every_shape_are_read() {
    for comments in ["\\* *\\ ", "\\*\n", "\\* * \n", "\\", "\n", "\\*\n*\\\n"] {
        let text = format!("min x\n{}\nst\nend", comments.repeat(MANY));
        assert!(lp(&text).is_ok(), "{comments:?}");
    }
}

#[test]
fn mps_of_many_lines_is_read_in_both_layouts() {
    let rows = many(|i| format!(" L {i}\n"));
    let columns = many(|i| format!(" {i} {i} 1\n"));
    let bounds = many(|i| format!(" UP b {i} 1\n"));
    let text = format!("ROWS\n N o\n{rows}COLUMNS\n{columns}BOUNDS\n{bounds}ENDATA\n");
    assert_eq!(mps(&text).unwrap().size.nonzero_count as usize, MANY);
    let columns = many(|i| format!("    x {i:<8}a b       {:>12}\n", 1));
    let text = format!("ROWS\n N  o\n L  a b\nCOLUMNS\n{columns}ENDATA\n");
    assert_eq!(mps(&text).unwrap().size.nonzero_count as usize, MANY);
    let free = many(|i| format!(" N {i}\n"));
    assert!(mps(&format!("ROWS\n{free}COLUMNS\nENDATA\n{}", "*\n".repeat(MANY))).is_ok());
}

#[test]
fn mps_with_one_long_line_is_rejected() {
    for line in ["x r 1 ".repeat(MANY), "x".repeat(LONG), format!("x r 1{}1", " ".repeat(LONG))] {
        let text = format!("ROWS\n N o\n L r\nCOLUMNS\n {line}\nENDATA\n");
        assert_eq!(mps(&text).unwrap_err().0[0].place.unwrap().line, 5);
    }
}

#[test]
fn generated_names_avoid_names_that_are_taken() {
    let taken = many(|i| format!("c{i}: x > 1\n"));
    let unnamed = "x > 2\n".repeat(MANY);
    let normal = lp(&format!("min x\nst\n{unnamed}{taken}end")).unwrap();
    assert_eq!(normal.model.constraint_names[0], "c0_");
}
