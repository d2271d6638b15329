//! Showing what other people wrote without letting it do anything but be read.

/// The text with everything made visible that would act on a screen or hide on it: control characters (terminal escapes
/// among them), the bidirectional overrides and isolates that reorder what stands around them, and characters that cannot
/// be seen. Line feeds and tabs stay; what is shown instead is the replacement character.
pub fn harmless(text: &str) -> String {
    // Line ends as other systems write them are line ends.
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if acts_on_screen(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// The same for what must stay on one line, such as a subject: runs of white space become one space.
pub fn harmless_line(text: &str) -> String {
    harmless(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The first words of a text, on one line, at most `chars` characters long.
pub fn first_words(text: &str, chars: usize) -> String {
    // Looking at a bounded part keeps a list of large messages cheap.
    let beginning: String = text.chars().take(chars.saturating_mul(4)).collect();
    harmless_line(&beginning).chars().take(chars).collect()
}

/// A line of a program's output with what acts on a screen or hides on it, line feeds and tabs too, as JSON writes it, such
/// as `\u001b`: in JSON it means the same as before, and nobody can end the line but its author.
pub fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if acts_on_screen(c) || matches!(c, '\n' | '\t') {
            let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            escaped.push_str(&units);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn acts_on_screen(c: char) -> bool {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    (c.is_control() && c != '\n' && c != '\t') || reorders || separates || hides(c)
}

/// What has no look of its own and takes no space, or looks like space: something can be hidden in it, and two texts can
/// look the same because of it. Joiners, variation selectors and soft hyphens stay, which scripts and emoji need.
fn hides(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}')
        || matches!(c, '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_replaced_and_the_rest_stays() {
        assert_eq!(harmless("Olá, ção 🎉\n\tfim"), "Olá, ção 🎉\n\tfim");
        assert_eq!(harmless("a\u{1b}[31mb\u{7}\u{202e}c\r\u{2067}d"), "a�[31mb��c��d");
        assert_eq!(harmless("um\r\ndois"), "um\ndois");
        assert_eq!(harmless("a\u{200b}b\u{2060}c\u{3164}d\u{e0041}e"), "a�b�c�d�e");
        assert_eq!(harmless("👩\u{200d}🚀 می\u{200c}روم ❤\u{fe0f}"), "👩\u{200d}🚀 می\u{200c}روم ❤\u{fe0f}");
        assert_eq!(harmless_line("  um\n dois\t três "), "um dois três");
        assert_eq!(first_words("um\ndois três", 7), "um dois");
    }

    #[test]
    fn output_is_one_line_and_the_same_in_json() {
        assert_eq!(escaped("Olá, 🎉 \"x\""), "Olá, 🎉 \"x\"");
        assert_eq!(escaped("a\n\u{9b}2J\u{202e}\u{e0041}"), "a\\u000a\\u009b2J\\u202e\\udb40\\udc41");
    }
}
