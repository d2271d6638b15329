//! `cargo demo --script`: a short exchange through the real windows, with the keyboard and the mouse. Whether the messages
//! arrived is asked of the command line afterwards, which reads the same archives.

use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo;
use crate::display::Display;
use crate::picture::{Rect, Rgb};
use crate::process::wait_for;
use crate::stage::{self, PEOPLE, Stage, name};
use crate::system;
use crate::xdotool::{Hand, WindowId};

/// Where the window's colours are chosen, and how the accent colour is written there, once light and once dark. The
/// button Enviar is the largest area in it, and a dot in it stands at the left of every unread message.
const THEME: &str = "gui-client/src/theme.rs";
const ACCENT: &str = "accent: Color32::from_rgb(";

/// The least size of the button Enviar.
const BUTTON_WIDTH: usize = 50;
const BUTTON_HEIGHT: usize = 18;

/// No window has more places than these above a room: inbox, sent, everybody.
const PLACES: usize = 3;

/// How large the dot of an unread message is, in both directions.
const DOT: RangeInclusive<usize> = 4..=14;

/// From the dot of an unread message to a place in its row that surely opens it.
const DOT_TO_ROW: usize = 60;

/// From sending to showing takes milliseconds; software rendering on a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// The room of the exchange, as it is typed.
const ROOM: &str = "#obras";

/// Who is in it.
const MEMBERS: [usize; 2] = [0, 1];

/// One message of the exchange.
struct Letter {
    from: usize,
    to: To,
    subject: &'static str,
    body: &'static str,
}

/// Whom a message is for.
enum To {
    People(&'static [usize]),
    Room,
    Everybody,
}

impl To {
    /// As it is typed.
    fn typed(&self) -> String {
        match self {
            To::People(people) => people.iter().map(|number| name(*number)).collect::<Vec<_>>().join(", "),
            To::Room => ROOM.to_owned(),
            To::Everybody => "@todos".to_owned(),
        }
    }
}

const INVITATION: Letter = Letter {
    from: 0,
    to: To::People(&[1]),
    subject: "Almoço",
    body: "Vamos almoçar juntos amanhã? Pensei no restaurante da esquina, às 12h30.",
};

/// The window itself puts the subject of an answer.
const ANSWER: Letter =
    Letter { from: 1, to: To::People(&[0]), subject: "Re: Almoço", body: "Ótima ideia! Até amanhã, então." };

const NOTICE: Letter = Letter {
    from: 0,
    to: To::People(&[1, 2]),
    subject: "Reunião às 15h",
    body: "A reunião de hoje é na sala azul. Tragam as anotações.",
};

const DELIVERY: Letter =
    Letter { from: 0, to: To::Room, subject: "Cimento", body: "Chegou. Está no depósito, ao lado do portão." };

const BIRTHDAY: Letter = Letter {
    from: 2,
    to: To::Everybody,
    subject: "Bolo na copa",
    body: "É aniversário: às 16h, todos são bem-vindos.",
};

/// From whoever came last, in a browser.
const GREETING: Letter =
    Letter { from: PEOPLE, to: To::People(&[1]), subject: "Visita", body: "Olá! Escrevo do navegador." };

const WELCOME: Letter =
    Letter { from: 1, to: To::People(&[PEOPLE]), subject: "Re: Visita", body: "Que bom! Chegou bem aqui." };

const EXCHANGE: [&Letter; 7] = [&INVITATION, &ANSWER, &NOTICE, &DELIVERY, &BIRTHDAY, &GREETING, &WELCOME];

pub fn run() -> Result<()> {
    system::prepare_for_tests()?;
    stage::build()?;
    play()
}

/// The exchange itself, for which everything has been built. Always on a display of our own, so that nobody's desktop is
/// typed into.
pub fn play() -> Result<()> {
    let accent = accent_colors()?;
    let mut stage = Stage::start(Display::own()?)?;
    let played = exchange(&stage, &accent).and_then(|()| stage.open_browser()).and_then(|()| visit(&stage, &accent));
    // Pictures tell the most where something went wrong.
    let pictures = stage.photograph();
    for file in pictures.iter().flatten() {
        println!("Screenshot: {}", file.display());
    }
    played?;
    pictures?;
    stage.close_windows()?;
    check(&stage)?;
    println!("All {} messages arrived at all of their recipients.", EXCHANGE.len());
    Ok(())
}

fn exchange(stage: &Stage, accent: &[Rgb]) -> Result<()> {
    let person = |number| Person::at(stage, number, accent);
    let (zero, one, two) = (person(0)?, person(1)?, person(2)?);
    for person in [&zero, &one, &two] {
        person.keep_the_given_name()?;
    }

    println!("{} writes to {} and sends with Ctrl+Enter.", name(0), name(1));
    zero.write(&INVITATION)?;
    zero.hand.press("ctrl+Return")?;

    println!("{} opens the message with a click, answers with Ctrl+R and clicks the button Enviar.", name(1));
    one.open_unread()?;
    one.hand.press("ctrl+r")?;
    one.hand.write(ANSWER.body)?;
    one.click_send()?;
    zero.wait_for_unread()?;

    println!("{} writes to {} and {} at once.", name(0), name(1), name(2));
    zero.write(&NOTICE)?;
    zero.click_send()?;
    one.wait_for_unread()?;
    two.open_unread()?;

    println!("{} and {} enter the room {ROOM} with Ctrl+J, and {} writes to it.", name(0), name(1), name(0));
    one.enter_room()?;
    zero.enter_room()?;
    zero.write(&DELIVERY)?;
    zero.hand.press("ctrl+Return")?;
    one.open_unread()?;

    println!("{} writes to everybody, and says so once more.", name(2));
    two.write(&BIRTHDAY)?;
    two.hand.press("ctrl+Return")?;
    // The answer has the keyboard, and is given with a key of its own.
    two.hand.press("Return")?;
    zero.show_inbox()?;
    zero.open_unread()
}

/// Somebody comes who has a browser and no program.
fn visit(stage: &Stage, accent: &[Rgb]) -> Result<()> {
    let (visitor, one) = (Person::at(stage, PEOPLE, accent)?, Person::at(stage, 1, accent)?);
    println!("{} writes to {} from the browser, with the keyboard alone.", name(PEOPLE), name(1));
    visitor.keep_the_given_name()?;
    // What was written to everybody before is there already.
    visitor.wait_for_unread()?;
    let waiting = visitor.unread_dots()?.len();
    visitor.hand.press("alt+n")?;
    visitor.fill_in(&GREETING)?;
    visitor.hand.press("ctrl+Return")?;
    one.show_inbox()?;
    one.open_unread()?;

    println!("{} answers, and the browser shows it.", name(1));
    one.hand.press("ctrl+r")?;
    one.hand.write(WELCOME.body)?;
    one.hand.press("ctrl+Return")?;
    visitor.hand.activate(&visitor.window)?;
    wait_for(&format!("the answer's arrival at {}", name(PEOPLE)), LIMIT, || {
        Ok((visitor.unread_dots()?.len() > waiting).then_some(()))
    })
}

/// Somebody in front of a window.
struct Person<'a> {
    number: usize,
    window: WindowId,
    hand: Hand<'a>,
    accent: &'a [Rgb],
}

impl<'a> Person<'a> {
    fn at(stage: &'a Stage, number: usize, accent: &'a [Rgb]) -> Result<Person<'a>> {
        Ok(Person { number, window: stage.window(number)?, hand: Hand::on(stage.display()), accent })
    }

    /// Says no to the question for a name.
    fn keep_the_given_name(&self) -> Result<()> {
        self.hand.activate(&self.window)?;
        self.hand.press("Escape")
    }

    /// Enters the room, or makes it, from the keyboard.
    fn enter_room(&self) -> Result<()> {
        self.hand.activate(&self.window)?;
        self.hand.press("ctrl+j")?;
        self.hand.write(ROOM)?;
        self.hand.press("Return")
    }

    /// Goes back to the inbox, which stands above all other places.
    fn show_inbox(&self) -> Result<()> {
        self.hand.activate(&self.window)?;
        (0..PLACES).try_for_each(|_| self.hand.press("ctrl+Prior"))
    }

    /// Fills in the form for a new message from the keyboard.
    fn write(&self, letter: &Letter) -> Result<()> {
        self.hand.activate(&self.window)?;
        self.hand.press("ctrl+n")?;
        self.fill_in(letter)
    }

    /// Types one field after the other, from the first on.
    fn fill_in(&self, letter: &Letter) -> Result<()> {
        self.hand.write(&letter.to.typed())?;
        self.hand.press("Tab")?;
        self.hand.write(letter.subject)?;
        self.hand.press("Tab")?;
        self.hand.write(letter.body)
    }

    /// Clicks the button Enviar.
    fn click_send(&self) -> Result<()> {
        let is_button = |block: &Rect| block.width >= BUTTON_WIDTH && block.height >= BUTTON_HEIGHT;
        let button = wait_for(&format!("a button Enviar for {}", name(self.number)), LIMIT, || {
            Ok(self.hand.look(&self.window)?.find_block(self.accent).filter(is_button))
        })?;
        self.hand.click(&self.window, button.center())
    }

    /// Opens the uppermost unread message with a click on its row, which then is unread no more.
    fn open_unread(&self) -> Result<()> {
        let dot = self.wait_for_unread()?;
        let (x, y) = dot.center();
        self.hand.click(&self.window, (x + DOT_TO_ROW, y))?;
        wait_for(&format!("the opening of a message by {}", name(self.number)), LIMIT, || {
            Ok((!self.unread_dots()?.contains(&dot)).then_some(()))
        })
    }

    /// Waits until the window shows an unread message, and gives its dot.
    fn wait_for_unread(&self) -> Result<Rect> {
        self.hand.activate(&self.window)?;
        wait_for(&format!("the arrival of a message at {}", name(self.number)), LIMIT, || {
            Ok(self.unread_dots()?.into_iter().next())
        })
    }

    fn unread_dots(&self) -> Result<Vec<Rect>> {
        let is_dot = |block: &Rect| DOT.contains(&block.width) && block.width.abs_diff(block.height) <= 1;
        let blocks = self.hand.look(&self.window)?.find_blocks(self.accent);
        Ok(blocks.into_iter().filter(is_dot).collect())
    }
}

/// The window's accent colours, from where they are chosen.
fn accent_colors() -> Result<Vec<Rgb>> {
    let theme = fs::read_to_string(cargo::root().join(THEME)).with_context(|| format!("cannot read {THEME}"))?;
    let colors: Vec<Rgb> = theme.lines().filter_map(|line| color(line.trim().strip_prefix(ACCENT)?)).collect();
    if colors.is_empty() {
        bail!("No accent colour is found in {THEME}, where it should look like `{ACCENT}0x12, 0x34, 0x56),`");
    }
    Ok(colors)
}

/// Three hexadecimal numbers, as in `0x12, 0x34, 0x56),`.
fn color(text: &str) -> Option<Rgb> {
    let mut channels = text.split(')').next()?.split(',').map(|channel| {
        let digits = channel.trim().strip_prefix("0x")?;
        u8::from_str_radix(digits, 16).ok()
    });
    Some([channels.next()??, channels.next()??, channels.next()??])
}

/// Whether every message arrived at each of its recipients, once and unharmed, and nothing else did.
fn check(stage: &Stage) -> Result<()> {
    for number in 0..PEOPLE {
        let is_mail = |letter: &&Letter| match letter.to {
            To::People(people) => people.contains(&number),
            To::Everybody => letter.from != number,
            To::Room => false,
        };
        check_list(stage, number, &["inbox"], EXCHANGE.into_iter().filter(is_mail).collect())?;
    }
    for number in MEMBERS {
        let in_room = EXCHANGE.into_iter().filter(|letter| matches!(letter.to, To::Room));
        check_list(stage, number, &["inbox", "--room", ROOM], in_room.collect())?;
    }
    Ok(())
}

/// Whether a list that the command line prints for this person holds these messages and no others.
fn check_list(stage: &Stage, number: usize, words: &[&str], expected: Vec<&Letter>) -> Result<()> {
    let list = stage.command_line(number, words)?;
    let arrived: Vec<Value> = list
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("what `{}` prints for {} cannot be read", words.join(" "), name(number)))?;
    for letter in &expected {
        let found = arrived.iter().filter(|message| is(message, letter)).count();
        if found != 1 {
            bail!(
                "{} should have \"{}\" from {} once, and has it {found} times. The list:\n{list}",
                name(number),
                letter.subject,
                name(letter.from)
            );
        }
    }
    if arrived.len() != expected.len() {
        bail!("{} should have {} messages. The list:\n{list}", name(number), expected.len());
    }
    Ok(())
}

fn is(message: &Value, letter: &Letter) -> bool {
    message["from"] == name(letter.from) && message["subject"] == letter.subject && message["body"] == letter.body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_read_as_the_theme_writes_them() {
        assert_eq!(color("0x0f, 0x6b, 0x66),"), Some([0x0f, 0x6b, 0x66]));
        assert_eq!(color("15, 107, 102),"), None);
    }

    #[test]
    fn the_theme_has_accent_colors() {
        assert!(accent_colors().is_ok());
    }
}
