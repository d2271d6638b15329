//! How one comes to a server: the first window, the choice of another server, and the page that says why there is none.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers, Ui, Vec2};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, HarnessBuilder};
use malote::app::App;
use malote::theme;
use malote::views::doctor::{DoctorPage, Mark};
use malote::views::servers::{self, Choice, Servers};
use malote::window::Window;
use malote_client::discovery::Search;
use malote_client::{Found, Problem, Profile, ServerAddress, Status};
use malote_common::frame::Closing;
use malote_texts::{Language, Texts};

use super::common::{PATIENCE, Server};

/// The window as it opens without `--server`, which looks for a server at this address only.
struct First {
    harness: Harness<'static, Window>,
}

impl First {
    fn open(home: &Path, here: ServerAddress) -> First {
        let profile = Profile::open_in(home, Some("ana")).unwrap();
        let search = Search { network: false, here };
        let harness = HarnessBuilder::default()
            .with_size(Vec2::new(1100.0, 750.0))
            .build_eframe(|cc| Window::new(&cc.egui_ctx, profile, None, search, Language::Portuguese).unwrap());
        First { harness }
    }

    #[track_caller]
    fn until(&mut self, what: &str, reached: impl Fn(&Harness<'static, Window>) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !reached(&self.harness) {
            assert!(Instant::now() < give_up, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
            self.harness.step();
        }
    }

    #[track_caller]
    fn until_online_at(&mut self, server: &ServerAddress) {
        let there = |app: &App| app.model().is_online() && app.model().server == *server;
        self.until("online", |harness| harness.state().desk().is_some_and(there));
    }

    #[track_caller]
    fn click(&mut self, label: &str) {
        self.harness.step();
        self.harness.get_by_role_and_label(Role::Button, label).click();
        self.harness.step();
        self.harness.step();
    }

    fn asks(&self) -> bool {
        asks(&self.harness)
    }

    /// Types into the field for an address, and presses Enter.
    fn type_address(&mut self, address: &str) {
        self.harness.step();
        self.harness.get_by_role_and_label(Role::TextInput, "Ou digite o endereço").focus();
        self.harness.step();
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.harness.event(Event::Text(address.to_owned()));
        self.harness.step();
        self.harness.key_press(Key::Enter);
        self.harness.step();
        self.harness.step();
    }
}

/// The page that asks for a server, without anything behind it.
struct ListOnly {
    servers: Servers,
    choice: Option<Choice>,
}

impl eframe::App for ListOnly {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let chosen = servers::show(ui, &mut self.servers, &Texts::new(Language::Portuguese));
        self.choice = chosen.or(self.choice.take());
    }
}

/// Whether the page that asks for a server is in view.
fn asks(harness: &Harness<'static, Window>) -> bool {
    harness.query_by_label("Onde está o servidor?").is_some()
}

/// An address on this computer where nobody listens.
fn nowhere() -> ServerAddress {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ServerAddress { host: "127.0.0.1".to_owned(), port }
}

#[test]
fn the_only_server_on_this_computer_is_taken_without_a_click_and_remembered() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let mut first = First::open(home.path(), server.address());
    first.until_online_at(&server.address());
    drop(first);
    let mut again = First::open(home.path(), nowhere());
    assert!(again.harness.state().desk().is_some(), "the window asks again");
    again.until_online_at(&server.address());
}

#[test]
fn an_address_can_be_typed_and_a_wrong_one_is_explained() {
    let (server, home) = (Server::start(), tempfile::tempdir().unwrap());
    let mut first = First::open(home.path(), nowhere());
    first.until("it asks", asks);
    first.type_address("http://casa");
    assert!(first.harness.query_by_label_contains("“http://casa” não é um endereço de servidor").is_some());
    assert!(first.asks());
    first.type_address(&server.address().to_string());
    first.until_online_at(&server.address());
}

#[test]
fn a_window_that_asks_sleeps() {
    let home = tempfile::tempdir().unwrap();
    let mut first = First::open(home.path(), nowhere());
    let delay = |harness: &Harness<'static, Window>| {
        harness.output().viewport_output.values().map(|viewport| viewport.repaint_delay).min()
    };
    // The moment in which the only server would be taken comes once.
    first.until("it sleeps", |harness| delay(harness).is_some_and(|delay| delay > Duration::from_secs(60)));
    assert!(first.asks());
}

#[test]
fn another_server_can_be_chosen_and_the_draft_stays() {
    let (one, other) = (Server::start(), Server::start());
    let home = tempfile::tempdir().unwrap();
    let mut first = First::open(home.path(), nowhere());
    first.type_address(&one.address().to_string());
    first.until_online_at(&one.address());
    first.harness.get_by_role_and_label(Role::MultilineTextInput, "Mensagem").focus();
    first.harness.step();
    first.harness.event(Event::Text("ainda não acabei".to_owned()));
    first.harness.step();
    first.click("Opções");
    first.click("Trocar de servidor…");
    first.until("it asks", asks);
    // Who wanted to choose is asked, also where there is only one server.
    first.type_address(&other.address().to_string());
    first.until_online_at(&other.address());
    assert_eq!(first.harness.state().desk().unwrap().model().form.body, "ainda não acabei");
    first.click("Opções");
    first.click("Trocar de servidor…");
    first.click(&format!("Voltar a {}", other.address()));
    first.until_online_at(&other.address());
    drop(first);
    First::open(home.path(), nowhere()).until_online_at(&other.address());
}

#[test]
fn found_servers_are_one_click_away() {
    let found = |name: &str, address: &str| Found {
        name: Some(name.to_owned()),
        addresses: vec![address.parse().unwrap()],
        fingerprint: None,
    };
    let list = vec![found("casa", "192.168.0.10"), found("escola", "10.0.0.2:5000")];
    let mut page = HarnessBuilder::default().with_size(Vec2::new(700.0, 500.0)).build_eframe(|cc| {
        theme::install(&cc.egui_ctx);
        ListOnly { servers: Servers { found: list, ..Servers::default() }, choice: None }
    });
    page.get_by_label_contains("escola").click();
    page.step();
    page.step();
    assert_eq!(page.state().choice, Some(Choice::Connect("10.0.0.2:5000".parse().unwrap())));
    page.get_by_label("Procurar de novo").click();
    page.step();
    page.step();
    assert_eq!(page.state().choice, Some(Choice::SearchAgain));
}

#[test]
fn the_page_that_tests_the_connection_says_what_to_do() {
    let mut server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    server.stop();
    ana.until("it is tried in vain", |model| {
        matches!(&model.status, Status::Waiting { problem: Problem::Refused, .. })
    });
    ana.click("Não consigo conectar");
    let complete = |model: &malote::model::Model| model.checkup.as_ref().is_some_and(|checkup| checkup.is_complete());
    ana.until("all steps are done", complete);
    ana.step();
    let texts = Texts::new(Language::Portuguese);
    let page = DoctorPage::of(ana.model().checkup.as_ref().unwrap(), &texts);
    let states: Vec<Mark> = page.lines.iter().map(|line| line.state).collect();
    assert_eq!(states[..4], [Mark::Passed, Mark::Passed, Mark::Failed, Mark::NotReached]);
    assert!(ana.says("Abra o malote-server aqui"));

    server.restart();
    ana.click("Testar de novo");
    ana.until("all steps are done again", complete);
    ana.step();
    assert!(ana.says("A chave é a mesma de antes.") && ana.says("Tudo certo"));
    ana.click("Voltar");
    ana.until("the desk is back", |model| model.checkup.is_none());
    ana.until("online again", |model| model.is_online());
}

#[test]
fn a_full_server_is_told_and_tried_again() {
    let server = Server::with_room_for(1);
    let mut ana = server.window("ana");
    ana.until("ana is online", |model| model.is_online());
    let mut rui = server.window("rui");
    rui.until("rui is told", |model| {
        matches!(&model.status, Status::Waiting { problem: Problem::Closed(Closing::ServerFull), .. })
    });
    rui.step();
    assert!(rui.says("está lotado. O Malote continua tentando."));
    drop(ana);
    rui.until("there is room", |model| model.is_online());
}
