//! The LP format ("CPLEX LP"), the one people type: what is read and what is decided
//! where readers differ is in `docs/models.md`.
//!
//! `lexer` cuts the text into tokens, with `section` for the keywords; `parser` goes
//! through the sections, with `expression`, `rows` and `variables` for what they hold;
//! `draft` gathers the model. The time is linear in the text.

mod draft;
mod expression;
mod lexer;
mod parser;
mod rows;
mod section;
mod variables;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::{
    Limits,
    reading::{ReadError, Reading, countable},
};

/// Reads a model. The first thing that is wrong ends it, and so does the first that is
/// over a limit.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Reading, ReadError> {
    countable(text)?;
    let draft = parser::Parser::new(text, *limits)?.file()?;
    let name = if draft.name.is_empty() { title(text) } else { draft.name }.to_owned();
    let (model, warnings) = draft.finish();
    Ok(Reading { name, model, warnings })
}

/// The name that solvers write into the comment at the head of a file:
/// `\Problem name: afiro`.
fn title(text: &str) -> &str {
    text.lines()
        .map_while(|line| line.trim_start().strip_prefix('\\'))
        .find_map(|comment| {
            let comment = comment.trim();
            let head = comment.get(.."problem name".len())?;
            let name = comment[head.len()..].trim_start().strip_prefix(':')?;
            head.eq_ignore_ascii_case("problem name").then(|| name.trim())
        })
        .unwrap_or_default()
}
