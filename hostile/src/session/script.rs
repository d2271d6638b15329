//! What somebody may do in a conversation.

use arbitrary::Arbitrary;

/// A number that is likely to be one that means something, or one that is too large for somebody.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Number {
    Small(u8),
    Any(u64),
    Highest,
    /// The highest that a store can write.
    HighestSigned,
}

/// Content, of which nothing is looked at.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Text {
    Empty,
    Short,
    /// As long as is allowed.
    Longest,
    TooLong,
}

/// Whom a message is for.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum To {
    /// Who came as this one.
    Given(u8),
    Chosen(u8),
    Room(u8),
    Everybody,
    /// So many addresses, most of them of nobody.
    Many(u8),
}

/// `who` is one of the connections that there are.
#[derive(Arbitrary, Clone, Debug)]
pub enum Step {
    /// A connection that says nothing yet.
    Open {
        browser: bool,
    },
    /// A connection that logs in as it should.
    LogIn {
        person: u8,
        device: u8,
        browser: bool,
    },
    Hello {
        who: u8,
        person: u8,
        device: u8,
        version: u16,
    },
    /// Proves with the key of `person`, what was said in the hello or another one.
    Prove {
        who: u8,
        person: u8,
        is_right: bool,
    },
    /// Bytes as they are, cut anywhere.
    Bytes {
        who: u8,
        bytes: Vec<u8>,
    },
    /// A body as it is, with its right length.
    Body {
        who: u8,
        body: Vec<u8>,
    },
    Resume {
        who: u8,
        mailbox: Number,
        is_epoch_right: bool,
        after: Number,
    },
    Submit {
        who: u8,
        counter: Number,
        since: Number,
        to: To,
        targets: Vec<u8>,
        text: Text,
    },
    /// A submission as a program makes it that means well.
    Write {
        who: u8,
        to: To,
        text: Text,
    },
    /// The last one of both once more.
    Again {
        who: u8,
    },
    Acknowledge {
        who: u8,
        mailbox: Number,
        seq: Number,
    },
    MarkRead {
        who: u8,
        mailbox: Number,
        seqs: [Number; 3],
        times: u16,
    },
    People {
        who: u8,
        after: Option<Number>,
    },
    Rooms {
        who: u8,
        after: Option<u8>,
    },
    Members {
        who: u8,
        mailbox: Number,
        after: Option<Number>,
    },
    Enter {
        who: u8,
        room: u8,
        create: bool,
    },
    Leave {
        who: u8,
        room: u8,
    },
    TakeName {
        who: u8,
        name: Option<u8>,
    },
    Ping {
        who: u8,
        token: u64,
        times: u16,
    },
    Pong {
        who: u8,
    },
    /// The post office carries out what has gathered.
    Commit,
    /// Reads so many bytes.
    Read {
        who: u8,
        most: u16,
    },
    ReadAll {
        who: u8,
    },
    /// Some events were left out.
    Miss {
        who: u8,
    },
    LetGo {
        who: u8,
    },
    Wait {
        seconds: u8,
    },
    /// The connection is cut.
    Cut {
        who: u8,
    },
}
