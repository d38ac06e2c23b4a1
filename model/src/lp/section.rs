use solvemesh::v1::ObjectiveSense;

/// The section that a keyword at the beginning of a line opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Objective(ObjectiveSense),
    Constraints,
    Bounds,
    Integers,
    Binaries,
    SemiContinuous,
    SemiIntegers,
    End,
    /// A section that is recognised but not supported, with its description for messages.
    Unsupported(&'static str),
}

use ObjectiveSense::{Maximize, Minimize};
use Section::*;

const SOS: Section = Unsupported("special ordered sets (SOS)");
const LAZY: Section = Unsupported("lazy constraints");
const CUTS: Section = Unsupported("user cuts");
const GENERAL_CONSTRAINTS: Section = Unsupported("general constraints");
const PIECEWISE: Section = Unsupported("piecewise linear terms");
const SCENARIOS: Section = Unsupported("scenarios in the file");
const INDICATORS: Section = Unsupported("indicator constraints");

/// The keywords, as words in lower case. The first match counts, so where one keyword begins
/// with another, the longer one is first.
const KEYWORDS: &[(&[&str], Section)] = &[
    (&["minimize"], Objective(Minimize)),
    (&["minimise"], Objective(Minimize)),
    (&["minimum"], Objective(Minimize)),
    (&["min"], Objective(Minimize)),
    (&["maximize"], Objective(Maximize)),
    (&["maximise"], Objective(Maximize)),
    (&["maximum"], Objective(Maximize)),
    (&["max"], Objective(Maximize)),
    (&["subject", "to"], Constraints),
    (&["such", "that"], Constraints),
    (&["s.t."], Constraints),
    (&["st."], Constraints),
    (&["st"], Constraints),
    (&["bounds"], Bounds),
    (&["bound"], Bounds),
    (&["general", "constraints"], GENERAL_CONSTRAINTS),
    (&["general", "constraint"], GENERAL_CONSTRAINTS),
    (&["gencons"], GENERAL_CONSTRAINTS),
    (&["generals"], Integers),
    (&["general"], Integers),
    (&["gen"], Integers),
    (&["integers"], Integers),
    (&["integer"], Integers),
    (&["int"], Integers),
    (&["binaries"], Binaries),
    (&["binary"], Binaries),
    (&["bin"], Binaries),
    (&["semi-continuous"], SemiContinuous),
    (&["semi-integers"], SemiIntegers),
    (&["semi-integer"], SemiIntegers),
    (&["semis"], SemiContinuous),
    (&["semi"], SemiContinuous),
    (&["sos1"], SOS),
    (&["sos2"], SOS),
    (&["sos"], SOS),
    (&["lazy", "constraints"], LAZY),
    (&["lazy"], LAZY),
    (&["user", "cuts"], CUTS),
    (&["pwlobj"], PIECEWISE),
    (&["pwl"], PIECEWISE),
    (&["scenario"], SCENARIOS),
    (&["indicators"], INDICATORS),
    (&["end"], End),
];

/// The section that the keyword at the beginning of `text` opens, and the keyword's
/// length in bytes.
///
/// A keyword ends at a blank. If a colon or a comparison follows, the word is a name instead:
/// so a constraint may be called `end`, and `bin <= 4` is about a variable.
pub(super) fn keyword(text: &str) -> Option<(Section, usize)> {
    // A quick check first: most lines begin with a sign, a number or a name.
    let initial = text.bytes().next()?.to_ascii_lowercase();
    if !matches!(initial, b'b' | b'e' | b'g' | b'i' | b'l' | b'm' | b'p' | b's' | b'u') {
        return None;
    }
    let (section, length) =
        KEYWORDS.iter().find_map(|(words, section)| Some((*section, matched(text, words)?)))?;
    let line = text[length..].lines().next().unwrap_or_default();
    let next = line.trim_start();
    if next.starts_with([':', '<', '>', '=']) {
        return None;
    }
    if matches!(section, Objective(_)) && begins(next, "multi-objectives") {
        return Some((Unsupported("several objectives"), length));
    }
    Some((section, length))
}

/// The length in bytes of a keyword at the beginning of `text`; `None` if it is not there.
fn matched(text: &str, words: &[&str]) -> Option<usize> {
    let mut rest = text;
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            rest = rest.trim_start_matches([' ', '\t']);
        }
        if !begins(rest, word) {
            return None;
        }
        rest = &rest[word.len()..];
        // The word must end here: `ending` is not the keyword `end`.
        if !rest.chars().next().is_none_or(|c| c.is_whitespace() || c == '\\') {
            return None;
        }
    }
    Some(text.len() - rest.len())
}

fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Option<Section> {
        keyword(text).map(|(section, _)| section)
    }

    #[test]
    fn keywords_are_recognised_in_any_case_and_with_any_blanks_between_words() {
        assert_eq!(keyword("MAXIMIZE\n"), Some((Objective(Maximize), 8)));
        assert_eq!(keyword("Subject \t To c1: x"), Some((Constraints, 12)));
        assert_eq!(section("such that"), Some(Constraints));
        assert_eq!(section("s.t.\\ comment"), Some(Constraints));
        assert_eq!(section("semi-Continuous"), Some(SemiContinuous));
    }

    #[test]
    fn every_keyword_is_recognised() {
        for (words, section) in KEYWORDS {
            let text = words.join(" ");
            assert_eq!(keyword(&text), Some((*section, text.len())), "{text}");
        }
    }

    #[test]
    fn the_longest_keyword_wins() {
        assert_eq!(section("general constraints"), Some(GENERAL_CONSTRAINTS));
        assert_eq!(section("general\nconstraints"), Some(Integers));
        assert_eq!(section("st."), Some(Constraints));
    }

    #[test]
    fn a_keyword_before_a_colon_or_a_comparison_is_a_name() {
        for text in ["end: x", "end : x", "bin <= 4", "st = 3", "min: x", "free", "ending"] {
            assert_eq!(section(text), None, "{text}");
        }
    }

    #[test]
    fn several_objectives_are_recognised_after_the_sense() {
        assert_eq!(section("Minimize Multi-Objectives\n"), Some(Unsupported("several objectives")));
    }
}
