//! Searching in the window.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use malote::model::{List, Model, Opened};
use malote_texts::Language;

use super::common::{Desk, Server};

fn is_open(model: &Model, subject: &str) -> bool {
    match &model.open {
        Some(Opened::Letter(letter)) => letter.subject == subject,
        Some(Opened::Sent(sent)) => sent.subject == subject,
        None => false,
    }
}

/// A window of somebody who has received and sent, privately and in a room.
fn window(server: &Server) -> Desk {
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    ana.press(Modifiers::COMMAND, Key::J);
    ana.step();
    ana.type_text("obras");
    ana.press(Modifiers::NONE, Key::Enter);
    ana.until("in the room", |model| matches!(model.list, List::Room(_)) && model.room().is_some());
    ana.write("Assunto", "Telhado");
    ana.write("Mensagem", "O orçamento do telhado");
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.until("it is in the room", |model| model.shelf.len() == 1);
    ana.choose("Caixa de Entrada");
    ana.send("Usuario0", "Orçamento", "Segue o orçamento pedido ontem");
    ana.until("a note to oneself arrives", |model| model.inbox.len() == 1);
    ana.until("the draft is settled", |model| model.form.changed_at.is_none());
    ana
}

#[test]
fn typing_finds_at_once_over_all_places_and_escape_goes_back() {
    let server = Server::start();
    let mut ana = window(&server);
    ana.press(Modifiers::COMMAND, Key::F);
    ana.step();
    assert!(ana.harness.get_by_role_and_label(Role::TextInput, "Buscar").is_focused());
    ana.type_text("orcam");
    ana.step();
    assert_eq!((ana.model().list, ana.model().search.found.len()), (List::Found, 2));
    assert!(ana.says("2 encontradas"));
    assert!(ana.says("de Usuario0: Orçamento, ") && ana.says(". Local: Caixa de Entrada"));
    assert!(ana.says("De Você: Telhado, ") && ana.says(". Local: #obras"));
    ana.type_text("entos do");
    ana.step();
    assert!(ana.says("Nada encontrado."));
    (0..8).for_each(|_| ana.press(Modifiers::NONE, Key::Backspace));
    ana.type_text(" tel\"");
    ana.step();
    assert_eq!(ana.model().search.found.len(), 1);
    ana.press(Modifiers::NONE, Key::Escape);
    ana.step();
    assert_eq!((ana.model().list, ana.model().search.typed.as_str()), (List::Inbox, ""));
    assert!(ana.says("de Usuario0: Orçamento, ") && !ana.says("em Caixa de Entrada"));
    let row = ana.harness.get_by_label_contains("de Usuario0: Orçamento, ");
    assert!(row.is_focused(), "the keyboard goes on in the list");
}

#[test]
fn what_was_found_is_opened_answered_and_gone_through_by_the_keyboard() {
    let server = Server::start();
    let mut ana = window(&server);
    ana.press(Modifiers::COMMAND, Key::F);
    ana.step();
    ana.type_text("orça");
    ana.press(Modifiers::NONE, Key::Enter);
    ana.until("the newest is open", |model| is_open(model, "Orçamento"));
    ana.step();
    ana.press(Modifiers::NONE, Key::ArrowDown);
    ana.until("the next is open", |model| is_open(model, "Telhado"));
    ana.press(Modifiers::NONE, Key::ArrowUp);
    ana.until("the first is open again", |model| is_open(model, "Orçamento"));
    ana.press(Modifiers::COMMAND, Key::R);
    assert_eq!((ana.model().form.to.as_str(), ana.model().list), ("Usuario0", List::Found));
    // What comes meanwhile is found as well.
    ana.step();
    ana.type_text("orçado");
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.until("the answer is found", |model| model.search.found.len() == 3);
    ana.press(Modifiers::NONE, Key::Escape);
    assert!(ana.model().open.is_none() && ana.model().list == List::Found);
    ana.press(Modifiers::NONE, Key::Escape);
    assert_eq!(ana.model().list, List::Inbox);
}

#[test]
fn a_place_that_is_chosen_ends_the_search() {
    let server = Server::start();
    let mut ana = window(&server);
    ana.write("Buscar", "orçamento");
    ana.step();
    ana.choose("#obras");
    assert!(matches!(ana.model().list, List::Room(_)));
    assert_eq!(ana.model().search.typed, "");
    ana.write("Buscar", "telhado");
    ana.step();
    ana.click("Fechar busca");
    assert!(matches!(ana.model().list, List::Room(_)), "where one was before");
    assert_eq!(ana.model().shelf.len(), 1);
    ana.write("Buscar", "xilofone");
    ana.press(Modifiers::COMMAND, Key::J);
    assert_eq!((ana.model().list, ana.model().search.typed.as_str()), (List::Rooms, ""));
}

#[test]
fn what_was_sent_is_found_and_says_to_whom() {
    let server = Server::start();
    let mut ana = server.window_in("ana", Language::English);
    ana.until("online, with everybody known", |model| model.is_online() && model.people.iter().count() == 1);
    let rui = server.window("rui");
    ana.until("rui is known", |model| model.people.iter().count() == 2);
    drop(rui);
    ana.press(Modifiers::COMMAND, Key::N);
    ana.step();
    ana.type_text("Usuario1");
    ana.press(Modifiers::NONE, Key::Tab);
    ana.step();
    ana.type_text("Façade");
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.until("it is queued", |model| model.sent.len() == 1);
    ana.write("Search", "facade");
    ana.step();
    assert!(ana.says("1 found") && ana.says(", in Sent"));
    ana.click_containing("To Usuario1: Façade");
    ana.until("it is open", |model| is_open(model, "Façade"));
    ana.write("Search", " zzz");
    ana.step();
    assert!(ana.says("Nothing found.") && ana.says("Try fewer words"));
}

#[test]
fn many_that_are_found_are_bounded_and_only_those_in_view_are_read() {
    let server = Server::start();
    let mut ana = server.window_with_messages("ana", 1_000);
    ana.until("online", |model| model.is_online());
    ana.write("Buscar", "mensagem");
    ana.step();
    assert_eq!(ana.model().search.found.len(), malote_client::archive::HITS);
    assert!(ana.says("As 200 mais recentes"));
    assert!(ana.harness.get_all_by_label_contains("de Usuario7: mensagem").count() < 30);
    ana.scroll_list(2_000.0);
    assert!(!ana.says("mensagem 1000"));
    ana.type_text(" 9");
    ana.step();
    assert!(ana.says("mensagem 999"), "what is found anew is shown from its beginning");
}

#[test]
fn an_idle_search_sleeps_and_its_controls_have_names() {
    let server = Server::start();
    let mut ana = window(&server);
    ana.write("Buscar", "orçamento");
    (0..5).for_each(|_| ana.step());
    assert_eq!(Desk::nameless(&ana.harness), Vec::<String>::new());
    assert!(ana.repaint_delay() > std::time::Duration::from_secs(60));
}

#[test]
fn a_search_that_is_over_does_not_take_the_keyboard_from_whoever_writes_later() {
    let server = Server::start();
    let (mut ana, mut bia) = (server.window("ana"), server.window("bia"));
    ana.until("online", |model| model.is_online());
    bia.until("online", |model| model.is_online());
    let name = ana.model().name.clone().unwrap().to_string();
    // The inbox is empty, so there is no row that could have the keyboard.
    ana.press(Modifiers::COMMAND, Key::F);
    ana.step();
    ana.type_text("nada");
    ana.press(Modifiers::NONE, Key::Enter);
    ana.step();
    ana.type_text(" disso");
    ana.step();
    assert_eq!(ana.model().search.typed, "nada disso", "where nothing is found there is nothing to open");
    ana.press(Modifiers::NONE, Key::Escape);
    ana.step();
    ana.write("Mensagem", "Bom ");
    bia.send(&name, "Oi", "olá");
    ana.until("a message comes", |model| model.inbox.len() == 1);
    ana.step();
    ana.type_text("dia");
    ana.step();
    assert_eq!(ana.model().form.body, "Bom dia");
    assert!(ana.model().open.is_none());
}
