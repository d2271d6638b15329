//! Pictures of the page, to be looked at: light and dark, on a phone and on a desktop, in both languages.

use crate::server::WebServer;
use crate::webdriver::{Browser, Screen};

#[test]
fn pictures_in_both_languages() {
    let server = WebServer::start();
    let bia = server.cli();
    bia.name();
    let page = Browser::open(&server.url, "pt-BR", Screen::Desktop);
    page.wait_text("#name-dialog", "Como quer ser chamado?");
    page.picture("desktop-welcome");
    page.write("#name", "ana");
    page.click("#name-form .primary");
    page.wait_text("#who", "Você é ana (Usuario1)");
    bia.send("ana", "Almoço na sexta", "Vamos ao restaurante da esquina?\n\nMe diga até quinta.");
    bia.send("ana", "", "Uma linha só, sem assunto.");
    bia.send("@todos", "Aviso", "A impressora do segundo andar voltou.");
    page.wait_text("#list", "Aviso");
    page.picture("desktop-inbox");
    page.click_text("#list button", "Almoço");
    page.wait_text("#letter-body", "esquina");
    page.picture("desktop-letter");
    page.prefer("dark");
    page.picture("desktop-letter-dark");
}
