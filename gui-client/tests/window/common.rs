//! A real server and real windows without a screen.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, Rect, TouchPhase, Vec2, vec2};
use egui_kittest::kittest::{By, NodeT, Queryable};
use egui_kittest::{Harness, HarnessBuilder};
use malote::app::App;
use malote::model::Model;
use malote_client::archive::{Change, Summary};
use malote_client::{Archive, Profile, Reader, ServerAddress};
use malote_common::{Content, Entry, MailboxId, Message, MessageId, Name, Timestamp, codec};
use malote_server::config::Config;
use malote_texts::{Language, Texts};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the side bar ends.
const SIDE_BAR: f32 = 200.0;

/// A server on a port of its own.
pub struct Server {
    directory: TempDir,
    address: SocketAddr,
    max_clients: usize,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Server {
    pub fn start() -> Server {
        Server::with_room_for(100)
    }

    /// A server that takes so many clients and no more.
    pub fn with_room_for(max_clients: usize) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server { directory, address: ([127, 0, 0, 1], 0).into(), max_clients, running: None };
        server.restart();
        server
    }

    pub fn restart(&mut self) {
        let config = Config {
            listen: self.address,
            data: self.directory.path().join("server"),
            max_clients: self.max_clients,
            // All are on one computer: whoever finds no place is to meet a full server, and not this bound.
            max_clients_per_address: self.max_clients + 1,
            rate: Default::default(),
            plaintext: false,
            web: None,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = malote_server::Server::bind(config).await.unwrap();
                ready.send(server.address()).unwrap();
                server.run(async { drop(stopped.await) }).await.unwrap();
            });
        });
        self.address = address.recv_timeout(PATIENCE).unwrap();
        self.running = Some((stop, thread));
    }

    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    pub fn address(&self) -> ServerAddress {
        ServerAddress { host: self.address.ip().to_string(), port: self.address.port() }
    }

    /// A window of the profile with this name.
    pub fn window(&self, profile: &str) -> Desk {
        self.window_in(profile, Language::Portuguese)
    }

    pub fn window_in(&self, profile: &str, language: Language) -> Desk {
        let home = self.directory.path().join("profiles");
        Desk::open(home, profile.to_owned(), self.address, language)
    }

    /// A window of a profile below this folder.
    pub fn window_at(&self, home: &Path) -> Desk {
        Desk::open(home.to_owned(), "0".to_owned(), self.address, Language::Portuguese)
    }

    /// A window whose inbox holds that many messages already.
    pub fn window_with_messages(&self, name: &str, count: u64) -> Desk {
        let content = |seq| Content { subject: format!("mensagem {seq}"), body: "corpo".into() };
        self.window_with(name, (1..=count).map(content).collect())
    }

    /// A window whose inbox holds these messages already.
    pub fn window_with(&self, name: &str, contents: Vec<Content>) -> Desk {
        let home = self.directory.path().join("profiles");
        let profile = Profile::open_in(&home, Some(name)).unwrap();
        let mut archive = Archive::open(&profile.archive(), "192.0.2.1:1").unwrap();
        let received: Vec<Change> = (1..).zip(contents).map(|(seq, content)| received(seq, &content)).collect();
        archive.apply(&received).unwrap();
        drop((archive, profile));
        // Strangers may write in letters that no font here has.
        let builder = HarnessBuilder::default().allow_missing_glyphs();
        Desk::open_with(builder, home, name.to_owned(), self.address, Language::Portuguese)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn received(seq: u64, content: &Content) -> Change {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&seq.to_be_bytes());
    let message = Message {
        id: MessageId(id),
        to: vec![],
        in_reply_to: None,
        sent_at: Timestamp(0),
        content: codec::encode(content).unwrap(),
    };
    Change::Received {
        mailbox: MailboxId(1),
        seq,
        entry: Entry::Message { from: Name::given(7), number: Some(7), accepted_at: Timestamp(0), message },
    }
}

/// A window, and what a person can do with it.
pub struct Desk {
    pub harness: Harness<'static, App>,
    home: std::path::PathBuf,
    profile: String,
    server: SocketAddr,
    language: Language,
}

impl Desk {
    fn open(home: std::path::PathBuf, profile: String, server: SocketAddr, language: Language) -> Desk {
        Desk::open_with(HarnessBuilder::default(), home, profile, server, language)
    }

    fn open_with(
        builder: HarnessBuilder<App>,
        home: std::path::PathBuf,
        profile: String,
        server: SocketAddr,
        language: Language,
    ) -> Desk {
        let opened = Profile::open_in(&home, Some(&profile)).unwrap();
        let address = ServerAddress { host: server.ip().to_string(), port: server.port() };
        let mut harness = builder
            .with_size(Vec2::new(1100.0, 750.0))
            .build_eframe(|cc| App::new(&cc.egui_ctx, opened, address, Texts::new(language)).unwrap());
        harness.step();
        Desk { harness, home, profile, server, language }
    }

    /// Closes the window as a crash would, and opens it anew.
    pub fn reopen(self) -> Desk {
        let Desk { harness, home, profile, server, language } = self;
        drop(harness);
        Desk::open(home, profile, server, language)
    }

    pub fn model(&self) -> &Model {
        self.harness.state().model()
    }

    pub fn step(&mut self) {
        self.harness.step();
    }

    /// A received message as the archive has it.
    #[track_caller]
    pub fn summary(&self, row: Option<i64>) -> Summary {
        let archive = self.home.join(&self.profile).join("archive.db");
        let reader = Reader::open(&archive, &self.server.to_string()).unwrap();
        reader.summary_at(row.expect("a message")).unwrap().expect("a message in that row")
    }

    /// Draws the window until it shows what is awaited.
    #[track_caller]
    pub fn until(&mut self, what: &str, reached: impl Fn(&Model) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !reached(self.model()) {
            assert!(Instant::now() < give_up, "waited in vain until {what}; {:?}", self.model().status);
            std::thread::sleep(Duration::from_millis(5));
            self.harness.step();
        }
    }

    #[track_caller]
    pub fn click(&mut self, label: &str) {
        self.harness.step();
        self.harness.get_by_role_and_label(Role::Button, label).click();
        self.harness.step();
        self.harness.step();
    }

    #[track_caller]
    pub fn click_containing(&mut self, label: &str) {
        self.harness.step();
        self.harness.get_by_label_contains(label).click();
        self.harness.step();
        self.harness.step();
    }

    /// Clicks on a line of the side bar.
    #[track_caller]
    pub fn choose(&mut self, place: &str) {
        self.click_where(place, |rect| rect.center().x < SIDE_BAR);
    }

    /// Clicks on something that stands right of the side bar.
    #[track_caller]
    pub fn click_beside(&mut self, label: &str) {
        self.click_where(label, |rect| rect.center().x > SIDE_BAR);
    }

    #[track_caller]
    fn click_where(&mut self, label: &str, is_there: impl Fn(Rect) -> bool) {
        self.harness.step();
        {
            let mut nodes = self.harness.query_all_by_label_contains(label);
            nodes.find(|node| is_there(node.rect())).unwrap_or_else(|| panic!("no {label} there")).click();
        }
        self.harness.step();
        self.harness.step();
    }

    /// What a line of the side bar says, where there is one that contains this.
    pub fn place(&self, part: &str) -> Option<String> {
        let mut nodes = self.harness.query_all_by_label_contains(part);
        nodes.find(|node| node.rect().center().x < SIDE_BAR)?.accesskit_node().label()
    }

    /// Types into a field.
    #[track_caller]
    pub fn write(&mut self, field: &str, text: &str) {
        self.enter(field);
        self.type_text(text);
    }

    /// Puts a long text into a field at once.
    #[track_caller]
    pub fn paste(&mut self, field: &str, text: &str) {
        self.enter(field);
        self.harness.event(Event::Paste(text.to_owned()));
        self.harness.step();
    }

    #[track_caller]
    fn enter(&mut self, field: &str) {
        self.harness.step();
        let role = if field == "Mensagem" { Role::MultilineTextInput } else { Role::TextInput };
        self.harness.get_by_role_and_label(role, field).focus();
        self.harness.step();
        self.press(Modifiers::COMMAND, Key::End);
    }

    pub fn type_text(&mut self, text: &str) {
        self.harness.event(Event::Text(text.to_owned()));
        self.harness.step();
    }

    pub fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.step();
    }

    /// Writes and sends a whole message.
    #[track_caller]
    pub fn send(&mut self, to: &str, subject: &str, body: &str) {
        let before = self.model().sent.len();
        self.write("Destinatário", to);
        self.write("Assunto", subject);
        self.write("Mensagem", body);
        self.press(Modifiers::COMMAND, Key::Enter);
        self.until("it is queued", |model| model.sent.len() == before + 1 && model.form.is_empty());
    }

    /// Keeps the window from writing to its archive, for as long as what is returned lives.
    pub fn hinder_writing(&self) -> rusqlite::Connection {
        let path = self.home.join(&self.profile).join("archive.db");
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// Whether a sentence that contains this is in view.
    pub fn says(&self, part: &str) -> bool {
        self.harness.query_by_label_contains(part).is_some()
    }

    pub fn scroll_list(&mut self, by: f32) {
        self.harness.hover_at([320.0, 500.0].into());
        self.harness.step();
        self.harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, -by),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Unknown,
            modifiers: Modifiers::NONE,
        });
        // Scrolling glides for some frames.
        (0..60).for_each(|_| self.harness.step());
    }

    #[track_caller]
    pub fn top_of(&self, label: &str) -> f32 {
        self.harness.get_by_label_contains(label).rect().top()
    }

    /// How long the window would sleep if nothing happened.
    pub fn repaint_delay(&self) -> Duration {
        let viewports = &self.harness.output().viewport_output;
        viewports.values().map(|viewport| viewport.repaint_delay).min().unwrap_or(Duration::MAX)
    }

    /// Controls that a screen reader could not name.
    pub fn nameless(harness: &Harness<'static, App>) -> Vec<String> {
        let controls = [Role::Button, Role::TextInput, Role::MultilineTextInput, Role::CheckBox];
        let nameless = By::new().predicate(move |node| {
            controls.contains(&node.role()) && node.label().is_none_or(|label| label.trim().is_empty())
        });
        harness.query_all(nameless).map(|node| format!("{:?}", node.rect())).collect()
    }
}
