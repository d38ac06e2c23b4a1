use super::{
    batch::Batch,
    bounds::{Bounds, takes_value},
    columns::Columns,
    line::{Line, Token, lines},
    number,
    record::{self, Layout},
    rows::{Relation, Row, Rows, undeclared},
    section::{Header, Section},
    sides::Sides,
};
use crate::{
    FaultKind, Place,
    limits::{Counts, Limits},
    normal::INFINITE,
    reading::ReadError,
};

/// The sections of a file, checked against each other.
#[derive(Debug)]
pub(super) struct File<'a> {
    layout: Layout,
    limits: Limits,
    seen: Vec<Section>,
    /// Whether the file has ENDATA.
    pub(super) has_end: bool,
    /// The comment in which PuLP writes that the model is maximised, if there is one.
    pub(super) sense_comment: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) maximize: Option<bool>,
    objective: Option<(Line<'a>, Token<'a>)>,
    pub(super) rows: Rows<'a>,
    pub(super) columns: Columns<'a>,
    /// The last lines of COLUMNS, which are not in `columns` yet.
    batch: Batch<'a>,
    pub(super) rhs: Sides<'a>,
    pub(super) ranges: Sides<'a>,
    pub(super) bounds: Bounds,
}

impl<'a> File<'a> {
    pub(super) fn read(text: &'a str, layout: Layout, limits: Limits) -> Result<Self, ReadError> {
        let mut file = File {
            layout,
            limits,
            seen: Vec::new(),
            has_end: false,
            sense_comment: None,
            name: "",
            maximize: None,
            objective: None,
            rows: Rows::default(),
            columns: Columns::default(),
            batch: Batch::default(),
            rhs: Sides::default(),
            ranges: Sides::default(),
            bounds: Bounds::default(),
        };
        for line in lines(text) {
            let section = file.seen.last().copied();
            if section == Some(Section::End) {
                return Err(line.syntax(first(&line), "unexpected text after ENDATA"));
            }
            // The word of OBJSENSE and OBJNAME may be in column 1, as if it were a section.
            if line.is_header() && !file.awaits_word(section) {
                file.header(&line)?;
            } else {
                file.data(&line, section)?;
            }
        }
        file.add_batch()?;
        file.has_end = file.seen.last() == Some(&Section::End);
        // With columns it may only lack its last line, and is read with a warning.
        if !file.has_end && file.columns.names.is_empty() {
            return Err(ends_early(text));
        }
        file.sense_comment = sense_comment(text);
        Ok(file)
    }

    /// Whether the section still needs its single word, which may also be in column 1.
    fn awaits_word(&self, section: Option<Section>) -> bool {
        match section {
            Some(Section::Sense) => self.maximize.is_none(),
            Some(Section::Objective) => self.objective.is_none(),
            _ => false,
        }
    }

    fn header(&mut self, line: &Line<'a>) -> Result<(), ReadError> {
        self.add_batch()?;
        let mut tokens = line.tokens();
        let word = tokens.next().unwrap_or_default();
        let section = match Header::named(word.text) {
            Some(Header::Section(section)) => section,
            Some(Header::Unsupported(feature)) => return Err(line.unsupported(word, feature)),
            None => {
                return Err(line.syntax(word, format!("unknown section `{}`", word.text)));
            }
        };
        if self.seen.contains(&section) {
            return Err(line.invalid(word, format!("duplicate section {}", section.keyword())));
        }
        if let Some(needed) = section.needs().filter(|needed| !self.seen.contains(needed)) {
            let message = format!("{} without {} before it", section.keyword(), needed.keyword());
            return Err(line.syntax(word, message));
        }
        self.seen.push(section);
        let rest = tokens.next();
        match (section, rest) {
            (Section::Name, _) => {
                self.name = line.text[word.at + word.text.len()..].trim_ascii();
            }
            (Section::Sense | Section::Objective, Some(_)) => {
                self.word(line, section, tokens.next().is_some(), rest.unwrap_or_default())?;
            }
            (_, Some(more)) => {
                let message = format!("unexpected `{}` after {}", more.text, section.keyword());
                return Err(line.syntax(more, message));
            }
            (Section::Columns, None) => self.choose_objective(line, word)?,
            (Section::Bounds, None) => self.bounds = Bounds::new(self.columns.names.len()),
            _ => {}
        }
        Ok(())
    }

    /// Chooses the objective. Called at COLUMNS, when ROWS and OBJNAME are complete.
    fn choose_objective(&mut self, line: &Line<'a>, word: Token<'a>) -> Result<(), ReadError> {
        let chosen = self.objective.map(|(_, name)| name.text);
        if self.rows.choose_objective(chosen).is_none() {
            return Err(match self.objective {
                Some((line, name)) => {
                    line.invalid(name, format!("there is no N row `{}`", name.text))
                }
                None => line.invalid(word, "ROWS has no N row, so there is no objective"),
            });
        }
        // ROWS is complete: everything that has an entry for each row can be allocated.
        let count = self.rows.names.len();
        self.columns = Columns::new(count);
        self.rhs = Sides::new(count);
        self.ranges = Sides::new(count);
        Ok(())
    }

    fn data(&mut self, line: &Line<'a>, section: Option<Section>) -> Result<(), ReadError> {
        match section {
            None => Err(line.syntax(
                first(line),
                "data before the first section; expected NAME or ROWS in column 1",
            )),
            Some(Section::Name | Section::End) => {
                Err(line.syntax(first(line), "expected a section in column 1"))
            }
            Some(section @ (Section::Sense | Section::Objective)) => {
                let mut tokens = line.tokens();
                let word = tokens.next().unwrap_or_default();
                self.word(line, section, tokens.next().is_some(), word)
            }
            Some(Section::Rows) => {
                let (sense, name) = record::row(self.layout, line)?;
                self.rows.declare(line, sense, name)?;
                self.check_size(line)
            }
            Some(Section::Columns) => self.column(line),
            Some(section @ (Section::Rhs | Section::Ranges)) => self.side(line, section),
            Some(Section::Bounds) => {
                let is_column = |name: &str| self.columns.find(name).is_some();
                let bound = record::bound(self.layout, line, takes_value, is_column)?;
                self.bounds.add(line, &bound, &self.columns)
            }
        }
    }

    /// Fails once the file exceeds a limit. N rows that are left out take as much memory as
    /// constraints, so they have the same limit. One is not counted: it may be the objective.
    fn check_size(&self, line: &Line<'a>) -> Result<(), ReadError> {
        let found = Counts {
            variables: self.columns.names.len(),
            constraints: self.rows.names.len().max(self.rows.dropped().len().saturating_sub(1)),
            nonzeros: self.columns.entries.len(),
        };
        match self.limits.stop(found) {
            Some(message) => Err(line.too_large(first(line), message)),
            None => Ok(()),
        }
    }

    /// Parses the single word of OBJSENSE or OBJNAME.
    fn word(
        &mut self,
        line: &Line<'a>,
        section: Section,
        more: bool,
        word: Token<'a>,
    ) -> Result<(), ReadError> {
        if more || !self.awaits_word(Some(section)) {
            return Err(line.syntax(word, format!("{} takes a single word", section.keyword())));
        }
        if section == Section::Objective {
            if self.seen.contains(&Section::Columns) {
                return Err(line.syntax(word, "OBJNAME must come before COLUMNS"));
            }
            self.objective = Some((*line, word));
            return Ok(());
        }
        let is = |names: [&str; 2]| names.iter().any(|name| word.text.eq_ignore_ascii_case(name));
        self.maximize = Some(if is(["MAX", "MAXIMIZE"]) {
            true
        } else if is(["MIN", "MINIMIZE"]) {
            false
        } else {
            let message =
                format!("`{}` is not a sense; use MAX, MAXIMIZE, MIN or MINIMIZE", word.text);
            return Err(line.syntax(word, message));
        });
        Ok(())
    }

    fn column(&mut self, line: &Line<'a>) -> Result<(), ReadError> {
        if let Some(what) = record::marker(line) {
            self.add_batch()?;
            self.columns.marker(line, what)?;
            return self.check_size(line);
        }
        let is_row = |name: &str| self.rows.is_declared(name);
        match record::column(self.layout, line, is_row) {
            Ok(pairs) => self.batch.push(*line, pairs),
            Err(error) => {
                // An error in a line before this one comes first.
                self.add_batch()?;
                return Err(error);
            }
        }
        if self.batch.is_full() { self.add_batch() } else { Ok(()) }
    }

    /// Adds the lines of the batch to the columns.
    fn add_batch(&mut self) -> Result<(), ReadError> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.find_rows(&self.rows);
        for (line, pairs, rows) in batch.iter() {
            self.columns.add(line, pairs, rows)?;
            self.check_size(line)?;
        }
        batch.clear();
        self.batch = batch;
        Ok(())
    }

    fn side(&mut self, line: &Line<'a>, section: Section) -> Result<(), ReadError> {
        let pairs = record::side(self.layout, line, |name: &str| self.rows.is_declared(name))?;
        let sides = if section == Section::Rhs { &mut self.rhs } else { &mut self.ranges };
        // Another set than the first: ignored, with a warning at the end.
        if !sides.is_of_set(pairs.head) {
            return Ok(());
        }
        for (name, token) in pairs.iter() {
            let row = self.rows.get(name.text).ok_or_else(|| undeclared(line, name))?;
            let value = number::side(line, token)?;
            match row {
                Row::Dropped => {}
                Row::Objective if section == Section::Ranges => {
                    return Err(line.invalid(name, "the objective can't have a range"));
                }
                Row::Objective if value.abs() >= INFINITE => {
                    return Err(line.invalid(token, "the constant of the objective is infinite"));
                }
                Row::Objective => sides.set_objective(line, name, value)?,
                Row::Constraint(row) => {
                    let row = row as usize;
                    let relation = self.rows.relations[row];
                    if section == Section::Rhs && !is_valid_side(relation, value) {
                        let message = format!("row `{}` can't be satisfied", name.text);
                        return Err(line.invalid(token, message));
                    }
                    sides.set_row(line, name, row, value)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a row may have this right-hand side. An infinite one is valid only if it makes the
/// row free.
fn is_valid_side(relation: Relation, value: f64) -> bool {
    match relation {
        Relation::AtMost => value != f64::NEG_INFINITY,
        Relation::AtLeast => value != f64::INFINITY,
        Relation::Equal => value.is_finite(),
    }
}

fn first<'a>(line: &Line<'a>) -> Token<'a> {
    line.tokens().next().unwrap_or_default()
}

/// The comment `*SENSE:Maximize` at the head of a file, if there is one. PuLP writes it, but
/// readers ignore it like any comment.
fn sense_comment(text: &str) -> Option<&str> {
    let comments = text.lines().take_while(|line| line.starts_with('*'));
    comments.map(str::trim_end).find(|comment| {
        let words = comment.trim_start_matches(['*', ' ']);
        words.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("SENSE:Maxi"))
    })
}

/// The error for a file that ends without ENDATA and has no columns.
fn ends_early(text: &str) -> ReadError {
    let empty = text.bytes().all(|byte| byte.is_ascii_whitespace());
    let (number, last) = text.lines().enumerate().last().unwrap_or((0, ""));
    ReadError {
        place: Place { line: number + 1, column: last.chars().count() + 1 },
        kind: FaultKind::Syntax,
        message: if empty { "the file is empty" } else { "the file ends without ENDATA" }
            .to_owned(),
    }
}
