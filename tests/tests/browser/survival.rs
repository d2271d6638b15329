//! Nothing is lost and nothing is doubled by a restart of the server, a reload, or a second tab.

use std::fs;
use std::path::Path;

use malote_tests::{Cli, TestServer, wait_for};
use serde_json::json;

use crate::people::{newcomer, open_place, send, wait_state};
use crate::webdriver::{Browser, Screen};

#[test]
fn a_restart_and_a_reload_lose_nothing_and_double_nothing() {
    for screen in [Screen::Desktop, Screen::Phone] {
        let mut server = TestServer::start_with_web();
        let bia = Cli::new(&server);
        bia.name();
        let page = newcomer(&server, screen);
        bia.send("Usuario1", "Antes", "um");
        bia.send("@todos", "A todos antes", "dois");
        page.wait_text("#list", "A todos antes");
        server.stop();
        page.wait_text("#banner", "guardado aqui");
        send(&page, "Usuario0", "Sem servidor", "três");
        open_place(&page, "sent");
        page.wait_text("#list .words", "na fila");
        // The page is the server's, so without it there is none; what was written waits in the browser.
        page.reload();
        server.restart();
        page.reload();
        page.wait_text("#status", "Conectado");
        wait_state(&page, "Sem servidor", "aceita");
        bia.send("Usuario1", "Depois", "quatro");
        open_place(&page, "inbox");
        page.wait_text("#list", "Depois");
        page.reload();
        page.wait_text("#status", "Conectado");
        page.wait_text("#list", "Depois");
        assert_eq!(page.text("#list .subject"), "Depois\nA todos antes\nAntes");
        assert_eq!(bia.bodies(), ["dois", "três"].map(str::to_owned)[1..]);
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_gets_each_message_once_and_in_order() {
    const MESSAGES: u64 = 60;
    let mut server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let page = newcomer(&server, Screen::Desktop);
    // Typed and sent by a script that does not wait for answers, only for the form.
    let write = "
        const [form, to, body] = ['form', 'to', 'body'].map((id) => document.getElementById(id));
        window.sent = 0;
        (async () => {
            for (let i = 1; i <= arguments[0]; i += 1) {
                to.value = 'Usuario0';
                body.value = String(i);
                form.requestSubmit();
                while (body.value !== '') await new Promise((resolve) => setTimeout(resolve, 5));
                window.sent = i;
            }
        })();";
    page.run(write, json!([MESSAGES]));
    for kill in 1..=3 {
        wait_for("some messages", || (page.run("return window.sent", json!([])).as_u64()? >= kill * 15).then_some(()));
        server.kill();
        server.restart();
        // Nobody wants to wait for the pause in between to end.
        wait_for("the connection", || {
            page.run("dispatchEvent(new Event('online'))", json!([]));
            page.text("#status").contains("Conectado").then_some(())
        });
    }
    let numbers: Vec<String> = (1..=MESSAGES).map(|i| i.to_string()).collect();
    wait_for("all messages", || {
        page.run("dispatchEvent(new Event('online'))", json!([]));
        (bia.bodies().len() as u64 >= MESSAGES).then_some(())
    });
    wait_state(&page, "Sem Assunto", "entregue");
    assert_eq!(bia.bodies(), numbers);
}

#[test]
fn a_full_browser_keeps_the_form_as_it_is() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let page = newcomer(&server, Screen::Phone);
    // As a browser does it whose disk is full.
    let fill = "const { prototype } = IDBObjectStore; window.add = prototype.add; \
                prototype.add = () => { throw new DOMException('full', 'QuotaExceededError'); };";
    page.run(fill, json!([]));
    page.click("#new");
    page.write("#to", "Usuario0");
    page.write("#body", "Isto não cabe");
    page.click("#send");
    page.wait_text("#form-error", "O que você escreveu continua aqui.");
    page.wait_text("#toast", "O espaço deste navegador acabou.");
    assert_eq!(page.run("return document.getElementById('body').value", json!([])), "Isto não cabe");
    page.run("IDBObjectStore.prototype.add = window.add", json!([]));
    page.click("#send");
    wait_state(&page, "Sem Assunto", "aceita");
    page.run(fill, json!([]));
    bia.send("Usuario1", "Para mais tarde", "Não cabe ainda");
    page.wait_text("#banner", "O espaço deste navegador acabou.");
    page.run("IDBObjectStore.prototype.add = window.add", json!([]));
    page.click("#banner-act");
    open_place(&page, "inbox");
    page.wait_text("#list", "Para mais tarde");
}

#[test]
fn what_was_sent_does_not_come_back_as_a_draft() {
    let server = TestServer::start_with_web();
    let page = newcomer(&server, Screen::Desktop);
    // The last key and Ctrl+Enter in one go, so that the draft is still being written when the message is.
    let send = "
        for (const [id, value] of [['to', 'Usuario0'], ['body', 'uma vez']]) {
            const field = document.getElementById(id);
            field.value = value;
            field.dispatchEvent(new Event('input', { bubbles: true }));
        }
        document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true, bubbles: true }));";
    let body = "return document.getElementById('body').value";
    for _ in 0..3 {
        page.run(send, json!([]));
        wait_for("the form's emptying", || (page.run(body, json!([])) == "").then_some(()));
        page.reload();
        page.wait_text("#status", "Conectado");
        assert_eq!(page.run(body, json!([])), "");
    }
}

#[test]
fn what_is_typed_survives_a_reload() {
    let server = TestServer::start_with_web();
    let page = newcomer(&server, Screen::Desktop);
    page.write("#to", "Usuario0");
    page.write("#subject", "Rascunho");
    page.write("#body", "Ainda não enviado");
    page.reload();
    page.wait_text("#status", "Conectado");
    let form = "return ['to', 'subject', 'body'].map((id) => document.getElementById(id).value)";
    assert_eq!(page.run(form, json!([])), json!(["Usuario0", "Rascunho", "Ainda não enviado"]));
    page.click("#clear-form");
    assert_eq!(page.run(form, json!([])), json!(["", "", ""]));
    page.click("#toast-undo");
    assert_eq!(page.run(form, json!([])), json!(["Usuario0", "Rascunho", "Ainda não enviado"]));
}

#[test]
fn the_inbox_is_cleared_and_brought_back() {
    let server = TestServer::start_with_web();
    let bia = Cli::new(&server);
    bia.name();
    let page = newcomer(&server, Screen::Desktop);
    bia.send("Usuario1", "Um", "1");
    bia.send("Usuario1", "Dois", "2");
    page.wait_text("#list", "Dois");
    page.click_text("#list-actions button", "Limpar");
    page.wait_text("#empty", "Nenhuma mensagem.");
    page.click("#toast-undo");
    page.wait_text("#list", "Dois\n2");
    page.click_text("#list-actions button", "Limpar");
    page.wait_text("#empty", "Nenhuma mensagem.");
    page.reload();
    page.wait_text("#status", "Conectado");
    page.wait_text("#empty", "Nenhuma mensagem.");
}

#[test]
fn one_tab_at_a_time_is_connected() {
    let server = TestServer::start_with_web();
    let page = newcomer(&server, Screen::Desktop);
    let first = page.tab();
    let second = page.new_tab(server.web());
    page.wait_text("#cover", "outra aba");
    page.click("#cover-act");
    page.wait_text("#status", "Conectado como Usuario0");
    page.switch_to(&first);
    page.wait_text("#cover", "outra aba");
    page.click("#cover-act");
    page.wait_text("#status", "Conectado como Usuario0");
    page.switch_to(&second);
    page.wait_text("#cover", "outra aba");
}

#[test]
fn language_and_appearance_are_remembered() {
    let server = TestServer::start_with_web();
    let page = newcomer(&server, Screen::Desktop);
    let choose = "const field = document.getElementById(arguments[0]); field.value = arguments[1]; \
                  field.dispatchEvent(new Event('change'));";
    page.run(choose, json!(["language", "en"]));
    page.wait_text("#list-title", "Inbox");
    page.run(choose, json!(["theme", "dark"]));
    let ground = "return getComputedStyle(document.body).backgroundColor";
    wait_for("the dark ground", || (page.run(ground, json!([])) == "rgb(26, 29, 31)").then_some(()));
    page.reload();
    page.wait_text("#status", "Connected as Usuario0");
    assert_eq!(page.run(ground, json!([])), "rgb(26, 29, 31)");
    assert_eq!(page.run("return document.documentElement.lang", json!([])), "en");
}

#[test]
fn what_the_servers_disk_has_damaged_is_shown_as_lost_and_its_author_is_told() {
    for screen in [Screen::Desktop, Screen::Phone] {
        let mut server = TestServer::start_with_web();
        let [bia, rui] = [(); 2].map(|()| Cli::new(&server));
        assert_eq!([bia.name(), rui.name()], ["Usuario0", "Usuario1"]);
        let page = newcomer(&server, screen);
        send(&page, "Usuario0", "Vai", "o que a página escreveu");
        wait_state(&page, "Vai", "aceita");
        page.go("about:blank");
        rui.send("Usuario2", "Vem", "o que se escreveu à página");
        server.stop();
        for words in ["o que a página escreveu", "o que se escreveu à página"] {
            damage(&server.data().join("store.db"), words);
        }
        server.restart();
        page.go(server.web());
        open_place(&page, "inbox");
        page.wait_text("#list", "Mensagem danificada");
        page.click("#list button");
        page.wait_text("#letter-pane", "pode enviá-la de novo");
        page.picture(&format!("damaged-received-{screen:?}").to_lowercase());
        // Whoever fetches it finds the damage, and its author is told.
        bia.run(&["inbox"]).expect_status(0);
        page.go(server.web());
        open_place(&page, "sent");
        page.wait_text("#list", "recusada");
        page.click("#list button");
        page.wait_text("#letter-pane", "se ainda vale, envie de novo");
        page.picture(&format!("damaged-sent-{screen:?}").to_lowercase());
    }
}

/// Changes a bit where these words stand in a file.
fn damage(file: &Path, words: &str) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.windows(words.len()).position(|window| window == words.as_bytes()).expect("the words are there");
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_long_list_is_shown_in_slices() {
    const MESSAGES: u64 = 10_000;
    let server = TestServer::start_with_web();
    let page: Browser = newcomer(&server, Screen::Desktop);
    // Put into the store as the session does it, since sending as many would take minutes.
    let fill = "
        const done = arguments[1];
        const [letters, store] = await Promise.all([import('/letters.js'), import('/store.js')]);
        const db = await store.openStore();
        const message = (i) => ({ from: 'Usuario9', number: 9, accepted_at: i, message: {
            id: i.toString(16).padStart(32, '0'), to: [{ Person: 'Usuario0' }], in_reply_to: null, sent_at: i,
            content: btoa(String.fromCharCode(4, 110, 10 + 38, 48, 48, 1, 98)) } });
        const entries = Array.from({ length: arguments[0] }, (_, i) => ({ seq: i + 1, entry: { Message: message(i) } }));
        await letters.receive(db, '#todos', entries, 0);
        done('stored');";
    assert_eq!(page.run_async(fill, json!([MESSAGES])), "stored");
    let before = std::time::Instant::now();
    page.reload();
    page.wait_text("#places .count", "10000");
    page.wait_text("#list", "n000");
    println!("10,000 messages: shown {} ms after the reload began", before.elapsed().as_millis());
    let rows = "return document.querySelectorAll('#list button').length";
    let shown = page.run(rows, json!([])).as_u64().expect("a number of rows");
    assert!((1..500).contains(&shown), "{shown} rows");
    page.run("document.getElementById('list').scrollTop = 1e6", json!([]));
    wait_for("older messages", || (page.run(rows, json!([])).as_u64()? > shown).then_some(()));
}
