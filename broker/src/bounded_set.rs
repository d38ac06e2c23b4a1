use std::{
    borrow::Borrow,
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// A set with a fixed capacity: inserting into a full set evicts the element that was inserted
/// first.
///
/// Inserting an element that the set already contains does not make it newer. Every element is
/// stored twice, for look-up and for eviction, so `T` should be small or cheap to clone.
#[derive(Clone, Debug)]
pub struct BoundedSet<T> {
    capacity: usize,
    elements: HashSet<T>,
    /// The same elements, oldest first.
    insertion_order: VecDeque<T>,
}

impl<T: Clone + Eq + Hash> BoundedSet<T> {
    /// An empty set that holds at most `capacity` elements. Allocates nothing yet.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, elements: HashSet::new(), insertion_order: VecDeque::new() }
    }

    /// Inserts an element, and evicts the oldest one if the set is then over capacity. Returns
    /// whether the element is new.
    pub fn insert(&mut self, element: T) -> bool {
        if !self.elements.insert(element.clone()) {
            return false;
        }
        self.insertion_order.push_back(element);
        if self.insertion_order.len() > self.capacity
            && let Some(oldest) = self.insertion_order.pop_front()
        {
            self.elements.remove(&oldest);
        }
        true
    }

    /// Whether the set contains an element.
    pub fn contains<Q>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.elements.contains(element)
    }

    /// The elements in the order of their insertion, oldest first. Inserting them into an empty
    /// set of the same capacity in this order restores the set.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.insertion_order.iter()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.insertion_order.len()
    }

    /// Whether the set contains no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.insertion_order.is_empty()
    }
}

/// Two sets are equal if they contain the same elements in the same order of insertion.
impl<T: PartialEq> PartialEq for BoundedSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.insertion_order == other.insertion_order
    }
}

impl<T: Eq> Eq for BoundedSet<T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_element_is_evicted_first() {
        let mut set = BoundedSet::new(2);
        assert!(set.is_empty());
        assert!(set.insert("a"));
        assert!(set.insert("b"));
        assert!(!set.insert("a"), "an element twice");
        assert!(set.insert("c"));
        assert_eq!(["a", "b", "c"].map(|element| set.contains(element)), [false, true, true]);
        assert!(set.insert("a"), "an element that was evicted is new again");
        assert!(set.iter().eq(&["c", "a"]));
        assert_eq!(set.len(), 2);
    }

    proptest! {
        /// Compares with a plain list, which is obviously right and too slow.
        #[test]
        fn behaves_like_a_list_without_duplicates(
            capacity in 0..6_usize,
            elements in prop::collection::vec(0..10_u8, 0..40),
        ) {
            let mut set = BoundedSet::new(capacity);
            let mut list = Vec::new();
            for element in elements {
                let new = !list.contains(&element);
                if new {
                    list.push(element);
                }
                if list.len() > capacity {
                    list.remove(0);
                }
                prop_assert_eq!(set.insert(element), new);
                prop_assert!(set.iter().eq(&list));
                prop_assert_eq!(set.len(), list.len());
                prop_assert!((0..10).all(|any| set.contains(&any) == list.contains(&any)));
            }
            let mut restored = BoundedSet::new(capacity);
            for element in set.iter() {
                restored.insert(*element);
            }
            prop_assert_eq!(restored, set);
        }
    }
}
