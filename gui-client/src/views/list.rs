//! The list at the left: the inbox, or what was sent.

use eframe::egui::{
    Align, Key, Label, Layout, Margin, Rect, Response, RichText, Role, ScrollArea, Sense, Ui, Vec2, WidgetInfo, pos2,
    vec2,
};
use malote_client::archive::{KnownRoom, Place, Sent, State, Summary};
use malote_client::explain;
use malote_common::text;
use malote_texts::Texts;

use super::View;
use crate::action::Action;
use crate::company::{Movement, Notice};
use crate::model::{List, Model};
use crate::theme::{self, Palette};
use crate::times::Clock;

/// Characters of a line that can be seen at most in the widest list.
const LINE_CHARS: usize = 90;

/// One row, ready to be painted.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub first: String,
    pub time: String,
    pub second: String,
    pub third: String,
    pub unread: bool,
    pub good: bool,
    pub bad: bool,
    /// What a screen reader says.
    pub spoken: String,
}

impl Row {
    /// `from` is the author's name as it is shown.
    pub fn received(summary: &Summary, from: String, clock: &Clock, texts: &Texts) -> Row {
        let subject = subject(&summary.subject, texts);
        let time = clock.short(summary.accepted_at, texts);
        let key = if summary.read { "row-read" } else { "row-unread" };
        let args =
            [("name", from.as_str().into()), ("subject", subject.as_str().into()), ("time", time.as_str().into())];
        Row {
            spoken: texts.with(key, &args),
            first: from,
            time,
            second: subject,
            third: text::first_words(&summary.beginning, LINE_CHARS),
            unread: !summary.read,
            good: false,
            bad: false,
        }
    }

    pub fn sent(sent: &Sent, clock: &Clock, texts: &Texts) -> Row {
        let (name, subject, state) = (recipients(sent, texts), subject(&sent.subject, texts), states(sent, texts));
        let args =
            [("name", name.as_str().into()), ("subject", subject.as_str().into()), ("state", state.as_str().into())];
        let all = |matches: fn(&State) -> bool| sent.recipients.iter().all(|recipient| matches(&recipient.state));
        Row {
            spoken: texts.with("row-sent", &args),
            first: name,
            time: clock.short(sent.sent_at, texts),
            second: subject,
            third: state,
            unread: false,
            good: all(|state| matches!(state, State::Delivered { .. } | State::Read { .. })),
            bad: !all(|state| !matches!(state, State::Refused { .. })),
        }
    }
}

pub fn show(ui: &mut Ui, model: &mut Model, view: &mut View) {
    ui.spacing_mut().item_spacing.y = 0.0;
    head(ui, model, view);
    if model.undo_inbox.is_some() {
        let margin = Margin::symmetric(theme::GAP as i8, theme::SMALL as i8);
        eframe::egui::Frame::new()
            .inner_margin(margin)
            .show(ui, |ui| view.undo_line(ui, "list-cleared", Action::UndoClearInbox));
    }
    if model.list == List::Rooms {
        return super::rooms::show(ui, model, view);
    }
    ui.separator();
    let count = match model.list {
        List::Sent => model.sent.rows.len(),
        _ => model.letters().len(),
    };
    match (count, model.list) {
        (0, List::Sent) => empty(ui, view, "sent-empty", "sent-empty-hint"),
        (0, List::Room(_)) => empty(ui, view, "inbox-empty", "room-empty-hint"),
        (0, List::Person(_)) => empty(ui, view, "inbox-empty", "person-empty-hint"),
        (0, _) => empty(ui, view, "inbox-empty", "inbox-empty-hint"),
        _ => rows(ui, model, view, count),
    }
}

/// Where we are, what can be done here, and in a room who comes and goes.
fn head(ui: &mut Ui, model: &Model, view: &mut View) {
    let is_narrow = ui.ctx().content_rect().width() < theme::PLACES_FROM;
    eframe::egui::Frame::new().inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        if is_narrow {
            super::places::chooser(ui, model, view);
        }
        let size = vec2(ui.available_width(), theme::FIELD_HEIGHT);
        if !is_narrow || has_actions(model) {
            ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
                actions(ui, model, view);
                if !is_narrow {
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        ui.add_space(theme::SMALL);
                        let title = RichText::new(super::places::title(model, view.texts)).font(theme::bold_font());
                        ui.add(Label::new(title).truncate());
                    });
                }
            });
        }
        if let Some(room) = model.room() {
            company(ui, room, model, view);
        }
    });
}

fn has_actions(model: &Model) -> bool {
    can_be_left(model).is_some() || can_be_cleared(model)
}

fn can_be_left(model: &Model) -> Option<&KnownRoom> {
    model.room().filter(|room| !room.is_everybody())
}

fn can_be_cleared(model: &Model) -> bool {
    matches!(model.list, List::Inbox | List::Room(_)) && !model.letters().is_empty()
}

fn actions(ui: &mut Ui, model: &Model, view: &mut View) {
    ui.spacing_mut().button_padding = vec2(theme::GAP, 2.0);
    if let Some(room) = can_be_left(model) {
        view.quiet_button(ui, Action::LeaveRoom(room.mailbox));
    }
    if can_be_cleared(model) {
        view.quiet_button(ui, Action::ClearList);
    }
}

/// How many people are in the room, and the last that was noticed about them.
fn company(ui: &mut Ui, room: &KnownRoom, model: &Model, view: &View) {
    let Some(company) = model.companies.get(&room.mailbox) else { return };
    let weak = theme::palette(ui).weak;
    let line = |ui: &mut Ui, text: String| {
        ui.horizontal(|ui| {
            ui.add_space(theme::SMALL);
            ui.add(Label::new(RichText::new(text).font(theme::small_font()).color(weak)).truncate())
        })
        .inner
    };
    let counts = [("count", company.count().into()), ("connected", company.connected().into())];
    line(ui, view.texts.with("room-company", &counts));
    for notice in company.notices(NOTICES) {
        let label = line(ui, notice_line(notice, model, view));
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_live(eframe::egui::accesskit::Live::Polite));
    }
}

/// Notices shown above a room's messages.
const NOTICES: usize = 3;

fn notice_line(notice: &Notice, model: &Model, view: &View) -> String {
    let key = match notice.what {
        Movement::Entered => "notice-entered",
        Movement::Left => "notice-left",
        Movement::Connected => "notice-connected",
        Movement::Disconnected => "notice-disconnected",
    };
    let name = model.people.label(notice.who.number, &notice.who.name);
    let time = view.clock.short(notice.at, view.texts);
    view.texts.with(key, &[("name", name.into()), ("time", time.into())])
}

fn empty(ui: &mut Ui, view: &View, title: &str, hint: &str) {
    let palette = theme::palette(ui);
    ui.add_space(ui.available_height() * 0.25);
    ui.vertical_centered(|ui| {
        ui.set_max_width(220.0);
        ui.label(RichText::new(view.texts.get(title)).font(theme::bold_font()));
        ui.add_space(theme::SMALL);
        ui.label(RichText::new(view.texts.get(hint)).font(theme::small_font()).color(palette.weak));
    });
}

/// Lays out only the rows in view, and keeps them where they are when new ones come in above.
fn rows(ui: &mut Ui, model: &mut Model, view: &mut View, count: usize) {
    let mut area = ScrollArea::vertical().id_salt(("rows", model.list)).auto_shrink(false);
    let id = ui.make_persistent_id(("offset", model.list));
    let arrived = std::mem::take(&mut model.arrived) as f32;
    let offset: f32 = ui.data(|data| data.get_temp(id)).unwrap_or(0.0);
    if arrived > 0.0 && offset > 0.0 {
        // What is being read stays where it is.
        area = area.vertical_scroll_offset(offset + arrived * theme::ROW);
    }
    let model = &*model;
    let output = area.show_rows(ui, theme::ROW, count, |ui, range| {
        for index in range {
            if model.list == List::Sent {
                let Some(at) = model.sent.rows.get(index) else { continue };
                let Some(sent) = model.sent.get(*at, view.reader) else { continue };
                let row = Row::sent(&sent, view.clock, view.texts);
                let response = paint(ui, &row, model.open_row() == Some(*at));
                react(ui, view, &response, Action::OpenSent(*at));
            } else {
                // Newest first.
                let Some(summary) = count.checked_sub(index + 1).and_then(|i| model.letters().get(i)) else { continue };
                let from = author(summary, model, view.texts);
                let row = Row::received(summary, from, view.clock, view.texts);
                let response = paint(ui, &row, model.open_row() == Some(summary.row));
                react(ui, view, &response, Action::Open(summary.row));
            }
        }
    });
    ui.data_mut(|data| data.insert_temp(id, output.state.clamped_offset().y));
}

/// Who wrote it, and in the inbox that it was for everybody.
fn author(summary: &Summary, model: &Model, texts: &Texts) -> String {
    if summary.mine {
        return texts.get("you");
    }
    let author = model.author(&summary.from, summary.number);
    match model.list == List::Inbox && summary.place == Place::Everybody {
        true => texts.with("author-to-everybody", &[("name", author.into())]),
        false => author,
    }
}

fn react(ui: &Ui, view: &mut View, response: &Response, action: Action) {
    if response.clicked() {
        view.actions.push(action);
        response.request_focus();
    }
    if response.has_focus() {
        for (key, action) in [(Key::ArrowDown, Action::OpenNext), (Key::ArrowUp, Action::OpenPrevious)] {
            if ui.input_mut(|input| input.consume_key(eframe::egui::Modifiers::NONE, key)) {
                view.actions.push(action);
            }
        }
    }
}

fn paint(ui: &mut Ui, row: &Row, selected: bool) -> Response {
    let palette = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), theme::ROW), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, &row.spoken));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let fill = match (selected, response.hovered() || response.has_focus()) {
        (true, _) => Some(palette.selected),
        (false, true) => Some(palette.hovered),
        _ => None,
    };
    let painter = ui.painter();
    if let Some(fill) = fill {
        painter.rect_filled(rect, 0.0, fill);
    }
    painter.hline(rect.x_range(), rect.bottom() - 0.5, (1.0, palette.line));
    if row.unread {
        painter.circle_filled(
            pos2(rect.left() + theme::ROW_INDENT / 2.0, rect.top() + 18.0),
            theme::DOT,
            palette.accent,
        );
    }
    texts(ui, row, rect, palette);
    response
}

fn texts(ui: &Ui, row: &Row, rect: Rect, palette: Palette) {
    let (left, right) = (rect.left() + theme::ROW_INDENT, rect.right() - 12.0);
    let bold = if row.unread { theme::bold_font() } else { theme::body_font() };
    let painter = ui.painter();
    let time = painter.layout_no_wrap(row.time.clone(), theme::small_font(), palette.weak);
    let name_width = right - left - time.size().x - theme::GAP;
    painter.galley(pos2(right - time.size().x, rect.top() + 9.0), time, palette.weak);
    let third = match (row.bad, row.good) {
        (true, _) => palette.bad,
        (_, true) => palette.good,
        _ => palette.weak,
    };
    let lines = [
        (&row.first, bold.clone(), palette.text, name_width, 8.0),
        (&row.second, if row.unread { bold } else { theme::body_font() }, palette.text, right - left, 27.0),
        (&row.third, theme::small_font(), third, right - left, 46.0),
    ];
    for (line, font, color, width, top) in lines {
        let galley = ui.painter().layout_job(super::one_line(line, font, color, width));
        ui.painter().galley(pos2(left, rect.top() + top - 1.0), galley, color);
    }
}

/// The subject as it is shown: in one harmless line, and never empty.
pub fn subject(subject: &str, texts: &Texts) -> String {
    match text::first_words(subject, 4 * LINE_CHARS) {
        empty if empty.trim().is_empty() => texts.get("no-subject"),
        subject => subject,
    }
}

/// The recipients of a sent message, as short as may be.
fn recipients(sent: &Sent, texts: &Texts) -> String {
    match sent.recipients.as_slice() {
        [] => String::new(),
        [only] => only.address.clone(),
        [one, two] => format!("{}, {}", one.address, two.address),
        [first, rest @ ..] => {
            texts.with("recipients-more", &[("first", first.address.as_str().into()), ("count", rest.len().into())])
        }
    }
}

/// What became of a message: one word where it is the same for all, otherwise each kind with its number.
pub fn states(sent: &Sent, texts: &Texts) -> String {
    if let [only] = sent.recipients.as_slice()
        && let Some(reason) = explain::reason(&only.state, texts)
    {
        return format!("{}: {reason}", explain::state(&only.state, texts));
    }
    let mut counts: Vec<(&State, usize)> = Vec::new();
    for recipient in &sent.recipients {
        let same = |(known, _): &&mut (&State, usize)| {
            std::mem::discriminant(*known) == std::mem::discriminant(&recipient.state)
        };
        match counts.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => counts.push((&recipient.state, 1)),
        }
    }
    match counts.as_slice() {
        [(state, 1)] => explain::state(state, texts),
        many => many.iter().map(|(state, count)| explain::states(state, *count, texts)).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_client::archive::Recipient;
    use malote_common::{MessageId, Timestamp};
    use malote_texts::Language;

    fn sent(states: Vec<State>) -> Sent {
        let recipients =
            states.into_iter().zip(0..).map(|(state, n)| Recipient { address: format!("Usuario{n}"), state });
        Sent {
            row: 1,
            id: MessageId([0; 16]),
            subject: String::new(),
            body: String::new(),
            sent_at: Timestamp(0),
            recipients: recipients.collect(),
        }
    }

    #[test]
    fn states_of_several_recipients() {
        let texts = Texts::new(Language::Portuguese);
        let refused = || State::Refused { reason: "unknown_recipient".into() };
        let delivered = || State::Delivered { seq: 1, at: Timestamp(0) };
        assert_eq!(states(&sent(vec![delivered()]), &texts), "entregue");
        assert_eq!(states(&sent(vec![refused()]), &texts), "recusada: não há ninguém, nem sala, com esse nome");
        assert_eq!(states(&sent(vec![delivered(), delivered(), refused()]), &texts), "2 entregues, 1 recusada");
    }

    #[test]
    fn a_row_says_what_matters_and_does_no_harm() {
        let texts = Texts::new(Language::Portuguese);
        let summary = Summary {
            row: 1,
            place: Place::Mail,
            mailbox: malote_common::MailboxId(1),
            from: "Usuario0".into(),
            number: Some(0),
            mine: false,
            subject: " \u{202e}\n".into(),
            beginning: "um\u{1b}[31m\ndois".into(),
            accepted_at: Timestamp(0),
            read: false,
        };
        let row = Row::received(&summary, "Usuario0".into(), &Clock::new(), &texts);
        assert_eq!(row.second, "\u{fffd}");
        assert_eq!(row.third, "um\u{fffd}[31m dois");
        assert!(row.unread);
        let silent = Summary { subject: "  ".into(), read: true, ..summary };
        let row = Row::received(&silent, "Usuario0".into(), &Clock::new(), &texts);
        assert_eq!((row.second.as_str(), row.unread), ("Sem Assunto", false));
        assert!(row.spoken.starts_with("De Usuario0: Sem Assunto"), "{}", row.spoken);
    }
}
