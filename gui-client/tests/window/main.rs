//! The whole window, driven by the names that a screen reader says, against a real server.

mod common;
mod connecting;
mod injection;
mod places;
mod search;

use common::{Desk, Server};
use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use malote::model::{List, Opened};
use malote_client::archive::State;
use malote_client::{Problem, Status};
use malote_tests::SmallDisk;
use malote_texts::Language;

#[test]
fn a_message_goes_from_one_window_to_another_and_the_sender_sees_it() {
    let server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    ana.until("ana is online", |model| model.is_online());
    rui.until("rui is online", |model| model.is_online());
    assert_eq!(ana.model().name.as_deref(), Some("Usuario0"));

    ana.write("Destinatário", "Usuario1");
    ana.write("Assunto", "Almoço");
    ana.write("Mensagem", "Às 12h?");
    ana.click("Enviar");
    ana.until("the form empties", |model| model.form.is_empty());

    rui.until("the message arrives", |model| model.inbox.len() == 1);
    rui.step();
    let row = rui.harness.get_by_label_contains("Não lida, de Usuario0: Almoço").rect();
    assert!(row.height() > 40.0);
    ana.until("delivered", |model| state(model) == Some("delivered"));
    rui.click_containing("Não lida, de Usuario0: Almoço");
    rui.until("it is open", |model| matches!(&model.open, Some(Opened::Letter(letter)) if letter.body == "Às 12h?"));
    rui.until("it is read", |model| model.unread == 0);
    ana.until("read", |model| state(model) == Some("read"));
    ana.step();
    assert!(ana.harness.query_by_label_contains("Última enviada: “Almoço”, lida").is_some());

    rui.click("Responder");
    rui.until("the answer is prepared", |model| model.form.to == "Usuario0" && model.form.subject == "Re: Almoço");
    rui.step();
    rui.type_text("Combinado!");
    rui.press(Modifiers::COMMAND, Key::Enter);
    ana.until("the answer arrives", |model| model.inbox.len() == 1);
    assert_eq!(ana.summary(ana.model().inbox.newest()).beginning, "Combinado!");
}

fn state(model: &malote::model::Model) -> Option<&'static str> {
    match model.last_sent.as_ref()?.recipients.first()?.state {
        State::Queued { .. } => Some("queued"),
        State::Accepted { .. } => Some("accepted"),
        State::Delivered { .. } => Some("delivered"),
        State::Read { .. } => Some("read"),
        State::Refused { .. } => Some("refused"),
    }
}

#[test]
fn mistakes_are_explained_and_what_was_written_stays() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online, with everybody known", |model| model.is_online() && model.people.iter().count() == 1);
    ana.click("Enviar");
    ana.step();
    assert!(ana.says("Escreva para quem é a mensagem"));
    ana.write("Destinatário", "bia");
    ana.write("Mensagem", "Isto não se perde.");
    ana.click("Enviar");
    ana.step();
    assert!(ana.says("Ninguém aqui se chama bia."));
    assert_eq!(ana.model().form.body, "Isto não se perde.");
    ana.write("Destinatário", ", a b");
    ana.click("Enviar");
    ana.step();
    assert!(ana.says("Um nome não tem espaços"));
    assert_eq!(ana.model().sent.len(), 0);
    ana.click("Limpar");
    ana.write("Destinatário", "Usuario0");
    ana.paste("Assunto", &"á".repeat(500));
    ana.click("Enviar");
    ana.step();
    assert!(ana.says("O assunto é longo demais"));
    assert_eq!(ana.model().form.subject.chars().count(), 500);
}

#[test]
fn clearing_can_be_undone_and_lasts() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    ana.write("Destinatário", "Usuario0");
    ana.write("Mensagem", "nota para mim");
    ana.click("Limpar");
    ana.until("the form is empty", |model| model.form.is_empty());
    ana.click("Desfazer");
    ana.until("the text is back", |model| model.form.body == "nota para mim");
    ana.click("Enviar");
    ana.until("a note to oneself arrives", |model| model.inbox.len() == 1);

    ana.click("Limpar lista");
    ana.until("the inbox is empty", |model| model.inbox.is_empty());
    ana.click("Desfazer");
    ana.until("the inbox is back", |model| model.inbox.len() == 1);
    ana.click("Limpar lista");
    ana.until("the inbox is empty again", |model| model.inbox.is_empty());
    let mut again = ana.reopen();
    again.until("online again", |model| model.is_online());
    assert!(again.model().inbox.is_empty());
    assert_eq!(again.model().sent.len(), 1);
}

#[test]
fn what_is_typed_survives_the_window() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.write("Destinatário", "Usuario0");
    ana.write("Mensagem", "ainda não acabei");
    // As in a crash, nothing tells the window to save: it has done so by itself a moment after the last key.
    ana.until("the draft is on disk", |model| model.form.changed_at.is_none());
    let again = ana.reopen();
    assert_eq!(again.model().form.to, "Usuario0");
    assert_eq!(again.model().form.body, "ainda não acabei");
}

#[test]
fn without_a_server_messages_wait_and_go_out_by_themselves() {
    let mut server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    server.stop();
    ana.until("the loss is noticed", |model| !model.is_online());
    ana.write("Destinatário", "Usuario0");
    ana.write("Mensagem", "para depois");
    ana.click("Enviar");
    ana.until("it is queued", |model| state(model) == Some("queued") && model.form.is_empty());
    ana.until("it is tried in vain", |model| {
        matches!(&model.status, Status::Waiting { problem: Problem::Refused, .. })
    });
    ana.step();
    assert!(ana.says("Não há servidor do Malote"));
    server.restart();
    ana.click("Tentar agora");
    ana.until("it arrives", |model| model.inbox.len() == 1);
    ana.until("the sender sees it", |model| matches!(state(model), Some("delivered")));
}

#[test]
fn a_disk_that_takes_nothing_is_reported_and_the_text_stays() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    ana.write("Destinatário", "Usuario0");
    ana.write("Mensagem", "Isto não se perde.");
    ana.until("the draft is on disk", |model| model.form.changed_at.is_none());
    let hindrance = ana.hinder_writing();
    ana.click("Enviar");
    ana.until("the trouble is told", |model| model.trouble.is_some() && model.form.sending.is_none());
    ana.step();
    assert!(ana.says("O que você escreveu continua aqui"));
    assert_eq!(ana.model().form.body, "Isto não se perde.");
    drop(hindrance);
    ana.click("Enviar");
    ana.until("it arrives, once", |model| model.inbox.len() == 1 && model.trouble.is_none());
    assert_eq!(ana.model().sent.len(), 1);
}

#[test]
fn on_a_full_disk_the_text_stays_and_is_saved_once_there_is_space() {
    let Some(disk) = SmallDisk::mount(4 * 1024 * 1024) else { return };
    let server = Server::start();
    let (mut ana, mut rui) = (server.window_at(disk.path()), server.window("rui"));
    ana.until("ana is online", |model| model.is_online());
    rui.until("rui is online", |model| model.is_online());
    disk.fill();
    ana.write("Destinatário", "Usuario1");
    ana.paste("Mensagem", &"Isto não se perde. ".repeat(500));
    ana.click("Enviar");
    ana.until("the trouble is told", |model| model.trouble.is_some() && model.form.sending.is_none());
    ana.step();
    assert!(ana.says("O disco deste computador está cheio. Libere espaço"));
    assert!(ana.says("O que você escreveu continua aqui"));
    assert_eq!(ana.model().form.body.len(), "Isto não se perde. ".len() * 500);
    rui.send("Usuario0", "enquanto isso", &"corpo ".repeat(5_000));

    // Nobody does anything but make space.
    disk.free();
    ana.until("the trouble is over", |model| model.trouble.is_none() && model.form.changed_at.is_none());
    ana.until("what came meanwhile is here", |model| model.inbox.len() == 1);
    let mut ana = ana.reopen();
    assert!(ana.model().form.body.starts_with("Isto não se perde. "), "the draft was not saved");
    ana.until("ana is online again", |model| model.is_online());
    ana.click("Enviar");
    rui.until("it arrives", |model| model.inbox.len() == 1);
    ana.until("it has left, once", |model| model.sent.len() == 1 && model.form.is_empty());
}

#[test]
fn names_are_completed() {
    let server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    rui.until("rui is online", |model| model.is_online());
    ana.until("rui is seen", |model| model.people.connected() == 2);
    ana.write("Destinatário", "usuario");
    ana.step();
    ana.click_beside("Usuario1, ");
    ana.until("the name is completed", |model| model.form.to == "Usuario1, ");
    drop(rui);
    ana.until("rui is seen to leave", |model| model.people.connected() == 1);
}

#[test]
fn what_arrives_does_not_disturb() {
    let server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    ana.until("ana is online", |model| model.is_online());
    rui.until("rui is online", |model| model.is_online());
    for n in 0..30 {
        ana.send("Usuario1", &format!("mensagem {n}"), "corpo");
    }
    rui.until("they are all here", |model| model.inbox.len() == 30);
    rui.click_containing("mensagem 29");
    rui.until("one is open", |model| model.open.is_some());
    rui.write("Mensagem", "escrevendo");
    rui.scroll_list(400.0);
    let before = rui.top_of("mensagem 20");
    ana.send("Usuario1", "mais uma", "corpo");
    rui.until("it is here", |model| model.inbox.len() == 31);
    rui.step();
    rui.step();
    assert!((rui.top_of("mensagem 20") - before).abs() < 1.0, "the list moved");
    assert!(rui.harness.get_by_role_and_label(Role::MultilineTextInput, "Mensagem").is_focused());
    assert!(matches!(&rui.model().open, Some(Opened::Letter(letter)) if letter.subject == "mensagem 29"));
}

#[test]
fn the_keyboard_is_enough() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    ana.press(Modifiers::COMMAND, Key::N);
    ana.step();
    ana.type_text("Usuario0");
    ana.press(Modifiers::NONE, Key::Tab);
    ana.step();
    ana.type_text("pelo teclado");
    ana.press(Modifiers::NONE, Key::Tab);
    ana.step();
    ana.type_text("sem mouse");
    ana.press(Modifiers::NONE, Key::Tab);
    ana.step();
    assert!(ana.harness.get_by_label("Enviar").is_focused());
    ana.press(Modifiers::NONE, Key::Tab);
    ana.step();
    assert!(ana.harness.get_by_label("Limpar").is_focused());
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.until("it arrives", |model| model.inbox.len() == 1);
    ana.click_containing("Não lida, de Usuario0: pelo teclado");
    ana.until("it is open", |model| model.open.is_some());
    ana.press(Modifiers::NONE, Key::Escape);
    ana.until("it is closed", |model| model.open.is_none());
}

#[test]
fn sent_messages_show_what_became_of_them() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    ana.send("Usuario0", "para mim", "corpo");
    ana.until("delivered", |model| state(model) == Some("delivered"));
    ana.click("Enviadas");
    ana.until("the list changes", |model| model.list == List::Sent);
    ana.step();
    ana.click_containing("Para Usuario0: para mim, entregue");
    ana.until("it is open", |model| matches!(&model.open, Some(Opened::Sent(sent)) if sent.body == "corpo"));
}

#[test]
fn english_is_spoken_on_request() {
    let server = Server::start();
    let mut ana = server.window_in("ana", Language::English);
    ana.until("online", |model| model.is_online());
    ana.step();
    for label in ["Send", "Clear", "Inbox", "Sent", "Rooms", "People", "Not now", "Options"] {
        assert!(ana.harness.query_all_by_label(label).next().is_some(), "{label}");
    }
}

#[test]
fn a_large_inbox_lays_out_only_what_is_seen() {
    let server = Server::start();
    let mut ana = server.window_with_messages("ana", 10_000);
    ana.until("online", |model| model.is_online());
    ana.step();
    assert_eq!(ana.model().inbox.len(), 10_000);
    let rows = ana.harness.get_all_by_label_contains("de Usuario7: mensagem").count();
    assert!((5..30).contains(&rows), "{rows} rows were laid out");
}

#[test]
fn every_control_has_a_name() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    ana.send("Usuario0", "um", "corpo");
    ana.until("it arrives", |model| model.inbox.len() == 1);
    ana.click_containing("Não lida, de Usuario0: um");
    ana.until("it is open", |model| model.open.is_some());
    ana.step();
    assert_eq!(Desk::nameless(&ana.harness), Vec::<String>::new());
}

#[test]
fn an_idle_window_sleeps() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online() && model.people.iter().count() == 1);
    ana.until("the draft is settled", |model| model.form.changed_at.is_none());
    for _ in 0..5 {
        ana.step();
    }
    let delay = ana.repaint_delay();
    assert!(delay > std::time::Duration::from_secs(60), "the window wants to be drawn again after {delay:?}");
}
