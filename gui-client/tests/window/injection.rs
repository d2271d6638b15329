//! What strangers write, as the window lays it out: it cannot act, hide or take long.

use std::time::{Duration, Instant};

use eframe::egui::accesskit::Role;
use eframe::egui::epaint::{Shape, text::Galley};
use egui_kittest::kittest::{NodeT, Queryable};
use malote::model::{Model, Opened};
use malote_common::{Content, limits};
use rustix::time::{ClockId, clock_gettime};

use crate::common::{Desk, PATIENCE, Server};

/// Things that act on a screen, or hide on it.
const ACTING: &str =
    "\u{1b}[31m\u{1b}]0;x\u{7}\u{202e}\u{2067}\u{200f}\u{200b}\u{2060}\u{feff}\u{0}\u{9b}2J\u{7f}\r\u{2028}\u{e0041}";

/// The longest that anybody can send in a subject or a body: the server does not look inside.
const LONGEST: usize = limits::BODY_BYTES;

/// Letters that one frame may lay out: two pieces of a message, one of which may be new, and all the rest of the window.
const LAID_OUT: usize = 32 * 1024;

#[test]
fn what_strangers_write_can_only_be_read() {
    let server = Server::start();
    let words = format!("Oi {ACTING} fim");
    let mut ana =
        server.window_with("ana", vec![Content { subject: words.clone(), body: format!("{words}\n{words}") }]);
    ana.until("the inbox is there", |model| model.inbox.len() == 1);
    check_harmless(&mut ana);
    ana.click_containing("Não lida, de Usuario7");
    ana.until("it is open", |model| matches!(model.open, Some(Opened::Letter(_))));
    check_harmless(&mut ana);
    let is_prepared = |model: &Model| model.form.subject.starts_with("Re: Oi");
    let give_up = Instant::now() + PATIENCE;
    // What is laid out meanwhile may be in the way of a click.
    while !is_prepared(ana.model()) && Instant::now() < give_up {
        ana.click("Responder");
        for _ in 0..10 {
            frame(&mut ana);
        }
    }
    ana.until("the answer is prepared", is_prepared);
    check_harmless(&mut ana);
}

#[test]
fn nothing_that_strangers_write_takes_long_to_show() {
    let server = Server::start();
    let contents: [(&str, String, String); 6] = [
        ("subject without end", "W".repeat(LONGEST), "oi".to_owned()),
        ("word without end", "palavra".to_owned(), "W".repeat(LONGEST)),
        ("words without end", "palavras".to_owned(), "ana ".repeat(LONGEST / 4)),
        ("lines without end", "linhas".to_owned(), "\n".repeat(LONGEST)),
        ("marks without end", "acentos".to_owned(), "a\u{301}\u{302}\u{303}".repeat(LONGEST / 7)),
        ("what acts, without end", ACTING.repeat(LONGEST / ACTING.len()), ACTING.repeat(LONGEST / ACTING.len())),
    ];
    for (number, (what, subject, body)) in contents.into_iter().enumerate() {
        let mut ana = server.window_with(&number.to_string(), vec![Content { subject, body }]);
        let (mut longest, give_up) = (Duration::ZERO, Instant::now() + PATIENCE);
        ana.until("the inbox is there", |model| model.inbox.len() == 1);
        longest = longest.max(frame(&mut ana));
        while !matches!(ana.model().open, Some(Opened::Letter(_))) {
            // What else comes into view meanwhile may move it.
            if let Some(row) = ana.harness.query_all_by_label_contains("Não lida, de Usuario7").next() {
                row.click();
            }
            longest = longest.max(frame(&mut ana));
            assert!(Instant::now() < give_up, "{what} is not opened");
        }
        // Until all of it has its place, but for the most lines.
        for _ in 0..100 {
            longest = longest.max(frame(&mut ana));
            let letters = letters_laid_out(&ana);
            assert!(letters < LAID_OUT, "{what}: a frame lays out {letters} letters");
        }
        println!("{what}: the longest frame took {:.1} ms of the processor", longest.as_secs_f64() * 1e3);
    }
}

#[test]
fn nothing_that_is_pasted_takes_long_to_show() {
    let server = Server::start();
    let mut ana = server.window("ana");
    ana.until("online", |model| model.is_online());
    for field in ["Destinatário", "Assunto", "Mensagem"] {
        ana.paste(field, &"W".repeat(1024 * 1024));
        let longest = (0..10).map(|_| frame(&mut ana)).max().unwrap_or_default();
        println!("pasted into {field}: the longest frame after it took {:.1} ms", longest.as_secs_f64() * 1e3);
    }
    let form = &ana.model().form;
    // Longer than can be sent, so that it is said and nothing is cut in silence.
    assert_eq!((form.to.len(), form.subject.len()), (4 * limits::SUBJECT_BYTES, 4 * limits::SUBJECT_BYTES));
    assert!(form.body.len() > limits::BODY_BYTES && form.body.len() <= limits::CONTENT_BYTES);
}

/// Draws a frame, and returns the processor's time that it took.
fn frame(desk: &mut Desk) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    };
    let begun = now();
    desk.step();
    now() - begun
}

/// Nothing that acts or hides is laid out, nor told to a screen reader.
#[track_caller]
fn check_harmless(desk: &mut Desk) {
    desk.step();
    let mut shown = Vec::new();
    desk.harness.output().shapes.iter().for_each(|clipped| texts(&clipped.shape, &mut shown));
    assert!(shown.iter().any(|text| text.contains("Oi")), "{shown:?}");
    for role in [Role::Label, Role::Button, Role::TextInput, Role::MultilineTextInput] {
        let nodes = desk.harness.query_all_by_role(role);
        shown.extend(nodes.flat_map(|node| [node.accesskit_node().label(), node.accesskit_node().value()]).flatten());
    }
    for text in shown {
        let acts = |c: char| c != '\n' && ACTING.contains(c) && !c.is_ascii_graphic();
        assert!(!text.contains(acts), "{text:?}");
    }
}

/// Letters and lines of what the last frame has painted.
fn letters_laid_out(desk: &Desk) -> usize {
    let mut shown = Vec::new();
    desk.harness.output().shapes.iter().for_each(|clipped| texts(&clipped.shape, &mut shown));
    shown.iter().map(|text| text.chars().count()).sum()
}

fn texts(shape: &Shape, found: &mut Vec<String>) {
    match shape {
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| texts(shape, found)),
        Shape::Text(text) => {
            let galley: &Galley = &text.galley;
            found.push(galley.text().to_owned());
        }
        _ => {}
    }
}
