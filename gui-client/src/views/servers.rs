//! Where to connect: the servers that were found, and a field for an address.

use eframe::egui::{self, Align, Button, Key, Label, Layout, RichText, ScrollArea, TextEdit, Ui, vec2};
use malote_client::{Found, ServerAddress, explain};
use malote_texts::Texts;

use crate::theme;

/// What the page shows, and what is typed into it.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    pub found: Vec<Found>,
    pub typed: String,
    /// Why what was typed is no address.
    pub problem: Option<String>,
    /// The server that was chosen before, to which one can go back.
    pub before: Option<ServerAddress>,
}

/// What the person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Connect(ServerAddress),
    SearchAgain,
}

/// A server in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub title: String,
    pub place: String,
    pub address: ServerAddress,
}

impl Servers {
    /// The list, with names for what has none.
    pub fn rows(&self, texts: &Texts) -> Vec<Row> {
        let row = |found: &Found| {
            let address = found.addresses.first()?.clone();
            let title = found.name.clone().unwrap_or_else(|| texts.get("servers-here"));
            Some(Row { title, place: address.to_string(), address })
        };
        self.found.iter().filter_map(row).collect()
    }

    /// The server to connect to without asking: the only one there is, if it is on this computer, where nobody else can
    /// pretend to be it, and the person has not begun to choose.
    pub fn obvious(&self) -> Option<ServerAddress> {
        match &self.found[..] {
            [Found { name: None, addresses, .. }] if self.typed.is_empty() => addresses.first().cloned(),
            _ => None,
        }
    }

    /// What was typed, as an address; where it is none, the page says so.
    fn take_typed(&mut self, texts: &Texts) -> Option<Choice> {
        match self.typed.parse() {
            Ok(address) => Some(Choice::Connect(address)),
            Err(error) => {
                self.problem = Some(explain::not_an_address(&error, texts));
                None
            }
        }
    }
}

pub fn show(ui: &mut Ui, servers: &mut Servers, texts: &Texts) -> Option<Choice> {
    let mut choice = None;
    super::column(ui, |ui| {
        let palette = theme::palette(ui);
        ui.label(RichText::new(texts.get("servers-title")).font(theme::title_font()));
        ui.add(Label::new(texts.get("servers-about")).wrap());
        ui.add_space(theme::GAP);
        let rows = servers.rows(texts);
        ui.horizontal(|ui| {
            // As high as the button, so that both stand on one line.
            ui.set_min_height(theme::FIELD_HEIGHT);
            ui.label(RichText::new(texts.get("servers-found")).font(theme::bold_font()));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let label = RichText::new(texts.get("servers-search-again"));
                let again = Button::new(label.color(palette.accent).font(theme::small_font()));
                if ui.add(again.frame_when_inactive(false)).clicked() {
                    choice = Some(Choice::SearchAgain);
                }
            });
        });
        if rows.is_empty() {
            ui.add(Label::new(RichText::new(texts.get("servers-none")).color(palette.weak)).wrap());
        }
        let height = (ui.available_height() - theme::SERVERS_BELOW).max(theme::ROW);
        ScrollArea::vertical().id_salt("servers").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
            for row in &rows {
                if server(ui, row) {
                    choice = Some(Choice::Connect(row.address.clone()));
                }
            }
        });
        ui.add_space(theme::GAP);
        if let Some(typed) = address(ui, servers, texts) {
            choice = Some(typed);
        }
        if let Some(before) = &servers.before {
            ui.add_space(theme::GAP);
            let label = texts.with("servers-back", &[("server", before.to_string().into())]);
            if ui.add(Button::new(label).min_size(vec2(0.0, theme::BUTTON_HEIGHT))).clicked() {
                choice = Some(Choice::Connect(before.clone()));
            }
        }
    });
    choice
}

/// A server to click on: its name, and below where it is.
fn server(ui: &mut Ui, row: &Row) -> bool {
    let palette = theme::palette(ui);
    let mut text = egui::text::LayoutJob::default();
    let format = |font, color| egui::TextFormat {
        line_height: Some(theme::LINE + 2.0),
        ..egui::TextFormat::simple(font, color)
    };
    text.append(&row.title, 0.0, format(theme::bold_font(), palette.text));
    text.append("\n", 0.0, format(theme::small_font(), palette.weak));
    text.append(&row.place, 0.0, format(theme::small_font(), palette.weak));
    let button = Button::new(text).fill(palette.paper).min_size(vec2(ui.available_width(), theme::SERVER_ROW));
    ui.with_layout(Layout::top_down_justified(Align::Min), |ui| ui.add(button)).inner.clicked()
}

/// The field for an address, with its button.
fn address(ui: &mut Ui, servers: &mut Servers, texts: &Texts) -> Option<Choice> {
    let palette = theme::palette(ui);
    let label = ui.label(RichText::new(texts.get("servers-type")).font(theme::bold_font()));
    let mut wanted = false;
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = theme::BUTTON_HEIGHT;
        let edit = TextEdit::singleline(&mut servers.typed)
            .hint_text(texts.get("servers-type-hint"))
            .desired_width((ui.available_width() - theme::SERVERS_BUTTON).max(0.0))
            .min_size(vec2(0.0, theme::BUTTON_HEIGHT))
            .align(egui::Align2::LEFT_CENTER);
        let field = ui.add(edit).labelled_by(label.id);
        if field.changed() {
            servers.problem = None;
        }
        wanted = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        wanted |= super::accented(ui, &texts.get("servers-connect"), true).clicked();
    });
    let choice = if wanted { servers.take_typed(texts) } else { None };
    if let Some(problem) = &servers.problem {
        ui.add(Label::new(RichText::new(problem).color(palette.bad)).wrap());
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_texts::Language;

    fn found(name: Option<&str>, address: &str) -> Found {
        Found { name: name.map(str::to_owned), addresses: vec![address.parse().unwrap()], fingerprint: None }
    }

    #[test]
    fn only_a_server_on_this_computer_that_is_alone_is_obvious() {
        let here = || found(None, "127.0.0.1");
        let servers = |found, typed: &str| Servers { found, typed: typed.into(), ..Servers::default() };
        assert_eq!(servers(vec![here()], "").obvious(), Some(ServerAddress::default()));
        assert_eq!(servers(vec![here()], "192.").obvious(), None);
        assert_eq!(servers(vec![found(Some("casa"), "192.168.0.10")], "").obvious(), None);
        assert_eq!(servers(vec![here(), found(Some("casa"), "192.168.0.10")], "").obvious(), None);
        assert_eq!(servers(vec![], "").obvious(), None);
    }

    #[test]
    fn what_is_typed_is_an_address_or_is_explained() {
        let texts = Texts::new(Language::Portuguese);
        let mut servers = Servers { typed: " 192.168.0.10 ".into(), ..Servers::default() };
        assert_eq!(servers.take_typed(&texts), Some(Choice::Connect("192.168.0.10:44765".parse().unwrap())));
        servers.typed = "http://casa".into();
        assert_eq!(servers.take_typed(&texts), None);
        assert!(servers.problem.is_some_and(|problem| problem.contains("http://casa")));
    }
}
