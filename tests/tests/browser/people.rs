//! What people do with the page.

use malote_tests::{TestServer, wait_for};
use serde_json::json;

use crate::webdriver::{Browser, Screen};

/// Opens the page for somebody new, who skips the question for a name.
pub fn newcomer(server: &TestServer, screen: Screen) -> Browser {
    let page = Browser::open(server.web(), "pt-BR", screen);
    page.click("#name-skip");
    page.wait_text("#status", "Conectado como");
    page
}

/// Shows one of the places of the side, opening the drawer where there is one.
#[track_caller]
pub fn open_place(page: &Browser, key: &str) {
    in_side(page, &format!("#side [data-key='{key}']"));
}

/// Clicks on something at the side. The drawer closes by itself where another place comes into view, as it does when a
/// message has been sent.
#[track_caller]
fn in_side(page: &Browser, css: &str) {
    wait_for(css, || {
        if page.try_click(css).is_ok() {
            return Some(());
        }
        let is_closed = "return document.body.dataset.drawer !== 'open'";
        if page.run(is_closed, json!([])) == true && !page.text("#menu").is_empty() {
            page.click("#menu");
        }
        None
    });
}

/// Opens the dialog for entering rooms.
#[track_caller]
pub fn open_rooms(page: &Browser) {
    in_side(page, "#enter-room");
}

#[track_caller]
pub fn enter_room(page: &Browser, room: &str, create: bool) {
    open_rooms(page);
    page.write("#room", room);
    page.click("#room-form .primary");
    if create {
        page.click("#room-create");
    }
    page.wait_text("#list-title", &format!("#{}", room.to_lowercase()));
}

/// Fills the form and sends it; the form is empty then, or something is asked.
#[track_caller]
pub fn send(page: &Browser, to: &str, subject: &str, body: &str) {
    if !page.text("#new").is_empty() {
        page.click("#new");
    }
    page.write("#to", to);
    page.write("#subject", subject);
    page.write("#body", body);
    page.click("#send");
    let done = "return document.getElementById('body').value === '' || document.querySelector('dialog[open]') !== null";
    wait_for("sending", || page.run(done, json!([])).as_bool()?.then_some(()));
}

/// Waits until the newest message that was sent has this state.
#[track_caller]
pub fn wait_state(page: &Browser, subject: &str, state: &str) {
    open_place(page, "sent");
    page.wait_text("#list", subject);
    page.wait_text("#list li:first-child .words", state);
}
