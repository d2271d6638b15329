//! Rooms, everybody and chosen names in the window, driven by the names that a screen reader says.

use crate::common::Server;
use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use malote::model::{List, Opened};

#[test]
fn a_room_has_its_own_list_and_notices() {
    let server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    ana.until("ana is online", |model| model.is_online());
    rui.until("rui is online", |model| model.is_online());

    ana.press(Modifiers::COMMAND, Key::J);
    ana.until("the rooms are listed", |model| model.room_finder.rooms.is_some());
    ana.step();
    ana.type_text("#obras");
    ana.press(Modifiers::NONE, Key::Enter);
    ana.until("ana is in the room", |model| model.room().is_some_and(|room| room.name.as_str() == "obras"));
    assert_eq!(ana.model().form.to, "#obras");

    rui.click("+ Entrar");
    rui.until("rui sees the room", |model| model.room_finder.rooms.as_ref().is_some_and(|rooms| rooms.len() == 2));
    rui.click("Entrar em #obras");
    rui.until("rui is in the room", |model| model.room().is_some());
    ana.step();
    ana.until("rui is noticed", |model| model.companies.values().any(|company| company.count() == 2));
    ana.step();
    assert!(ana.says("Usuario1 entrou na sala"));
    assert!(ana.says("2 pessoas na sala, 2 conectadas"));
    assert!(ana.says("Em #obras"));
    assert!(ana.place("Usuario0 (você), conectado").is_some(), "those in the room stand in the side bar");

    rui.choose("Caixa de Entrada");
    ana.write("Assunto", "Cimento");
    ana.write("Mensagem", "Chegou.");
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.until("ana sees it in the room", |model| model.shelf.len() == 1);
    assert!(ana.summary(ana.model().shelf.newest()).mine);
    assert_eq!(ana.model().form.to, "#obras", "one goes on writing to the room");
    rui.until("the room has something unread", |model| model.rooms.iter().any(|room| room.unread == 1));
    rui.step();
    assert_eq!(rui.place("#obras").as_deref(), Some("#obras, 1 não lida"));
    assert!(rui.model().inbox.is_empty(), "rooms do not fill the inbox");
    rui.choose("#obras");
    rui.click_containing("Não lida, de Usuario0: Cimento");
    rui.until("it is read", |model| model.rooms.iter().all(|room| room.unread == 0));
    rui.press(Modifiers::COMMAND, Key::R);
    rui.until("the answer goes to the room", |model| model.form.to == "#obras" && model.form.subject == "Re: Cimento");

    drop(rui);
    ana.until("rui is seen to go", |model| model.companies.values().any(|company| company.connected() == 1));
    ana.step();
    assert!(ana.says("Usuario1 se desconectou"));
    ana.click("Sair da sala");
    ana.until("ana is out", |model| model.list == List::Inbox && model.rooms.len() == 1);
    ana.send("#obras", "de fora", "?");
    ana.until("it is refused", |model| {
        let states = model.last_sent.iter().flat_map(|sent| &sent.recipients);
        states.into_iter().any(|recipient| format!("{:?}", recipient.state).contains("not_a_member"))
    });
}

#[test]
fn everybody_is_asked_about_once_more() {
    let server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    rui.until("rui is online", |model| model.is_online());
    ana.until("rui is seen", |model| model.people.connected() == 2 && model.rooms.len() == 1);
    ana.choose("Todos");
    assert_eq!(ana.model().form.to, "@todos");
    ana.write("Mensagem", "Café na copa");
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.step();
    assert!(ana.says("Esta mensagem vai para todos: mais 1 pessoa"));
    // Holding the keys down, or pressing them once more, is no answer.
    (0..5).for_each(|_| ana.press(Modifiers::COMMAND, Key::Enter));
    assert_eq!(ana.model().sent.len(), 0);
    assert!(ana.model().form.sending.is_none());
    ana.click("Voltar");
    assert!(!ana.says("Esta mensagem vai para todos"));
    ana.press(Modifiers::COMMAND, Key::Enter);
    ana.step();
    ana.click("Enviar a todos");
    rui.until("it is in rui's inbox", |model| model.inbox.len() == 1);
    rui.step();
    assert!(rui.says("de Usuario0 a todos"));
    ana.until("ana has it in the room", |model| model.shelf.len() == 1);
    assert!(ana.model().inbox.is_empty());
    rui.click_containing("Não lida, de Usuario0 a todos");
    rui.press(Modifiers::COMMAND, Key::R);
    rui.until("the answer goes to ana alone", |model| model.form.to == "Usuario0");
}

#[test]
fn an_answer_goes_to_its_person_also_where_it_is_not_known_what_they_are_called_now() {
    let mut server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    ana.until("ana is asked", |model| model.naming.is_some());
    rui.until("rui is online", |model| model.is_online());
    ana.step();
    ana.write("Olá! Aqui você é Usuario0. Quer usar um nome?", "Ana");
    ana.press(Modifiers::NONE, Key::Enter);
    ana.until("ana has her name", |model| model.name.as_deref() == Some("Ana") && model.naming.is_none());
    ana.send("Usuario1", "Almoço", "Ao meio-dia?");
    rui.until("it is in rui's inbox", |model| model.inbox.len() == 1);
    server.stop();
    let mut rui = rui.reopen();
    rui.until("it is shown again", |model| model.inbox.len() == 1);
    rui.step();
    rui.click_containing("Não lida, de Ana");
    rui.press(Modifiers::COMMAND, Key::R);
    rui.until("the answer is prepared", |model| model.form.subject == "Re: Almoço");
    assert_eq!(rui.model().form.to, "Usuario0");
}

#[test]
fn a_name_is_offered_once_and_can_be_changed() {
    let server = Server::start();
    let (mut ana, mut rui) = (server.window("ana"), server.window("rui"));
    ana.until("ana is asked", |model| model.naming.is_some());
    rui.until("rui is asked", |model| model.naming.is_some());
    ana.step();
    assert!(ana.says("Olá! Aqui você é Usuario0."));
    assert!(ana.harness.get_by_role_and_label(Role::TextInput, "Destinatário").is_focused(), "the question waits");
    ana.write("Olá! Aqui você é Usuario0. Quer usar um nome?", "Ana");
    ana.press(Modifiers::NONE, Key::Enter);
    ana.until("ana has her name", |model| model.name.as_deref() == Some("Ana") && model.naming.is_none());
    rui.until("rui sees it", |model| model.roster.iter().any(|person| person.name.as_str() == "Ana"));

    rui.write("Olá! Aqui você é Usuario1. Quer usar um nome?", "x");
    for (typed, why) in [("a na", "experimente “a.na”"), ("ana", "já é de outra pessoa"), ("Usuario9", "reservado")]
    {
        rui.model();
        rui.press(Modifiers::COMMAND, Key::A);
        rui.type_text(typed);
        rui.press(Modifiers::NONE, Key::Enter);
        rui.until("the refusal is here", |model| model.naming.as_ref().is_some_and(|naming| naming.problem.is_some()));
        rui.step();
        assert!(rui.says(why), "{typed}");
        rui.step();
    }
    rui.click("Agora não");
    assert!(rui.model().naming.is_none());
    rui.send("ana", "para a Ana", "oi");
    rui.send("Usuario0", "também", "oi");
    ana.until("both names lead to ana", |model| model.inbox.len() == 2);

    let mut rui = rui.reopen();
    rui.until("rui is back", |model| model.is_online());
    rui.step();
    assert!(rui.model().naming.is_none(), "nobody is asked twice");
    rui.click("Mudar meu nome…: Usuario1");
    rui.step();
    rui.type_text("Rui");
    rui.click("Usar este nome");
    rui.until("rui has a name", |model| model.name.as_deref() == Some("Rui"));
}

#[test]
fn choosing_a_person_filters_the_list_and_fills_the_form() {
    let server = Server::start();
    let (mut ana, mut rui, mut bia) = (server.window("ana"), server.window("rui"), server.window("bia"));
    ana.until("ana is online", |model| model.is_online());
    rui.until("rui is online", |model| model.is_online());
    bia.until("bia is online", |model| model.is_online());
    rui.send("Usuario0", "do rui", "um");
    bia.send("Usuario0", "da bia", "dois");
    ana.until("both are here", |model| model.inbox.len() == 2 && model.roster.len() == 2);
    ana.choose("Usuario1, conectado");
    assert_eq!(ana.model().shelf.len(), 1);
    assert_eq!(ana.model().form.to, "Usuario1");
    ana.press(Modifiers::COMMAND, Key::PageDown);
    ana.until("the next person is in view", |model| model.form.to == "Usuario2" && model.shelf.len() == 1);
    ana.click_beside("de Usuario2: da bia");
    ana.until("it is open", |model| matches!(&model.open, Some(Opened::Letter(letter)) if letter.body == "dois"));
    ana.until("one of two is read", |model| model.unread == 1);
    ana.write("Destinatário", ", Usuario1");
    ana.choose("Caixa de Entrada");
    assert_eq!(ana.model().form.to, "Usuario2, Usuario1", "what was typed stays");
}
