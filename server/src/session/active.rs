//! What a session knows of a client that has logged in: how far each mailbox was sent, and which lists are wanted.

use std::collections::VecDeque;

use malote_common::frame::{Membership, ServerFrame};
use malote_common::{Epoch, MailboxId, Name, Seq};

use crate::post_office::Request;
use crate::store::{Login, Run};

/// The state of a session whose client has logged in.
pub struct Active {
    pub login: Login,
    /// The last counter that was over the rate.
    pub limited: u64,
    /// Submissions that the post office has not answered.
    pub unanswered: u64,
    /// How far this client has acknowledged its own mailbox on this connection.
    pub acknowledged: Seq,
    /// Marks of reading that the post office has not noted.
    pub reading: usize,
    pub wishes: Wishes,
    /// The client wants to know who comes and goes.
    pub watching: bool,
    /// Who came and went was not told, because the client was reading too slowly.
    pub left_out: bool,
    pub feeds: Feeds,
    /// Entries for which there was no room.
    pub held: VecDeque<Run>,
    pub lists: Lists,
}

impl Active {
    pub fn new(mut login: Login) -> Active {
        let own = Feed::new(login.mailbox, login.epoch, 1);
        let rooms = std::mem::take(&mut login.rooms);
        let feeds = [own].into_iter().chain(rooms.iter().map(Feed::of_room)).collect();
        Active {
            login,
            limited: 0,
            unanswered: 0,
            acknowledged: 0,
            reading: 0,
            wishes: Wishes::default(),
            watching: false,
            left_out: false,
            feeds: Feeds { feeds, fetching: None },
            held: VecDeque::new(),
            lists: Lists::default(),
        }
    }
}

/// One mailbox on its way to the client.
#[derive(Debug)]
pub struct Feed {
    pub mailbox: MailboxId,
    pub epoch: Epoch,
    /// The first entry that the client may see.
    first: Seq,
    /// The last entry that was sent; nothing until the client resumes.
    pub sent: Option<Seq>,
    /// There may be entries in the store that were not sent, beside those of a page on its way.
    pub behind: bool,
    /// The client has asked who is in this room.
    pub lists_members: bool,
}

impl Feed {
    fn new(mailbox: MailboxId, epoch: Epoch, first: Seq) -> Feed {
        Feed { mailbox, epoch, first, sent: None, behind: false, lists_members: false }
    }

    fn of_room(room: &Membership) -> Feed {
        Feed::new(room.mailbox, room.epoch, room.first)
    }

    /// Begins behind `after`, or with the first entry that the client may see where that is later. Whoever leaves a room
    /// and enters it again may resume it a second time before we have heard of the first.
    pub fn begin(&mut self, after: Seq) {
        self.sent = Some(after.max(self.first.saturating_sub(1)).max(self.sent.unwrap_or(0)));
        self.behind = true;
    }
}

/// All mailboxes of a client. One page at a time is fetched for all of them: it bounds what a slow reader costs.
#[derive(Debug)]
pub struct Feeds {
    feeds: Vec<Feed>,
    /// The mailbox of the page that is on its way.
    fetching: Option<MailboxId>,
}

impl Feeds {
    pub fn get(&mut self, mailbox: MailboxId) -> Option<&mut Feed> {
        self.feeds.iter_mut().find(|feed| feed.mailbox == mailbox)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Feed> {
        self.feeds.iter_mut()
    }

    pub fn enter(&mut self, room: &Membership) {
        if self.get(room.mailbox).is_none() {
            self.feeds.push(Feed::of_room(room));
        }
    }

    pub fn leave(&mut self, room: MailboxId) {
        self.feeds.retain(|feed| feed.mailbox != room);
        self.fetched(room);
    }

    /// The page of this mailbox has come, or will never come.
    pub fn fetched(&mut self, mailbox: MailboxId) {
        if self.fetching == Some(mailbox) {
            self.fetching = None;
        }
    }

    /// Some entries may have been left out: the store knows.
    pub fn fall_behind(&mut self) {
        self.feeds.iter_mut().filter(|feed| feed.sent.is_some()).for_each(|feed| feed.behind = true);
    }

    /// The next page to fetch, where there may be one and none is on its way.
    pub fn next_page(&mut self) -> Option<Request> {
        if self.fetching.is_some() {
            return None;
        }
        let index = self.feeds.iter().position(|feed| feed.behind)?;
        // Whoever was served goes to the end of the row, so that a busy room does not keep the others waiting.
        let mut feed = self.feeds.remove(index);
        feed.behind = false;
        let (mailbox, after) = (feed.mailbox, feed.sent.unwrap_or(0));
        self.feeds.push(feed);
        self.fetching = Some(mailbox);
        Some(Request::Fetch { mailbox, after })
    }
}

/// What a client wants of rooms and names. The post office is asked one at a time, so that the answers come in the order of
/// the wishes: by that the client knows what each belongs to.
#[derive(Debug, Default)]
pub struct Wishes {
    waiting: VecDeque<Wish>,
    asking: bool,
}

#[derive(Debug)]
pub enum Wish {
    /// To be asked of the post office.
    Ask(Request),
    /// Refused already, once those before it are answered.
    Refused(ServerFrame),
}

impl Wishes {
    /// How many were not answered.
    pub fn count(&self) -> usize {
        self.waiting.len().saturating_add(usize::from(self.asking))
    }

    pub fn add(&mut self, wish: Wish) {
        self.waiting.push_back(wish);
    }

    /// The post office has answered what it was asked.
    pub fn answered(&mut self) {
        self.asking = false;
    }

    /// What to do next, unless an answer is awaited.
    pub fn next(&mut self) -> Option<Wish> {
        if self.asking {
            return None;
        }
        let wish = self.waiting.pop_front()?;
        self.asking = matches!(wish, Wish::Ask(_));
        Some(wish)
    }
}

/// A page of a list that the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    People { after: Option<u64> },
    Rooms { after: Option<Name> },
    Members { mailbox: MailboxId, after: Option<u64> },
}

impl List {
    /// Whether both are pages of the same list.
    fn is_same(&self, other: &List) -> bool {
        match (self, other) {
            (List::Members { mailbox, .. }, List::Members { mailbox: other, .. }) => mailbox == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// The lists that the client wants: one page of each at most, fetched one after the other.
#[derive(Debug, Default)]
pub struct Lists {
    wanted: VecDeque<List>,
    fetching: Option<List>,
}

impl Lists {
    /// Wants this page, unless one of the same list is wanted already.
    pub fn want(&mut self, page: List) {
        if !self.wanted.iter().any(|wanted| wanted.is_same(&page)) {
            self.wanted.push_back(page);
        }
    }

    /// Wants a list from its beginning, whatever was wanted of it before.
    pub fn want_anew(&mut self, first_page: List) {
        self.wanted.retain(|wanted| !wanted.is_same(&first_page));
        self.wanted.push_back(first_page);
    }

    /// Whether a page of the people is on its way.
    pub fn is_fetching_people(&self) -> bool {
        matches!(self.fetching, Some(List::People { .. }))
    }

    /// The page has come.
    pub fn fetched(&mut self) {
        self.fetching = None;
    }

    /// Nothing more of this room will come.
    pub fn leave(&mut self, room: MailboxId) {
        let of_room = |list: &List| matches!(list, List::Members { mailbox, .. } if *mailbox == room);
        self.wanted.retain(|list| !of_room(list));
        if self.fetching.as_ref().is_some_and(of_room) {
            self.fetching = None;
        }
    }

    /// The next page to fetch, where one is wanted and none is on its way.
    pub fn next_page(&mut self) -> Option<Request> {
        if self.fetching.is_some() {
            return None;
        }
        let list = self.wanted.pop_front()?;
        self.fetching = Some(list.clone());
        Some(match list {
            List::People { after } => Request::People { after },
            List::Rooms { after } => Request::Rooms { after },
            List::Members { mailbox, after } => Request::Members { mailbox, after },
        })
    }
}
