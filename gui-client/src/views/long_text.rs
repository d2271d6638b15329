//! A text that strangers wrote, of any length: each frame lays out what is in view of it, and little that was not before.

use eframe::egui::{Id, Label, Rect, Ui, pos2, vec2};
use malote_common::text;

/// Bytes of a piece, which is laid out in one frame: some 25 ms where all of it is one word.
const PIECE_BYTES: usize = 8 * 1024;

/// Lines of a piece: empty ones are many for their bytes.
const PIECE_LINES: usize = 1024;

/// The text that was shown last, in pieces.
#[derive(Clone)]
struct Pieces {
    of: Id,
    width: f32,
    /// Where each ends in the text.
    ends: Vec<usize>,
    /// Of those that were laid out before. One more is with each frame, so that the place of each is known soon.
    heights: Vec<f32>,
}

/// Shows a text that is always the same for the same `id`, below what is there. What is not in view only takes its place.
pub fn show(ui: &mut Ui, id: Id, text: &str) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let (width, place) = (ui.available_width(), Id::unique("long-text"));
        let known = ui.data(|data| data.get_temp::<Pieces>(place));
        let known = known.filter(|pieces| pieces.of == id && pieces.width == width);
        let mut pieces = known.unwrap_or_else(|| Pieces { of: id, width, ends: ends(text), heights: Vec::new() });
        let laid_out = pieces.heights.len();
        let (mut begin, mut unseen) = (0, 0.0);
        for (index, end) in pieces.ends.iter().copied().enumerate() {
            let top = pos2(ui.cursor().left(), ui.cursor().top() + unseen);
            let height = pieces.heights.get(index).copied();
            match height {
                Some(height) if !ui.is_rect_visible(Rect::from_min_size(top, vec2(width, height))) => unseen += height,
                None if index > laid_out => break,
                _ => {
                    ui.allocate_space(vec2(width, std::mem::take(&mut unseen)));
                    let piece = text.get(begin..end).map(without_line_end).unwrap_or_default();
                    let label = ui.add(Label::new(text::harmless(piece)).wrap().selectable(true));
                    if height.is_none() {
                        pieces.heights.push(label.rect.height());
                    }
                }
            }
            begin = end;
        }
        ui.allocate_space(vec2(width, unseen));
        if pieces.heights.len() < pieces.ends.len() {
            ui.ctx().request_repaint();
        }
        ui.data_mut(|data| data.insert_temp(place, pieces));
    });
}

/// Where to cut: behind a line where there is one, or else behind a word.
fn ends(text: &str) -> Vec<usize> {
    let (mut ends, mut begin) = (Vec::new(), 0);
    while let Some(rest) = text.get(begin..).filter(|rest| !rest.is_empty()) {
        let most = rest.get(..rest.floor_char_boundary(PIECE_BYTES)).unwrap_or(rest);
        let lines = most.match_indices('\n').nth(PIECE_LINES - 1);
        let end = match lines {
            Some((at, _)) => at + 1,
            None if most.len() == rest.len() => rest.len(),
            None => most.rfind('\n').or_else(|| most.rfind(' ')).map_or(most.len(), |at| at + 1),
        };
        begin += end;
        ends.push(begin);
    }
    ends
}

/// Pieces stand below each other, which ends the line already.
fn without_line_end(piece: &str) -> &str {
    let piece = piece.strip_suffix('\n').unwrap_or(piece);
    piece.strip_suffix('\r').unwrap_or(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[usize]) {
        assert_eq!(ends(text), expect);
    }

    #[test]
    fn a_text_is_cut_where_it_has_lines_or_words() {
        check("", &[]);
        check("uma linha\ne outra", &["uma linha\ne outra".len()]);
        check(&"\n".repeat(PIECE_LINES + 1), &[PIECE_LINES, PIECE_LINES + 1]);
        check(&"W".repeat(PIECE_BYTES + 5), &[PIECE_BYTES, PIECE_BYTES + 5]);
        let words = format!("{} fim", "a".repeat(PIECE_BYTES - 2));
        check(&words, &[PIECE_BYTES - 1, words.len()]);
        let lines = format!("um dois\n{}", "a".repeat(PIECE_BYTES));
        check(&lines, &[8, lines.len()]);
        // Between letters.
        check(&"ç".repeat(PIECE_BYTES / 2 + 1), &[PIECE_BYTES, PIECE_BYTES + 2]);
        assert_eq!(["um\n", "um\r\n", "um", "\n\n"].map(without_line_end), ["um", "um", "um", "\n"]);
    }
}
