use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A map from names to small values. Readers look up a name for every coefficient, so most of
/// their time would be spent here with a map of the standard library.
///
/// Short names are stored in the map itself: a lookup does not follow a pointer to the text of the
/// name, which in a large model is a cache miss. The hash function is fast, and seeded at random
/// in each map, so that a file cannot be made of names whose hashes are known to collide.
#[derive(Debug)]
pub(crate) struct NameMap<'t, V> {
    short: HashMap<ShortName, V, RandomState>,
    long: HashMap<&'t str, V, RandomState>,
}

/// The number of names that `get_each` looks up at once.
const GROUP: usize = 32;

/// A name of at most [`ShortName::MAX_BYTES`] bytes: its bytes, padded with zeros, and in the
/// last byte its length. So a name that ends with NUL differs from one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ShortName([u64; 2]);

impl ShortName {
    const MAX_BYTES: usize = 15;

    /// `None` if the name is too long.
    fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let length = bytes.len();
        // Loads of a fixed size, which overlap if the name is shorter than both: they take a few
        // instructions, where a copy of `length` bytes is a function call.
        let (low, high) =
            if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
                if length > Self::MAX_BYTES {
                    return None;
                }
                let last = u64::from_le_bytes(*last);
                // The bytes of `last` that are in `first` too are shifted out. A shift by all 64
                // bits, for eight bytes, has to be two.
                (u64::from_le_bytes(*first), last >> (8 * (15 - length)) >> 8)
            } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
                let last = u64::from(u32::from_le_bytes(*last));
                (u64::from(u32::from_le_bytes(*first)) | last >> (8 * (8 - length)) << 32, 0)
            } else {
                let byte = |index: usize| bytes.get(index).map_or(0, |&byte| u64::from(byte));
                (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
            };
        Some(ShortName([low, high | (length as u64) << 56]))
    }
}

impl<V> Default for NameMap<'_, V> {
    fn default() -> Self {
        NameMap { short: HashMap::default(), long: HashMap::default() }
    }
}

impl<'t, V: Copy> NameMap<'t, V> {
    /// The value of a name; `None` if the name is not in the map.
    pub(crate) fn get(&self, name: &str) -> Option<V> {
        match ShortName::new(name) {
            Some(short) => self.short.get(&short).copied(),
            None => self.long.get(name).copied(),
        }
    }

    /// The value of each of several names, in place of the contents of `values`.
    ///
    /// Faster than `get` for each: the processor can look up the next names while it waits for
    /// the memory of one, but not beyond a branch that it has predicted wrongly. Nearly all of
    /// those depend on the length of a name, so they are taken before the lookups.
    pub(crate) fn get_each(&self, names: &[&str], values: &mut Vec<Option<V>>) {
        values.clear();
        for names in names.chunks(GROUP) {
            let mut short = [None; GROUP];
            for (short, name) in short.iter_mut().zip(names) {
                *short = ShortName::new(name);
            }
            values.extend(short.iter().zip(names).map(|(short, name)| match short {
                Some(short) => self.short.get(short).copied(),
                None => self.long.get(name).copied(),
            }));
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets the value of a name, and returns the one that it had before.
    pub(crate) fn insert(&mut self, name: &'t str, value: V) -> Option<V> {
        match ShortName::new(name) {
            Some(short) => self.short.insert(short, value),
            None => self.long.insert(name, value),
        }
    }

    /// The value of a name, which becomes `value` if the name is not in the map.
    pub(crate) fn get_or_insert(&mut self, name: &'t str, value: V) -> V {
        match ShortName::new(name) {
            Some(short) => *self.short.entry(short).or_insert(value),
            None => *self.long.entry(name).or_insert(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_distinguished_at_every_length() {
        let mut map = NameMap::default();
        let text = "abcdefghijklmnopqrstuvwxyz";
        for length in 0..text.len() {
            assert_eq!(map.insert(&text[..length], length), None);
        }
        for length in 0..text.len() {
            assert_eq!(map.get(&text[..length]), Some(length));
        }
        assert_eq!(map.insert("abc", 7), Some(3));
        assert_eq!((map.get_or_insert("abc", 8), map.get_or_insert("abd", 9)), (7, 9));
    }

    #[test]
    fn a_short_name_keeps_every_byte() {
        for length in 0..=ShortName::MAX_BYTES {
            let name = &"abcdefghijklmno"[..length];
            let ShortName([low, high]) = ShortName::new(name).expect("short");
            let mut bytes = [low.to_le_bytes(), high.to_le_bytes()].concat();
            assert_eq!(bytes.pop(), Some(length as u8));
            assert_eq!(bytes[..length], *name.as_bytes());
            assert!(bytes[length..].iter().all(|&byte| byte == 0), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn it_has_the_values_of_a_map_of_the_standard_library(
            names in prop::collection::vec("[ab\u{0}ä]{0,18}", 0..60),
        ) {
            let mut expected = HashMap::new();
            let mut map = NameMap::default();
            for (value, name) in names.iter().enumerate() {
                prop_assert_eq!(map.contains(name), expected.contains_key(name.as_str()));
                prop_assert_eq!(map.insert(name, value), expected.insert(name.as_str(), value));
            }
            let names: Vec<&str> = names.iter().map(String::as_str).chain(["c", ""]).collect();
            let mut values = vec![Some(7)];
            map.get_each(&names, &mut values);
            prop_assert_eq!(values.len(), names.len());
            for (name, value) in names.iter().zip(values) {
                prop_assert_eq!(map.get(name), expected.get(*name).copied());
                prop_assert_eq!(map.get(name), value);
            }
        }
    }
}
