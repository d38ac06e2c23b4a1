/// The class of characters that a name may contain.
const NAME: u8 = 1;

/// The class of characters with which a name may begin.
const NAME_START: u8 = 2;

/// The class of brackets, which must match in a name.
const BRACKET: u8 = 4;

/// The classes of each ASCII character, as a sum. A table, because they are needed for every byte
/// of a text.
const CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        let code = byte as u8;
        let starts = code.is_ascii_alphabetic()
            || matches!(code, b'_' | b'#' | b'!' | b'"' | b'$' | b'%' | b'&' | b'?' | b'@' | b'~')
            || matches!(code, b'(' | b',' | b';' | b'|' | b'{' | b'\'' | b'`');
        if starts {
            classes[byte] |= NAME | NAME_START;
        }
        if code.is_ascii_digit() || matches!(code, b')' | b'.' | b'}') {
            classes[byte] |= NAME;
        }
        if matches!(code, b'(' | b')' | b'[' | b']' | b'{' | b'}') {
            classes[byte] |= BRACKET;
        }
        byte += 1;
    }
    classes
};

/// The classes of a character; those of a character that is not ASCII are in the functions below.
fn class(c: char) -> Option<u8> {
    CLASSES.get(c as usize).copied()
}

/// Whether a name may contain a character: letters, digits, and others that the format allows.
pub(super) fn is_name(c: char) -> bool {
    match class(c) {
        Some(class) => class & NAME != 0,
        None => c.is_alphanumeric() || begins_name(c),
    }
}

/// Whether a name may begin with a character.
pub(super) fn begins_name(c: char) -> bool {
    match class(c) {
        Some(class) => class & NAME_START != 0,
        None => c.is_alphabetic() || matches!(c, '‘' | '’'),
    }
}

/// The length in bytes of the name at the beginning of `text`, and whether it has brackets, which
/// must match. Square brackets are allowed too, but not as the first character.
pub(super) fn name(text: &str) -> (usize, bool) {
    let mut classes = 0;
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        match CLASSES.get(usize::from(byte)) {
            Some(class) if class & (NAME | BRACKET) != 0 => classes |= class,
            Some(_) => return (at, classes & BRACKET != 0),
            None => return any_name(text),
        }
    }
    (text.len(), classes & BRACKET != 0)
}

/// As `name`, for a name with characters that are not ASCII.
fn any_name(text: &str) -> (usize, bool) {
    let behind = |c: char| !is_name(c) && !matches!(c, '[' | ']');
    let length = text.find(behind).unwrap_or(text.len());
    (length, text[..length].contains(['(', ')', '[', ']', '{', '}']))
}

/// The length in bytes of the white space at the beginning of `text`, up to the first line break,
/// which is not included.
pub(super) fn blanks(text: &str) -> usize {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c);
    let bytes = text.as_bytes();
    let length = bytes.iter().position(|&byte| !is_blank(byte)).unwrap_or(bytes.len());
    if bytes.get(length).is_none_or(u8::is_ascii) {
        return length;
    }
    let behind = |c: char| !c.is_whitespace() || c == '\n';
    text.find(behind).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rules without the table.
    fn may_begin(c: char) -> bool {
        c.is_alphabetic()
            || matches!(c, '_' | '#' | '!' | '"' | '$' | '%' | '&' | '?' | '@' | '~')
            || matches!(c, '(' | ',' | ';' | '|' | '{' | '\'' | '`' | '‘' | '’')
    }

    fn may_contain(c: char) -> bool {
        c.is_alphanumeric() || may_begin(c) || matches!(c, ')' | '.' | '}')
    }

    #[test]
    fn the_classes_of_all_characters_are_those_of_the_rules() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_name(c), may_contain(c), "{c:?}");
            assert_eq!(begins_name(c), may_begin(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn names_and_blanks_end_where_a_search_of_each_character_ends(
            text in "[ab1.()\\[\\]{} \t\r\n\u{b}\u{c}\u{85}\u{a0}\u{2003}é‘:+\u{1f}]{0,12}",
        ) {
            let (length, brackets) = name(&text);
            let behind = |c: char| !may_contain(c) && !matches!(c, '[' | ']');
            prop_assert_eq!(length, text.find(behind).unwrap_or(text.len()));
            prop_assert_eq!(brackets, text[..length].contains(['(', ')', '[', ']', '{', '}']));
            let behind = |c: char| !c.is_whitespace() || c == '\n';
            prop_assert_eq!(blanks(&text), text.find(behind).unwrap_or(text.len()));
        }
    }
}
