//! What lists show: which messages stand in them, and those that were looked at.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

use malote_client::archive::{Found, Hit, Query};

use crate::model::List;

/// Messages kept in memory around those in view.
const CACHE: usize = 500;

/// The messages of a list, oldest first: their rows are known, and each is read from the archive when it comes into view.
/// So a list of a hundred thousand opens at once, and takes eight bytes for each.
pub struct Listed<K, T> {
    rows: Vec<K>,
    cache: RefCell<HashMap<K, T>>,
}

impl<K, T> Default for Listed<K, T> {
    fn default() -> Self {
        Listed { rows: Vec::new(), cache: RefCell::default() }
    }
}

impl<K: Copy + Eq + Hash, T: Clone> Listed<K, T> {
    /// A list of these rows.
    pub fn new(rows: Vec<K>) -> Self {
        Listed { rows, cache: RefCell::default() }
    }

    pub fn rows(&self) -> &[K] {
        &self.rows
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of the newest message.
    pub fn newest(&self) -> Option<K> {
        self.rows.last().copied()
    }

    /// The row that stands so many below the newest.
    pub fn from_top(&self, index: usize) -> Option<K> {
        self.rows.len().checked_sub(index + 1).and_then(|at| self.rows.get(at)).copied()
    }

    /// The message in this row, as `read` reads it where it was not looked at lately.
    pub fn get(&self, row: K, read: impl FnOnce(K) -> Option<T>) -> Option<T> {
        let mut cache = self.cache.borrow_mut();
        if let Some(known) = cache.get(&row) {
            return Some(known.clone());
        }
        let message = read(row)?;
        if cache.len() >= CACHE {
            cache.clear();
        }
        cache.insert(row, message.clone());
        Some(message)
    }

    /// These messages are new; they stand behind all others.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = K>) {
        self.rows.extend(rows);
    }

    /// What is known of this message has changed.
    pub fn changed(&mut self, row: K) {
        self.cache.get_mut().remove(&row);
    }

    /// What is known of all messages may have changed.
    pub fn all_changed(&mut self) {
        self.cache.get_mut().clear();
    }

    /// This message stands here no longer.
    pub fn remove(&mut self, row: K) {
        self.rows.retain(|known| *known != row);
    }
}

/// The search field, and what was found.
pub struct Search {
    pub typed: String,
    /// What is looked for, as last typed.
    pub query: Query,
    pub found: Listed<Hit, Found>,
    /// Whether there are more messages than are shown.
    pub more: bool,
    /// The list that was in view before, and is again when the search ends.
    pub before: List,
    /// Whether its field is to be given the focus.
    pub focus: bool,
    /// Whether its field had the focus when it was last drawn.
    pub has_focus: bool,
    /// Whether what was found is to be shown from its beginning.
    pub rewind: bool,
}

impl Default for Search {
    fn default() -> Search {
        Search {
            typed: String::new(),
            query: Query::default(),
            found: Listed::default(),
            more: false,
            before: List::Inbox,
            focus: false,
            has_focus: false,
            rewind: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_once_and_again_when_they_have_changed() {
        let mut list = Listed::new(vec![1, 2, 5]);
        assert_eq!((list.from_top(0), list.from_top(2), list.from_top(3)), (Some(5), Some(1), None));
        assert_eq!(list.get(2, |row| Some(row * 10)), Some(20));
        assert_eq!(list.get(2, |_| None), Some(20));
        list.changed(2);
        assert_eq!(list.get(2, |_| None), None);
        assert_eq!(list.get(2, |_| Some(21)), Some(21));
        list.remove(2);
        list.extend([7]);
        assert_eq!((list.rows(), list.newest()), (&[1, 5, 7][..], Some(7)));
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let list = Listed::new((0..2000).collect());
        assert!((0..2000).all(|row| list.get(row, Some) == Some(row)));
        assert!(list.cache.borrow().len() <= CACHE);
    }
}
