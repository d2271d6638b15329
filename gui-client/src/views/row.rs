//! One message in a list: what its row says, and how that is painted.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Rect, Response, Role, Sense, Ui, Vec2, WidgetInfo, pos2};
use malote_client::archive::{Query, Sent, State, Summary};
use malote_client::explain;
use malote_common::text;
use malote_texts::Texts;

use crate::theme::{self, Palette};
use crate::times::Clock;

/// Characters of a line that can be seen at most in the widest list.
const LINE_CHARS: usize = 90;

/// One row, ready to be painted.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub first: String,
    pub time: String,
    /// Where it stands, where the list does not say so.
    pub place: Option<String>,
    pub second: String,
    pub third: String,
    pub unread: bool,
    pub good: bool,
    pub bad: bool,
    /// The words that are emphasised.
    pub wanted: Query,
    /// What a screen reader says.
    pub spoken: String,
}

impl Row {
    /// `from` is the author's name as it is shown.
    pub fn received(summary: &Summary, from: String, clock: &Clock, texts: &Texts) -> Row {
        let subject = if summary.damaged { texts.get("damaged-subject") } else { subject(&summary.subject, texts) };
        let time = clock.short(summary.accepted_at, texts);
        let key = if summary.read { "row-read" } else { "row-unread" };
        let args =
            [("name", from.as_str().into()), ("subject", subject.as_str().into()), ("time", time.as_str().into())];
        Row {
            spoken: texts.with(key, &args),
            first: from,
            time,
            place: None,
            second: subject,
            third: text::first_words(&summary.beginning, LINE_CHARS),
            unread: !summary.read,
            good: false,
            bad: summary.damaged,
            wanted: Query::default(),
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
            place: None,
            second: subject,
            third: state,
            unread: false,
            good: all(|state| matches!(state, State::Delivered { .. } | State::Read { .. })),
            bad: !all(|state| !matches!(state, State::Refused { .. })),
            wanted: Query::default(),
        }
    }

    /// The same among what was found in all places.
    pub fn found_in(self, place: String, wanted: &Query, texts: &Texts) -> Row {
        let args = [("row", self.spoken.into()), ("place", place.as_str().into())];
        let spoken = texts.with("found-row", &args);
        Row { spoken, place: Some(place), wanted: wanted.clone(), ..self }
    }
}

pub fn paint(ui: &mut Ui, row: &Row, selected: bool) -> Response {
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
    let mut name_end = right - time.size().x - theme::GAP;
    painter.galley(pos2(right - time.size().x, rect.top() + 9.0), time, palette.weak);
    if let Some(place) = &row.place {
        // However long a room's name is, the author's has its place beside it.
        let job = super::one_line(place, theme::small_font(), palette.weak, (name_end - left) * theme::PLACE_PART);
        let place = painter.layout_job(job);
        let place_left = name_end - place.size().x;
        painter.galley(pos2(place_left, rect.top() + 9.0), place, palette.weak);
        name_end = place_left - theme::GAP;
    }
    let third = match (row.bad, row.good) {
        (true, _) => palette.bad,
        (_, true) => palette.good,
        _ => palette.weak,
    };
    let lines = [
        (&row.first, bold.clone(), palette.text, name_end - left, 8.0),
        (&row.second, if row.unread { bold } else { theme::body_font() }, palette.text, right - left, 27.0),
        (&row.third, theme::small_font(), third, right - left, 46.0),
    ];
    for (line, font, color, width, top) in lines {
        let job = emphasised(super::one_line(line, font, color, width), &row.wanted, palette);
        let galley = ui.painter().layout_job(job);
        ui.painter().galley(pos2(left, rect.top() + top - 1.0), galley, color);
    }
}

/// The same line with the words marked that were looked for.
fn emphasised(line: LayoutJob, wanted: &Query, palette: Palette) -> LayoutJob {
    let marks = wanted.marks(&line.text);
    let Some(plain) = line.sections.first().map(|section| section.format.clone()).filter(|_| !marks.is_empty()) else {
        return line;
    };
    let marked = TextFormat { color: palette.on_notice, background: palette.notice, ..plain.clone() };
    let mut job = LayoutJob { wrap: line.wrap, ..LayoutJob::default() };
    let mut done = 0;
    for mark in marks {
        job.append(line.text.get(done..mark.start).unwrap_or_default(), 0.0, plain.clone());
        job.append(line.text.get(mark.clone()).unwrap_or_default(), 0.0, marked.clone());
        done = mark.end;
    }
    job.append(line.text.get(done..).unwrap_or_default(), 0.0, plain);
    job
}

/// The subject as it is shown: in one harmless line, and never empty.
pub fn subject(subject: &str, texts: &Texts) -> String {
    match text::first_words(subject, 4 * LINE_CHARS) {
        empty if empty.trim().is_empty() => texts.get("no-subject"),
        subject => subject,
    }
}

/// The recipients of a sent message, as short as may be.
pub fn recipients(sent: &Sent, texts: &Texts) -> String {
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
    use malote_client::archive::{Place, Recipient};
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
            damaged: false,
        };
        let row = Row::received(&summary, "Usuario0".into(), &Clock::new(), &texts);
        assert_eq!(row.second, "\u{fffd}");
        assert_eq!(row.third, "um\u{fffd}[31m dois");
        assert!(row.unread);
        let found = Row::received(&summary, "Usuario0".into(), &Clock::new(), &texts);
        assert_eq!(found.place, None);
        let found = found.found_in("#obras".into(), &Query::parse("dois"), &texts);
        assert_eq!(found.place.as_deref(), Some("#obras"));
        assert!(found.spoken.ends_with(". Local: #obras"), "{}", found.spoken);
        let lost = Row::received(&Summary { damaged: true, ..summary.clone() }, "?".into(), &Clock::new(), &texts);
        assert_eq!((lost.second.as_str(), lost.bad), ("Mensagem danificada", true));
        let silent = Summary { subject: "  ".into(), read: true, ..summary };
        let row = Row::received(&silent, "Usuario0".into(), &Clock::new(), &texts);
        assert_eq!((row.second.as_str(), row.unread), ("Sem Assunto", false));
        assert!(row.spoken.starts_with("De Usuario0: Sem Assunto"), "{}", row.spoken);
    }

    #[test]
    fn a_line_keeps_its_text_where_words_are_emphasised() {
        let palette = theme::palette_of(eframe::egui::Theme::Dark);
        let line = || crate::views::one_line("O orçamento é este", theme::body_font(), palette.text, 100.0);
        let job = emphasised(line(), &Query::parse("orca est"), palette);
        assert_eq!((job.text.as_str(), job.wrap.max_rows), ("O orçamento é este", 1));
        let marked = job.sections.iter().filter(|section| section.format.background == palette.notice);
        let words: Vec<&str> =
            marked.map(|section| &job.text[section.byte_range.start.0..section.byte_range.end.0]).collect();
        assert_eq!(words, ["orçamento", "este"]);
        assert_eq!(emphasised(line(), &Query::default(), palette), line());
    }
}
