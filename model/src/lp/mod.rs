//! Parser for the LP format ("CPLEX LP"). `docs/models.md` documents what is accepted, and
//! the decisions where readers of the format differ.
//!
//! `lexer` splits the text into tokens, with `section` for the keywords; `parser` reads the
//! sections, with `expression`, `rows` and `variables` for their contents; `draft` collects
//! the model. Parsing takes time linear in the length of the text.

mod characters;
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
    reading::{ReadError, Reading, check_length},
};

/// Parses a model. Stops at the first error, or when a limit is exceeded.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Reading, ReadError> {
    check_length(text)?;
    let draft = parser::Parser::new(text, *limits)?.file()?;
    let name = if draft.name.is_empty() { title(text) } else { draft.name }.to_owned();
    let (model, warnings) = draft.finish();
    Ok(Reading { name, model, start: None, warnings })
}

/// The model name that solvers write in a comment at the head of a file:
/// `\Problem name: afiro`. Empty if there is none.
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
