//! What the headers of requests must say, and what those of our answers tell browsers not to do.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;

/// On every answer. The page loads its own files, speaks with its own server, and does nothing else; `connect-src 'self'`
/// allows WebSockets to it as well (Content Security Policy Level 3, 6.7.2.8).
const CONFINEMENT: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // A page older than its server would not understand it.
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

pub async fn confine(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in CONFINEMENT {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // Otherwise browsers would hold connections open for pages that they may never want.
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses requests for a host that is none of ours. Over HTTP a stranger's name server could say that his name is this
/// computer's address, and his page would then be of our origin; so names are refused, but for the one that browsers
/// resolve by themselves. Over HTTPS such a page would have to show our certificate under his name.
pub async fn known_host(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match host(request.headers()) {
        Some(host) if shared.scheme == "https" || is_certain(&host) => next.run(request).await,
        _ => StatusCode::MISDIRECTED_REQUEST.into_response(),
    }
}

/// Whether the request comes from our own page, or, where there is no `Origin`, from no page at all; nothing where it is
/// from somebody else's.
pub fn origin(headers: &HeaderMap, scheme: &str) -> Option<Origin> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (origin, other) = (origins.next(), origins.next());
    let Some(origin) = origin else { return Some(Origin::None) };
    let origin = origin.to_str().ok().filter(|_| other.is_none())?;
    let own = format!("{scheme}://{}", host(headers)?);
    origin.eq_ignore_ascii_case(&own).then(|| Origin::Own(origin.to_owned()))
}

/// Where a request for a WebSocket comes from.
#[derive(Debug, PartialEq)]
pub enum Origin {
    /// Our page, of this origin.
    Own(String),
    /// A program that is no browser.
    None,
}

/// The one `Host`.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    Authority::try_from(host.as_bytes()).ok().filter(|host| !host.as_str().contains('@'))
}

fn is_certain(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &[&str], origin: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in [(HOST, host), (ORIGIN, origin)] {
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
        }
        headers
    }

    #[test]
    fn names_that_others_decide_about_are_no_certain_hosts() {
        let certain = |name: &str| host(&headers(&[name], &[])).is_some_and(|host| is_certain(&host));
        for name in ["127.0.0.1:44780", "localhost:1", "LocalHost", "[::1]:44780", "10.0.0.5"] {
            assert!(certain(name), "{name}");
        }
        for name in ["evil.example:44780", "localhost.evil.example", "127.0.0.1.evil.example", "a@127.0.0.1", "", " "] {
            assert!(!certain(name), "{name}");
        }
        assert_eq!(host(&headers(&["127.0.0.1", "127.0.0.1"], &[])), None);
        assert_eq!(host(&headers(&[], &[])), None);
    }

    #[track_caller]
    fn check(host: &str, origins: &[&str], expect: Option<Origin>) {
        assert_eq!(origin(&headers(&[host], origins), "http"), expect, "{host} {origins:?}");
    }

    #[test]
    fn pages_of_others_are_told_from_ours() {
        let own = "http://127.0.0.1:44780";
        check("127.0.0.1:44780", &[own], Some(Origin::Own(own.to_owned())));
        check("127.0.0.1:44780", &[], Some(Origin::None));
        for foreign in
            ["null", "", "http://127.0.0.1:44781", "https://127.0.0.1:44780", "http://127.0.0.1", "http://evil"]
        {
            check("127.0.0.1:44780", &[foreign], None);
        }
        check("localhost:44780", &[own], None);
        check("127.0.0.1:44780", &[own, own], None);
    }
}
