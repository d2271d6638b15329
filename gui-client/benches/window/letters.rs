//! An archive as after years of use.

use anyhow::Result;
use malote_client::archive::Change;
use malote_client::{Archive, Profile, ServerAddress};
use malote_common::frame::Membership;
use malote_common::{Address, Content, Entry, Epoch, MailboxId, Message, MessageId, Name, Timestamp, codec};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

const SEED: u64 = 20;
const OWN: MailboxId = MailboxId(1);
const EVERYBODY: MailboxId = MailboxId(2);
const ROOM: MailboxId = MailboxId(3);
const EPOCH: Epoch = Epoch([1; 16]);

/// Different words, of which a few are in most messages and most are in a few, as in every language.
const VOCABULARY: usize = 8_000;

/// Words that Portuguese letters have, most frequent first; behind them come words made of syllables.
const COMMON: &str = "de que o a e do da em um para com não uma os no se na por mais as dos como mas foi ao ele das tem à \
    seu sua ou ser quando muito há nos já está eu também só pelo pela até isso reunião orçamento telhado amanhã segue \
    obrigado bom dia prazo entrega cliente relatório anexo segunda terça quarta quinta sexta sala obra material pedido \
    nota fiscal almoço turno plantão escala chave portão máquina conserto visita documento assinatura contrato";
const SYLLABLES: &str = "ca ma to ri do pe so lu na vi ra co me ta bo ja pri ção men que";

/// What is written, always the same for the same count.
pub struct Library {
    count: u64,
    words: Vec<String>,
}

impl Library {
    /// So many messages.
    pub fn of(count: u64) -> Library {
        let mut random = StdRng::seed_from_u64(SEED);
        let syllables: Vec<&str> = SYLLABLES.split_whitespace().collect();
        let mut words: Vec<String> = COMMON.split_whitespace().map(str::to_owned).collect();
        while words.len() < VOCABULARY {
            let length = random.random_range(2..5);
            words.push((0..length).map(|_| syllables[random.random_range(0..syllables.len())]).collect());
        }
        Library { count, words }
    }

    pub fn commonest(&self) -> String {
        self.words[0].clone()
    }

    /// A word that one message has.
    pub fn rarest(&self) -> String {
        "jabuticaba".to_owned()
    }

    /// Puts the messages into a profile's archive, so many in each commit: most to us, some of a room, some sent.
    pub fn fill(&self, profile: &Profile, server: &ServerAddress, commit: usize) -> Result<()> {
        let mut archive = Archive::open(&profile.archive(), &server.to_string())?;
        let room = |name, mailbox| Membership { room: name, mailbox, epoch: EPOCH, first: 1, last_seq: 0 };
        let rooms = vec![room(Name::everybody(), EVERYBODY), room(Name::parse("obras")?, ROOM)];
        let name = Name::given(0);
        archive.apply(&[Change::Welcomed { name, number: 0, mailbox: OWN, epoch: EPOCH, rooms }, Change::AskedName])?;
        let mut random = StdRng::seed_from_u64(SEED + 1);
        let mut changes = Vec::with_capacity(commit);
        for number in 1..=self.count {
            changes.push(self.message(number, &mut random));
            if changes.len() == commit || number == self.count {
                archive.apply(&changes)?;
                changes.clear();
            }
        }
        Ok(())
    }

    fn message(&self, number: u64, random: &mut StdRng) -> Change {
        let mut id = [0; 16];
        random.fill_bytes(&mut id);
        let mut body = self.text(10..60, random);
        if number == self.count / 3 {
            body.push_str(" jabuticaba");
        }
        let content = Content { subject: self.text(2..7, random), body };
        let sent_at = Timestamp(1_700_000_000_000 + number as i64 * 60_000);
        let to = vec![Address::Person(Name::given(random.random_range(0..50)))];
        // It was made here, and is within the limits.
        let encoded = codec::encode(&content).unwrap_or_default();
        let message = Message { id: MessageId(id), to, in_reply_to: None, sent_at, content: encoded };
        if number.is_multiple_of(20) {
            return Change::Composed { message, content };
        }
        let author = random.random_range(1..50);
        let mailbox = if number.is_multiple_of(15) { ROOM } else { OWN };
        let entry = Entry::Message { from: Name::given(author), number: Some(author), accepted_at: sent_at, message };
        Change::Received { mailbox, seq: number, entry }
    }

    fn text(&self, length: std::ops::Range<usize>, random: &mut StdRng) -> String {
        let length = random.random_range(length);
        let words: Vec<&str> = (0..length).map(|_| self.word(random)).collect();
        words.join(" ")
    }

    /// The n-th word is n times as rare as the first.
    fn word(&self, random: &mut StdRng) -> &str {
        let chance: f64 = random.random();
        &self.words[((VOCABULARY as f64).powf(chance) as usize).saturating_sub(1)]
    }
}
