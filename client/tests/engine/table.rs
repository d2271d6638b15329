//! An engine whose server, disk and clock are played by the test.

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use malote_client::Problem;
use malote_client::archive::Saved;
use malote_client::engine::{Engine, Now, Output};
use malote_common::codec::{self, FrameBuffer};
use malote_common::frame::{ClientFrame, Limits, ServerFrame, Welcome};
use malote_common::hello::{Challenge, VERSION};
use malote_common::{DeviceId, Epoch, MailboxId, Name, Timestamp, limits};

/// Our own mailbox.
pub const OWN: MailboxId = MailboxId(1);
pub const EPOCH: Epoch = Epoch([6; 16]);

pub struct Table {
    pub engine: Engine,
    pub now: Now,
    /// How the server welcomes us.
    pub welcome: Welcome,
}

impl Table {
    pub fn new(saved: Saved) -> Table {
        Table::starting_at(saved, Timestamp(1_000_000))
    }

    /// An engine that begins when the clock on the wall shows this.
    pub fn starting_at(saved: Saved, wall: Timestamp) -> Table {
        let now = Now { instant: Instant::now(), wall };
        let key = SigningKey::from_bytes(&[1; 32]);
        let welcome = Welcome {
            name: Name::given(0),
            number: 0,
            mailbox: OWN,
            epoch: EPOCH,
            last_seq: 0,
            last_counter: 0,
            limits: Limits::default(),
            rooms: vec![],
        };
        Table { engine: Engine::new(key, DeviceId([2; 16]), saved, false, [3; 32], now), now, welcome }
    }

    /// Makes a connection, and gives what the engine does at the welcome.
    pub fn connected(&mut self) -> Vec<Output> {
        self.engine.tick(self.now);
        assert!(self.outputs().contains(&Output::Connect));
        self.engine.connected([4; 32], self.now);
        self.hear_body(&Challenge::Accepted { version: VERSION, nonce: [5; 32] }.encode());
        self.outputs();
        self.hear(&ServerFrame::Welcome(self.welcome.clone()));
        self.outputs()
    }

    /// Loses the connection, until the pause before the next one is over.
    pub fn disconnected(&mut self) {
        self.engine.disconnected(Problem::Lost, self.now);
        self.now.instant += Duration::from_secs(1);
        self.now.wall.0 += 1000;
    }

    pub fn hear(&mut self, frame: &ServerFrame) {
        self.hear_body(&codec::encode(frame).unwrap());
    }

    pub fn hear_body(&mut self, body: &[u8]) {
        let mut wire = Vec::new();
        codec::write_frame(&mut wire, body);
        self.engine.receive(&wire, self.now);
    }

    pub fn wait(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall.0 += time.as_millis() as i64;
        self.engine.tick(self.now);
    }

    pub fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.engine.poll()).collect()
    }
}

/// The frames among what the engine does.
pub fn frames(outputs: &[Output]) -> Vec<ClientFrame> {
    let mut buffer = FrameBuffer::default();
    for output in outputs {
        if let Output::Send(bytes) = output {
            buffer.extend(bytes);
        }
    }
    let bodies = std::iter::from_fn(|| buffer.next_frame(limits::FRAME_BYTES).unwrap().map(<[u8]>::to_vec));
    bodies.map(|body| codec::decode(&body).unwrap()).collect()
}
