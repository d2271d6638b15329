//! What strangers write is text, and nothing else; everything can be done with keys.

use malote_tests::{Cli, TestServer, wait_for};
use serde_json::json;

use crate::people::{enter_room, newcomer, open_place};
use crate::webdriver::{Browser, Screen, key};

#[test]
fn what_strangers_write_is_shown_as_text() {
    const SCRIPT: &str = "<img src=x onerror=\"document.title='caught'\"><script>document.title='caught'</script>";
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let page = newcomer(&server, Screen::Phone);
    bia.send("Usuario1", SCRIPT, &format!("{SCRIPT}\u{1b}[31m\u{202e}txet"));
    page.wait_text("#list .subject", SCRIPT);
    page.click("#list button");
    page.wait_text("#letter-subject", SCRIPT);
    page.wait_text("#letter-body", &format!("{SCRIPT}\u{fffd}[31m\u{fffd}txet"));
    page.click("#reply");
    page.wait_text("#form-reply", "Usuario0");
    let added = "return document.querySelectorAll('img, script:not([src=\"/main.js\"])').length";
    assert_eq!(page.run(added, json!([])), 0);
    assert_eq!(page.run("return document.title", json!([])), "Malote");
    // The policy would stop it even so.
    let inline = "const script = document.createElement('script'); script.textContent = \"document.title = 'caught'\"; \
                  document.body.append(script); return document.title";
    assert_eq!(page.run(inline, json!([])), "Malote");
    page.write("#to", SCRIPT);
    page.click("#send");
    page.wait_text("#form-error", "<");
    assert_eq!(page.run(added, json!([])), 1, "the script of this test alone");
}

#[test]
fn what_visitors_say_and_addresses_carry_is_text_too() {
    const SCRIPT: &str = "<img src=x onerror=\"document.title='caught'\">";
    let server = TestServer::start_with_web();
    let page = Browser::open(&format!("{}/?nome={SCRIPT}#{SCRIPT}", server.web()), "pt-BR", Screen::Desktop);
    page.click("#name-skip");
    page.wait_text("#status", "Conectado como");
    let say = "const [words, done] = arguments; const socket = new WebSocket(`ws://${location.host}/chat`); \
               socket.onopen = () => socket.send(words); socket.onmessage = () => done('said');";
    enter_room(&page, "chat", false);
    assert_eq!(page.run_async(say, json!([format!("{SCRIPT}\u{202e}\u{200b}")])), "said");
    page.wait_text("#list .words", &format!("{SCRIPT}\u{fffd}\u{fffd}"));
    page.click("#list button");
    page.wait_text("#letter-body", &format!("{SCRIPT}\u{fffd}\u{fffd}"));
    assert_eq!(page.run("return document.querySelectorAll('img').length", json!([])), 0);
    assert_eq!(page.run("return document.title", json!([])), "Malote");
}

#[test]
fn words_without_end_do_not_push_anything_out_of_sight() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    for (name, screen) in [("Usuario1", Screen::Phone), ("Usuario2", Screen::Desktop)] {
        let page = newcomer(&server, screen);
        bia.send(name, &"W".repeat(900), &"W".repeat(100_000));
        page.wait_text("#list .subject", "WWW");
        page.click("#list button");
        page.wait_text("#letter-body", "WWW");
        page.click("#reply");
        let excess = "return document.documentElement.scrollWidth - innerWidth";
        assert!(page.run(excess, json!([])).as_i64().is_some_and(|pixels| pixels <= 0));
    }
}

#[test]
fn another_page_gets_no_connection() {
    let server = TestServer::start_with_web();
    // Of no origin, and with no policy that would hold it back.
    let page = Browser::open("data:text/html,<p>outra", "pt-BR", Screen::Desktop);
    let open = "const [url, done] = arguments; const socket = new WebSocket(url); \
                socket.onopen = () => done('open'); socket.onerror = () => done('refused');";
    for path in ["/ws", "/chat", "/echo"] {
        let url = format!("{}{path}", server.web().replacen("http", "ws", 1));
        assert_eq!(page.run_async(open, json!([url])), "refused", "{path}");
    }
    // And if it were one of ours, it would be let in.
    let own = Browser::open(&format!("{}/look.css", server.web()), "pt-BR", Screen::Desktop);
    let url = format!("{}/echo", server.web().replacen("http", "ws", 1));
    assert_eq!(own.run_async(open, json!([url])), "open");
}

#[test]
fn another_page_cannot_frame_this_one() {
    let server = TestServer::start_with_web();
    let page = Browser::open(&format!("{}/look.css", server.web()), "pt-BR", Screen::Desktop);
    let frame = "const [url, done] = arguments; const frame = document.createElement('iframe'); frame.src = url; \
                 frame.onload = () => done(frame.contentDocument?.getElementById('page') ? 'framed' : 'refused'); \
                 document.documentElement.append(frame);";
    assert_eq!(page.run_async(frame, json!([server.web()])), "refused");
}

#[test]
fn everything_can_be_done_with_keys() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let page = Browser::open(server.web(), "pt-BR", Screen::Desktop);
    page.wait_text("#name-dialog", "Usuario1");
    page.keys("ana");
    page.keys(key::ENTER);
    page.wait_text("#who", "ana");
    bia.send("ana", "Primeira", "um");
    bia.send("ana", "Segunda", "dois");
    page.wait_text("#list", "Segunda");
    page.run("document.querySelector('#list button').focus()", json!([]));
    page.keys(key::DOWN);
    page.keys(key::ENTER);
    page.wait_text("#letter-subject", "Primeira");
    page.chord(key::ALT, "r");
    wait_for("the cursor in the form", || (focus(&page) == "body").then_some(()));
    page.keys("Resposta pelo teclado");
    page.chord(key::CONTROL, key::ENTER);
    wait_for("the reply", || bia.bodies().contains(&"Resposta pelo teclado".to_owned()).then_some(()));
    page.keys(key::ESCAPE);
    wait_for("the letter closed", || (page.text("#letter-pane").is_empty()).then_some(()));
    page.chord(key::ALT, "n");
    wait_for("the cursor in a new form", || (focus(&page) == "to").then_some(()));
    // Everything that can be used is reached by the tab key, and shows that it is.
    let mut reached = Vec::new();
    page.run("document.activeElement.blur()", json!([]));
    for _ in 0..40 {
        page.press(key::TAB);
        reached.push(focus(&page));
        let outline = "const e = document.activeElement; return e === document.body || getComputedStyle(e).outlineStyle !== 'none'";
        assert_eq!(page.run(outline, json!([])), true, "{reached:?}");
    }
    for id in ["new", "choose-name", "enter-room", "language", "theme", "to", "subject", "body", "send", "clear-form"] {
        assert!(reached.iter().any(|reached| reached == id), "{id} in {reached:?}");
    }
    open_place(&page, "todos");
    page.wait_text("#list-title", "Todos");
}

/// The id of the element that has the focus.
fn focus(page: &Browser) -> String {
    page.run("return document.activeElement.id", json!([])).as_str().unwrap_or_default().to_owned()
}
