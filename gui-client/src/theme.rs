//! How Malote looks: every colour, size and font of the window.

use std::sync::Arc;

use eframe::egui::{
    self, Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, TextStyle, Theme, Vec2,
};

/// The smallest window in which everything can be used.
pub const MIN_WINDOW: Vec2 = Vec2::new(700.0, 500.0);
/// The window as it first opens.
pub const WINDOW: Vec2 = Vec2::new(1100.0, 750.0);

pub const SMALL: f32 = 4.0;
pub const GAP: f32 = 8.0;
pub const WIDE: f32 = 14.0;

/// The list at the left, as a part of the window's width, and its bounds.
pub const LIST_PART: f32 = 0.36;
pub const LIST_MIN: f32 = 276.0;
pub const LIST_MAX: f32 = 460.0;

/// The side bar, and the window that is wide enough for it.
pub const PLACES: f32 = 196.0;
pub const PLACES_FROM: f32 = 880.0;
/// One line of the side bar.
pub const PLACE: f32 = 29.0;
/// The list of places where there is no side bar.
pub const CHOOSER: f32 = 380.0;
/// The corners of what is selected.
pub const CORNER: f32 = 6.0;
/// A room in the list of rooms: two lines of text.
pub const ROOM: f32 = 52.0;
/// The place of the button beside the field for a room's name.
pub const FINDER_BUTTON: f32 = 122.0;
/// The field for one's own name.
pub const NAME_FIELD: f32 = 200.0;

/// A message in a list: three lines of text.
pub const ROW: f32 = 66.0;
/// The mark of an unread message.
pub const DOT: f32 = 4.0;
/// What the place where something was found takes at most of the width beside the time.
pub const PLACE_PART: f32 = 0.5;
/// The narrow strip at a row's left in which the mark stands.
pub const ROW_INDENT: f32 = 20.0;

/// A line of small text.
pub const LINE: f32 = 18.0;
pub const FIELD_HEIGHT: f32 = 30.0;
pub const BUTTON_HEIGHT: f32 = 32.0;
pub const BODY_MIN: f32 = 56.0;
/// The place of the button at the right of a banner, or of two.
pub const BANNER_BUTTON: f32 = 210.0;
pub const BANNER_BUTTONS: f32 = 330.0;
/// The list of names below Destinatário.
pub const SUGGESTIONS: f32 = 280.0;
/// Long lines are hard to read: a letter is not wider than this.
pub const LETTER_WIDTH: f32 = 760.0;
/// What a letter takes of the height beside it and the form.
pub const LETTER_PART: f32 = 0.5;

/// A page that has the window to itself: its width, and the part of the height above it.
pub const PAGE_WIDTH: f32 = 620.0;
pub const PAGE_TOP: f32 = 0.06;
/// A box on such a page.
pub const CARD_RADIUS: u8 = 6;
pub const CARD_MARGIN: Margin = Margin::symmetric(12, 8);
/// A server to choose: two lines of text.
pub const SERVER_ROW: f32 = 52.0;
/// What stands below the list of servers, and the place of the button at the right of the field.
pub const SERVERS_BELOW: f32 = 170.0;
pub const SERVERS_BUTTON: f32 = 118.0;

/// The colours of one theme.
#[derive(Clone, Copy)]
pub struct Palette {
    /// Behind everything.
    pub ground: Color32,
    /// Behind lists and letters.
    pub paper: Color32,
    /// Behind what is typed.
    pub field: Color32,
    pub line: Color32,
    pub text: Color32,
    pub weak: Color32,
    /// Enviar, the mark of the unread, the focus.
    pub accent: Color32,
    pub on_accent: Color32,
    pub accent_hovered: Color32,
    pub selected: Color32,
    pub hovered: Color32,
    pub button: Color32,
    pub good: Color32,
    pub bad: Color32,
    pub notice: Color32,
    pub on_notice: Color32,
}

const LIGHT: Palette = Palette {
    ground: Color32::from_rgb(0xf3, 0xf1, 0xec),
    paper: Color32::from_rgb(0xfd, 0xfc, 0xfa),
    field: Color32::from_rgb(0xff, 0xff, 0xff),
    line: Color32::from_rgb(0xdc, 0xd8, 0xce),
    text: Color32::from_rgb(0x24, 0x29, 0x2c),
    weak: Color32::from_rgb(0x5c, 0x63, 0x67),
    accent: Color32::from_rgb(0x0f, 0x6b, 0x66),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    accent_hovered: Color32::from_rgb(0x0b, 0x57, 0x53),
    selected: Color32::from_rgb(0xd9, 0xea, 0xe7),
    hovered: Color32::from_rgb(0xec, 0xf2, 0xf0),
    button: Color32::from_rgb(0xe7, 0xe4, 0xdc),
    good: Color32::from_rgb(0x1d, 0x6f, 0x42),
    bad: Color32::from_rgb(0xa8, 0x2a, 0x20),
    notice: Color32::from_rgb(0xfb, 0xef, 0xcf),
    on_notice: Color32::from_rgb(0x55, 0x40, 0x06),
};

const DARK: Palette = Palette {
    ground: Color32::from_rgb(0x1a, 0x1d, 0x1f),
    paper: Color32::from_rgb(0x22, 0x26, 0x28),
    field: Color32::from_rgb(0x15, 0x18, 0x19),
    line: Color32::from_rgb(0x3a, 0x40, 0x43),
    text: Color32::from_rgb(0xe8, 0xe6, 0xe1),
    weak: Color32::from_rgb(0xa2, 0xa9, 0xac),
    accent: Color32::from_rgb(0x4d, 0xb6, 0xac),
    on_accent: Color32::from_rgb(0x08, 0x22, 0x20),
    accent_hovered: Color32::from_rgb(0x6a, 0xc9, 0xc0),
    selected: Color32::from_rgb(0x24, 0x43, 0x41),
    hovered: Color32::from_rgb(0x2b, 0x31, 0x33),
    button: Color32::from_rgb(0x33, 0x39, 0x3c),
    good: Color32::from_rgb(0x7f, 0xce, 0xa0),
    bad: Color32::from_rgb(0xf2, 0x9a, 0x90),
    notice: Color32::from_rgb(0x4a, 0x3d, 0x17),
    on_notice: Color32::from_rgb(0xf7, 0xe6, 0xb5),
};

/// The family of bold text.
pub fn bold() -> FontFamily {
    FontFamily::Name("bold".into())
}

pub fn body_font() -> FontId {
    FontId::proportional(14.5)
}

pub fn bold_font() -> FontId {
    FontId::new(14.5, bold())
}

pub fn small_font() -> FontId {
    FontId::proportional(13.0)
}

pub fn title_font() -> FontId {
    FontId::new(18.0, bold())
}

/// The colours in use.
pub fn palette(ui: &egui::Ui) -> Palette {
    palette_of(if ui.visuals().dark_mode { Theme::Dark } else { Theme::Light })
}

/// Puts the look into a window.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.options_mut(|options| options.fallback_theme = Theme::Light);
    for theme in [Theme::Light, Theme::Dark] {
        ctx.style_mut_of(theme, |style| {
            style.text_styles = [
                (TextStyle::Heading, title_font()),
                (TextStyle::Body, body_font()),
                (TextStyle::Button, body_font()),
                (TextStyle::Small, small_font()),
                (TextStyle::Monospace, FontId::monospace(13.5)),
            ]
            .into();
            style.spacing.item_spacing = Vec2::new(GAP, GAP);
            style.spacing.button_padding = Vec2::new(WIDE, 5.0);
            style.spacing.menu_margin = Margin::same(8);
            style.visuals = visuals(theme);
            // A blinking cursor would wake the window twice a second for as long as a field has the focus.
            style.visuals.text_cursor.blink = false;
            // Nothing moves but what the user moves; every animation would cost frames.
            style.animation_time = 0.0;
        });
    }
}

/// The colours of a theme.
pub fn palette_of(theme: Theme) -> Palette {
    match theme {
        Theme::Light => LIGHT,
        Theme::Dark => DARK,
    }
}

fn visuals(theme: Theme) -> egui::Visuals {
    let palette = palette_of(theme);
    let mut visuals = theme.default_visuals();
    let radius = CornerRadius::same(6);
    visuals.override_text_color = Some(palette.text);
    visuals.weak_text_color = Some(palette.weak);
    visuals.panel_fill = palette.ground;
    visuals.window_fill = palette.paper;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.extreme_bg_color = palette.field;
    visuals.text_edit_bg_color = Some(palette.field);
    visuals.faint_bg_color = palette.hovered;
    visuals.error_fg_color = palette.bad;
    visuals.warn_fg_color = palette.on_notice;
    visuals.hyperlink_color = palette.accent;
    visuals.selection.bg_fill = palette.selected;
    visuals.selection.stroke = Stroke::new(1.5, palette.accent);
    visuals.text_cursor.stroke = Stroke::new(2.0, palette.accent);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.line);
    for (state, fill, edge) in [
        (&mut widgets.inactive, palette.button, palette.line),
        (&mut widgets.hovered, palette.hovered, palette.accent),
        (&mut widgets.active, palette.selected, palette.accent),
        (&mut widgets.open, palette.selected, palette.line),
    ] {
        state.weak_bg_fill = fill;
        state.bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, edge);
        state.fg_stroke = Stroke::new(1.0, palette.text);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    visuals
}

/// Inter for text, with egui's own fonts behind it for emoji and signs.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let inter: [(&str, &'static [u8]); 2] = [
        ("Inter", include_bytes!("../assets/fonts/Inter-Regular.otf")),
        ("Inter SemiBold", include_bytes!("../assets/fonts/Inter-SemiBold.otf")),
    ];
    for (name, bytes) in inter {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    let fallback = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let family = |first: &str| [vec![first.to_owned()], fallback.clone()].concat();
    fonts.families.insert(FontFamily::Proportional, family("Inter"));
    fonts.families.insert(bold(), family("Inter SemiBold"));
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast as WCAG 2.2 defines it.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |color: Color32| {
            let linear = |c: u8| {
                let c = f32::from(c) / 255.0;
                if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_can_be_read_on_everything_that_lies_behind_it() {
        for theme in [Theme::Light, Theme::Dark] {
            let p = palette_of(theme);
            for ground in [p.ground, p.paper, p.field, p.selected, p.hovered] {
                for text in [p.text, p.weak, p.good, p.bad] {
                    assert!(
                        contrast(text, ground) >= 4.5,
                        "{theme:?} {text:?} on {ground:?}: {}",
                        contrast(text, ground)
                    );
                }
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5);
            assert!(contrast(p.on_accent, p.accent_hovered) >= 4.5);
            assert!(contrast(p.on_notice, p.notice) >= 4.5);
            assert!(contrast(p.text, p.button) >= 4.5);
        }
    }

    #[test]
    fn the_fonts_have_portuguese_and_common_emoji() {
        let ctx = egui::Context::default();
        install(&ctx);
        ctx.run_ui(egui::RawInput::default(), |_| {}).textures_delta.clear();
        for family in [FontFamily::Proportional, bold()] {
            let font = FontId::new(14.0, family);
            for c in "áàâãéêíóôõúüçÁÇÃÕ“”–—…ºª€😀😂👍❤🎉🙏✅⚠☕📎".chars()
            {
                assert!(ctx.fonts_mut(|fonts| fonts.has_glyph(&font, c)), "{c} in {font:?}");
            }
        }
    }
}
