//! Pictures of the page, to be looked at: light and dark, on a phone and on a desktop, in both languages. While they are
//! taken, nothing may stick out of the screen, and no text may be missing.

use malote_tests::{Cli, TestServer};
use serde_json::json;

use crate::people;
use crate::webdriver::{Browser, Screen};

#[test]
fn pictures_in_both_languages() {
    for (language, inbox) in [("pt-BR", "Caixa de Entrada"), ("en", "Inbox")] {
        for screen in [Screen::Desktop, Screen::Tablet, Screen::Phone] {
            pictures(language, inbox, screen);
        }
    }
}

fn pictures(language: &str, inbox: &str, screen: Screen) {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let page = Browser::open(server.web(), language, screen);
    let picture = |name: &str| {
        for scheme in ["light", "dark"] {
            page.prefer(scheme);
            page.picture(&format!("{language}-{screen:?}-{name}-{scheme}").to_lowercase());
            nothing_is_amiss(&page, name);
        }
    };
    page.wait_text("#name-dialog", "Usuario1");
    picture("welcome");
    page.write("#name", "ana");
    page.click("#name-form .primary");
    page.wait_text("#status", "ana");
    bia.send("ana", "Almoço na sexta", "Vamos ao restaurante da esquina?\n\nMe diga até quinta.");
    bia.send("ana", "", &"palavra".repeat(80));
    bia.send("@todos", "Aviso", "A impressora do segundo andar voltou.");
    page.wait_text("#list", "Aviso");
    page.wait_text("#list-title", inbox);
    picture("inbox");
    page.click_text("#list button", "palavra");
    page.wait_text("#letter-body", "palavra");
    picture("letter");
    page.click("#reply");
    page.write("#body", "Uma resposta que ainda não foi enviada.");
    picture("reply");
    page.keys(crate::webdriver::key::ESCAPE);
    people::enter_room(&page, "obras", true);
    people::send(&page, "#obras", "Cimento", "Chegam dez sacos amanhã.");
    people::send(&page, "#obras, Usuario0, ninguem", "Para vários", "Um de vocês não existe.");
    page.wait_text("#list", "Para vários");
    picture("room");
    people::open_place(&page, "sent");
    page.click_text("#list button", "Usuario0");
    page.wait_text(".states", "ninguem");
    picture("sent");
    page.keys(crate::webdriver::key::ESCAPE);
    people::open_place(&page, "inbox");
    people::open_rooms(&page);
    page.write("#room", "nova");
    page.click("#room-form .primary");
    page.wait_text("#room-error", "nova");
    picture("rooms");
    page.click("#room-cancel");
    if matches!(screen, Screen::Phone) {
        // The drawer is open still.
        page.wait_text("#side", "#obras");
        picture("drawer");
    }
}

/// Texts whose contrast to what lies behind them is too weak to be read by everybody (WCAG 2.2, 1.4.3).
const FAINT: &str = "
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = (element) => {
        const color = element ? parts(getComputedStyle(element).backgroundColor) : [255, 255, 255];
        return color.length === 4 && color[3] === 0 ? ground(element.parentElement) : color;
    };
    const hasText = (e) => [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    const isSeen = (e) => e.checkVisibility() && !e.closest('.unseen');
    const texts = [...document.querySelectorAll('body *')].filter((e) => isSeen(e) && hasText(e));
    const faint = (e) => {
        const [a, b] = [parts(getComputedStyle(e).color), ground(e)].map((c) => luminance(c) + 0.05);
        return Math.max(a, b) / Math.min(a, b) < 4.5;
    };
    return texts.filter(faint).map((e) => e.outerHTML.slice(0, 80));";

/// Nothing is wider than the screen, and every text is there and can be read.
fn nothing_is_amiss(page: &Browser, name: &str) {
    let sticking_out = page.run(
        "const wide = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && \
         !e.closest('.unseen') && getComputedStyle(e).clipPath === 'none' && e.getBoundingClientRect().right > innerWidth + 1); \
         return wide.map((e) => e.outerHTML.slice(0, 80));",
        json!([]),
    );
    assert_eq!(sticking_out, json!([]), "{name}");
    assert_eq!(page.run(FAINT, json!([])), json!([]), "{name}: contrast below 4.5");
    let missing = page.run("return document.body.innerText.match(/⟨[^⟩]*⟩/g) ?? []", json!([]));
    assert_eq!(missing, json!([]), "{name}");
}
