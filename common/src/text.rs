//! Showing what other people wrote without letting it do anything but be read.

/// The text with everything made visible that would act on a screen: control characters (terminal escapes among
/// them), and the bidirectional overrides and isolates that reorder what stands around them. Line feeds and
/// tabs stay; what is shown instead is the replacement character.
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
    let beginning: String = text.chars().take(4 * chars).collect();
    harmless_line(&beginning).chars().take(chars).collect()
}

fn acts_on_screen(c: char) -> bool {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    (c.is_control() && c != '\n' && c != '\t') || reorders || separates || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_replaced_and_the_rest_stays() {
        assert_eq!(harmless("Olá, ção 🎉\n\tfim"), "Olá, ção 🎉\n\tfim");
        assert_eq!(harmless("a\u{1b}[31mb\u{7}\u{202e}c\r\u{2067}d"), "a�[31mb��c��d");
        assert_eq!(harmless("um\r\ndois"), "um\ndois");
        assert_eq!(harmless_line("  um\n dois\t três "), "um dois três");
        assert_eq!(first_words("um\ndois três", 7), "um dois");
    }
}
