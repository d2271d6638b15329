//! Writing and reading: to a window's people and back, in rooms, to everybody.

use malote_tests::{Cli, TestServer, wait_for};
use serde_json::json;

use crate::people::{enter_room, newcomer, open_place, send, wait_state};
use crate::webdriver::{Browser, Screen};

#[test]
fn a_page_and_a_program_write_to_each_other() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    assert_eq!(bia.name(), "Usuario0");
    for (screen, number) in [(Screen::Desktop, 1), (Screen::Phone, 2)] {
        let page = newcomer(&server, screen);
        page.wait_text("#status", &format!("Usuario{number}"));
        send(&page, "Usuario0", "Da página", "Olá, com acento: ção\nsegunda linha");
        wait_state(&page, "Da página", "aceita");
        let letter = bia.json(&["inbox"]).pop().expect("a letter");
        assert_eq!(letter["subject"], "Da página");
        assert_eq!(letter["body"], "Olá, com acento: ção\nsegunda linha");
        assert_eq!(letter["from"], format!("Usuario{number}"));
        wait_state(&page, "Da página", "entregue");
        bia.send(&format!("Usuario{number}"), "", "De volta\nà página");
        open_place(&page, "inbox");
        page.wait_text("#list .subject", "Sem Assunto");
        assert_eq!(page.run("return document.title", json!([])), "(1) Malote");
        page.click("#list button");
        page.wait_text("#letter-body", "De volta\nà página");
        wait_for("the mark of the unread going", || (page.text("#list .unread").is_empty()).then_some(()));
        assert_eq!(page.run("return document.title", json!([])), "Malote");
    }
}

#[test]
fn a_long_message_goes_whole_from_page_to_page() {
    let server = TestServer::start_with_web();
    let ana = newcomer(&server, Screen::Desktop);
    let bia = newcomer(&server, Screen::Desktop);
    let body: String = (0..10_000).map(|number| format!("estação {number}\n")).collect();
    ana.write("#to", "Usuario1");
    ana.write("#subject", "Estações");
    // Typed by nobody: a browser takes minutes for so many keys.
    let paste = "const field = document.getElementById('body'); field.value = arguments[0]; \
                 field.dispatchEvent(new Event('input', { bubbles: true }));";
    ana.run(paste, json!([body]));
    ana.click("#send");
    wait_state(&ana, "Estações", "entregue");
    bia.wait_text("#list", "Estações");
    bia.click("#list button");
    bia.wait_text("#letter-body", "estação 0");
    let shown = bia.run("return document.getElementById('letter-body').textContent", json!([]));
    assert!(shown == json!(body), "{} bytes of {}", shown.as_str().unwrap_or_default().len(), body.len());
}

#[test]
fn a_sender_sees_that_it_was_read() {
    let server = TestServer::start_with_web();
    let ana = newcomer(&server, Screen::Desktop);
    let bia = newcomer(&server, Screen::Desktop);
    send(&ana, "Usuario1, ninguem", "Pergunta", "Vem?");
    wait_state(&ana, "Pergunta", "1 recusada, 1 entregue");
    bia.wait_text("#list", "Pergunta");
    bia.click("#list button");
    wait_state(&ana, "Pergunta", "1 recusada, 1 lida");
    ana.click("#list button");
    ana.wait_text(".states", "ninguem: recusada (não há ninguém, nem sala, com esse nome)");
    bia.click("#reply");
    bia.wait_text("#form-reply", "Resposta a Usuario0");
    bia.write("#body", "Vou.");
    bia.click("#send");
    open_place(&ana, "inbox");
    ana.wait_text("#list .subject", "Re: Pergunta");
}

#[test]
fn rooms_have_members_notices_and_their_own_messages() {
    let server = TestServer::start_with_web();
    let ana = newcomer(&server, Screen::Desktop);
    let bia = newcomer(&server, Screen::Phone);
    enter_room(&ana, "obras", true);
    enter_room(&bia, "Obras", false);
    ana.wait_text("#notices", "Usuario1 entrou na sala");
    ana.wait_text("#members-summary", "2 pessoas na sala, 2 conectadas");
    assert_eq!(ana.run("return document.getElementById('to').value", json!([])), "#obras");
    send(&bia, "#obras", "Cimento", "Chega amanhã.");
    ana.wait_text("#list .unread", "Cimento");
    bia.wait_text("#list .mine", "Cimento");
    assert_eq!(bia.text("#list .unread"), "", "what one wrote oneself is read");
    open_place(&ana, "inbox");
    ana.wait_text("#rooms .count", "1");
    assert!(!ana.text("#list-pane").contains("Cimento"), "a room does not fill the inbox");
    open_place(&ana, "#obras");
    drop(bia);
    ana.wait_text("#notices", "Usuario1 se desconectou");
    ana.wait_text("#members-summary", "2 pessoas na sala, 1 conectada");
    ana.click_text("#list-actions button", "Sair da sala");
    ana.wait_text("#list-title", "Caixa de Entrada");
    assert_eq!(ana.text("#rooms"), "");
    send(&ana, "#obras", "Ainda", "Estou fora.");
    wait_state(&ana, "Ainda", "recusada");
}

#[test]
fn a_room_is_shared_with_programs() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.run(&["join", "obras"]).expect_status(0);
    bia.run(&["name", "bia"]).expect_status(0);
    let page = newcomer(&server, Screen::Phone);
    bia.send("#obras", "Antes de você", "O muro está pronto.");
    enter_room(&page, "obras", false);
    page.wait_text("#list .unread", "Antes de você");
    page.wait_text("#list .name", "bia");
    page.wait_text("#members-summary", "2 pessoas na sala, 1 conectada");
    send(&page, "#obras", "Depois", "Obrigado!");
    page.wait_text("#list .mine", "Depois");
    let letters = bia.json(&["inbox", "--room", "obras"]);
    assert!(letters.iter().any(|letter| letter["body"] == "Obrigado!"), "{letters:?}");
}

#[test]
fn everybody_is_written_to_after_asking_once_more() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let ana = newcomer(&server, Screen::Desktop);
    let caio = newcomer(&server, Screen::Phone);
    send(&ana, "@todos", "Aviso", "A luz cai às dez.");
    ana.wait_text("#everybody-dialog", "Enviar a todos?");
    ana.click("#everybody-cancel");
    assert_eq!(ana.run("return document.getElementById('body').value", json!([])), "A luz cai às dez.");
    ana.click("#send");
    ana.click("#everybody-send");
    caio.wait_text("#list .unread", "Aviso");
    assert!(!ana.text("#list-pane").contains("Aviso"), "one's own is not in the inbox");
    open_place(&ana, "todos");
    ana.wait_text("#list .mine", "Aviso");
    bia.send("@todos", "Outro", "Voltou.");
    open_place(&ana, "inbox");
    ana.wait_text("#list .unread", "Outro");
}

#[test]
fn names_are_taken_refused_and_given_up() {
    let server = TestServer::start_with_web();
    let ana = Browser::open(server.web(), "pt-BR", Screen::Desktop);
    let take = |page: &Browser, name: &str| {
        page.write("#name", name);
        page.click("#name-form .primary");
    };
    take(&ana, "ana maria");
    ana.wait_text("#name-error", "não tem espaços");
    take(&ana, "Usuario7");
    ana.wait_text("#name-error", "reservado");
    take(&ana, "ana");
    ana.wait_text("#who", "Você é ana (Usuario0)");
    let other = newcomer(&server, Screen::Phone);
    other.click("#menu");
    other.wait_text("#people", "ana");
    other.click("#choose-name");
    take(&other, "ANA");
    other.wait_text("#name-error", "Alguém já usa esse nome");
    take(&other, "aná");
    other.wait_text("#status", "aná");
    // Names that differ in an accent only are told apart by their numbers.
    ana.wait_text("#people", "aná (Usuario1)");
    ana.click("#choose-name");
    ana.click("#name-give-up");
    ana.wait_text("#who", "Você é Usuario0");
}
