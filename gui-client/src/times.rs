//! Points in time as people read them, in this computer's time zone.

use jiff::tz::TimeZone;
use malote_common::Timestamp;
use malote_texts::Texts;

/// Knows the time zone, which is read once.
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { zone: TimeZone::system() }
    }

    /// The time of a message in a list: as short as its age allows.
    pub fn short(&self, at: Timestamp, texts: &Texts) -> String {
        self.short_at(at, jiff::Timestamp::now(), texts)
    }

    /// Date and time, which stay together where a line is broken.
    pub fn full(&self, at: Timestamp, texts: &Texts) -> String {
        self.local(instant(at)).strftime(&texts.get("time-full")).to_string().replace(' ', "\u{a0}")
    }

    fn short_at(&self, at: Timestamp, now: jiff::Timestamp, texts: &Texts) -> String {
        let (at, now) = (self.local(instant(at)), self.local(now));
        let format = match at.date() {
            date if date == now.date() => "time-today",
            date if date.year() == now.year() => "time-year",
            _ => "time-older",
        };
        at.strftime(&texts.get(format)).to_string()
    }

    fn local(&self, at: jiff::Timestamp) -> jiff::Zoned {
        at.to_zoned(self.zone.clone())
    }
}

/// Another computer's clock may say anything.
fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_texts::Language;

    #[test]
    fn as_short_as_the_age_allows() {
        let clock = Clock { zone: TimeZone::UTC };
        let texts = Texts::new(Language::Portuguese);
        let now: jiff::Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        assert_eq!(clock.short_at(at("2026-11-20T09:05:00Z"), now, &texts), "09:05");
        assert_eq!(clock.short_at(at("2026-03-02T09:05:00Z"), now, &texts), "02/03");
        assert_eq!(clock.short_at(at("2025-03-02T09:05:00Z"), now, &texts), "02/03/2025");
        assert_eq!(clock.short_at(Timestamp(i64::MAX), now, &texts), "01/01/1970");
        assert_eq!(clock.full(at("2026-11-20T09:05:00Z"), &texts), "20/11/2026\u{a0}09:05");
    }
}
