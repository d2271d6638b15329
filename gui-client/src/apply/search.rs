//! Searching: from what is typed to the list of what was found.

use malote_client::archive::{Hit, Query};

use super::Desk;
use super::lists::neighbour;
use crate::listed::{Listed, Search};
use crate::model::List;

impl Desk<'_> {
    /// Looks for what was typed; where that is nothing, the list from before is in view again.
    pub(super) fn find(&mut self) {
        let query = Query::parse(&self.model.search.typed);
        if query == self.model.search.query {
            return;
        }
        let was_empty = std::mem::replace(&mut self.model.search.query, query).is_empty();
        if self.model.search.query.is_empty() {
            return self.return_to_list();
        }
        if was_empty {
            self.model.search.before = self.model.list;
            self.model.list = List::Found;
            self.model.stale.roster = true;
        }
        self.model.search.rewind = true;
        self.look_for();
    }

    /// Looks again, since messages came, went or changed.
    pub(super) fn find_again(&mut self) {
        if self.model.list != List::Found {
            return;
        }
        let (newest, before) = (self.model.search.found.newest(), self.model.search.found.rows().len());
        self.look_for();
        let is_new = |hit: &&Hit| newest.is_none_or(|newest| hit.row() > newest.row());
        let rows = self.model.search.found.rows();
        let new = rows.iter().rev().take_while(is_new).count();
        // A new one may have taken the place of another. Of a page that is full, the oldest go instead.
        let more = if self.model.search.more { new } else { rows.len().saturating_sub(before) };
        self.model.arrived += new.min(more);
    }

    /// Empties the field and goes back to the list.
    pub(super) fn end_search(&mut self) {
        let is_found = self.model.list == List::Found;
        let before = self.model.search.before;
        self.model.search = Search { before, ..Search::default() };
        if is_found {
            self.return_to_list();
        }
        self.model.focus_list = true;
    }

    pub(super) fn open_found(&mut self) {
        if self.model.list == List::Found && !self.model.search.found.rows().is_empty() {
            self.open_found_neighbour(None, 0);
            self.model.focus_list = true;
        }
    }

    pub(super) fn open_found_neighbour(&mut self, open: Option<i64>, step: isize) {
        let hits = self.model.search.found.rows();
        let rows: Vec<i64> = hits.iter().map(Hit::row).collect();
        let next = neighbour(&rows, open, step);
        match hits.iter().find(|hit| Some(hit.row()) == next) {
            Some(Hit::Received(row)) => self.open(*row),
            Some(Hit::Sent(row)) => self.open_sent(*row),
            None => {}
        }
    }

    fn return_to_list(&mut self) {
        self.model.list = self.model.search.before;
        self.model.search.found = Listed::default();
        self.model.stale.roster = true;
        self.reload_shelf();
    }

    fn look_for(&mut self) {
        match self.reader.search(&self.model.search.query) {
            Ok(mut found) => {
                found.hits.reverse();
                self.model.search.found = Listed::new(found.hits);
                self.model.search.more = found.more;
            }
            Err(error) => self.fail(&error),
        }
    }
}
