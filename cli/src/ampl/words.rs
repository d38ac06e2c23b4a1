//! Splits the options in `solvemesh_options` and on the command line.

/// Splits a text into keys and values: `key=value`, `key = value` or `key value`, separated by
/// blanks or commas. A value in quotes, `"` or `'`, may contain both.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches(is_separator);
    while !rest.is_empty() {
        let end = rest.find(|it| it == '=' || is_separator(it)).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let after = after.trim_start();
        let after = after.strip_prefix('=').unwrap_or(after).trim_start();
        let (value, after) = value(after).map_err(|wrong| format!("{key}: {wrong}"))?;
        pairs.push((key.to_owned(), value.to_owned()));
        rest = after.trim_start_matches(is_separator);
    }
    Ok(pairs)
}

/// A word of the command line. Its value is everything after the `=`, blanks included: the shell
/// has removed the quotes.
pub(super) fn pair(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("`{word}` is not KEY=VALUE")),
    }
}

fn is_separator(it: char) -> bool {
    it.is_whitespace() || it == ','
}

/// The value at the beginning of a text, and what is behind it.
fn value(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(quote) = text.chars().next().filter(|it| matches!(it, '"' | '\'')) {
        return text[1..].split_once(quote).ok_or("its quote is not closed");
    }
    match text.find(is_separator).unwrap_or(text.len()) {
        0 => Err("has no value"),
        end => Ok(text.split_at(end)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<(String, String)> {
        pairs(text).expect("pairs")
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_and_values_are_written_in_several_ways() {
        let text = " timelimit=10 mipgap = 1e-3, threads 4  label='a b' name=\"c, d\" x==";
        let expected = [
            ("timelimit", "10"),
            ("mipgap", "1e-3"),
            ("threads", "4"),
            ("label", "a b"),
            ("name", "c, d"),
            ("x", "="),
        ];
        assert_eq!(split(text), owned(&expected));
        assert_eq!(split(" , "), []);
    }

    #[test]
    fn a_key_without_a_value_is_an_error_that_names_it() {
        for text in ["timelimit", "a=1 timelimit =", "timelimit='5"] {
            let error = pairs(text).expect_err("no value");
            assert!(error.starts_with("timelimit: "), "{error}");
        }
    }

    #[test]
    fn a_word_of_the_command_line_keeps_its_blanks() {
        assert_eq!(pair("label=a b=c"), Ok(("label".to_owned(), "a b=c".to_owned())));
        assert!(pair("label").is_err() && pair("=1").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_split_or_rejected(text in ".*") {
            let _ = pairs(&text);
        }
    }
}
