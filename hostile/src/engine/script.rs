//! What a server, its connection and the user may do in a conversation.

use arbitrary::Arbitrary;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Number {
    Small(u8),
    /// The one that the client waits for.
    Next,
    Any(u64),
    Highest,
    HighestSigned,
}

#[derive(Arbitrary, Clone, Debug)]
pub enum Step {
    Challenge {
        version: u16,
    },
    /// A client that is greeted as it should be.
    Greet {
        last_counter: Number,
    },
    Welcome {
        mailbox: Number,
        epoch: u8,
        last_seq: Number,
        last_counter: Number,
        rooms: [Place; 2],
    },
    Deliver {
        mailbox: Number,
        seq: Number,
        what: What,
    },
    Outcomes {
        counter: Number,
        outcomes: Vec<Answer>,
    },
    ReadNoted {
        seqs: Vec<Number>,
    },
    People {
        numbers: Vec<Number>,
        more: bool,
    },
    Rooms {
        names: Vec<u8>,
        more: bool,
    },
    Members {
        mailbox: Number,
        numbers: Vec<Number>,
        more: bool,
    },
    Member {
        mailbox: Number,
        number: Number,
        entered: bool,
    },
    Entered {
        place: Place,
    },
    Left {
        mailbox: Number,
        name: u8,
    },
    Named {
        name: u8,
    },
    Closing {
        is_final: bool,
    },
    /// A body as it is, with its right length.
    Body {
        body: Vec<u8>,
    },
    /// Bytes as they are.
    Bytes {
        bytes: Vec<u8>,
    },
    Cut,
    Wait {
        seconds: u16,
    },
    /// The user's clock jumps.
    Jump {
        seconds: i32,
    },
    Send {
        to: Vec<u8>,
        bytes: u16,
    },
    Open {
        row: u8,
        mailbox: Number,
        seq: Number,
    },
    Clear {
        is_room: bool,
        mailbox: Number,
    },
    Enter {
        name: u8,
        create: bool,
    },
    Leave {
        name: u8,
    },
    TakeName {
        name: Option<u8>,
    },
    List {
        mailbox: Option<Number>,
    },
    ConnectNow,
    /// The program is started again.
    Restart,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Place {
    pub name: u8,
    pub mailbox: Number,
    pub epoch: u8,
    pub first: Number,
    pub last_seq: Number,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum What {
    Message { from: u8, number: Option<Number>, id: u8, is_content: bool, at: i64 },
    Delivered { mailbox: Number, seq: Number },
    Read { mailbox: Number, seq: Number },
    Damaged { number: Option<Number> },
    WasDamaged { mailbox: Number, seq: Number },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Answer {
    Accepted { mailbox: Number, seq: Number },
    NotAMember,
    MailboxFull,
    ServerFull,
    RateLimited(Number),
    OutOfTurn,
}
